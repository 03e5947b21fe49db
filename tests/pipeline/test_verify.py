"""`lemur verify`: a real build from scratch, differences planted in each kind of artifact, other numerics profiles."""

import shutil
from pathlib import Path

import pytest

from lemur.core import processor
from lemur.core.files import ROOT
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.contents import Contents
from lemur.pipeline.inspect.verify import compare, verify

from .conftest import Project


def test_planted_differences_are_named(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real build from scratch, whose last stage depends on more than its inputs."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PLANTED", "tensor")
    (built.root / "in.txt").write_text("not committed", encoding="utf-8")
    assert not verify(built.root, "HEAD", None, ["last"], "2")
    output = capsys.readouterr().out
    assert "Building 3 stages from scratch in" in output
    assert "Not committed, so not built: in.txt" in output
    assert "[ 1/3] first, " in output and "[ 3/3] last, " in output and "fork_right" not in output
    assert "\n1 of 3 artifacts differs from the committed dvc.lock.\n" in output
    assert "The first that differs, in graph order, is data/last/ of stage last: " in output
    assert "1 of 3 files differ, the first is model.safetensors" in output
    assert "the first is b [3] float32: 1 of 3 differ, first [1]: 4.0 -> 4.5; max abs diff 0.5" in output
    assert "the stage itself gives different bytes" in output
    assert "The first with different bytes from the same inputs is data/last/ of stage last." in output
    assert f"The likely reason: the processor ({processor.name()}) or the numerics profile" in output
    [folder] = tmp_path.glob("lemur-verify-*/lemur")
    assert f"lemur verify --built {folder}" in output
    assert (folder / "in.txt").read_text(encoding="utf-8") == "hello"

    def built_again(planted: str) -> bool:
        monkeypatch.setenv("PLANTED", planted)
        Project(folder).run("dvc", "repro", "-q", "--force", "--single-item", "last")
        return verify(built.root, "HEAD", folder, ["last"], "2")

    assert not built_again("record")
    assert "records.jsonl: record 2 (id r2): n: 2 -> 3" in capsys.readouterr().out
    assert not built_again("byte")
    assert "blob.bin: byte 2: 0x01 -> 0x07 (3 -> 3 bytes)" in capsys.readouterr().out
    assert built_again("")
    assert capsys.readouterr().out == "All 3 artifacts have the bytes that the committed dvc.lock records.\n"


