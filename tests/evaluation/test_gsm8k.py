import json
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from lemur.benchmark_items.gsm8k import without_commas
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import gsm8k as stage
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle, fetched, file

PARAMS = ASK_FOR_ANSWERS | {"shots": 2, "max_new_tokens": 64}


def lines(split: str, count: int) -> str:
    answers = [f"It is {n}*1000=<<{n}*1000={n}000>>{n},000.\nDone.\n#### {n},000" for n in range(1, count + 1)]
    return "".join(json.dumps({"question": f"{split} {n + 1}?", "answer": a}) + "\n" for n, a in enumerate(answers))


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    files = {f"{split}.jsonl": (lines(split, count), {"split": split}) for split, count in (("train", 8), ("test", 5))}
    return fetched(tmp_path / "gsm8k", "gsm8k", files)


def number(prompt: str) -> int:
    return int(prompt.rpartition("test ")[2].partition("?")[0])


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.gsm8k(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


def test_correct_answers_score_one_and_garbage_zero(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: f" Steps. So the answer is {number(prompt)},000.\nQuestion: 7")
    result, samples = run(benchmark, model, monkeypatch)
    scores = result["results"]["gsm8k"]
    assert scores["exact_match,paper"] == scores["exact_match,strict"] == 1.0
    assert samples[0]["output"] == " Steps. So the answer is 1,000."
    result, _ = run(benchmark, Oracle(lambda prompt: "no idea"), monkeypatch)
    assert result["results"]["gsm8k"]["exact_match,paper"] == result["results"]["gsm8k"]["exact_match,strict"] == 0.0
    assert result["counts"]["gsm8k"] == {"fewer_shots": 0, "prompt_too_long": 0, "truncated": 5, "unanswered": 5}


def test_the_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: "")
    run(benchmark, model, monkeypatch, limit=1)
    assert model.prompts[0].startswith(
        "Answer the following questions.\n\n"
        "Question: train 1?\nAnswer: It is 1*1000=1,000. Done. So the answer is 1000.\n\n"
        "Question: train 2?\nAnswer: It is 2*1000=2,000. Done. So the answer is 2000.\n\nQuestion: test "
    )
    assert model.prompts[0].endswith("?\nAnswer:")
    model.chat = True
    run(benchmark, model, monkeypatch, limit=1)
    assert model.prompts[-1].startswith("[user]Answer the") and model.prompts[-1].endswith("?[assistant]Answer:")


def test_stop_strings_are_a_parameter(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: " So the answer is 7.\nNo: 8. Question: 9")
    for stop, output in (
        (None, " So the answer is 7."),
        (["Question:"], " So the answer is 7.\nNo: 8. "),
        ([], model.answer("")),
    ):
        result, samples = run(benchmark, model, monkeypatch, limit=1, stop=stop)
        assert samples[0]["output"] == output
        assert result["configs"]["gsm8k"]["stop"] == (["\n"] if stop is None else stop)


def test_more_shots_than_examples_are_rejected(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"gsm8k\.shots is 9"):
        run(benchmark, Oracle(str), monkeypatch, shots=9)


@pytest.mark.parametrize(
    ("output", "target", "paper", "strict"),
    [
        ("5 + 3 = 8. So the answer is 8.", "8", True, True),
        ("So the answer is $1,234.50.", "1234.5", False, True),
        ("So the answer is 18.0", "180", True, False),  # without punctuation 18.0 is 180
        ("So the answer is 18.0", "18", False, True),
        ("So the answer is -5.", "5", True, False),  # an integer loses its sign
        ("So the answer is -5.", "-5", True, True),  # and so does the target
        ("8 is what I think", "8", True, False),
        ("So the answer is 8, or 9", "8", False, True),
        ("#### 1,000,000", "1000000", True, True),
        ("", "8", False, False),
        ("no number", "8", False, False),
        ("the answer is .5", "0.5", False, True),
    ],
)
def test_both_rules(output: str, target: str, paper: bool, strict: bool) -> None:
    assert (stage.normalise_answer(stage.last_number(output)) == stage.normalise_answer(target)) is paper
    assert stage.same_number(stage.stated_number(output), target) is strict


STATED = [
    (r"\boxed{42}", "42"),
    (r"$\boxed{\$1{,}234}$.", "1234"),
    (r"\(\boxed{-7}\)", "-7"),
    (r"\text{18}", "18"),
    (r"\$12", "12"),
    ("\u22125", "-5"),  # the minus sign of mathematics
    ("-$5", "-5"),
    ("$-5", "-5"),
    ("+5", "5"),
    ("(12)", "12"),
    ("¥80", "80"),
    ("₹1,00,000", "100000"),  # India's groups
    ("£1,234,567.89", "1234567.89"),
    ("**18**", "18"),
    ("**$18**.", "18"),
    ("`18`", "18"),
    ("“18”", "18"),
    ("18.", "18"),
    ("-.5.", "-.5"),
    ("18%", "18"),
    ("$1,000.00", "1000.00"),
    ("1 000", "1000"),
    ("1\u2009000", "1000"),  # thin
    ("1\u00a0000", "1000"),  # no-break
    ("1\u202f000\u202f000", "1000000"),  # narrow no-break
    ("1'000", "1000"),
    ("3/4", "0.75"),
    ("-3/4", "-0.75"),
    ("1 3/4", "1.75"),
    (r"$\frac{3}{4}$", "0.75"),
    ("x = 9", "9"),
    ("16 - 3 - 4 = 9", "9"),
    ("3,4,5", None),
    ("1,2345", None),
    ("1,000,5", None),
    ("5/0", None),
    ("0/0", None),
    ("3:30", None),
    ("3/4/2020", None),
    ("1.2.3", None),
    ("1e3", None),
]


