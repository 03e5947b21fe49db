"""All stages with a real, tiny model folder: they repeat to the byte, interrupted or not, with any number of workers
and any grouping of the prompts, and their samples can be replayed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flax import nnx

from lemur import sandbox
from lemur.evaluation import (
    bbh,
    bits_per_byte,
    ds1000,
    gsm8k,
    humaneval,
    library_environment,
    mbpp,
    mmlu,
    multipl_e,
    spider,
)
from lemur.inference import remembered
from lemur.inference.jax_model import JaxModel
from lemur.inference.remembered import Remembered, place
from lemur.inference.replay import ReplayModel
from lemur.model import folder
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from lemur.records import Record, read_json, read_jsonl, write_jsonl
from tests.evaluation import (
    test_bbh,
    test_ds1000,
    test_gsm8k,
    test_humaneval,
    test_mbpp,
    test_mmlu,
    test_multipl_e,
    test_spider,
)
from tests.evaluation.conftest import Oracle, fetched
from tests.inference.conftest import tokenizer_folder  # noqa: F401

Stage = Callable[..., None]
ASK = {"seed": 0, "bos": True, "chat": "auto", "context": None, "tile": 4, "backend": "jax"}
SLOW = ("mbpp", "multipl_e", "ds1000")  # the same code paths as humaneval
SHORT = {"bos": True, "max_new_tokens": 12}


def with_lock(params: ds1000.Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    ds1000.ds1000(params, model, benchmark, test_ds1000.LOCK, result=result, samples=samples)


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
        max_position_embeddings=512,
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
    fetched(root / "bbh", "bbh", test_bbh.files())
    fetched(root / "mbpp", "mbpp", {"mbpp.jsonl": ("".join(test_mbpp.line(*one) for one in test_mbpp.PROBLEMS), {})})
    fetched(root / "spider", "spider", test_spider.files())
    fetched(root / "multipl_e", "multipl_e", {"sh.jsonl": (test_multipl_e.OWN.read_text(), {"language": "sh"})})
    fetched(root / "ds1000", "ds1000", {"ds1000.jsonl": (test_ds1000.OWN.read_text(), {})})
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
    (bbh.bbh, bbh.Params(**{**test_bbh.PARAMS, **SHORT}), "bbh"),  # type: ignore[arg-type]
    (mbpp.mbpp, mbpp.Params(**{**test_mbpp.PARAMS, **SHORT}), "mbpp"),  # type: ignore[arg-type]
    (spider.spider, spider.Params(**{**test_spider.PARAMS, **SHORT}), "spider"),  # type: ignore[arg-type]
    (multipl_e.multipl_e, multipl_e.Params(**{**test_multipl_e.PARAMS, **SHORT}), "multipl_e"),  # type: ignore[arg-type]
    (with_lock, ds1000.Params(**{**test_ds1000.PARAMS, **SHORT}), "ds1000"),  # type: ignore[arg-type]
]


def runnable(benchmark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip a benchmark that cannot run here; DS-1000 gets the environment of the tests."""
    if benchmark not in ("humaneval", "mbpp", "spider", "multipl_e", "ds1000"):
        return
    if not sandbox.available():
        pytest.skip(str(sandbox.why_unavailable()))
    if benchmark == "multipl_e" and not test_multipl_e.runs("sh"):
        pytest.skip("Bash programs cannot start processes in this sandbox")
    if benchmark == "ds1000":
        environment = library_environment.opened(Path(sys.prefix))
        if environment.why_broken():
            pytest.skip("this sandbox cannot run libraries of a virtual environment")
        monkeypatch.setattr(ds1000, "find", lambda requirements: environment)


def alone(model: JaxModel, settings: Record) -> Remembered:
    return Remembered(model, place(model.identity(), settings), portion=1)


def mortal(method: Callable[..., Any], lives: int) -> Callable[..., Any]:
    def call(self: JaxModel, *arguments: Any, **settings: Any) -> Any:
        nonlocal lives
        if lives == 0:
            raise KeyboardInterrupt
        lives -= 1
        return method(self, *arguments, **settings)

    return call


def benchmark_task(benchmark: str) -> str:
    return "bits_per_byte" if benchmark == "heldout" else benchmark


@pytest.mark.parametrize(
    ("stage", "params", "benchmark"),
    [pytest.param(*one, id=one[2], marks=[pytest.mark.slow] * (one[2] in SLOW)) for one in STAGES],
)
def test_a_stage_repeats_to_the_byte(
    stage: Stage,
    params: object,
    benchmark: str,
    model: Path,
    benchmarks: Path,
    tmp_path: Path,
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runnable(benchmark, monkeypatch)
    outputs = [(tmp_path / f"{n}.json", tmp_path / f"{n}.jsonl") for n in range(2)]

    def run(number: int) -> None:
        result, samples = outputs[number]
        stage(params, model, benchmarks / benchmark, result=result, samples=samples)

    monkeypatch.setenv("LEMUR_WORKERS", "1")
    run(0)
    assert read_json(notes / tmp_path.name / f"{benchmark_task(benchmark)}.json")["resumed_answers"] == 0
    # Each prompt alone, killed after the first answer, taken up again with two workers.
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    monkeypatch.setattr(remembered, "remember", lambda model, settings, tile: alone(model, settings))
    with monkeypatch.context() as dying:
        for name in ("generate", "loglikelihood", "rolling_loglikelihood"):
            dying.setattr(JaxModel, name, mortal(getattr(JaxModel, name), 1))
        with pytest.raises(KeyboardInterrupt):
            run(1)
    run(1)
    assert read_json(notes / tmp_path.name / f"{benchmark_task(benchmark)}.json")["resumed_answers"] > 0
    assert not list((tmp_path / "answers").glob("*"))
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