def test_other_inputs_are_distinguished_from_other_bytes(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    other = built.clone(built.root.with_name("other"))
    other.set("first: {value: 1}", "first: {value: 9}")
    other.set("right: {value: 3}", "right: {value: 5}")
    other.set("threads: 1", "threads: 2", "environment.yaml")
    other.set("last: {value: 4}", "last: {value: 6}")
    other.run("dvc", "repro", "-q")

    def verify_output(*asked: str, against: str = "HEAD", holds: bool = False) -> str:
        assert verify(built.root, against, other.root, list(asked), "2") is holds
        return capsys.readouterr().out

    text = verify_output()
    assert "Only" not in text and "the 3 data stages must be equal: its numerics are not those of dvc.lock" in text
    assert "is data/first.txt of stage first: " in text
    assert '  line 1: "hello 1" -> "hello 9"' in text
    assert "  Its inputs differ from dvc.lock: parameter params.yaml.first.value: 1 -> 9" in text
    assert "Also different: data/fork_right/, data/last/" in text
    assert "not a consequence" not in text
    # On another profile, of these three only the last stage may differ.
    text = verify_output("first", against=str(other.root), holds=True)
    assert f"The artifact has the bytes that dvc.lock of {other.root} records." in text
    other.set("first: {value: 9}", "first: {value: 1}")
    other.set("right: {value: 5}", "right: {value: 3}")
    other.run("dvc", "repro", "-q")
    text = verify_output(holds=True)
    assert "1 of 4 artifacts differs from the committed dvc.lock." in text and "max abs diff 2" in text
    assert "The likely reason: its numerics are not those of dvc.lock (threads: 1 -> 2)" in text

    (other.root / "data/first.txt").resolve().write_text("rotten", encoding="utf-8")
    assert "Not in this build, or damaged: data/first.txt" in verify_output("first")
    shutil.rmtree(built.root / ".dvc/cache")
    shutil.rmtree(built.root / "data")
    assert "Only hashes are known: the recorded bytes are not available" in verify_output("last")


def test_damaged_files_of_a_build_are_named_although_its_cache_is_intact(
    built: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    other = built.clone(built.root.with_name("other"))
    other.run("dvc", "repro", "-q")
    for path in ("data/first.txt", "data/last/blob.bin"):
        (other.root / path).unlink()
        (other.root / path).write_text("rotten", encoding="utf-8")
    assert not verify(built.root, "HEAD", other.root, [], "2")
    output = capsys.readouterr().out
    assert (
        "2 of 4 artifacts differ from" in output
        and "Not in this build, or damaged: data/first.txt, data/last/" in output
    )
    shutil.rmtree(other.root / "data")
    assert verify(built.root, "HEAD", other.root, [], "2"), "not checked out, but in the cache"


def test_missing_artifacts_fail(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    recorded, contents = lockfile.read(built.root, built.root), Contents(built.root)
    assert not compare(recorded, {}, [], contents, contents)
    output = capsys.readouterr().out
    assert (
        "4 of 4 artifacts differ from" in output
        and "is data/first.txt of stage first" in output
        and "not a consequence" not in output
    )
    half = {name: entry for name, entry in recorded.items() if name not in ("fork@right", "last")}
    # On another profile the last stage may have other bytes, but must not be missing.
    for numerics in ({}, {"platform": "other"}):
        without_last = half | {"extra": {"params": {"environment.yaml": {"numerics": numerics}}}}
        assert not compare(recorded, without_last, ["last"], contents, contents)
        output = capsys.readouterr().out
        assert "1 of 3 artifacts differs from the committed dvc.lock." in output
        assert "is data/last/ of stage last: " in output and "-> nothing\n  the build did not make it" in output
        assert "Its inputs differ" not in output and "the stage itself" not in output
    # Stages that were not requested may be missing.
    assert compare(recorded, half, ["fork@left"], contents, contents)
    assert "All 2 artifacts have" in capsys.readouterr().out


LOCK: lockfile.Lock = {
    "results": {"deps": [{"path": "model/", "md5": "3.dir"}], "outs": [{"path": "results.json", "md5": "4"}]},
    "train": {
        "params": {"environment.yaml": {"numerics": {"platform": "cpu", "xla_flags": "--xla_cpu_max_isa=AVX"}}},
        "deps": [{"path": "data", "md5": "2"}],
        "outs": [{"path": "model/", "md5": "3.dir"}],
    },
    "clean": {"deps": [{"path": "raw", "md5": "1"}], "outs": [{"path": "data", "md5": "2"}]},
}


def test_data_stages_and_order() -> None:
    assert list(lockfile.parents(LOCK)) == ["clean", "train", "results"]
    assert lockfile.data_stages(LOCK) == ["clean"]
    assert lockfile.select(LOCK, ["data"]) == ["clean"]
    assert lockfile.select(LOCK, ["train"]) == ["clean", "train"]
    with pytest.raises(SystemExit, match=r"no stage 'test' in dvc.lock; there are clean, train, results"):
        lockfile.select(LOCK, ["test"])
    lock = lockfile.read(ROOT, ROOT)
    data = lockfile.data_stages(lock)
    assert {"pack_corpus@lemur", "encode_instructions", "tokenizer"} < set(data)
    assert not {"base_model", "report", "track", "mmlu@lemur_chat"} & set(data)


def test_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    assert lockfile.profile_mismatch(LOCK, LOCK) == "", "unknown"
    processor.CPU_INFO.write_text(
        "model name\t: Toy 9\nflags\t\t: sse avx avx2 fma\n\nflags\t\t: sse\n", encoding="utf-8"
    )
    assert lockfile.profile_mismatch(LOCK, LOCK) == lockfile.profile_mismatch(LOCK, {"clean": LOCK["clean"]}) == ""
    assert processor.name() == "Toy 9"
    other = {**LOCK, "train": {"params": {"environment.yaml": {"numerics": {"platform": "cuda", "xla_flags": ""}}}}}
    assert 'platform: "cpu" -> "cuda"' in lockfile.profile_mismatch(LOCK, other)
    for flags, missing in {"avx2": "no FMA", "fma": "no AVX2", "avx sse": "no AVX2 and no FMA"}.items():
        processor.CPU_INFO.write_text(f"flags : {flags}\n", encoding="utf-8")
        assert lockfile.profile_mismatch(LOCK, LOCK) == f"this processor has {missing}"
        assert lockfile.profile_mismatch(other, other) == "", "of no x86-64 processor"
    monkeypatch.setattr(processor.platform, "machine", lambda: "aarch64")
    processor.CPU_INFO.write_text("processor\t: 0\n", encoding="utf-8")
    assert lockfile.profile_mismatch(LOCK, LOCK).endswith("AVX2 and FMA; this one is aarch64")
    assert processor.name() == "aarch64"
