"""The English filter's verdicts against langdetect's own, on the mirror's multilingual texts."""

import json
import os
import random
from pathlib import Path

import pytest
from langdetect import DetectorFactory, LangDetectException, detect

from lemur.instructions.language import NO_FEATURES, Detectors

MIRROR = Path(os.environ.get("LEMUR_MIRROR", "") or "/nonexistent")
SEED = 0


def bare(text: str) -> str:
    DetectorFactory.seed = SEED
    try:
        return str(detect(text))
    except LangDetectException:
        return NO_FEATURES


@pytest.mark.mirror
@pytest.mark.timeout(900)
def test_10000_verdicts_are_those_of_single_seeded_calls() -> None:
    lines = (MIRROR / "multilingual/bigbench_language_identification.jsonl").read_text(encoding="utf-8").splitlines()
    # The sentences to identify, in hundreds of languages, without the choices that follow.
    texts = [json.loads(line)["query"].split("\n")[1].removeprefix("Sentence: ") for line in lines]
    assert len(set(texts)) > 9_000
    assert len(texts) == 10_000
    order = random.Random(1).sample(range(len(texts)), len(texts))
    with Detectors(SEED, workers=2) as detectors:
        first = detectors.verdicts([texts[i] for i in order[:3000]])
        rest = detectors.verdicts([texts[i] for i in order[3000:]])
    found = dict(zip(order, first + rest, strict=True))
    assert [found[i] for i in range(len(texts))] == [bare(text) for text in texts]
