"""`lemur plan-data`: what a scale's corpus takes, source by source and stage by stage, before anything is downloaded.

Tokens follow from the scale's mixture and Table 8's epochs; bytes from the stated assumptions in
data/paper/corpus_assumptions.yaml; time, disk and traffic from the rates of a machine (`corpus_rates`).
"""

import math
from pathlib import Path

from lemur.core import scales as scale
from lemur.core.files import ROOT, read_yaml
from lemur.core.records import Record
from lemur.corpus.sources import SOURCES, group
from lemur.planning import corpus_rates
from lemur.planning.corpus_hours import Corpus, stage_plans, work
from lemur.planning.corpus_rates import Rates
from lemur.planning.corpus_stages import MODEL, STAGES
from lemur.tokens.mixture import allocate_groups

ASSUMPTIONS = ROOT / "data/paper/corpus_assumptions.yaml"
TABLES = ROOT / "data/paper/tables.yaml"


def plan(
    name: str, *, cores: int, machines: int = 1, rates: Path | None = None, assumptions: Path = ASSUMPTIONS
) -> Record:
    """The plan of a scale's Lemur mixture: a row for each source and for each stage, and totals.

    Args:
        cores: of each machine.
        rates: a file that `corpus_rates.save` wrote; None: see `corpus_rates.load`.

    Raises `SystemExit` for an unknown scale and as `corpus_rates.load`.
    """
    params, assumed = scale.leaves(name), read_yaml(assumptions)
    path, measured = corpus_rates.load(rates)
    printed = {row["source"]: row for row in read_yaml(TABLES)["table8"]["rows"]}
    weights = {source: float(params[f"mix_corpus.{MODEL}.weights.{source}"]) for source in SOURCES}
    total = int(params[f"mix_corpus.{MODEL}.total_tokens"])
    targets = allocate_groups(total, weights, dict.fromkeys(SOURCES, math.inf))
    hub = {source: row for source, row in assumed["hub"].items() if params[f"fetch.{source}.place"] == "hub"}
    rows = [
        _row(source, targets[source], printed[source], assumed, hub.get(source), measured, params) for source in SOURCES
    ]
    keys = [key for key, value in rows[0].items() if isinstance(value, int | float) and key not in ("epochs", "weight")]
    totals = {key: sum(row[key] for row in rows) for key in keys}
    corpus = Corpus(rows, params, assumed)
    stages = stage_plans(corpus, measured, cores=cores, machines=machines)
    return {
        "scale": name,
        "total_tokens": total,
        "paper_tokens": 1e9 * sum(row["tokens"] for row in printed.values()),
        "sequence_length": params["pack_corpus.sequence_length"],
        "cores": cores,
        "machines": machines,
        "assumed": [
            {"name": name, "code": row["code"], "text": row["text"], "why": row["why"]}
            for name, row in assumed["assumed"].items()
        ],
        "hub": hub,
        "sources": rows,
        "total": totals,
        "stages": stages,
        "hours": sum(stage["hours"] for stage in stages),
        "rates": {
            "file": str(path.relative_to(ROOT) if ROOT in path.parents else path),
            "sample_mb": measured.sample_mb,
            "repeat_seconds": measured.repeat_seconds,
            "changed_since": corpus_rates.outdated(measured),
        },
    }


def _row(
    source: str,
    tokens: float,
    printed: Record,
    assumptions: Record,
    hub: Record | None,
    rates: Rates,
    params: Record,
) -> Record:
    """`hub`: sizes of what the patterns of the source's hub manifest match; None: the bytes follow from the epochs."""
    kind = group(source)
    assumed = {name: row[kind] for name, row in assumptions["assumed"].items()}
    bytes_per_token = assumptions["bytes_per_token"][source]
    if hub is not None:
        raw = 1e9 * hub["raw_gigabytes"]
        kept = raw * assumed["kept_share"]
        available = kept / bytes_per_token
        epochs = tokens / available
    else:
        epochs = printed["epochs"] or assumed["epochs"]
        available = tokens / epochs  # after all filters
        kept = available * bytes_per_token
        raw = kept / assumed["kept_share"]
    measured = hub or {}
    downloaded = 1e9 * (measured.get("downloaded_gigabytes") or raw / 1e9 / assumed["raw_compression"])
    row: Record = {
        "source": source,
        "group": kind,
        "weight": round(float(printed["weight"]), 2),
        "paper_tokens": 1e9 * printed["tokens"],
        "raw_bytes": raw,
        "kept_bytes": kept,
        "source_tokens": available,
        "tokens": tokens,
        "epochs": epochs,
        "documents": kept / assumed["document_bytes"],
        "downloaded_bytes": downloaded,
        "files": measured.get("files") or math.ceil(downloaded / (1e9 * assumed["gigabytes_per_raw_shard"])),
    }
    seconds = disk = 0.0
    for stage in STAGES:
        stage_rates, of_source = rates.stages[stage.name], work(stage, row, params)
        seconds += stage_rates.driver_seconds.growth(of_source) + stage_rates.workers_seconds.growth(of_source)
        disk += 1e6 * stage_rates.disk_mb.growth(of_source)
    return {**row, "disk_bytes": disk, "cpu_hours": seconds / 3600}
