"""All stages with a real, tiny model folder: they repeat byte for byte, interrupted or not, with any number of workers
and any grouping of prompts, and their samples can be replayed."""

import json
import re
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from flax import nnx

from lemur import sandbox
from lemur.core.records import Record, read_json, read_jsonl, write_jsonl
from lemur.evaluation import (
    bbh,
    bits_per_byte,
    ds1000,
    gsm8k,
    humaneval,
    mbpp,
    mmlu,
    multipl_e,
    spider,
)
from lemur.evaluation.judging import library_environment
from lemur.inference import backends
from lemur.inference.answers.cache import CachedModel
from lemur.inference.jax_model import JaxModel
from lemur.model import checksums, folder
from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
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
from tests.evaluation.conftest import fetched
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
        head_dim=32,
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
    fetched(root / "mbpp", "mbpp", {"mbpp.jsonl": ("".join(test_mbpp.line(*each) for each in test_mbpp.PROBLEMS), {})})
    fetched(root / "spider", "spider", test_spider.files())
    fetched(
        root / "multipl_e",
        "multipl_e",
        {"sh.jsonl": (test_multipl_e.OWN.read_text(encoding="utf-8"), {"language": "sh"})},
    )
    fetched(root / "ds1000", "ds1000", {"ds1000.jsonl": (test_ds1000.OWN.read_text(encoding="utf-8"), {})})
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
        write_jsonl(root / "heldout" / f"{source}-00000.jsonl", documents)
    return root


