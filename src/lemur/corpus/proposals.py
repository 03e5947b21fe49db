"""The choice of documents of the sources that have a limit: each shard proposes its lowest ranks, the stage chooses."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lemur.core.rank import rank
from lemur.core.records import jsonl_writer, read_jsonl
from lemur.corpus.input_shards import InputShard
from lemur.corpus.keep_or_drop import Item
from lemur.corpus.parameters import Reading
from lemur.corpus.reading import Items
from lemur.corpus.sampling import Limit

OVER = "over_max_bytes"


class Row(NamedTuple):
    """A proposed document. `number`: its place in the shard; `size`: UTF-8 bytes."""

    rank: int
    where: str
    size: int
    number: int


class Proposals(NamedTuple):
    records: int
    malformed: int
    rows: dict[str, list[Row]]
    """By source."""


def limits(params: Reading) -> dict[str, Limit]:
    return {source: Limit(size) for source, size in params.max_bytes.items() if size is not None}


def propose(params: Reading, shard: InputShard) -> Proposals:
    """Read a shard once, and write what may be kept of it to the output `items`. Its texts of a source with a limit
    are held in memory up to that limit."""
    by_source = limits(params)
    rows: dict[str, list[Row]] = {}
    path = shard.outputs["items"]
    items = Items(params, shard, path.parent)
    with jsonl_writer(path) as write:
        for number, item in enumerate(items):
            if item.reason is not None or item.source not in by_source:
                write({"number": number, **item._asdict()})
                continue
            row = Row(rank(params.seed, item.text), item.where, len(item.text.encode()), number)
            for evicted, _ in by_source[item.source].push(row.rank, row.where, row.size, (row, item)):
                write({"number": evicted.number, **_over(item.source, evicted.where)._asdict()})
        for source, limit in by_source.items():
            chosen = sorted(limit.chosen(), key=lambda pair: pair[0].number)  # the order of the files
            rows[source] = [row for row, _ in chosen]
            for row, item in chosen:
                write({"number": row.number, **item._asdict()})
    return Proposals(items.records, items.malformed, rows)


def choose(params: Reading, proposals: Iterable[tuple[str, Proposals]]) -> dict[str, frozenset[int]]:
    """{shard: numbers of its documents that stay}, from (shard, its proposals). Holds no more rows than are chosen."""
    by_source = limits(params)
    for shard, proposal in proposals:
        for source, rows in proposal.rows.items():
            for row in rows:
                for _ in by_source[source].push(row.rank, row.where, row.size, (shard, row.number)):
                    pass
    chosen: defaultdict[str, set[int]] = defaultdict(set)
    for limit in by_source.values():
        for shard, number in limit.chosen():
            chosen[shard].add(number)
    return {shard: frozenset(numbers) for shard, numbers in chosen.items()}


def proposed(params: Reading, items: Path, chosen: frozenset[int]) -> Iterator[Item]:
    """The items that `propose` wrote; those that were not chosen are `OVER`."""
    for record in read_jsonl(items):
        number = record.pop("number")
        item = Item(**{**record, "licences": tuple(record["licences"])})
        limited = params.max_bytes[item.source] is not None  # type: ignore[index]
        open_for_choice = limited and item.reason is None and number not in chosen
        yield _over(item.source, item.where) if open_for_choice else item


def _over(source: str, where: str) -> Item:
    return Item(source, where, reason=OVER)
