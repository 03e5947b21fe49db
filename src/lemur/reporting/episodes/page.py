"""A page for a samples file: self-contained, one article an item, within a number of items and of bytes."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lemur.core.records import Record, read_at, scan
from lemur.reporting.episodes.answers import item as read_item
from lemur.reporting.episodes.beginnings import shared
from lemur.reporting.episodes.item import Block, Item, disagree, outcome_of, verdicts_of
from lemur.reporting.episodes.text import code, plain, visible

OUTCOMES = {
    "solved": "solved",
    "failed": "failed",
    "fault": "environment fault",
    "none": "no verdict",
    "disagree": "rules disagree",
}
SCREENSHOTS = "../../screenshots"
"""From a page to reports/screenshots, which is no artifact: LEMUR_SCREENSHOTS (docs/agents_webarena.md)."""
_PAGE, _ITEM, _STYLE, _SCRIPT = (
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("page.jinja", "item.jinja", "page.css", "page.js")
)


@dataclass(frozen=True)
class Limits:
    """Of a page: items, bytes, and characters of one text."""

    items: int
    size: int
    characters: int


@dataclass(frozen=True)
class Summary:
    """Of a whole samples file: the number of items, and how many have each outcome; `right`: by rule."""

    items: int
    outcomes: Counter[str]
    right: Counter[str]
    judged: Counter[str]

    def text(self) -> str:
        outcomes = [f"{self.outcomes[name]:,} {head}" for name, head in OUTCOMES.items() if self.outcomes[name]]
        rules = [f"{rule} {self.right[rule]:,}/{n:,}" for rule, n in sorted(self.judged.items())]
        right = f" Right by rule: {'; '.join(rules)}." if rules else ""
        return f"{self.items:,} items: {', '.join(outcomes)}.{right}"


def page(file: Path, benchmark: str, title: str, limits: Limits, skipped: str | None = None) -> tuple[str, Summary]:
    """The page of a samples file, and what the file holds. `skipped`: why it is empty.

    Where the file has more items than fit, the page has evenly spaced ones and says so. Screenshots are beside the
    page, not in it. Raises `ValueError` that names the file and line of a record that is neither a
    sample nor an episode.
    """
    offsets, summary = _survey(file)
    count = min(limits.items, len(offsets))
    while True:
        items = _read(file, _spaced(offsets, count), benchmark)
        size, html = _least_size(items, limits.characters), ""
        if size <= limits.size or count <= 1:  # else colouring the code would be wasted
            html = _render(items, file.parent.name, title, summary, limits.characters, skipped)
            size = len(html.encode())
        if html and (size <= limits.size or count <= 1):
            return html, summary
        count = max(1, min(count - 1, count * limits.size // size))


def anchors(ids: Sequence[str]) -> list[str]:
    """HTML ids for items: their own ids without white space; equal ones are numbered."""
    seen: Counter[str] = Counter()
    result = []
    for name in ids:
        anchor = "_".join(visible(name).split()) or "_"
        seen[anchor] += 1
        result.append(anchor if seen[anchor] == 1 else f"{anchor}~{seen[anchor]}")
    return result


def _survey(file: Path) -> tuple[list[int], Summary]:
    offsets: list[int] = []
    summary = Summary(0, Counter(), Counter(), Counter())
    for offset, record in scan(file):
        offsets.append(offset)
        verdicts = {} if record.get("fault") else verdicts_of(record)
        summary.outcomes[outcome_of(record)] += 1
        summary.outcomes["disagree"] += disagree(verdicts)
        summary.right.update(rule for rule, verdict in verdicts.items() if verdict)
        summary.judged.update(rule for rule, verdict in verdicts.items() if verdict is not None)
    return offsets, Summary(len(offsets), summary.outcomes, summary.right, summary.judged)


def _spaced(offsets: list[int], count: int) -> list[int]:
    return [offsets[index * len(offsets) // count] for index in range(count)]


def _read(file: Path, offsets: list[int], benchmark: str) -> list[Item]:
    items = []
    with file.open("rb") as lines:
        for offset in offsets:
            record: Record = read_at(lines, offset)
            try:
                items.append(read_item(record, benchmark))
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{file}: the record at byte {offset} is neither a sample nor an episode ({error!r}); "
                    "run the stage that wrote it again"
                ) from None
    return items


def _least_size(items: list[Item], characters: int) -> int:
    """A lower bound for the bytes of the items' texts on a page."""
    lengths = shared([item.messages[0][1] if item.messages else "" for item in items])
    texts = [text for item in items for _, text in item.messages]
    texts += [block.text for item in items for turn in item.turns for block in turn.blocks]
    return sum(min(len(text), characters) for text in texts) - sum(lengths)


