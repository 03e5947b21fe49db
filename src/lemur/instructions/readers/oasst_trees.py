"""OASST1 message trees (2023-04-12_oasst_ready.trees.jsonl.gz): one conversation per root-to-leaf path.

As in open-instruct, whose counts Table 1 repeats (34,546 conversations, 1.6 rounds), replies are alternatives; a path
counts if its last message, once removed messages are skipped, is the assistant's.
"""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.instructions.readers.turns import RawConversation, read_with, rows, text
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import FieldError

_ROLES = {"prompter": "user", "assistant": "assistant"}


def read(file: FetchedFile, *, reviewed: bool = True, synthetic: bool = False) -> Iterator[RawConversation | BadRecord]:
    """`reviewed`: only messages with a positive review result; `synthetic`: include messages that a model wrote."""
    return read_with(file, lambda where, row: list(_paths(where, row, reviewed=reviewed, synthetic=synthetic)))


def _paths(where: str, tree: Record, *, reviewed: bool, synthetic: bool) -> Iterator[RawConversation | BadRecord]:
    root = tree.get("prompt")
    if not isinstance(root, dict):
        raise FieldError("missing_field", f"no 'prompt' message; the record has {sorted(tree)}")
    language = text(root, "lang", default="") or None
    # An explicit stack: trees of damaged exports can be deeper than Python's recursion limit.
    stack: list[tuple[Record, tuple[tuple[str, str], ...]]] = [(root, ())]
    while stack:
        message, before = stack.pop()
        reason = _reason_to_skip(message, reviewed=reviewed, synthetic=synthetic)
        name = f"{where}#{message.get('message_id')}"
        if reason:
            yield BadRecord(name, reason, f"and {_size(message) - 1} messages below it")
            continue
        role = text(message, "role")
        if role not in _ROLES:
            raise FieldError("wrong_type", f"role {role!r}; {sorted(_ROLES)} are expected")
        path = (*before, (_ROLES[role], text(message, "text")))
        replies = rows(message, "replies") if message.get("replies") else []
        usable = [reply for reply in replies if not _reason_to_skip(reply, reviewed=reviewed, synthetic=synthetic)]
        if not usable:
            if role == "assistant":
                yield RawConversation(name, path, str(message.get("message_id")), language)
            else:
                yield BadRecord(name, "prompt_without_reply", f"{len(path)} messages")
        stack += [(reply, path) for reply in reversed(replies)]


def _reason_to_skip(message: Record, *, reviewed: bool, synthetic: bool) -> str | None:
    if message.get("deleted"):
        return "deleted_message"
    if reviewed and message.get("review_result") is not True:
        return "not_positively_reviewed"
    if not synthetic and message.get("synthetic"):
        return "synthetic_message"
    return None


def _size(message: Record) -> int:
    """Number of messages in the tree below `message`, itself included."""
    count, stack = 0, [message]
    while stack:
        count += 1
        stack += [reply for reply in stack.pop().get("replies") or [] if isinstance(reply, dict)]
    return count
