"""Every bundled file of every source with random damage: bytes flipped, cut, repeated, and fragments put between."""

import bz2
import gzip
import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lemur.benchmark_items import spider
from lemur.sources.fetched import DamagedFile, FetchedFile
from lemur.sources.folders import resolve
from lemur.sources.manifest import SourceError, read
from tests.sources.readers import consume

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
SOURCES = Path(__file__).resolve().parents[2] / "data" / "sources"
MANIFESTS = sorted(path.parent.name for path in SOURCES.glob("*/manifest.yaml"))
FRAGMENTS = [
    b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\n", b"\r", b'"', b"'", b"\\", b"\\ud83d", b"\\ude00", b"\xed\xa0\xbd",
    b"NaN", b"-Infinity", b"1e999", b"7" * 5000, b"[", b"]", b"{", b"}", b",", b":", b"[" * 2000, b'{"a":' * 2000,
    b"null", b"true", b"[]", b"{}", b'""', b"<div>" * 100, b"<table>", b"&#9999;", b"```", b">>>", b"(" * 500, b"####",
    b"{% raw %}", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b";", b"--", b"|", b"&a ", b"*a", b"!!python/name:x", b"%",
]  # fmt: skip


def bundled(source: str) -> Iterator[FetchedFile]:
    manifest = read(SOURCES / source)
    root = SOURCES / source / "bundled"
    for name, place in manifest.places.items():
        for entry in place.files:
            if (entry.origin or name) == "bundled":
                for path, _, fields in resolve(root, entry):
                    schema = entry.schema_ or manifest.schema_
                    yield FetchedFile(root, path, schema, place.licence, {**entry.meta, **fields})


FILES = {file.path.relative_to(SOURCES).as_posix(): file for source in MANIFESTS for file in bundled(source)}


def damaged(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 5, 40))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 2 if at < len(data):
                data[at] = chance.randrange(256)
            case 3:
                data[at:at] = chance.choice(FRAGMENTS)
            case 4:
                del data[at : at + chance.choice((1, 10, 1000, len(data)))]
            case 5:
                data[at:at] = data[at : at + chance.randrange(200)]
    return bytes(data)


def compressed(file: FetchedFile, content: bytes, chance: random.Random) -> FetchedFile:
    """The damaged file, now and then compressed after the damage, or damaged after the compression."""
    ending, compress = chance.choice([(".gz", gzip.compress), (".bz2", bz2.compress)])
    match chance.randrange(6):
        case 0:
            name, data = file.name + ending, compress(damaged(content, chance))
        case 1:
            name, data = file.name + ending, damaged(compress(content), chance)
        case _:
            name, data = file.name, damaged(content, chance)
    (file.root / name).write_bytes(data)
    return replace(file, name=name)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("path", FILES)
def test_a_damaged_file(tmp_path: Path, path: str) -> None:
    content = FILES[path].path.read_bytes()
    file = replace(FILES[path], root=tmp_path, name=FILES[path].path.name)
    end = time.monotonic() + SECONDS / (len(FILES) + 1)
    seed = 0
    while time.monotonic() < end:
        seed += 1
        chance = random.Random(f"{path} {seed}")
        broken = compressed(file, content, chance)
        try:
            if file.path.suffix == ".sql":
                file.path.write_bytes(damaged(content, chance))
                spider.read_databases([file])
            else:
                consume(broken)
        except DamagedFile as error:
            assert str(tmp_path) in str(error)
        except Exception:
            print(f"seed {seed}: {broken.path}")
            raise
    print(f"{path}: {seed} damaged files")


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_damaged_manifest(tmp_path: Path) -> None:
    end = time.monotonic() + SECONDS / (len(FILES) + 1)
    seed = 0
    while time.monotonic() < end:
        seed += 1
        chance = random.Random(seed)
        source = tmp_path / chance.choice(MANIFESTS)
        source.mkdir(exist_ok=True)
        content = (SOURCES / source.name / "manifest.yaml").read_bytes()
        (source / "manifest.yaml").write_bytes(damaged(content, chance))
        try:
            read(source)
        except SourceError as error:
            assert "manifest.yaml" in str(error)
    print(f"manifests: {seed} damaged files")
