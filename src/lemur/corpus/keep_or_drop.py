"""Whether a document of the corpus is kept: a function of the document alone, so any process can compute it."""

from collections import Counter
from typing import NamedTuple

from lemur.core.records import Record, content_id
from lemur.corpus.cleaning import broken_rule
from lemur.corpus.parameters import Rules
from lemur.corpus.privacy import Secrets, redact
from lemur.corpus.sources import group


class Item(NamedTuple):
    """A document as read, or, with a `reason`, a record that was dropped before it became one."""

    source: str
    where: str
    text: str = ""
    licence: str = ""
    licences: tuple[str, ...] = ()
    reason: str | None = None
    detail: str | None = None


class Verdict(NamedTuple):
    """`record` is kept if `reason` is None, else dropped; `redacted` counts the replacements in it by kind."""

    source: str
    where: str
    record: Record | None
    reason: str | None
    detail: str | None
    redacted: Counter[str]


def judge(rules: Rules, secrets: Secrets, item: Item) -> Verdict:
    if item.reason is not None:
        return Verdict(item.source, item.where, None, item.reason, item.detail, Counter())
    kind = group(item.source)
    text = item.text
    record = {"source": item.source, "group": kind, "licence": item.licence, "text": text}
    rejection = broken_rule(text, rules.rules[kind])
    allowed = rules.licences
    licences = list(item.licences)
    if kind == "code" and allowed is not None and not (licences and set(licences) <= set(allowed)):
        rejection = "licence", f"{licences} are not all permissive" if licences else "none is known"
    if not rejection and (secret := secrets.find(text)):
        rejection = "secret", secret
    if rejection:
        return Verdict(item.source, item.where, record, *rejection, Counter())
    redacted: Counter[str] = Counter()
    if rules.personal_data == "redact":
        text, redacted = redact(text)
        record["text"] = text
    return Verdict(item.source, item.where, {"id": content_id(item.source, text), **record}, None, None, redacted)


def load(rules: Rules) -> tuple[Rules, Secrets]:
    """The first arguments of `judge`, loaded once per process: the rules and their detectors."""
    return rules, Secrets(rules.secret_detectors)
