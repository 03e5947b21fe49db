"""How many records entered a stage, left it and were dropped, and why; the counts must add up."""

from collections import Counter, defaultdict
from pathlib import Path

from lemur.core.records import Record, Writer, write_json


class Counts:
    """Counts per source. `dropped` also writes the record and the reason to the stage's rejects."""

    def __init__(self, stage: str, rejects: Writer | None = None) -> None:
        self.stage = stage
        self._rejects = rejects
        self._in: Counter[str] = Counter()
        self._out: Counter[str] = Counter()
        self._dropped: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def entered(self, source: str, count: int = 1) -> None:
        self._in[source] += count

    def left(self, source: str, count: int = 1) -> None:
        self._out[source] += count

    def add(self, report: Record) -> None:
        """Add the counts of another `Counts`' report; that one has already written its own rejects."""
        for source, row in report["sources"].items():
            self.entered(source, row["in"])
            self.left(source, row["out"])
            self._dropped[source].update(row["dropped"])

    def dropped(self, source: str, reason: str, record: Record | None = None, **detail: object) -> None:
        """Count one dropped record under `reason` and write it, with `detail`, to the rejects."""
        self._dropped[source][reason] += 1
        if self._rejects is not None:
            self._rejects({"source": source, "reason": reason, **detail, "record": record})

    def total_in(self) -> int:
        return self._in.total()

    def total_dropped(self, reason: str) -> int:
        return sum(reasons[reason] for reasons in self._dropped.values())

    def report(self) -> Record:
        """Totals and one row per source. Raises `AssertionError` unless in = out + dropped."""
        sources = {}
        for source in sorted({*self._in, *self._out, *self._dropped}):
            reasons = self._dropped[source]
            row = {"in": self._in[source], "out": self._out[source], "dropped": dict(sorted(reasons.items()))}
            missing = self._in[source] - self._out[source] - reasons.total()
            if missing:
                raise AssertionError(f"{self.stage}: {missing} records of {source} are neither kept nor dropped: {row}")
            sources[source] = row
        dropped: Counter[str] = Counter()
        for counter in self._dropped.values():
            dropped.update(counter)
        return {
            "stage": self.stage,
            "in": self._in.total(),
            "out": self._out.total(),
            "dropped": dict(sorted(dropped.items())),
            "sources": sources,
        }

    def write(self, path: Path, **more: object) -> None:
        """Write the report, with the keys of `more` added."""
        write_json(path, {**self.report(), **more})