@pytest.mark.parametrize(("text", "number"), STATED)
def test_markup_currency_and_separators_around_a_number(text: str, number: str | None) -> None:
    for output in (
        f" So the answer is {text}",
        f"Steps.\n#### {text}",
        f" The Answer is: {text}\nNext",
        f"Answer: {text}",
    ):
        assert stage.stated_number(output) == number, output


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("THE ANSWER IS 9", "9"),
        ("The **answer** is 9", "9"),
        (r"So \boxed{1} and \boxed{9}.", "9"),
        ("**Final answer:** 9", "9"),
        ("Answer: 5 + 4. So the answer is 9", "9"),
        ("The answer is the sum. The answer is 9", "9"),
        ("The answer is 9 (of 12).", "9"),
        ("The answer is 9/hour", "9"),
        ("The answer is 12 30-minute lessons", "12"),
        ("9 is what I think", None),
        ("It isn't 9", None),
        ("9", None),
    ],
)
def test_where_the_strict_rule_looks(output: str, number: str | None) -> None:
    assert stage.stated_number(output) == number


def test_the_papers_rule_removes_commas_as_its_script_does() -> None:
    assert stage.last_number("1,2,3") == "3"  # 12,3
    assert stage.last_number("1,000,000") == "1000000"
    assert stage.last_number("-5") == "5" and stage.last_number("-5.5") == "-5.5"
    assert stage.last_number("no, none") == "no, none"


@pytest.mark.parametrize(
    "text", ["(" * 50_000, "1," * 50_000, "1 + " * 50_000, "\\ " * 50_000, "111 " * 50_000, "answer is "]
)
def test_long_answers_take_no_time(text: str) -> None:
    start = time.process_time()
    stage.stated_number("answer is " + text * (20_000 if text == "answer is " else 1))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not_json"),
        ("{}", "missing_field"),
        ('{"question":"","answer":"4"}', "missing_field"),
        ('{"question":"","answer":4}', "wrong_type"),
        ("[]", "wrong_type"),
    ],
)
def test_a_bad_line_is_reported(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(lines("test", 1) + line + "\n", encoding="utf-8")
    bad = list(stage.read(file(path, "gsm8k")))[1]
    assert (bad.where, bad.reason) == ("test.jsonl:2", reason)  # type: ignore[union-attr]


def test_the_hubs_parquet_has_the_same_problems(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in lines("test", 3).splitlines()]
    path = tmp_path / "test-00000-of-00001.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    problems = readable(stage.read(file(path, "gsm8k", split="test")))
    assert [(problem.where, problem.question, problem.answer) for problem in problems] == [
        (f"{path.name}:{number}", f"test {number}?", f"{number}000") for number in (1, 2, 3)
    ]


def test_the_examples_of_wei_et_al(mirror: Path) -> None:
    shots = stage.read_fewshot(mirror / "fewshot" / "gsm8k-cot.yaml")
    assert [shot.answer for shot in shots] == ["6", "5", "39", "8", "9", "29", "33", "8"]
    prompt = stage.prompt(Oracle(str), shots[:1], shots[1], in_chat=False)
    assert "So there must have been 21 - 15 = 6. So the answer is 6.\n\nQuestion: If there are 3 cars" in prompt


def test_the_originals_answers_are_correct_by_both_rules(mirror: Path) -> None:
    problems = readable(stage.read(file(mirror / "gsm8k" / "test.jsonl", "gsm8k")))
    assert len(problems) == 1319
    for problem in problems:
        output = f" {problem.solution} So the answer is {problem.answer}."
        assert stage.same_number(stage.stated_number(output), problem.answer), problem
        assert stage.normalise_answer(stage.last_number(output)) == stage.normalise_answer(problem.answer), problem


def test_recorded_generations_get_their_recorded_verdicts(mirror: Path) -> None:
    """OpenAI's generations with OpenAI's verdicts."""
    disagreements = total = 0
    for record in read_jsonl(mirror / "gsm8k" / "example_model_solutions.jsonl"):
        target = without_commas(record["ground_truth"].rpartition("\nA:")[2].strip())
        for answer in record.values():
            if isinstance(answer, dict):
                total += 1
                steps, _, last = answer["solution"].rpartition("\nA:")  # this file's spelling of `####`
                stated = stage.stated_number(f"{steps}\n#### {last}")
                disagreements += stage.same_number(stated, target) != answer["is_correct"]
    assert total == 4 * 1319
    assert disagreements == 0
