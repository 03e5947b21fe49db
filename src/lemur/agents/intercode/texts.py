"""The texts of InterCode's prompts, as the paper's authors ran it, and what replaces them where no reward is shown."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemur.agents.episodes.environment import Message
from lemur.benchmark_items.intercode import PROMPTS
from lemur.core.records import read_json
from lemur.sources.fetched import Fetched

SCHEMA_TITLE = "MySQL tables, with their properties\n"
CHARACTERS, ROWS = 1000, 50
"""What the model reads of an observation: characters of a text, rows of a result."""
ASIDE = "Whenever you want to stop, answer `submit`: the output of your last command then counts as your answer.\n"
_REWARD = re.compile(r"reward|score|ratio", re.IGNORECASE)


@dataclass(frozen=True)
class Texts:
    """Templates with {query}, {observation} and {reward}; `retry` answers a message without a command."""

    system: str
    initial: str
    query: str
    observation: str
    retry: str

    def opening(self, query: str, schema: Mapping[str, Sequence[str]] | None) -> list[Message]:
        """The first two messages. With a `schema` it replaces the system message."""
        if schema is None:
            system, between = self.system, "\n"
        else:
            tables = "".join(f"- {name}: {list(columns)}\n" for name, columns in schema.items())
            system, between = SCHEMA_TITLE + tables, ""
        question = self.query.replace("{query}", query)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": f"{self.initial}{between}{question}"},
        ]

    def answer(self, query: str, observation: str, reward: str) -> str:
        values = {"query": query, "observation": observation or "No output", "reward": reward}
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), self.observation)

    def without_reward(self) -> "Texts":
        """The same without the paragraphs and lines that speak of a reward, and how to stop instead."""
        paragraphs = [text for text in self.initial.split("\n\n") if not _REWARD.search(text)]
        lines = [line for line in self.observation.splitlines(keepends=True) if not _REWARD.search(line)]
        query = "".join(line for line in self.query.splitlines(keepends=True) if not _REWARD.search(line))
        initial = "\n\n".join(paragraphs).rstrip("\n") + f"\n\n{ASIDE}\n"
        return Texts(self.system, initial, query, "".join(lines), self.retry)


def read_texts(source: Fetched, setting: str) -> Texts:
    """The texts of `setting`: sql, bash or ctf. Raises `ValueError` if the source has none."""
    files = [file for file in source.files if file.schema == PROMPTS]
    if len(files) != 1:
        raise ValueError(f"source {source.name}: {len(files)} files of schema {PROMPTS}; one is allowed")
    record = read_json(files[0].path)
    try:
        found = record["settings"][setting]
        system = str(record["system"]).partition(" (")[0].replace("{language}", found["language"])
        return Texts(system, *(str(found[key]) for key in ("initial", "query", "observation", "retry_without_code")))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{files[0].path}: setting {setting}: {error!r} is missing; fetch the file again") from None


def shown(output: object) -> str:
    """What the model reads of rows or of a text."""
    return str(output[:ROWS]) if isinstance(output, list) else str(output)[:CHARACTERS]
