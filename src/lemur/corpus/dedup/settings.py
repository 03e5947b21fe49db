"""What the search for duplicates has to know, in every process."""

from typing import NamedTuple


class Settings(NamedTuple):
    """See `dedup_corpus.Params`. `memory`: most bytes of a partition's rows."""

    shingle_words: int
    renamed_tokens: int | None
    bands: int
    rows: int
    seed: int
    min_similarity: float
    min_renamed_similarity: float
    memory: int

    def thresholds(self) -> tuple[float, float]:
        """Lowest similarities of words, and of shingles that ignore names."""
        return self.min_similarity, self.min_renamed_similarity

    def span_bytes(self) -> int:
        """Documents for which a job computes keys: 14 bands of short documents take six times as much as their text."""
        return max(1, self.memory // 16)
