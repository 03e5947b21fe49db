from collections import Counter
from pathlib import Path

from lemur.decontamination.index import BenchmarkIndex
from lemur.decontamination.items import read_items


def index_of(*folders: Path) -> BenchmarkIndex:
    """The index of fetched folders, with the n-grams of params.yaml."""
    unreadable: Counter[str] = Counter()
    return BenchmarkIndex(read_items(folders, unreadable), ngram=13, code_ngram=24, unreadable=unreadable)
