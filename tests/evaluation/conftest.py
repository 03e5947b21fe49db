"""A model that knows the answers, and small benchmarks in the schemas of the originals."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lemur.core.records import Record, write_json
from lemur.evaluation.harness import result
from lemur.inference.interface import Generation, Score
from lemur.sources.fetched import FetchedFile

BUNDLED = Path(__file__).parents[2] / "data/sources"
ASK: Record = {
    "limit": None,
    "seed": 0,
    "bos": False,
    "chat": "auto",
    "context": None,
    "tile": 4,
    "backend": "jax",
}
ASK_FOR_ANSWERS = ASK | {"stop": None}
ASK_FOR_PROGRAMS = ASK_FOR_ANSWERS | {"samples": 1, "k": [1], "temperature": 0.0}


class Oracle:
    """Answers each prompt with `answer(prompt)`, and rates that continuation the likeliest."""

    chat = False

    def __init__(self, answer: Callable[[str], str], context_length: int = 4096) -> None:
        self.answer = answer
        self.context_length = context_length
        self.prompts: list[str] = []

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        self.prompts += prompts
        answers = []
        for prompt in prompts:
            text = self.answer(prompt)
            cut = min([index for string in stop if (index := text.find(string)) >= 0], default=None)
            answers.append(Generation(text if cut is None else text[:cut], 1, "length" if cut is None else "stop"))
        return answers

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        self.prompts += [context for context, _ in requests]
        values = [0.0 if self.answer(context) == continuation else -9.0 for context, continuation in requests]
        return [Score(value, (value,), value == 0.0) for value in values]

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        return [Score(-1.0 * len(text), (-1.0,) * len(text), False) for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        return "".join(f"[{message['role']}]{message['content']}" for message in messages) + "[assistant]" + prefill

    def identity(self) -> Record:
        return {"backend": "oracle", "model_hash": "0"}


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps a test's notes and unfinished answers out of the checkout."""
    monkeypatch.setattr(result, "NOTES", tmp_path / "notes")
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "answers"))
    return tmp_path / "notes"


@pytest.fixture
def mirror() -> Path:
    """The folder of original files, for tests that need real data."""
    folder = os.environ.get("LEMUR_MIRROR")
    if not folder:
        pytest.skip("LEMUR_MIRROR is not set, so there are no original benchmark files")
    return Path(folder)


def fetched(folder: Path, schema: str, files: dict[str, tuple[str, Record]]) -> Path:
    """Writes the fetched source `folder` with files {name: (content, meta)}."""
    entries = []
    for name, (content, meta) in sorted(files.items()):
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        entries.append({"path": name, "schema": schema, "licence": "MIT", "sha256": "", "bytes": 0, "meta": meta})
    head = {"name": folder.name, "title": folder.name, "place": "bundled", "revision": "1", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": entries})
    return folder


def file(path: Path, schema: str, **meta: object) -> FetchedFile:
    return FetchedFile(path.parent, path.name, schema, "MIT", meta)
