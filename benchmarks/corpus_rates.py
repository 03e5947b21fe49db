"""Measures on a built demo the rates that `lemur plan-data` uses: prints the values of data/paper/corpus_rates.yaml.

    python benchmarks/corpus_rates.py    # under a minute; rates of text: `corpus.py memory --code 0`

Rates of code, the kept share and compression come from all real code in place `package` of the source `stack` (7.7 MB),
with one worker and CPU time that includes each stage's start; bytes per token come from the demo corpus and Llama-2's
tokenizer.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from corpus import ROOT, block, decontaminate, split, tokenise
from measure import measure


def _clean(folder: Path) -> None:
    from lemur.corpus.clean_corpus import Params, clean_corpus
    from lemur.corpus.sources import SOURCES
    from tests.corpus.builders import fetched

    params = Params.model_validate({**block("clean_corpus"), "max_bytes": dict.fromkeys(SOURCES)})
    names = ("refinedweb", "wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics")
    others = [fetched(folder / "raw" / name, {}) for name in names]
    stack = ROOT / "data/raw/stack"
    clean_corpus(params, [stack, *others], documents=folder / "cleaned", rejects=folder / "c", report=folder / "c.json")


def _dedup(folder: Path) -> None:
    from corpus import dedup

    dedup(folder, planted=False)


def _megabytes(folder: Path) -> float:
    from lemur.corpus.documents import read_documents

    return sum(len(record["text"].encode()) for record in read_documents(folder)) / 1e6


def stages() -> None:
    os.environ |= {"LEMUR_WORKERS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    files = json.loads((ROOT / "data/raw/stack/source.json").read_bytes())["files"]
    raw = sum(file["bytes"] for file in files if file["schema"] != "companion") / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps: list[tuple[str, Callable[[Path], None], str]] = [
            ("clean_corpus", _clean, ""),
            ("dedup_corpus", _dedup, "cleaned"),
            ("decontaminate_corpus", decontaminate, "distinct"),
            ("split_corpus", split, "kept"),
            ("tokenize_corpus", tokenise, "train"),
        ]
        for stage, function, source in steps:
            cpu = measure(function, folder).cpu
            print(f"{stage}: {(_megabytes(folder / source) if source else raw) / cpu:.1f} MB per CPU second")
        print(f"kept: {_megabytes(folder / 'kept') / raw:.3f} of {raw:.1f} MB")


def compression() -> None:
    import pyarrow
    from pyarrow import parquet

    from lemur.corpus.documents import read_source

    files = json.loads((ROOT / "data/raw/stack/source.json").read_bytes())["files"]
    code = [
        (ROOT / "data/raw/stack/files" / file["path"]).read_text("utf-8", "replace")
        for file in files
        if file["schema"] == "source_files"
    ]
    books = [record["text"] for record in read_source(ROOT / "data/corpus/cleaned", "books")]
    for name, texts in (("code", code), ("books", books)):
        size = sum(len(text.encode()) for text in texts)
        for method in ("snappy", "zstd"):
            sink = pyarrow.BufferOutputStream()
            parquet.write_table(pyarrow.table({"content": texts}), sink, compression=method)
            print(f"{name} as Parquet, {method}: {size / sink.getvalue().size:.2f} to 1")


def bytes_per_token() -> None:
    from tokenizers import Tokenizer

    from lemur.corpus.documents import read_source
    from lemur.corpus.sources import SOURCES

    (path,) = (ROOT / "data/raw/llama2_tokenizer/files").rglob("*.json")
    model = Tokenizer.from_file(str(path))
    model.encode_special_tokens = True
    for source in SOURCES:
        texts = [record["text"] for record in read_source(ROOT / "data/corpus/decontaminated", source)]
        tokens = sum(len(encoding.ids) for encoding in model.encode_batch_fast(texts, add_special_tokens=False))
        print(f"{source}: {sum(len(text.encode()) for text in texts) / max(tokens, 1):.2f} bytes per token")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    stages()
    compression()
    bytes_per_token()
