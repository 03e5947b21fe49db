"""Which shards a stage with a ledger computes. With the real stages and DVC: tests/exact/test_shard_cache.py."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.core.disk import file_md5
from lemur.core.parallel import Pool
from lemur.core.shard_ledger import Function, Ledger, plain, recording
from lemur.core.shards import Job, map_shards, scratch_beside
from lemur.pipeline.build.previous_run import DvcCache, PreviousRun


class Row(NamedTuple):
    rank: int
    name: str


@dataclass
class Found:
    rows: set[Row] = field(default_factory=set)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Named(Job):
    chosen: frozenset[str] = frozenset()
    beside: Path | None = None


def work(ran: Path, factor: int, shared: str, job: Named) -> Found:
    with ran.open("a", encoding="utf-8") as file:
        file.write(f"{job.name}\n")
    text = job.inputs[0].read_text("utf-8")
    job.outputs["kept"].write_text(text * factor + shared + str(sorted(job.chosen)), encoding="utf-8")
    job.outputs["rejects"].touch()
    return Found({Row(len(text), name) for name in {*job.chosen, "x"}}, {"a": Counter(text)})


def content(path: Path) -> str:
    return path.read_text("utf-8")


class Stage:
    """A stage on the files of a folder, its cache, and which of its shards ran last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = DvcCache(folder / "cache", ("reflink", "symlink"))
        self.lines: list[dict[str, Any]] = []
        for number in range(5):
            self.write(number, f"text {number} ")
        (folder / "shared").write_text("shared", encoding="utf-8")

    def write(self, number: int, text: str) -> None:
        path = self.folder / f"in/{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def jobs(self, out: Path) -> list[Named]:
        return [
            Named(f"shard-{number}", (path,), {role: out / role / path.name for role in ("kept", "rejects")})
            for number, path in enumerate(sorted((self.folder / "in").iterdir()))
        ]

    def run(self, name: str, *, changed: str = "in", factor: int = 2, **changes: Mapping[str, Any]) -> set[str]:
        """Run it. `changes`: of the jobs, by name. Returns the shards that ran; what they gave is then the cache's."""
        out = self.folder / name
        previous = PreviousRun(self.cache, self.lines, {str(self.folder / changed)}, {str(self.folder / "in")})
        ran = self.folder / "ran"
        ran.write_text("", encoding="utf-8")
        jobs = [replace(job, **changes.get(job.name.replace("-", "_"), {})) for job in self.jobs(out)]
        with recording(previous) as ledger, scratch_beside(out) as scratch, Pool() as pool:
            function = partial(_work, str(ran), factor)
            shared = (self.folder / "shared",)
            self.results = list(map_shards(function, jobs, scratch=scratch, start=content, arguments=shared, pool=pool))
            assert not list(scratch.iterdir())
        self.lines = ledger.lines
        assert ledger.taken() == (len(jobs) - len(content(ran).split()), len(jobs))
        for job in jobs:
            for path in job.outputs.values():
                md5 = file_md5(path)
                cached = self.cache.folder / md5[:2] / md5[2:]
                cached.parent.mkdir(parents=True, exist_ok=True)
                if not cached.exists():
                    cached.write_bytes(path.read_bytes())
        return set(content(ran).split())

    def files(self, name: str) -> dict[str, bytes]:
        out = self.folder / name
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def _work(ran: str, factor: int, shared: str, job: Named) -> Found:
    return work(Path(ran), factor, shared, job)


