"""`lemur eval` on a tiny model: the bytes of the stages, a server's answers, comparisons, and what it refuses."""

import json
import os
import re
from pathlib import Path

import pytest

from lemur.any_model import benchmarks as room
from lemur.any_model.benchmarks import Benchmark, chosen, parameters
from lemur.commands.app import parse
from lemur.core.files import DAG, ROOT, read_yaml
from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import Record, read_json, read_jsonl
from lemur.evaluation import gsm8k, humaneval, mmlu
from lemur.inference.interface import Generation
from lemur.inference.jax_model import JaxModel
from lemur.inference.token_model import Window
from tests.evaluation.conftest import notes  # noqa: F401
from tests.evaluation.test_stages import benchmarks, model, require_runnable  # noqa: F401
from tests.inference.conftest import tokenizer_folder  # noqa: F401
from tests.inference.openai_server import OpenAiServer, running

SMALL = ["--limit", "3", "--tile", "4"]
CHANGES = {
    "mmlu": {"shots": 1},
    "gsm8k": {"shots": 1, "max_new_tokens": 6},
    "humaneval": {"max_new_tokens": 6, "timeout": 2, "memory": 256},
}
MODULES = {"mmlu": mmlu, "gsm8k": gsm8k, "humaneval": humaneval}


@pytest.fixture(autouse=True)
def items_of_the_tests(benchmarks: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The stages of dvc.yaml with the tests' items, numerics as they are, and answers and JSON outside the checkout."""

    def with_items(names: str) -> list[Benchmark]:
        return [Benchmark(b.name, b.stage, b.block, {"benchmark": benchmarks / b.name}) for b in chosen(names)]

    monkeypatch.setattr(room, "chosen", with_items)
    monkeypatch.setattr("lemur.core.numerics.apply_profile", lambda: None)


def run(*words: object) -> None:
    parse(["eval", *map(str, words)])()


def options(task: str) -> list[str]:
    """CHANGES as a user writes them: an option where there is one."""
    named = {"shots": "--shots", "max_new_tokens": "--max-new-tokens"}
    words = [[named[key], str(v)] if key in named else ["-S", f"{task}.{key}={v}"] for key, v in CHANGES[task].items()]
    return [word for pair in words for word in pair]


@pytest.mark.parametrize("task", list(MODULES))
def test_the_bytes_are_those_of_the_stage(
    task: str,
    model: Path,  # noqa: F811
    benchmarks: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    require_runnable(task, monkeypatch)
    before = (ROOT / "params.yaml").read_bytes()
    run(model, "--tasks", task, "--output", tmp_path / "eval", *SMALL, *options(task))
    block = {**current_blocks()[task], "limit": 3, "tile": 4, **CHANGES[task]}
    paths = {"result": tmp_path / f"stage/{task}.json", "samples": tmp_path / f"stage/{task}.jsonl"}
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "asked again"))
    getattr(MODULES[task], task)(MODULES[task].Params.model_validate(block), model, benchmarks / task, **paths)
    for path in paths.values():
        assert (tmp_path / "eval" / path.name).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "eval").iterdir()) == [f"{task}.json", f"{task}.jsonl"]
    assert (ROOT / "params.yaml").read_bytes() == before
    values = read_json(paths["result"])["results"][task]
    key = next(key for key in values if "_stderr" not in key)
    assert re.search(rf"^{task} .* {values[key]:.4f} ", capsys.readouterr().out, re.M)


