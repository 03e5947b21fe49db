"""The published episodes of the paper's models, as `published_mint` and `published_intercode` scored them again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lemur.core.records import Record
from lemur.pages.page_parts import Missing
from lemur.reporting.inputs import read_object

FILE, INTERCODE = "published.json", "published_intercode.json"
MODELS = {
    "Llama-2-70B-Chat": "Llama-2-70b-chat-hf",
    "CodeLlama-34B-INST": "CodeLlama-34b-Instruct-hf",
    "Lemur-70B-Chat": "lemur-70b-chat-v1",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0613",
    "gpt-4": "gpt-4-0613",
}
"""The paper's names, and those of the folders with their trajectories."""
LOGS = {"intercode_sql": "ic_sql", "intercode_bash": "ic_bash"}
"""InterCode's benchmarks, and the keys of the paper's columns."""
LOG_MODELS = {"gpt-3.5": "gpt-3.5-turbo", "gpt-4": "gpt-4"}
WORDS = ("", "no_GT-textual")
"""Forms of feedback like the paper's: in words, from a teacher that does not know the answer."""


@dataclass(frozen=True)
class Rescored:
    """Episodes of a task or group: how many, how many were solved by each rule (`None`: not decided here), and on how
    many the rules differ."""

    items: int
    paper: int | None
    strict: int | None
    changed: int | None

    def percent(self, rule: str) -> float | None:
        solved = self.paper if rule == "paper" else self.strict
        return None if solved is None or not self.items else 100 * solved / self.items


NOT_YET = Missing("published trajectories were not scored yet")


@dataclass(frozen=True)
class Published:
    """`models`: MINT's trajectories, by the paper's names. `missing`: why there are none. `logs`: InterCode's, by model
    and column."""

    models: dict[str, Record] = field(default_factory=dict)
    missing: Missing = NOT_YET
    logs: dict[tuple[str, str], list[Record]] = field(default_factory=dict)

    def within_turns(self, column: str) -> dict[str, list[float]]:
        """By model, success in percent within 1, 2, ... turns of InterCode's episodes, if they are one log."""
        return {
            model: [100 * rate for rate in logs[0]["by_turns"]]
            for (model, log_column), logs in self.logs.items()
            if log_column == column and len(logs) == 1
        }

    def cell(self, model: str, part: str, *, feedback: bool = False) -> Rescored | Missing:
        """With five turns and two proposals. `part`: a task or a group."""
        if logs := self.logs.get((model, part)):
            return Rescored(sum(log["episodes"] for log in logs), sum(log["solved"] for log in logs), None, None)
        if model not in self.models:
            return Missing("no published trajectories of this model here") if self.models else self.missing
        for run in self._runs(model):
            if (run.get("feedback") != "none") == feedback and isinstance(cell := run["cells"].get(part), dict):
                return Rescored(cell["items"], cell.get("paper"), cell.get("strict"), cell.get("changed"))
        return Missing(f"no published trajectories {'with' if feedback else 'without'} feedback here")

    def by_turns(self, model: str, part: str, rule: str) -> tuple[list[float], float] | Missing:
        """Success in percent with 1, 2, ... turns, and its slope."""
        if model not in self.models:
            return Missing("no published trajectories of this model here") if self.models else self.missing
        found = self.models[model].get("by_turns", {}).get(part, {}).get(rule)
        return (found["turns"], found["improvement"]) if found else Missing("published with one number of turns only")

    def _runs(self, model: str) -> Iterator[dict[str, Any]]:
        for run in self.models[model].get("runs", []):
            if (run.get("turns"), run.get("proposals")) == (5, 2) and run.get("form", "") in WORDS:
                yield run


def load(folder: Path) -> Published:
    """From the two files in `folder`. If MINT's is missing or its stage was skipped: no models and the reason."""
    path, logs = folder / FILE, _logs(folder / INTERCODE)
    if not path.is_file():
        return Published(logs=logs)
    record = read_object(path)
    if "skipped" in record:
        return Published(missing=Missing(f"published trajectories: skipped: {record['skipped']}"), logs=logs)
    scored = record.get("models", {})
    found = {name: scored[folder_name] for name, folder_name in MODELS.items() if folder_name in scored}
    others = Missing(
        f"the source mint of place {record.get('place')} has trajectories of {', '.join(sorted(scored)) or 'no model'}"
        "; place mirror has those of the paper's models (docs/sources.md)"
    )
    return Published(found, others, logs)


def _logs(path: Path) -> dict[tuple[str, str], list[Record]]:
    """Those of the whole benchmark, or of each of its parts."""
    logs: dict[tuple[str, str], list[Record]] = {}
    for name, log in (read_object(path).get("logs", {}) if path.is_file() else {}).items():
        benchmark, *_, model = name.split("/")
        if benchmark in LOGS and model in LOG_MODELS:
            logs.setdefault((LOG_MODELS[model], LOGS[benchmark]), []).append(log)
    return logs
