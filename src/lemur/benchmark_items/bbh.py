"""BIG-Bench Hard: 27 reasoning tasks, each with three worked examples (Suzgun et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.file_formats import list_entries, whole_text
from lemur.sources.reading.rows import convert_all, texts


@dataclass(frozen=True)
class Question:
    task: str
    where: str
    input: str
    target: str


@dataclass(frozen=True)
class Examples:
    """The start of a task's prompt: its description and its examples. `shots`: question and short answer; `worked`: the
    examples as published, with their reasoning."""

    task: str
    description: str
    shots: tuple[str, ...]
    worked: tuple[str, ...]

    def prompt_prefix(self, count: int) -> str:
        """The description and the first `count` shots."""
        return "\n\n".join([self.description, *self.shots[:count]]).strip()


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """A JSON object {canary, examples: [{input, target}]}; the file's meta names the task."""

    def question(where: str, record: Record) -> Question:
        return Question(file.meta["task"], where, *texts(record, "input", "target"))

    return convert_all(list_entries(file, "examples"), question)


def read_examples(file: FetchedFile) -> Examples:
    """A file of chain-of-thought prompts: two header lines, the description, then blocks `Q: ... A: ...`. `shots` keep
    of an answer only what follows the last "So the answer is", with its period. Raises `DamagedFile` for an example
    without that phrase or without "A:"."""
    text = whole_text(file)
    if isinstance(text, BadRecord):
        raise DamagedFile(f"{file.path}: {text.reason}: {text.detail}; fetch it again")
    description: list[str] = []
    shots: list[str] = []
    for block in "\n".join(text.split("\n")[2:]).split("\n\n"):
        if not block.startswith("Q:"):
            description.append(block)
            continue
        _, marker, answer = block.rpartition("So the answer is")
        question, colon, _ = block.partition("\nA:")
        if not marker or not colon:
            raise DamagedFile(f"{file.path}: an example lacks 'A:' or 'So the answer is': {block[:80]!r}")
        shots.append(f"{question.strip()}\nA: {answer.strip()}")
    worked = tuple(text.split("\nQ: ")[1:])
    return Examples(file.meta["task"], "\n\n".join(description).strip(), tuple(shots), worked)
