"""One module per schema of the instruction sources; `read` picks the reader for the schema named in the manifest."""

from collections.abc import Iterator

from lemur.instructions.readers import (
    chatlogs,
    evol_instruct,
    messages,
    oaast_history,
    oasst_trees,
    openorca,
    openorca_pairs,
    problems,
    sharegpt,
    single_turn,
)
from lemur.instructions.readers.turns import RawConversation
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import reader

_READERS = {
    "alpaca": single_turn.alpaca,
    "chatlogs": chatlogs.read,
    "dolly": single_turn.dolly,
    "evol_instruct": evol_instruct.read,
    "gpteacher": single_turn.gpteacher,
    "messages": messages.read,
    "oaast_history": oaast_history.read,
    "oasst_trees": oasst_trees.read,
    "openorca": openorca.read,
    "openorca_pairs": openorca_pairs.read,
    "problems": problems.read,
    "sharegpt": sharegpt.read,
}


def read(file: FetchedFile) -> Iterator[RawConversation | BadRecord]:
    """Conversations of one file. Raises `ValueError` for a schema without a reader."""
    return reader(file, _READERS, "conversation")(file)
