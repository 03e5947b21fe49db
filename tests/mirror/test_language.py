"""The English filter's verdicts compared with langdetect's own, on the mirror's multilingual texts."""

import json
import os
import random
from pathlib import Path

import pytest
from langdetect import DetectorFactory, LangDetectException, detect

from lemur.core.rejects import read_rejects
from lemur.instructions.conversations import read_conversations
from lemur.instructions.english.keep_or_drop import text_to_judge
from lemur.instructions.english.language_detector import NO_FEATURES
from lemur.instructions.english_filter import Params, english_filter
from tests.instructions.builders import chat, conversation_folder

MIRROR = Path(os.environ.get("LEMUR_MIRROR", "") or "/nonexistent")
SEED = 0


def langdetect_verdict(text: str) -> str:
    DetectorFactory.seed = SEED
    try:
        return str(detect(text))
    except LangDetectException:
        return NO_FEATURES


@pytest.mark.mirror
@pytest.mark.timeout(900)
def test_10000_verdicts_equal_those_of_single_seeded_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (MIRROR / "multilingual/bigbench_language_identification.jsonl").read_text(encoding="utf-8").splitlines()
    # The sentences to identify, in hundreds of languages, without the choices that follow.
    texts = [json.loads(line)["query"].split("\n")[1].removeprefix("Sentence: ") for line in lines]
    assert len(set(texts)) > 9_000
    assert len(texts) == 10_000
    records = [chat(text, "An answer.") for text in texts]
    assert [text_to_judge(record) for record in records] == texts
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    conversation_folder(tmp_path / "in", random.Random(1).sample(records, len(records)), shards=20)
    # With these parameters the rejects have every verdict except `en`.
    rules = {"sources": {"sharegpt": "detect"}, "undetermined": "drop", "foreign_run": 10**6, "unit": "conversation"}
    out = {name: tmp_path / name for name in ("kept", "rejects", "report")}
    english_filter(Params.model_validate({**rules, "seed": SEED}), tmp_path / "in", **out)
    verdicts = {reject["record"]["id"]: reject["language"] for reject in read_rejects(out["rejects"])}
    verdicts |= {record["id"]: "en" for record in read_conversations(out["kept"])}
    assert [verdicts[record["id"]] for record in records] == [langdetect_verdict(text) for text in texts]
