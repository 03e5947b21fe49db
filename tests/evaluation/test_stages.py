"""The four stages with a real, tiny model folder: they run, repeat to the byte, and their samples can be replayed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flax import nnx

from lemur import sandbox
from lemur.evaluation import bits_per_byte, gsm8k, humaneval, mmlu
from lemur.inference.replay import ReplayModel
from lemur.model import folder
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from lemur.records import read_json, read_jsonl, write_jsonl
from tests.evaluation import test_gsm8k, test_humaneval, test_mmlu
from tests.evaluation.conftest import Oracle, fetched
from tests.inference.conftest import tokenizer_folder  # noqa: F401

Stage = Callable[..., None]
ASK = {"seed": 0, "bos": True, "chat": "auto", "context": None, "tile": 4}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:  # noqa: F811
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    path = tmp_path_factory.mktemp("models") / "model"
    folder.save(path, Llama(config, rngs=nnx.Rngs(0)), tokenizer_folder, dtype="float32")
    return path


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    subject = {"split": "dev", "subject": "astronomy"}
    fetched(
        root / "mmlu",
        "mmlu",
        {
            "dev.csv": (test_mmlu.rows(5, "dev"), subject),
            "test.csv": (test_mmlu.rows(6, "test"), {**subject, "split": "test"}),
        },
    )
    splits = {f"{split}.jsonl": (test_gsm8k.lines(split, 3), {"split": split}) for split in ("train", "test")}
    fetched(root / "gsm8k", "gsm8k", splits)
    lines = [
        {"task_id": f"Own/{n}", "prompt": start, "entry_point": name, "canonical_solution": body, "test": test}
        for n, (name, start, body, test) in enumerate(test_humaneval.PROBLEMS)
    ]
    text = "".join(
        json.dumps({**line, "test": f"def check(candidate):\n    {line['test']}\n"}) + "\n" for line in lines
    )
    fetched(root / "humaneval", "humaneval", {"own.jsonl": (text, {})})
    (root / "heldout").mkdir()
    for source, group in (("python", "code"), ("wikipedia", "text")):
        documents = [
            {
                "id": f"{source}-{n}",
                "source": source,
                "group": group,
                "licence": "MIT",
                "text": "def add(a, b): " * 9 * n,
            }
            for n in range(5)
        ]
        write_jsonl(root / "heldout" / f"{source}.jsonl", documents)
    return root


STAGES: list[tuple[Stage, object, str]] = [
    (
        bits_per_byte.bits_per_byte,
        bits_per_byte.Params(limit=3, longest=500, seed=0, overlap=8, context=None, tile=4),
        "heldout",
    ),
    (mmlu.mmlu, mmlu.Params(shots=2, limit=4, **ASK), "mmlu"),  # type: ignore[arg-type]
    (gsm8k.gsm8k, gsm8k.Params(shots=2, limit=None, max_new_tokens=12, **ASK), "gsm8k"),  # type: ignore[arg-type]
    (
        humaneval.humaneval,
        humaneval.Params(
            limit=None,
            max_new_tokens=12,
            strip_prompt=True,
            samples=1,
            k=(1,),
            temperature=0.0,
            timeout=2,
            memory=256,
            **ASK,  # type: ignore[arg-type]
        ),
        "humaneval",
    ),
]


@pytest.mark.parametrize(("stage", "params", "benchmark"), STAGES, ids=[name for _, _, name in STAGES])
def test_a_stage_repeats_to_the_byte(
    stage: Stage, params: object, benchmark: str, model: Path, benchmarks: Path, tmp_path: Path
) -> None:
    if benchmark == "humaneval" and not sandbox.available():
        pytest.skip(str(sandbox.why_unavailable()))
    outputs = [(tmp_path / f"{n}.json", tmp_path / f"{n}.jsonl") for n in range(2)]
    for result, samples in outputs:
        stage(params, model, benchmarks / benchmark, result=result, samples=samples)
    assert len({(result.read_bytes(), samples.read_bytes()) for result, samples in outputs}) == 1
    result = read_json(outputs[0][0])
    (task,) = result["versions"]
    assert result["n-samples"][task]["effective"] == len(list(read_jsonl(outputs[0][1])))
    assert result["results"][task] and len(result["model_hash"]) == len(result["tokenizer_hash"]) == 64
    assert str(tmp_path) not in outputs[0][0].read_text() + outputs[0][1].read_text()


@pytest.mark.parametrize(("stage", "params", "benchmark"), STAGES[1:3], ids=["mmlu", "gsm8k"])
def test_recorded_samples_are_scored_the_same(
    stage: Stage, params: object, benchmark: str, benchmarks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Oracle | ReplayModel = Oracle(lambda prompt: " B" if len(prompt) % 2 else " So the answer is 2000.")
    monkeypatch.setattr("lemur.evaluation.harness.open_model", lambda folder, params: model)
    outputs = [(tmp_path / f"{n}.json", tmp_path / f"{n}.jsonl") for n in range(2)]
    for result, samples in outputs:
        stage(params, Path("model"), benchmarks / benchmark, result=result, samples=samples)
        model = ReplayModel.from_samples(samples)
    first, again = (read_json(result) for result, _ in outputs)
    assert first["results"] == again["results"] and (first["backend"], again["backend"]) == ("oracle", "replay")
