"""langdetect with a seed for each text, so that a verdict is a function of the text alone; cached."""

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
"""Verdict on a text in which langdetect finds nothing to judge: no letters, or letters of no language it knows."""

_CACHED = 100_000  # verdicts kept; 16 bytes of digest each, so that memory does not grow with the source
_CACHED_WORDS = 50_000  # words whose n-grams are kept, each shorter than `_LONG`
_LONG = 32
_BLANKS = re.compile("  +")


class _ArrayDetector(langdetect.detector.Detector):
    """langdetect's detector for a third of its processor time (benchmarks/instructions.py): the same n-grams, the same
    draws of its generator, the same operations on the same numbers in the same order. It only stops when no trial that
    is left could change the verdict."""

    def __init__(self, profiles: "_Profiles") -> None:
        super().__init__(profiles.factory)
        self._profiles = profiles

    def append(self, text: str) -> None:
        text = self.MAIL_RE.sub(" ", self.URL_RE.sub(" ", text))
        self.text += _BLANKS.sub(" ", NGram.normalize_vi(text)[: self.max_text_length])

    def cleaning_text(self) -> None:
        if not self.text.isascii():  # it only leaves out Latin letters among more letters of other scripts
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
        """Probabilities [languages] after as many n-grams drawn at random as make one of them all but certain."""
        weight = (self.alpha + self.random.gauss(0.0, 1.0) * self.ALPHA_WIDTH) / self.BASE_FREQ
        count, draw = len(rows), self.random.getrandbits
        bits = count.bit_length()
        factors = np.full((6, len(self.langlist)), 1.0 / len(self.langlist))
        words = 1  # then five between two looks at the outcome
        for _ in range(0, self.ITERATION_LIMIT + 1, 5):
            drawn = []
            for _ in range(words):
                place = draw(bits)
                while place >= count:  # as Random.choice does
                    place = draw(bits)
                drawn.append(rows[place])
            np.add(self._profiles.matrix[drawn], weight, out=factors[1 : words + 1])
            product = np.multiply.reduce(factors[: words + 1], axis=0)
            factors[0] = product / sum(product.tolist())  # not numpy's sum, which adds in another order
            if factors[0].max() > self.CONV_THRESHOLD:
                break
            words = 5
        return factors[0]


class _Profiles:
    """langdetect's 55 language profiles: `matrix` [n-grams, languages]."""

    def __init__(self, seed: int) -> None:
        self.factory = DetectorFactory()
        self.factory.seed = seed
        # In a fixed order, which decides the order of summation: load_profile() takes them as the directory lists them.
        files = sorted((Path(langdetect.__file__).parent / "profiles").iterdir())
        profiles = [json.loads(file.read_bytes()) for file in files if file.is_file()]
        self.factory.langlist = [profile["name"] for profile in profiles]
        self._row: dict[str, int] = {}
        rows = [[self._row.setdefault(gram, len(self._row)) for gram in profile["freq"]] for profile in profiles]
        self.matrix = np.zeros((len(self._row), len(profiles)))
        for column, (profile, places) in enumerate(zip(profiles, rows, strict=True)):
            lengths = np.array([len(gram) for gram in profile["freq"]])
            frequencies = np.array(list(profile["freq"].values()))
            self.matrix[places, column] = frequencies / np.array(profile["n_words"])[lengths - 1]
        self._normal = _Normal()
        self._word = lru_cache(maxsize=_CACHED_WORDS)(self._rows_of_word)

    def rows_of(self, text: str) -> list[int]:
        """Row numbers of all n-grams of `text` that a profile has, in langdetect's order."""
        normal = "".join(map(self._normal.__getitem__, text))
        found: list[int] = []
        *words, last = normal.split(" ")
        for word in words:
            if word:
                found += (self._word if len(word) < _LONG else self._rows_of_word)(word, " ")
        return found + self._rows_of_word(last, "")

    def _rows_of_word(self, word: str, after: str) -> list[int]:
        """Of each letter its 1-, 2- and 3-gram, which begin at the blank before the word; not of a capital after a
        capital."""
        grams, before, last = [], "", " "
        for letter in word + after:
            if not (letter.isupper() and last.isupper()):
                grams += [letter, last + letter]
                if before:
                    grams.append(before + last + letter)
            before, last = last, letter
        return [self._row[gram] for gram in grams if gram in self._row and gram != " "]


class _Normal(dict[str, str]):
    """langdetect's form of a character: a blank for what is no letter, one letter for each of some scripts."""

    def __missing__(self, letter: str) -> str:
        self[letter] = NGram.normalize(letter)
        return self[letter]


class Detector:
    """One loaded set of language profiles. Every text starts the generator at the same `seed`, so neither order nor the
    number of processes can change a verdict, and each equals `langdetect.detect` with `DetectorFactory.seed = seed`."""

    def __init__(self, seed: int) -> None:
        self._profiles = _Profiles(seed)
        self._cache: OrderedDict[bytes, str] = OrderedDict()

    def verdict(self, text: str) -> str:
        """langdetect's code of the most probable language (`en`, `zh-cn`), `unknown`, or `none`; a text seen lately is
        not judged again."""
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if key not in self._cache:
            self._cache[key] = self._judged(text)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return self._cache[key]

    def _judged(self, text: str) -> str:
        detector = _ArrayDetector(self._profiles)
        try:
            detector.append(text)
            return str(detector.detect())
        except LangDetectException:
            return NO_FEATURES
