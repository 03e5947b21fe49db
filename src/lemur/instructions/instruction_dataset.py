"""Stage `instruction_dataset`: export the mix, with a card, as a data set for `datasets.load_dataset`."""

import hashlib
import logging
from collections import Counter
from pathlib import Path

from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import batches, read_json, read_jsonl

PACKAGES = ("pyarrow",)
BATCH = 1000  # conversations in one row group

log = logging.getLogger(__name__)


class Params(StageParams):
    name: str = Field(min_length=1, description="title of the data set")
    records_per_file: int = Field(ge=BATCH, description="conversations in one Parquet file")


def instruction_dataset(
    params: Params,
    instructions: Path,
    normalise: Path,
    english_filter: Path,
    semantic_dedup_text: Path,
    semantic_dedup_code: Path,
    mix_instructions: Path,
    *,
    dataset: Path,
) -> None:
    """Write `data/train-NUMBER-DIGEST.parquet` (id, source, group, licence, language, messages: [{role, content}]) and
    README.md.

    The card takes its sources and counts from the stages' reports. The file names contain a digest of the conversations
    because `datasets` (5.2) caches a local folder by its name and its card: without the digest, `load_dataset` would
    return the previous build's conversations.
    """
    from lemur.instructions.data_card import card

    reports = {
        "normalise": read_json(normalise),
        "english_filter": read_json(english_filter),
        "semantic_dedup_text": read_json(semantic_dedup_text),
        "semantic_dedup_code": read_json(semantic_dedup_code),
        "mix_instructions": read_json(mix_instructions),
    }
    with instructions.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    contents = _write(params, instructions, dataset / "data", digest)
    (dataset / "README.md").write_text(card(params.name, digest, contents, reports), encoding="utf-8")
    log.info("instruction_dataset: %d conversations", contents["conversations"].total())


def _write(params: Params, instructions: Path, folder: Path, digest: str) -> dict[str, Counter[tuple[str, str]]]:
    """Write the Parquet files; return the numbers of conversations and rounds by (source, licence)."""
    import pyarrow
    import pyarrow.parquet
    from tqdm import tqdm

    from lemur.instructions.conversation import rounds as rounds_of

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    names = ("id", "source", "group", "licence", "language")
    schema = pyarrow.schema([*((name, pyarrow.string()) for name in names), ("messages", pyarrow.list_(message))])
    conversations: Counter[tuple[str, str]] = Counter()
    rounds: Counter[tuple[str, str]] = Counter()
    folder.mkdir(parents=True)
    records = tqdm(read_jsonl(instructions), desc="instruction_dataset", unit=" conversations")
    per_file = params.records_per_file // BATCH
    writer = None
    try:
        for number, batch in enumerate(batches(records, BATCH)):
            if number % per_file == 0:
                if writer is not None:
                    writer.close()
                path = folder / f"train-{number // per_file:05}-{digest}.parquet"
                writer = pyarrow.parquet.ParquetWriter(path, schema)
            assert writer is not None
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))
            for record in batch:
                key = (record["source"], record["licence"])
                conversations[key] += 1
                rounds[key] += rounds_of(record)
        if writer is None:  # even an empty set has a file with its columns
            pyarrow.parquet.write_table(schema.empty_table(), folder / f"train-00000-{digest}.parquet")
    finally:
        if writer is not None:
            writer.close()
    return {"conversations": conversations, "rounds": rounds}
