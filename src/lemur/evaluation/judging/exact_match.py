"""The comparison of the paper's scripts: exact_match of the library `evaluate`."""

import string


def plain(text: str) -> str:
    """`text` without case and punctuation: two answers are equal if these are. So -5 equals 5, and 18.0 equals 180."""
    return text.lower().translate(str.maketrans("", "", string.punctuation))
