"""Instructions with planted near-duplicates of six kinds, and pairs that only look alike (planted.json)."""

import json
import re
from collections.abc import Callable
from pathlib import Path

Pair = tuple[str, str]
DATA = json.loads(Path(__file__).with_name("planted.json").read_text(encoding="utf-8"))
TEXTS: list[str] = DATA["texts"]
DIFFERENT: list[Pair] = [(left, right) for left, right in DATA["different"]]
QUESTION = "Find the mistake in this function and explain it to someone who learns Python:\n\n"


def renamed(code: str, names: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), code)


def duplicates() -> dict[str, list[Pair]]:
    """By kind: pairs of instructions that a person would call the same."""
    requests = [text for text in TEXTS if text.split()[0] not in ("What", "How", "Why")]
    code = [(QUESTION + item["code"], item["names"]) for item in DATA["code"]]
    return {
        "case": [(text, text.upper()) for text in TEXTS],
        "white space": [(text, text.replace(" ", "  \n")) for text in TEXTS],
        "politeness": [(text, f"Please {text[0].lower()}{text[1:]} Thank you!") for text in requests],
        "one variable renamed": [(text, renamed(text, dict(list(names.items())[:1]))) for text, names in code],
        "all variables renamed": [(text, renamed(text, names)) for text, names in code],
        "paraphrase": [(left, right) for left, right in DATA["paraphrases"]],
    }


def just_below(similarity: Callable[[str, str], float], threshold: float, within: float) -> list[Pair]:
    """Pairs of a text and its copy, extended with words of the other texts until the pair's similarity is at most
    `within` below the threshold.

    Skips a word that would take the pair further below. Raises `ValueError` if there are not enough words.
    """
    pairs = []
    for number, text in enumerate(TEXTS):
        longer = text
        for word in " ".join(TEXTS[number + 1 :] + TEXTS[:number]).split():
            value = similarity(text, f"{longer} {word}")
            if value > threshold - within:
                longer += f" {word}"
                if value <= threshold:
                    break
        else:
            raise ValueError(f"no words bring {text!r} to at most {within} below {threshold}")
        pairs.append((text, longer))
    return pairs
