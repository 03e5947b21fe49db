"""The first layer: queries that were asked before, with what the real tool answered then."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

from lemur.agents.search.interface import used
from lemur.core.records import Record, dump
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable, rows, texts


class Recorded:
    """`results`: (query, result) pairs. Wikipedia changed while they were recorded: of several results of a query the
    most frequent one counts, and of equally frequent ones the alphabetically first. A program's output does not show
    the white space at a result's end, so results that differ in nothing else are one, the longest of them."""

    def __init__(self, results: Iterable[tuple[str, str]]) -> None:
        variants: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for query, result in results:
            variants[used(query)][result.rstrip()].append(result)
        self._results = {query: _most_frequent(variants[query]) for query in sorted(variants)}

    def find(self, query: str) -> str | None:
        """The recorded result of exactly this query, white space around it aside; `None` if it was never asked."""
        return self._results.get(used(query))

    def __len__(self) -> int:
        return len(self._results)

    def record(self) -> Record:
        return {"queries": len(self), "sha256": sha256(dump(self._results).encode()).hexdigest()}


def _most_frequent(variants: Mapping[str, list[str]]) -> str:
    chosen = min(variants, key=lambda text: (-len(variants[text]), text))
    return max(variants[chosen], key=lambda result: (len(result), result))


def read_queries(file: FetchedFile) -> list[tuple[str, str]]:
    """Schema `search_queries`: records {query, result}. Raises `ValueError` that names a bad record."""
    return readable(rows(file, _query))


def _query(where: str, record: Record) -> tuple[str, str]:
    query, result = texts(record, "query", "result")
    return query, result
