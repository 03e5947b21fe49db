"""langdetect with a seed for each text, so that a verdict is a function of the text alone; cached and in parallel."""

import hashlib
import multiprocessing
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import langdetect
import langdetect.detector
import numpy as np
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from lemur.workers import end_with_parent

NO_FEATURES = "none"
"""Verdict on a text in which langdetect finds nothing to judge: no letters, or letters of no language it knows."""

_CACHED = 100_000  # verdicts kept; 16 bytes of digest each, so that memory does not grow with the source
_SMALL = 64  # below so many texts a process costs more than it saves


class _ArrayDetector(langdetect.detector.Detector):
    """langdetect's detector with its 55 probabilities in an array: the same operations on the same numbers in the same
    order, so the same bits, for half the processor time (benchmarks/instructions.py)."""

    def _init_probability(self) -> np.ndarray:
        return np.array(super()._init_probability())

    def _update_lang_prob(self, prob: np.ndarray, word: str, alpha: float) -> bool:
        prob *= alpha / self.BASE_FREQ + self.word_lang_prob_map[word]
        return True

    def _normalize_prob(self, prob: np.ndarray) -> float:
        prob /= sum(prob.tolist())  # not numpy's sum, which adds in another order
        return float(prob.max())


class Detector:
    """One loaded set of language profiles. Every text starts the generator at the same `seed`, so neither order nor the
    number of processes can change a verdict, and each equals `langdetect.detect` with `DetectorFactory.seed = seed`."""

    def __init__(self, seed: int) -> None:
        self._factory = DetectorFactory()
        self._factory.seed = seed
        # load_profile() takes them in directory order, which decides the order of summation.
        profiles = sorted((Path(langdetect.__file__).parent / "profiles").iterdir())
        self._factory.load_json_profile([path.read_text(encoding="utf-8") for path in profiles if path.is_file()])
        words = self._factory.word_lang_prob_map
        self._factory.word_lang_prob_map = dict(zip(words, np.array(list(words.values())), strict=True))

    def verdict(self, text: str) -> str:
        """langdetect's code of the most probable language (`en`, `zh-cn`), `unknown`, or `none`."""
        detector = _ArrayDetector(self._factory)
        try:
            detector.append(text)
            return str(detector.detect())
        except LangDetectException:
            return NO_FEATURES


class Detectors:
    """`with Detectors(seed, workers) as detect: detect.verdicts(texts)`."""

    def __init__(self, seed: int, workers: int) -> None:
        self._seed = seed
        self._workers = workers
        self._pool: multiprocessing.pool.Pool | None = None
        self._cache: OrderedDict[bytes, str] = OrderedDict()

    def verdicts(self, texts: Sequence[str]) -> list[str]:
        """Verdicts in the order of `texts`; a text seen lately is not judged again."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._cache}
        found = dict(zip(new, self._judge(list(new.values())), strict=True))
        result = [found[key] if key in found else self._cache[key] for key in keys]
        self._cache.update(found)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return result

    def _judge(self, texts: list[str]) -> list[str]:
        if _detector is None or _detector[0] != self._seed:
            _load(self._seed)
        if self._workers == 1 or len(texts) < _SMALL:
            return [_verdict(text) for text in texts]
        if self._pool is None:
            # Spawned, though forked processes would share the loaded profiles (0.5 s): a fork can hang in a process
            # that has threads, and the runner's has one.
            self._pool = multiprocessing.get_context("spawn").Pool(self._workers, _start, (self._seed,))
        # Small chunks: the texts' lengths differ a thousandfold.
        return self._pool.map(_verdict, texts, chunksize=8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._pool is not None:
            if error is None:
                self._pool.close()
            else:
                self._pool.terminate()
            self._pool.join()


_detector: tuple[int, Detector] | None = None


def _start(seed: int) -> None:
    end_with_parent()
    _load(seed)


def _load(seed: int) -> None:
    global _detector
    if _detector is None or _detector[0] != seed:
        _detector = (seed, Detector(seed))


def _verdict(text: str) -> str:
    assert _detector is not None
    return _detector[1].verdict(text)
