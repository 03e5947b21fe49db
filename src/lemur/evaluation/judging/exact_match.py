"""How the paper's scripts compare answers: exact_match of the library `evaluate`."""

import string


def normalise_answer(text: str) -> str:
    """`text` without case and punctuation, for comparing two answers. So -5 equals 5, and 18.0 equals 180."""
    return text.lower().translate(str.maketrans("", "", string.punctuation))
