"""Which of several near-duplicate conversations is kept."""

from lemur.core.records import Record
from lemur.instructions.conversation import VERIFIED, characters, rounds

Priority = tuple[bool, int, int, str]


def priority(record: Record) -> Priority:
    """The smallest is kept: a verified conversation, else the one with more rounds, with more characters, with the
    smaller id. It depends on content alone, so the result is the same for any input order."""
    return record["source"] != VERIFIED, -rounds(record), -characters(record), record["id"]
