"""Documents for benchmarks/corpus.py, composed of words and code from the corpus built here."""

import random
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]


def vocabulary() -> list[str]:
    from lemur.corpus.documents import read_source

    texts = (record["text"] for record in read_source(ROOT / "data/corpus/train", "books"))
    return " ".join(texts).split()


def passage(generator: random.Random, words: list[str], length: int) -> str:
    """Random pieces of the corpus, each of 3 to 12 consecutive words, so that no two passages are alike by chance."""
    chosen: list[str] = []
    while len(chosen) < length:
        start = generator.randrange(len(words) - 12)
        chosen += words[start : start + generator.randint(3, 12)]
    return " ".join(chosen[:length]) + "\n"


def prose(count: int, copies: float, seed: int = 0) -> list[tuple[str, int]]:
    """Documents of 60 to 500 words. The share `copies` are copies of an earlier one with one word in forty changed.
    Returns (text, number of the copied document or its own)."""
    generator, words = random.Random(seed), vocabulary()
    documents: list[tuple[str, int]] = []
    for number in range(count):
        if number and generator.random() < copies:
            original = documents[generator.randrange(number)][1]
            text = [
                word if generator.random() > 1 / 40 else generator.choice(words)
                for word in documents[original][0].split()
            ]
            documents.append((" ".join(text) + "\n", original))
        else:
            documents.append((passage(generator, words, generator.randint(60, 500)), number))
    return documents


# The Stack's names. Without notebooks: the cleaned corpus has them as text.
LANGUAGES = {
    "python": "Python", "sql": "SQL", "java": "Java", "shell": "Shell", "javascript": "JavaScript", "c": "C",
    "php": "PHP", "cpp": "C++", "others": "Go",
}  # fmt: skip


def programs(count: int, copies: float, seed: int = 0) -> list[tuple[str, str]]:
    """Documents of 15 to 80 lines of code: random pieces of 3 to 12 lines from one language, drawn in proportion to its
    lines. The share `copies` are copies of an earlier one with renamed identifiers. Returns (text, source)."""
    from lemur.corpus.dedup.planted import renamed
    from lemur.corpus.documents import read_source

    generator = random.Random(seed)
    lines = {
        source: "".join(record["text"] for record in read_source(ROOT / "data/corpus/cleaned", source)).splitlines(True)
        for source in LANGUAGES
    }
    sizes = [len(each) for each in lines.values()]
    documents: list[tuple[str, str]] = []
    for number in range(count):
        if number and generator.random() < copies:
            text, source = documents[generator.randrange(number)]
            documents.append((renamed(text, generator), source))
            continue
        (source,) = generator.choices(list(lines), sizes)
        chosen: list[str] = []
        length = generator.randint(15, 80)
        while len(chosen) < length:
            start = generator.randrange(len(lines[source]) - 12)
            chosen += lines[source][start : start + generator.randint(3, 12)]
        documents.append(("".join(chosen[:length]), source))
    return documents


def corpus(folder: Path, count: int, copies: float = 0.1, code: float = 0.0) -> list[tuple[str, int]]:
    """Write fetched sources: `refinedweb` with prose, and `stack` with programs, the share `code` of the documents.
    Returns the prose."""
    from tests.corpus.builders import fetched, jsonl

    documents = prose(count - int(code * count), copies)
    files: dict[str, list[dict[str, Any]]] = {}
    if code:  # without code only the books must have been built
        for text, source in programs(int(code * count), copies):
            files.setdefault(source, []).append({"content": text, "max_stars_repo_licenses": ["MIT"]})
    stack = {
        f"{source}.jsonl": (jsonl(*records), "stack", "MIT", {"language": LANGUAGES[source]})
        for source, records in files.items()
    }
    pages = jsonl(*({"text": text} for text, _ in documents))
    fetched(folder / "raw" / "stack", stack)
    fetched(folder / "raw" / "refinedweb", {"a.jsonl": (pages, "text_jsonl", "CC0-1.0", {})})
    for name in ("wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics"):
        fetched(folder / "raw" / name, {})
    return documents
