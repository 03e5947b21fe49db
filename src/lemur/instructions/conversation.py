"""The common conversation schema: {id, source, group, licence, language, messages: [{role, content}]}."""

from typing import Literal

from lemur.core.records import Record, content_id

Group = Literal["text", "code"]

GROUPS: dict[str, Group] = {
    "oasst1": "text",
    "openorca": "text",
    "sharegpt": "text",
    "chatlogs": "text",
    "evol_code_80k": "code",
    "evol_codealpaca": "code",
    "verified_python": "code",
}
"""The paper's sources and their groups. Semantic deduplication runs separately in each group (appendix A.2.1)."""

VERIFIED = "verified_python"
"""The source whose answers are kept only if they pass their tests in the sandbox."""


def group_of(source: str) -> Group:
    """A source's group; one that the paper does not have is text."""
    return GROUPS.get(source, "text")


def conversation(source: str, messages: list[Record], *, licence: str, language: str | None) -> Record:
    """A conversation. Its id depends only on source and messages, not on the file or the order."""
    return {
        "id": content_id(source, messages),
        "source": source,
        "group": group_of(source),
        "licence": licence,
        "language": language,
        "messages": messages,
    }


def user_turns(record: Record) -> list[str]:
    return [message["content"] for message in record["messages"] if message["role"] == "user"]


def rounds(record: Record) -> int:
    """Number of question and answer pairs."""
    return sum(message["role"] == "assistant" for message in record["messages"])


def characters(record: Record) -> int:
    return sum(len(message["content"]) for message in record["messages"])