ALL = {f"shard-{number}" for number in range(5)}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_what_changed_runs_and_the_bytes_are_the_same(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    stage = Stage(tmp_path)
    assert stage.run("first") == ALL
    stage.write(3, "changed")
    assert stage.run("second") == {"shard-3"}
    lines, results = stage.lines, stage.results
    assert results[3].rows == {Row(7, "x")} and isinstance(results[0].kinds["a"], Counter)
    stage.lines = []
    assert stage.run("third") == ALL
    assert stage.files("second") == stage.files("third") and len(stage.files("third")) == 10
    assert stage.lines == lines and stage.results == results


def test_what_decides_a_shard(tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    stage = Stage(tmp_path)
    stage.run("first")
    assert stage.run("second") == set()
    (tmp_path / "in/0b.txt").write_text("new", encoding="utf-8")  # the shards after it get other names
    assert stage.run("third") == {"shard-1"}
    assert [line["shard"] for line in stage.lines] == [f"shard-{number}" for number in range(6)]
    (tmp_path / "in/0b.txt").unlink()
    assert stage.run("fourth", shard_2={"chosen": frozenset("ab")}) == {"shard-2"}
    assert stage.run("fifth", shard_2={"chosen": frozenset("ba"), "beside": Path("a")}) == {"shard-2"}
    assert stage.run("sixth", shard_2={"chosen": frozenset("ab"), "beside": tmp_path / "a"}) == set()
    assert stage.run("seventh", factor=3) == ALL
    (tmp_path / "shared").write_text("other", encoding="utf-8")
    assert stage.run("eighth", factor=3) == ALL
    assert stage.run("ninth", changed="params.yaml", factor=3) == ALL


def test_jobs_with_files_in_scratch_always_run_and_leave_no_line(tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    ran = tmp_path / "ran"
    (tmp_path / "in.txt").touch()
    with recording(None) as ledger, scratch_beside(tmp_path / "out") as scratch:
        outputs = {role: scratch / "sketches" / role for role in ("kept", "rejects")}
        jobs = [Named("one", (tmp_path / "in.txt",), outputs)]
        assert list(map_shards(partial(_work, str(ran), 1, ""), jobs, scratch=scratch)) == [
            Found({Row(0, "x")}, {"a": Counter()})
        ]
    assert ledger.lines == [] and ledger.taken() == (0, 0)


def test_damaged_files_of_the_cache_are_removed_and_never_linked_for_writing(tmp_path):
    cache = DvcCache(tmp_path / "cache", ())
    (tmp_path / "cache/90").mkdir(parents=True)
    md5 = "900150983cd24fb0d6963f7d28e17f72"  # of abc: RFC 1321
    cached = tmp_path / "cache/90" / md5[2:]
    cached.write_bytes(b"abc")
    assert cache.give(md5, tmp_path / "copy") and (tmp_path / "copy").read_bytes() == b"abc"
    (tmp_path / "copy").write_bytes(b"")
    assert cached.read_bytes() == b"abc" and cached.stat().st_nlink == 1
    cached.write_bytes(b"abd")
    assert not cache.give(md5, tmp_path / "none") and not cached.exists() and not (tmp_path / "none").exists()
    assert not cache.give(md5, tmp_path / "none")


def untyped(job):
    return 1


def quoted(job: Job) -> "Found":
    return Found()


def listed(job: Job) -> Any:
    return (1, 2)


def numbered(job: Job) -> dict[int, str]:
    return {1: "a"}


def odd(job: Job) -> object:
    return object()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "untyped: a ledger keeps its results, so it needs a return annotation"),
        (quoted, "quoted: a ledger keeps its results, so it needs a return annotation"),
        (listed, r"listed: its result is another one when it was written as JSON: \(1, 2\)"),
        (numbered, "1: a key that is no text"),
        (odd, "object: no plain value, which a ledger of shards needs"),
    ],
)
def test_results_that_do_not_come_back_are_refused(tmp_path, function, message):
    with recording(None), pytest.raises(TypeError, match=message):
        list(map_shards(function, [Job("one", (), {})], scratch=tmp_path))


def test_a_state_that_plain_values_do_not_decide_is_refused(tmp_path):
    with recording(None), pytest.raises(TypeError, match="object: no plain value"):
        list(map_shards(with_state, [Job("one", (), {})], scratch=tmp_path, start=str, arguments=(object(),)))
    with recording(None), pytest.raises(TypeError, match="a folder; say with `shared`"):
        list(map_shards(with_state, [Job("one", (), {})], scratch=tmp_path, start=str, arguments=(tmp_path,)))
    with recording(None) as ledger:
        for text in ("a", "b", "b"):
            (tmp_path / "file").write_text(text, encoding="utf-8")
            state = {"start": str, "arguments": (object(),), "shared": [tmp_path / "file", 1]}
            list(map_shards(with_state, [Job("one", (), {})], scratch=tmp_path, **state))
    first, second, third = (line["key"] for line in ledger.lines)
    assert first != second == third


def with_state(state: str, job: Job) -> int:
    return len(state)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def anything(job: Job) -> Any:
    raise AssertionError


def rows(job: Job) -> Found:
    raise AssertionError


@given(values)
def test_every_plain_result_comes_back(value):
    function = Function(anything, ())
    assert function.read(json.loads(json.dumps(function.written(value)))) == value


@given(st.sets(st.tuples(st.integers(0, 2**64), st.text(max_size=4))), st.randoms())
def test_sets_and_mappings_have_one_form(pairs, random):
    shuffled = [Row(*pair) for pair in pairs]
    random.shuffle(shuffled)
    found = Found(set(shuffled), {"k": Counter({name: rank for rank, name in shuffled})})
    function = Function(rows, ())
    assert function.read(function.written(found)) == found
    assert plain(found)["rows"] == plain(Found(set(sorted(shuffled))))["rows"]


def test_a_shard_counts_as_taken_if_it_was_each_time():
    ledger = Ledger(None)
    for name, taken in (("a", True), ("b", True), ("a", True), ("b", False)):
        ledger.add({"shard": name}, taken=taken)
    assert ledger.taken() == (1, 2)
