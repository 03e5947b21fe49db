"""Records of single-turn benchmarks, and of episodes, as items of a page."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from lemur.core.records import Record
from lemur.reporting.episodes.item import Block, Item, Turn, other_facts, outcome_of, part_of, plain_text, verdicts_of
from lemur.reporting.episodes.text import visible

# Whose colours a benchmark's programs get; MultiPL-E's records name theirs.
LANGUAGES = {"humaneval": "python", "mbpp": "python", "ds1000": "python", "spider": "sql"}
WITH_SCREENSHOTS = ("webarena",)
_TAG = re.compile(r"<(thought|execute|solution)>(.*?)(</\1>|\Z)", re.DOTALL)
SCORED = "What is scored"
_HEADS = {"thought": "Thought", "execute": "Code to run", "solution": "Proposed solution"}
_REPEATED = 40
"""Characters from which an observation is not written out again where the model's next message repeats it."""


def item(record: Record, benchmark: str) -> Item:
    """Raises `KeyError` for a record that is neither a sample nor an episode."""
    episode = "turns" in record
    return Item(
        id=str(record["id"]),
        part=visible(part_of(record)),
        ended=visible(str(record.get("ended" if episode else "finish") or "")),
        outcome=outcome_of(record),
        verdicts=verdicts_of(record),
        messages=[(m["role"], m["content"]) for m in record["messages"]] if episode else _prompt(record),
        turns=_turns(record, benchmark) if episode else [_answer(record, benchmark)],
        facts={**({"fault": str(record["fault"])} if record.get("fault") else {}), **other_facts(record)},
    )


def pieces(answer: str, solution_language: str | None) -> list[Block]:
    """An agent's message in its parts, as MINT's tags divide it; a tag that a limit left open reaches to the end."""
    blocks, end = [], 0
    for match in _TAG.finditer(answer):
        blocks += _loose(answer[end : match.start()])
        kind, text, closing = match.groups()
        language = "python" if kind == "execute" else solution_language if kind == "solution" else None
        head = _HEADS[kind] + ("" if closing else " (never closed)")
        blocks.append(Block(kind, head, text.strip() if kind == "thought" else text.strip("\n"), language))
        end = match.end()
    return blocks + _loose(answer[end:])


def _loose(text: str) -> list[Block]:
    return [Block("text", "Outside the tags", text.strip("\n"))] if text.strip() else []


def _prompt(record: Record) -> list[tuple[str, str]]:
    return [("prompt", record["prompt"])] if "prompt" in record else []


def _turns(record: Record, benchmark: str) -> list[Turn]:
    turns: list[Turn] = []
    for number, row in enumerate(record["turns"], 1):
        blocks = pieces(row["answer"], "python" if record.get("group") == "code" else None)
        if row["observation"]:
            blocks.append(Block("observation", "Observation", row["observation"]))
        if row["feedback"]:
            blocks.append(Block("feedback", "Feedback of the teacher", row["feedback"]))
        if row["message"]:
            blocks.append(Block("next", "What the model reads next", _next(row)))
        facts = {"finish": row["finish"], "tokens": plain_text(row["tokens"]), "left": plain_text(row["left"])}
        facts["ended"] = row["ended"] or ""
        head = f"Turn {number} of {len(record['turns'])}: {row['action']['kind']}"
        screenshot = f"{quote(record['id'])}/{number - 1:02d}.png" if benchmark in WITH_SCREENSHOTS else ""
        facts = {key: value for key, value in facts.items() if value}
        turns.append(Turn(head, blocks, row["solved"], facts, screenshot))
    if record.get("reference"):
        turns.append(Turn("Reference", [Block("target", "Right answer", str(record["reference"]))]))
    return turns


def _next(row: Record) -> str:
    """The message with a note in place of what the turn already shows."""
    text: str = row["message"]
    for name in ("observation", "feedback"):
        if len(row[name]) >= _REPEATED:
            text = text.replace(row[name], f"[the {name} above]", 1)
    return text


def _answer(record: Record, benchmark: str) -> Turn:
    language = LANGUAGES.get(benchmark, record.get("language"))
    blocks = [Block("answer", head, text, language) for head, text in _texts("Answer", record.get("output"))]
    for head, text in _texts(SCORED, record["extraction"]) if "extraction" in record else ():
        if not any(block.text == text for block in blocks):
            blocks.append(Block("extraction", head, text, language))
    blocks += [Block("target", head, text, language) for head, text in _texts("Right answer", record.get("target"))]
    blocks += [Block("verdict", head, text) for head, text in _texts("Judge", _verdict(record.get("verdict")))]
    return Turn("Answer", blocks)


def _texts(head: str, value: Any) -> Iterator[tuple[str, str]]:
    """Texts with their headings: several answers by number, several rules by name unless they agree."""
    if isinstance(value, Mapping) and len({plain_text(text) for text in value.values()}) > 1:
        for rule, text in value.items():
            yield from _texts(f"{head}, {rule}", text)
    elif isinstance(value, Mapping):
        yield from _texts(head, next(iter(value.values()), None))
    elif isinstance(value, list):
        for number, text in enumerate(value, 1):
            yield from _texts(f"{head} {number}", text)
    elif value is None and head.startswith(SCORED):
        yield head, "(no answer was found)"
    elif value is not None:
        yield head, str(value)


def _verdict(value: Any) -> Any:
    """{"status": s, "detail": d} as "s: d", in lists and by rule too."""
    if isinstance(value, Mapping) and "status" in value:
        return ": ".join(str(value[key]) for key in ("status", *sorted(set(value) - {"status"})) if value[key])
    if isinstance(value, Mapping):
        return {key: _verdict(inner) for key, inner in value.items()}
    return [_verdict(inner) for inner in value] if isinstance(value, list) else value