def _render(items: list[Item], model: str, title: str, summary: Summary, characters: int, skipped: str | None) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

    def show(text: str) -> Markup:
        return plain(text, characters)

    def body(block: Block) -> Markup:
        return code(block.text, block.language, characters) if block.language else show(block.text)

    environment.filters |= {"show": show, "body": body}
    environment.globals["screenshots"] = f"{SCREENSHOTS}/{quote(model)}"
    names = anchors([item.id for item in items])
    messages, beginnings = _messages(items)
    article = environment.from_string(_ITEM)
    articles = [
        article.render(item=item, id=visible(item.id), anchor=name, href=quote(name), messages=parts)
        for item, name, parts in zip(items, names, messages, strict=True)
    ]
    listed = [
        {
            "name": visible(item.id),
            "title": " · ".join(filter(None, (visible(item.id), item.part, item.outcome, item.ended))),
            "href": quote(name),
            **{key: getattr(item, key) for key in ("outcome", "ended", "part", "disagree")},
        }
        for item, name in zip(items, names, strict=True)
    ]
    outcomes = {item.outcome for item in items} | {"disagree" for item in items if item.disagree}
    return environment.from_string(_PAGE).render(
        title=title,
        summary=_heading(len(items), summary, skipped),
        items=listed,
        articles=Markup("\n").join(map(Markup, articles)),
        beginnings=[show(text) for text in beginnings],
        outcomes=[(name, head) for name, head in OUTCOMES.items() if name in outcomes],
        choices=[
            (key, head, values)
            for key, head, value in _choices()
            if len(values := sorted({value(item) for item in items} - {""})) > 1
        ],
        style=Markup(_STYLE),
        script=Markup(_SCRIPT),
        style_hash=_hash(_STYLE),
        pictures=any(turn.screenshot for item in items for turn in item.turns),
        script_hash=_hash(_SCRIPT),
    )


def _choices() -> tuple[tuple[str, str, Callable[[Item], str]], ...]:
    return (("ended", "any end", lambda item: item.ended), ("part", "any part", lambda item: item.part))


def _heading(shown: int, summary: Summary, skipped: str | None) -> str:
    if not summary.items:
        return f"Skipped: {skipped}" if skipped else "The samples file is empty."
    some = f" This page: {shown:,} of {summary.items:,}, evenly spaced; the samples file has all."
    return summary.text() + (some if shown < summary.items else "")


def _messages(items: list[Item]) -> tuple[list[list[dict[str, object]]], list[str]]:
    """For each item its messages, the first without a beginning that others share; and those beginnings."""
    lengths = shared([item.messages[0][1] if item.messages else "" for item in items])
    number_of: dict[str, int] = {}
    result = []
    for item, length in zip(items, lengths, strict=True):
        messages: list[dict[str, object]] = []
        for role, text in item.messages:
            start = 0 if messages else length
            number = number_of.setdefault(text[:start], len(number_of) + 1) if start else 0
            messages.append({"role": role, "rest": text[start:], "beginning": number, "length": start})
        result.append(messages)
    return result, list(number_of)


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
