"""Measures on a built demo what `lemur plan-data` assumes: compression and bytes per token, as they stand in
data/paper/corpus_assumptions.yaml.

    python benchmarks/corpus_rates.py

Compression: of all real code in place `package` of the source `stack` (7.7 MB), and of the books. Bytes per token: of
the demo corpus, with Llama-2's tokenizer. `lemur plan-data --calibrate` measures the rates of the stages.
"""

import argparse
import json

from corpus_documents import ROOT


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
    compression()
    bytes_per_token()
