"""Small, plausible inputs of the report in the format of the other stages."""

import math
from pathlib import Path

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, write_json
from lemur.evaluation.harness.result import Report
from lemur.evaluation.harness.scores import scored
from lemur.inference.replay import ReplayModel
from lemur.reporting.inputs import MODELS
from lemur.reporting.paper import load

PAPER = Path(__file__).parents[2] / "data/paper/tables.yaml"
BITS = {"base": (1.9, 2.1), "lemur": (1.4, 2.2), "lemur_chat": (1.5, 2.3)}


class NamedModel(ReplayModel):
    def __init__(self, name: str) -> None:
        super().__init__({}, {})
        self._name = name

    def identity(self) -> Record:
        return {"model_hash": f"sha256:{self._name}"}


def build(reports: Path, *, code_loss: float = 2.0) -> Path:
    """Write stage reports, curves and results below `reports`, and return it."""
    stages, curves, results = reports / "stages", reports / "training", reports / "eval"
    _counts("normalise", {"oasst1": (40, {"bad_record": 3}), "openorca": (60, {})}).write(
        stages / "normalise.json", places={"oasst1": {"place": "bundled", "revision": "1"}}
    )
    _counts(
        "english_filter", {"oasst1": (37, {"language": 9, "foreign_run": 2}), "openorca": (60, {"language": 1})}
    ).write(
        stages / "english_filter.json",
        gold={
            rule: {
                "labelled": 37,
                "true_positive": 25,
                "false_positive": 1,
                "false_negative": 1,
                "true_negative": 10,
                "precision": 25 / 26,
                "recall": 25 / 26,
            }
            for rule in ("langdetect", "both_rules")
        },
    )
    _counts(
        "mix_instructions", {"oasst1": (26, {"benchmark_overlap": 1, "not_sampled": 5}), "openorca": (59, {})}
    ).write(
        stages / "mix_instructions.json",
        benchmarks={"gsm8k": {"items": 1319, "place": "bundled", "uncheckable": 2, "unreadable": 0}},
        not_checked={"ds1000": "no items to compare with", "mmlu": "ignored", "webarena": "no items to compare with"},
        overlaps={"pairs": {"gsm8k": {"removed": 1, "below_share": 4}}, "items": {}, "shown": []},
    )
    row = {"instances": 20, "rounds": 30, "prompt_tokens": 900, "completion_tokens": 6000, "truncated": 0}
    _counts("encode_instructions", {"oasst1": (20, {}), "openorca": (50, {})}).write(
        stages / "encode_instructions.json",
        sequences=12,
        table_1={
            "definition": "Tokens.",
            "sources": {"oasst1": row, "openorca": {**row, "instances": 50, "rounds": 50}},
        },
    )
    plan = {
        row.source: {
            "group": row.group,
            "weight": row.weight,
            "share": row.weight,
            "tokens": round(row.weight * 10_000),
            "available_tokens": round(row.weight * 20_000),
            "epochs": 0.5,
            "capped": row.source == "sql",
        }
        for row in load(PAPER).table8.rows
    }
    plan["books"] = {
        "group": "text",
        "weight": 0.41,
        "share": 0.0,
        "tokens": 0,
        "available_tokens": 0,
        "epochs": 0.0,
        "capped": True,
    }
    # A user's own source, which is not in the paper.
    plan["rust"] = {
        "group": "code",
        "weight": 1.0,
        "share": 1.0,
        "tokens": 10_000,
        "available_tokens": 10_000,
        "epochs": 1.0,
        "capped": False,
    }
    write_json(stages / "mix_corpus_lemur.json", {"stage": "mix_corpus", "code_share": 90.9, "sources": plan})
    base = {
        source: {"group": group, "weight": weight, "share": share, "tokens": 10, "epochs": 3.0, "capped": capped}
        for source, group, weight, share, capped in (
            ("books", "text", 40.0, 65.0, False),
            ("refinedweb", "text", 60.0, 30.0, True),
            ("python", "code", 100.0, 5.0, False),
        )
    }
    write_json(stages / "mix_corpus_base.json", {"stage": "mix_corpus", "code_share": 5.0, "sources": base})
    _counts("clean_corpus", {"python": (41, {"too_long": 1})}).write(
        stages / "clean_corpus.json",
        redacted={"python": {"email": 2}, "books": {}, "stackexchange": {"email": 1, "ip_address": 2}},
    )
    _counts("dedup_corpus", {"python": (40, {"near_duplicate": 3})}).write(
        stages / "dedup_corpus.json",
        planted={
            "documents": 10,
            "copies": {
                "exact": {"planted": 10, "found": 10, "recall": 1.0},
                "identifiers_renamed": {"planted": 5, "found": 4, "recall": 0.8},
            },
            "recall": 0.9333,
            "others": {"half_of_another": {"planted": 9, "joined": 1}},
            "precision": 0.95,
        },
    )
    curves.mkdir(parents=True)
    for model in MODELS:
        (curves / f"{model}.csv").write_text(_curve(code_loss, chat=model == "lemur_chat"), encoding="utf-8")
        for benchmark, metric, items in (
            ("mmlu", "acc", 60),
            ("gsm8k", "exact_match", 24),
            ("humaneval", "pass@1", 20),
        ):
            values = [float(i % 4 == 0) for i in range(items)]
            rules = ("none",) if benchmark == "mmlu" else ("paper", "strict")
            _result(
                results, model, benchmark, {k: v for rule in rules for k, v in scored(metric, rule, values).items()}
            )
        code, text = BITS[model]
        _result(
            results,
            model,
            "bits_per_byte",
            {"code": code, "text": text, "python": code, "unigram": {"code": 3.5, "text": 3.2, "python": 3.5}},
        )
    return reports


def skip(reports: Path, model: str, benchmark: str, reason: str) -> None:
    write_json(
        reports / "eval" / model / f"{benchmark}.json", {"results": {benchmark: {"skipped": reason}}, "configs": {}}
    )


def _counts(stage: str, sources: dict[str, tuple[int, dict[str, int]]]) -> Counts:
    counts = Counts(stage)
    for source, (entered, dropped) in sources.items():
        counts.entered(source, entered)
        counts.left(source, entered - sum(dropped.values()))
        for reason, count in dropped.items():
            for _ in range(count):
                counts.dropped(source, reason)
    return counts


def _curve(code_loss: float, *, chat: bool) -> str:
    lines = ["step,tokens,loss,learning_rate,gradient_norm,update_norm,heldout_code_loss,heldout_text_loss"]
    for step in range(1, 121):
        loss = code_loss + 4 * math.exp(-step / 30)
        held = "," if chat or step % 20 else f"{loss + 0.1},{loss + 0.4}"
        lines.append(f"{step},{step * 4096},{loss},{4e-5 * min(1, step / 20)},1.0,0.01,{held}")
    return "\n".join(lines) + "\n"


def _result(results: Path, model: str, benchmark: str, row: Record) -> None:
    report = Report(benchmark, StageParams(), 1, 5, 200, 60, results={benchmark: row})
    if benchmark == "gsm8k":
        report.config = {"data": {"place": "bundled", "revision": "1", "sample": True}}
    report.write(results / model / f"{benchmark}.json", NamedModel(model))