def test_a_server_gives_the_same_table_and_is_compared_with_the_folder(
    model: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local = JaxModel.load(model, tile=4, bos=True)

    def generate(body: Record) -> Generation:
        raise AssertionError("mmlu only scores")

    def score(tokens: list[int]) -> list[list[float]]:
        """`best` is any number above a log-probability that is not the highest."""
        ((logprobs, greedy),) = local.each_token([Window(0, tokens, len(tokens) - 1)])
        return [[float(own), float(own) + (not best)] for own, best in zip(logprobs, greedy, strict=True)]

    monkeypatch.setenv("LEMUR_SERVER", "http://127.0.0.1:1/v1")
    with running(OpenAiServer(generate, score)) as server:
        words = ["--tokenizer", model, "--against", model, "--tasks", "mmlu", "--output", tmp_path, *SMALL]
        run(server.url, *words)
        asked = len(server.bodies)
        assert asked > 0
        run(server.url, *words)
        assert len(server.bodies) == asked
        run(server.url, *words, "--fresh")
        assert len(server.bodies) == 2 * asked
    assert os.environ["LEMUR_SERVER"] == "http://127.0.0.1:1/v1"
    there, here = read_json(tmp_path / "mmlu.json"), read_json(tmp_path / "against" / model.name / "mmlu.json")
    assert there["backend"] == "server" and here["backend"] == "jax"
    assert there["results"] == here["results"]
    (record,) = read_json(tmp_path / "comparison.json")["comparisons"]
    assert (record["difference"], record["better"], record["worse"], record["p"], record["items"]) == (0, 0, 0, 1, 3)
    printed = capsys.readouterr().out
    assert f"difference: {server.url} minus {model}" in printed


def test_a_server_that_does_not_answer_is_no_traceback(model: Path, tmp_path: Path) -> None:  # noqa: F811
    with running(OpenAiServer(lambda body: None, lambda tokens: [])) as server:  # type: ignore[arg-type, return-value]
        server.names = ["this", "that"]
        with pytest.raises(
            SystemExit, match=r"mmlu: .* serves \['this', 'that'\], not 'model'; name one in LEMUR_SERVER"
        ):
            run(server.url, "--tokenizer", model, "--tasks", "mmlu", "--output", tmp_path, *SMALL)
    assert not list(tmp_path.glob("*mmlu*"))


def test_a_comparison_counts_the_items_that_differ(model: Path, tmp_path: Path) -> None:  # noqa: F811
    run(model, "--tasks", "mmlu", "--output", tmp_path, *SMALL)
    from lemur.any_model.evaluate import compare
    from lemur.any_model.tables import differences

    rows = list(read_jsonl(tmp_path / "mmlu.jsonl"))
    other = tmp_path / "other"
    other.mkdir()
    text = "".join(json.dumps({**row, "correct": not row["correct"]}) + "\n" for row in rows)
    (other / "mmlu.jsonl").write_text(text, encoding="utf-8")
    records = compare(tmp_path, other, chosen("mmlu"), ("this", "that"))
    assert records[0]["better"] + records[0]["worse"] == len(rows) == 3
    assert records[0]["better"] == sum(row["correct"] for row in rows)
    assert differences(records)[1].split()[:2] == ["mmlu", "none"]
    assert "nothing to compare" in differences([])[0]


def test_the_benchmarks_are_the_stages_that_ask_one_model() -> None:
    found = room.benchmarks()
    asking = {
        entry["cmd"].split()[entry["cmd"].split().index("run") + 1].rpartition(".")[2]
        for entry in read_yaml(DAG)["stages"].values()
        if " model=models/${item.model}/" in entry["cmd"] and " samples=" in entry["cmd"]
    }
    assert set(found) == asking - {"mint_feedback"}  # that one reads a result of its model
    assert found["ds1000"].inputs["requirements"] == ROOT / "requirements/ds1000.txt"


def test_an_option_holds_for_the_benchmarks_that_have_it() -> None:
    asked = chosen("mmlu,humaneval")
    params = parameters(asked, {"shots": 2, "max_new_tokens": 9, "limit": None}, ["humaneval.k=[1]"])
    assert params["mmlu"].shots == 2 and params["humaneval"].max_new_tokens == 9  # type: ignore[attr-defined]
    assert params["mmlu"].limit == current_blocks()["mmlu"]["limit"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "mmul"], "--tasks: 'mmul' is no benchmark; did you mean mmlu?"),
        (["--tasks", "xyzzy"], "--tasks: 'xyzzy' is no benchmark; there are bits_per_byte, mmlu"),
        (["--tasks", ","], "--tasks: no benchmark is named"),
        (["--tasks", "humaneval", "--shots", "2"], "--shots: humaneval: no such parameter"),
        (["--tasks", "gsm8k", "-S", "gsm8k.stopp=1"], "gsm8k.stopp: no such parameter; did you mean stop?"),
        (["--tasks", "gsm8k", "-S", "gsm8k.bos=3"], "gsm8k.bos: found 3; Input should be a valid boolean"),
        (["--tasks", "gsm8k", "-S", "mmlu.bos=true"], "-S mmlu.bos=true: 'mmlu' is none of --tasks"),
        (["--tasks", "gsm8k", "-S", "bos"], "-S bos: BENCHMARK.KEY=VALUE is allowed"),
        (["--tasks", "gsm8k", "-S", "gsm8k.stop=["], "'[' is no YAML value"),
        (["--tasks", "gsm8k", "--against", "{model}"], "--against {model}: that is the same model"),
        (["--tasks", "gsm8k", "--against", "nowhere"], "nowhere: no such folder; is the path right?"),
        (["--tasks", "gsm8k", "--against", "http://127.0.0.1:1/v1"], "a server needs --tokenizer FOLDER"),
        (["--tasks", "bits_per_byte", "--backend", "server"], "--backend: bits_per_byte: no such parameter"),
        (["--tasks", "bits_per_byte,mmlu", "--backend", "server"], "bits_per_byte: only --backend jax on a folder"),
    ],
)
def test_refusals(words: list[str], message: str, model: Path) -> None:  # noqa: F811
    with pytest.raises(SystemExit) as end:
        run(model, *(word.format(model=model) for word in words))
    assert message.format(model=model) in str(end.value)


