"""Whether a document of the corpus is kept: a function of the document alone, so that any process may compute it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lemur.core.records import Record, content_id
from lemur.corpus.cleaning import fault
from lemur.corpus.privacy import Secrets, redact
from lemur.corpus.rules import Rules
from lemur.corpus.sources import group

BATCH_CHARS = 1 << 20  # characters judged at a time by one worker


class Item(NamedTuple):
    """A document as it was read, or, with a `reason`, what was dropped before it was one."""

    source: str
    where: str
    text: str = ""
    licence: str = ""
    licences: tuple[str, ...] = ()
    reason: str | None = None
    detail: str | None = None


class Verdict(NamedTuple):
    """`record` is kept if `reason` is None, else dropped; `redacted` counts what was replaced in it."""

    source: str
    where: str
    record: Record | None
    reason: str | None
    detail: str | None
    redacted: Counter[str]


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of items of `BATCH_CHARS` together."""
    batch: list[Item] = []
    chars = 0
    for item in items:
        batch.append(item)
        chars += len(item.text) + 100
        if chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def judge(rules: Rules, secrets: Secrets, item: Item) -> Verdict:
    if item.reason is not None:
        return Verdict(item.source, item.where, None, item.reason, item.detail, Counter())
    kind = group(item.source)
    text = item.text
    record = {"source": item.source, "group": kind, "licence": item.licence, "text": text}
    found = fault(text, rules.rules[kind])
    allowed = rules.licences
    licences = list(item.licences)
    if kind == "code" and allowed is not None and not (licences and set(licences) <= set(allowed)):
        found = "licence", f"{licences} are not all permissive" if licences else "none is known"
    if not found and (secret := secrets.find(text)):
        found = "secret", secret
    if found:
        return Verdict(item.source, item.where, record, *found, Counter())
    redacted: Counter[str] = Counter()
    if rules.personal_data == "redact":
        text, redacted = redact(text)
        record["text"] = text
    return Verdict(item.source, item.where, {"id": content_id(item.source, text), **record}, None, None, redacted)


def start(rules: Rules) -> tuple[Rules, Secrets]:
    """What `judge_batch` needs once in a process: the rules and their detectors."""
    return rules, Secrets(rules.secret_detectors)


def judge_batch(state: tuple[Rules, Secrets], items: list[Item]) -> list[Verdict]:
    return [judge(*state, item) for item in items]