STAGES: list[tuple[Stage, object, str]] = [
    (
        bits_per_byte.bits_per_byte,
        bits_per_byte.Params(limit=3, longest=500, seed=0, overlap=8, context=None, tile=4),
        "heldout",
    ),
    (mmlu.mmlu, mmlu.Params(shots=2, limit=4, **ASK), "mmlu"),  # type: ignore[arg-type]
    (gsm8k.gsm8k, gsm8k.Params(shots=2, limit=None, max_new_tokens=12, stop=None, **ASK), "gsm8k"),  # type: ignore[arg-type]
    (
        humaneval.humaneval,
        humaneval.Params(
            limit=None,
            max_new_tokens=12,
            stop=None,
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


def by_benchmark(stages: Sequence[Any] = STAGES, slow: Collection[str] = SLOW) -> list[Any]:
    return [pytest.param(*each, id=each[2], marks=[pytest.mark.slow] * (each[2] in slow)) for each in stages]


def require_runnable(benchmark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip a benchmark that cannot run here; DS-1000 uses the tests' environment."""
    if benchmark not in ("humaneval", "mbpp", "spider", "multipl_e", "ds1000"):
        return
    if not sandbox.available():
        pytest.skip(str(sandbox.why_unavailable()))
    if benchmark == "multipl_e" and not test_multipl_e.is_runnable("sh"):
        pytest.skip("Bash programs cannot start processes in this sandbox")
    if benchmark == "ds1000":
        environment = library_environment.open_environment(Path(sys.prefix))
        if environment.why_broken():
            pytest.skip("this sandbox cannot run libraries of a virtual environment")
        monkeypatch.setattr(ds1000, "find_environment", lambda requirements: environment)


def dies_after(method: Callable[..., Any], calls: int) -> Callable[..., Any]:
    def call(self: JaxModel, *arguments: Any, **settings: Any) -> Any:
        nonlocal calls
        if calls == 0:
            raise KeyboardInterrupt
        calls -= 1
        return method(self, *arguments, **settings)

    return call


def benchmark_task(benchmark: str) -> str:
    return "bits_per_byte" if benchmark == "heldout" else benchmark


@pytest.mark.parametrize(
    ("stage", "params", "benchmark"),
    by_benchmark(),
)
def test_a_stage_repeats_byte_for_byte(
    stage: Stage,
    params: object,
    benchmark: str,
    model: Path,
    benchmarks: Path,
    tmp_path: Path,
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_runnable(benchmark, monkeypatch)
    outputs = [(tmp_path / f"{n}.json", tmp_path / f"{n}.jsonl") for n in range(2)]
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "together"))

    def run(number: int) -> None:
        result, samples = outputs[number]
        stage(params, model, benchmarks / benchmark, result=result, samples=samples)

    monkeypatch.setenv("LEMUR_WORKERS", "1")
    run(0)
    assert read_json(notes / tmp_path.name / f"{benchmark_task(benchmark)}.json")["answers"]["reused"] == 0
    # Each prompt alone, killed after the first answer, resumed with two workers.
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    monkeypatch.setattr(backends, "CachedModel", lambda model, path, portion: CachedModel(model, path, portion=1))
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "one_by_one"))

    def run_and_die_after(calls: int) -> None:
        with monkeypatch.context() as dying:
            for name in ("generate", "loglikelihood", "rolling_loglikelihood"):
                dying.setattr(JaxModel, name, dies_after(getattr(JaxModel, name), calls))
            run(1)

    with pytest.raises(KeyboardInterrupt):
        run_and_die_after(1)
    run(1)
    answers = read_json(notes / tmp_path.name / f"{benchmark_task(benchmark)}.json")["answers"]
    assert answers["reused"] > 0 and answers["asked"] > 0
    assert len({(result.read_bytes(), samples.read_bytes()) for result, samples in outputs}) == 1
    run_and_die_after(0)  # once more: nothing is asked
    assert len({(result.read_bytes(), samples.read_bytes()) for result, samples in outputs}) == 1
    result = read_json(outputs[0][0])
    (task,) = result["versions"]
    assert result["n-samples"][task]["effective"] == len(list(read_jsonl(outputs[0][1])))
    assert result["results"][task] and len(result["tokenizer_hash"]) == 64
    assert result["model_hash"] == checksums.sha256(model)
    assert str(tmp_path) not in outputs[0][0].read_text(encoding="utf-8") + outputs[0][1].read_text(encoding="utf-8")


def without_identity(result: Path, task: str) -> Record:
    """A result without the fields that identify the back end and the model."""
    record = read_json(result)
    del record["configs"][task]["backend"]
    return {key: value for key, value in record.items() if key not in ("backend", "library_versions", "model_hash")}


@pytest.mark.parametrize(("stage", "params", "benchmark"), by_benchmark(STAGES[1:], {*SLOW, "bbh", "spider"}))
def test_recorded_samples_are_replayed_byte_for_byte(
    stage: Stage,
    params: Any,
    benchmark: str,
    model: Path,
    benchmarks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Uses `backend: replay` and LEMUR_REPLAY, as a user would."""
    require_runnable(benchmark, monkeypatch)
    recorded = tmp_path / "eval" / model.name / f"{benchmark}.jsonl"
    recorded.parent.mkdir(parents=True)
    stage(params, model, benchmarks / benchmark, result=tmp_path / "first.json", samples=recorded)
    params = params.model_copy(update={"backend": "replay"})
    result, samples = tmp_path / "again.json", tmp_path / "again.jsonl"

    def replay() -> None:
        stage(params, model, benchmarks / benchmark, result=result, samples=samples)

    monkeypatch.delenv("LEMUR_REPLAY", raising=False)
    with pytest.raises(ValueError, match="LEMUR_REPLAY is not set"):
        replay()
    monkeypatch.setenv("LEMUR_REPLAY", str(tmp_path / "eval"))
    replay()
    assert samples.read_bytes() == recorded.read_bytes()
    assert without_identity(result, benchmark) == without_identity(tmp_path / "first.json", benchmark)
    assert read_json(result)["backend"] == "replay"

    rows = list(read_jsonl(recorded))
    first = next(index for index, row in enumerate(rows) if row.get("finish") != "prompt_too_long")
    changed = [
        row | {"prompt": "Otherwise. " + row["prompt"]} if index == first else row for index, row in enumerate(rows)
    ]
    for damaged, error in (
        (changed, f"most similar unused one is .*jsonl:{first + 1}: {re.escape(rows[first]['id'])}"),
        (rows[:first] + rows[first + 1 :], re.escape(repr(rows[first]["prompt"][-20:])[1:])),
    ):
        write_jsonl(recorded, damaged)
        with pytest.raises(ValueError, match=error):
            replay()


@pytest.mark.parity
@pytest.mark.parametrize(("stage", "params", "benchmark"), by_benchmark(STAGES[1:], ()))
def test_transformers_gives_the_same_answers_as_jax(
    stage: Stage,
    params: Any,
    benchmark: str,
    model: Path,
    benchmarks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch", reason="torch is not installed; only parity checks need this extra")
    require_runnable(benchmark, monkeypatch)
    rows = {}
    for backend in ("jax", "transformers"):
        result, samples = tmp_path / f"{backend}.json", tmp_path / f"{backend}.jsonl"
        changed = params.model_copy(update={"backend": backend})
        stage(changed, model, benchmarks / benchmark, result=result, samples=samples)
        assert read_json(result)["backend"] == backend
        rows[backend] = list(read_jsonl(samples))
    for ours, theirs in zip(rows["jax"], rows["transformers"], strict=True):
        if "logprobs" in ours:
            assert ours.pop("logprobs") == pytest.approx(theirs.pop("logprobs"), abs=1e-4)
        assert ours == theirs
    assert without_identity(tmp_path / "jax.json", benchmark) == without_identity(
        tmp_path / "transformers.json", benchmark
    )