def test_folders_that_a_back_end_cannot_load(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    other = tmp_path / "gpt"
    other.mkdir()
    with pytest.raises(SystemExit, match=r"gpt has no config.json, so it is not a model folder"):
        run(other, "--tasks", "mmlu")
    (other / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"gpt has no tokenizer.json") as end:
        run(other, "--tasks", "mmlu")
    assert "dvc repro" not in str(end.value)
    (other / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
    with pytest.raises(SystemExit, match=r"model_type is 'gpt2'.*\nAnother architecture needs: --backend transformers"):
        run(other, "--tasks", "mmlu", "--context", 64)
    with pytest.raises(SystemExit, match=r"config.json does not state the model's context: --context NUMBER"):
        run(other, "--tasks", "mmlu", "--backend", "server")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="torch is not installed; install it: make parity"):
        run(other, "--tasks", "mmlu", "--backend", "transformers")


def test_items_that_are_not_built(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(
        room, "chosen", lambda names: [Benchmark("mmlu", "evaluation.mmlu", "mmlu", {"b": ROOT / "no"})]
    )
    with pytest.raises(SystemExit, match="mmlu: its items in no are missing; build them: snakemake --cores all no/"):
        run(model, "--tasks", "mmlu")


def test_an_interrupted_run_leaves_nothing_half_written(
    model: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "mmlu.json").write_text("earlier", encoding="utf-8")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lemur.evaluation.harness.result.Report.write", stop)
    with pytest.raises(KeyboardInterrupt):
        run(model, "--tasks", "mmlu", "--output", tmp_path, *SMALL)
    assert [path.name for path in tmp_path.glob("*mmlu*")] == ["mmlu.json"]
    assert (tmp_path / "mmlu.json").read_text(encoding="utf-8") == "earlier"


@pytest.mark.parity
@pytest.mark.parametrize("task", ["mmlu", "gsm8k"])
def test_another_architecture_through_transformers(task: str, model: Path, tmp_path: Path) -> None:  # noqa: F811
    pytest.importorskip("torch", reason="torch is not installed; only parity checks need this extra")
    from transformers import GPT2Config, GPT2LMHeadModel

    other = tmp_path / "gpt2"
    shape = {"vocab_size": 300, "n_positions": 512, "n_embd": 16, "n_layer": 1, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=2)).save_pretrained(other)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (other / name).write_bytes((model / name).read_bytes())
    run(other, "--tasks", task, "--backend", "transformers", "--output", tmp_path / "eval", *SMALL, *options(task))
    result = read_json(tmp_path / f"eval/{task}.json")
    assert result["backend"] == "transformers" and result["n-samples"][task]["effective"] == 3
    assert len(list(read_jsonl(tmp_path / f"eval/{task}.jsonl"))) == 3
