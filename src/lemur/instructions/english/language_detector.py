"""langdetect, seeded afresh for each text so that the verdict depends on the text alone; with a cache."""

import hashlib
import json
import re
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import langdetect
import langdetect.detector
import numpy as np
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import ErrorCode, LangDetectException
from langdetect.utils.ngram import NGram

NO_FEATURES = "none"
"""Verdict on a text without features for langdetect: no letters, or letters of no language that it knows."""

_CACHED = 100_000  # cached verdicts, by a digest of 16 bytes each, so that memory does not grow with the source
_CACHED_WORDS = 50_000  # words with cached n-grams, each shorter than `_LONG`
_LONG = 32
_BLANKS = re.compile("  +")


class _ArrayDetector(langdetect.detector.Detector):
    """langdetect's detector in a third of the processor time (benchmarks/instructions.py): the same n-grams, the same
    random draws, the same operations on the same numbers in the same order. The only difference: it stops once no
    remaining trial could change the verdict."""

    def __init__(self, profiles: "_Profiles") -> None:
        super().__init__(profiles.factory)
        self._profiles = profiles

    def append(self, text: str) -> None:
        text = self.MAIL_RE.sub(" ", self.URL_RE.sub(" ", text))
        self.text += _BLANKS.sub(" ", NGram.normalize_vi(text)[: self.max_text_length])

    def cleaning_text(self) -> None:
        if not self.text.isascii():  # it only removes Latin letters that other scripts' letters outnumber
            super().cleaning_text()

    def _detect_block(self) -> None:
        self.cleaning_text()
        rows = self._profiles.rows_of(self.text)
        if not rows:
            raise LangDetectException(ErrorCode.CantDetectError, "No features in text.")
        self.random.seed(self.seed)
        total = np.zeros(len(self.langlist))
        for trial in range(1, self.n_trial + 1):
            total += self._trial(rows) / self.n_trial
            others, leader = np.partition(total, -2)[-2:].tolist()
            # A trial adds at most 1 / n_trial to any language.
            if leader > self.PROB_THRESHOLD and leader - others > (self.n_trial - trial) / self.n_trial + 1e-9:
                break
        self.langprob = total.tolist()

    def _trial(self, rows: list[int]) -> np.ndarray:
        """Draw n-grams at random until one language is all but certain; return the probabilities [languages]."""
        weight = (self.alpha + self.random.gauss(0.0, 1.0) * self.ALPHA_WIDTH) / self.BASE_FREQ
        count, draw = len(rows), self.random.getrandbits
        bits = count.bit_length()
        factors = np.full((6, len(self.langlist)), 1.0 / len(self.langlist))
        draws = 1  # for the first check of convergence; five for each later check
        for _ in range(0, self.ITERATION_LIMIT + 1, 5):
            drawn = []
            for _ in range(draws):
                index = draw(bits)
                while index >= count:  # as Random.choice does
                    index = draw(bits)
                drawn.append(rows[index])
            np.add(self._profiles.matrix[drawn], weight, out=factors[1 : draws + 1])
            product = np.multiply.reduce(factors[: draws + 1], axis=0)
            factors[0] = product / sum(product.tolist())  # not numpy's sum, which adds in another order
            if factors[0].max() > self.CONV_THRESHOLD:
                break
            draws = 5
        return factors[0]


class _Profiles:
    """langdetect's 55 language profiles: `matrix` [n-grams, languages]."""

    def __init__(self, seed: int) -> None:
        self.factory = DetectorFactory()
        self.factory.seed = seed
        # Sort the files, because their order decides the order of summation; load_profile() uses the directory's order.
        files = sorted((Path(langdetect.__file__).parent / "profiles").iterdir())
        profiles = [json.loads(file.read_bytes()) for file in files if file.is_file()]
        self.factory.langlist = [profile["name"] for profile in profiles]
        self._row: dict[str, int] = {}
        rows = [[self._row.setdefault(gram, len(self._row)) for gram in profile["freq"]] for profile in profiles]
        self.matrix = np.zeros((len(self._row), len(profiles)))
        for column, (profile, row_numbers) in enumerate(zip(profiles, rows, strict=True)):
            lengths = np.array([len(gram) for gram in profile["freq"]])
            frequencies = np.array(list(profile["freq"].values()))
            self.matrix[row_numbers, column] = frequencies / np.array(profile["n_words"])[lengths - 1]
        self._normalised = _NormalisedLetters()
        self._word = lru_cache(maxsize=_CACHED_WORDS)(self._rows_of_word)

    def rows_of(self, text: str) -> list[int]:
        """Row numbers of all n-grams of `text` that occur in a profile, in langdetect's order."""
        normalised = "".join(map(self._normalised.__getitem__, text))
        rows: list[int] = []
        *words, last = normalised.split(" ")
        for word in words:
            if word:
                rows += (self._word if len(word) < _LONG else self._rows_of_word)(word, " ")
        return rows + self._rows_of_word(last, "")

    def _rows_of_word(self, word: str, after: str) -> list[int]:
        """Rows of the 1-, 2- and 3-gram that end at each letter, starting from the blank before the word, except at a
        capital that follows a capital."""
        grams, before, last = [], "", " "
        for letter in word + after:
            if not (letter.isupper() and last.isupper()):
                grams += [letter, last + letter]
                if before:
                    grams.append(before + last + letter)
            before, last = last, letter
        return [self._row[gram] for gram in grams if gram in self._row and gram != " "]


class _NormalisedLetters(dict[str, str]):
    """langdetect's form of each character: a blank for a non-letter, one common letter for each of some scripts."""

    def __missing__(self, letter: str) -> str:
        self[letter] = NGram.normalize(letter)
        return self[letter]


class Detector:
    """One loaded set of language profiles. The generator restarts from `seed` for every text, so neither order nor the
    number of processes changes a verdict, and each equals `langdetect.detect` with `DetectorFactory.seed = seed`."""

    def __init__(self, seed: int) -> None:
        self._profiles = _Profiles(seed)
        self._cache: OrderedDict[bytes, str] = OrderedDict()

    def verdict(self, text: str) -> str:
        """langdetect's code for the most probable language (`en`, `zh-cn`), `unknown`, or `none`; cached for recent
        texts."""
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in self._cache:
            self._cache[key] = self._detect(text)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return self._cache[key]

    def _detect(self, text: str) -> str:
        detector = _ArrayDetector(self._profiles)
        try:
            detector.append(text)
            return str(detector.detect())
        except LangDetectException:
            return NO_FEATURES
