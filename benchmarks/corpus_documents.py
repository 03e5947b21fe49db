"""Documents for benchmarks/corpus.py, drawn from the words and the code of the corpus that was built here."""

import random
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]


def vocabulary() -> list[str]:
    from lemur.core.records import read_jsonl

    texts = (record["text"] for record in read_jsonl(ROOT / "data/corpus/train/books.jsonl"))
    return " ".join(texts).split()


def passage(generator: random.Random, words: list[str], length: int) -> str:
    """Running words of the corpus, in pieces of 3 to 12 from anywhere, so that no two passages are alike by chance."""
    found: list[str] = []
    while len(found) < length:
        at = generator.randrange(len(words) - 12)
        found += words[at : at + generator.randint(3, 12)]
    return " ".join(found[:length]) + "\n"


def prose(count: int, copies: float, seed: int = 0) -> list[tuple[str, int]]:
    """Documents of 60 to 500 words; a share of them are copies of an earlier one with one word of forty changed.
    (text, number of the document that it is a copy of, or its own)"""
    generator, words = random.Random(seed), vocabulary()
    documents: list[tuple[str, int]] = []
    for number in range(count):
        if number and generator.random() < copies:
            of = documents[generator.randrange(number)][1]
            text = [w if generator.random() > 1 / 40 else generator.choice(words) for w in documents[of][0].split()]
            documents.append((" ".join(text) + "\n", of))
        else:
            documents.append((passage(generator, words, generator.randint(60, 500)), number))
    return documents


# The Stack's names. Notebooks are left out: in the cleaned corpus they are text already.
LANGUAGES = {
    "python": "Python", "sql": "SQL", "java": "Java", "shell": "Shell", "javascript": "JavaScript", "c": "C",
    "php": "PHP", "cpp": "C++", "others": "Go",
}  # fmt: skip


def programs(count: int, copies: float, seed: int = 0) -> list[tuple[str, str]]:
    """Documents of 15 to 80 lines of the corpus's code, in pieces of 3 to 12 lines from anywhere in one language, as
    often as it has lines; a share of them are copies of an earlier one with other names. (text, source)"""
    from lemur.corpus.dedup.planted import renamed
    from lemur.corpus.documents import read_source

    generator = random.Random(seed)
    lines = {
        source: "".join(record["text"] for record in read_source(ROOT / "data/corpus/cleaned", source)).splitlines(True)
        for source in LANGUAGES
    }
    sizes = [len(of) for of in lines.values()]
    documents: list[tuple[str, str]] = []
    for number in range(count):
        if number and generator.random() < copies:
            text, source = documents[generator.randrange(number)]
            documents.append((renamed(text, generator), source))
            continue
        (source,) = generator.choices(list(lines), sizes)
        found: list[str] = []
        length = generator.randint(15, 80)
        while len(found) < length:
            at = generator.randrange(len(lines[source]) - 12)
            found += lines[source][at : at + generator.randint(3, 12)]
        documents.append(("".join(found[:length]), source))
    return documents


def corpus(folder: Path, count: int, copies: float = 0.1, code: float = 0.0) -> list[tuple[str, int]]:
    """Fetched sources: `refinedweb` with prose and `stack` with programs, which are the share `code` of the documents.
    Returns the prose."""
    from tests.corpus.builders import fetched, jsonl

    documents = prose(count - int(code * count), copies)
    files: dict[str, list[dict[str, Any]]] = {}
    if code:  # else nothing but the books has to be built
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
