"""Stage `mix_corpus`: plan a model's mixture, that is the tokens and epochs of each source (Table 8)."""

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from lemur.core.params import StageParams
from lemur.core.records import write_json
from lemur.corpus.sources import CODE, SOURCES, Source, group, of_every_source

PACKAGES = ("numpy",)

log = logging.getLogger(__name__)


class Params(StageParams):
    total_tokens: int = Field(ge=0, description="tokens of the mixture; 0 = none (an imported base model)")
    weights: Annotated[dict[Source, Annotated[float, Field(ge=0)]], AfterValidator(of_every_source)] = Field(
        description="share of each source in the tokens, in any unit"
    )
    max_epochs: float = Field(gt=0, description="most passes over a source; the rest goes to others of its group")
    seed: int = Field(ge=0, description="seed of the documents' order")


def mix_corpus(params: Params, tokens: Path, *, mixture: Path, report: Path) -> None:
    """Write the plan that `pack_corpus` follows; the report compares the shares reached with the weights."""
    from lemur.tokens.mixture import allocate_groups, take
    from lemur.tokens.token_store import TokenStore

    store = TokenStore(tokens)
    weights = {source: params.weights[source] for source in SOURCES}  # type: ignore[index]
    available = {source: store.manifest["sources"][source]["tokens"] for source in SOURCES}
    caps = {source: available[source] * params.max_epochs for source in SOURCES}
    targets = allocate_groups(params.total_tokens, weights, caps)
    total_weight = sum(weights.values()) or 1.0
    plan, rows = {}, {}
    for source in SOURCES:
        documents = store.documents(source)
        lengths = partial(store.lengths, source)
        taken = take(source, lengths, documents, available[source], targets[source], params.seed)
        plan[source] = {
            "full_epochs": taken.epochs,
            "partial_documents": taken.documents,
            "source_documents": documents,
            "tokens": taken.tokens,
        }
        rows[source] = {
            "group": group(source),
            "weight": round(100 * weights[source] / total_weight, 4),
            "available_tokens": available[source],
            "tokens": taken.tokens,
            "epochs": round(taken.tokens / available[source], 4) if available[source] else 0.0,
            "capped": bool(weights[source] and targets[source] >= caps[source]) and params.total_tokens > 0,
        }
    total = sum(row["tokens"] for row in rows.values())
    for row in rows.values():
        row["share"] = round(100 * row["tokens"] / total, 4) if total else 0.0
    write_json(mixture, {"seed": params.seed, "order": list(SOURCES), "tokens": total, "sources": plan})
    code = sum(rows[source]["tokens"] for source in CODE)
    write_json(
        report,
        {
            "stage": "mix_corpus",
            "total_tokens": params.total_tokens,
            "tokens": total,
            "code_share": round(100 * code / total, 4) if total else 0.0,
            "sources": rows,
        },
    )
    log.info(
        "mix_corpus: %d of %d tokens planned, %.1f %% code", total, params.total_tokens, 100 * code / max(total, 1)
    )
