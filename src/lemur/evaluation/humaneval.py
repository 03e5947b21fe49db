"""HumanEval: complete a Python function; its tests judge it in the sandbox (paper, Table 3; Chen et al. 2021)."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from lemur.benchmark_items.humaneval import Problem, read
from lemur.evaluation.harness.parameters import ProgramParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import Generated, Sample
from lemur.evaluation.kinds.code_blocks import has_own_block, without_fence
from lemur.evaluation.kinds.programs import ProgramTask
from lemur.inference.interface import Model
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


class Params(ProgramParams):
    strip_prompt: bool = Field(
        description="let the model write the newline after the prompt: tokenizers that keep a newline with the "
        "indentation after it (such as GPT-2's) never saw a text end in one; for Llama's it makes no difference"
    )


def humaneval(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` complete the chosen problems of the fetched `benchmark`, run the programs, and write the result and
    one sample per completion. Without a sandbox nothing runs and the result is `skipped`."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "HumanEval":
    source = load(benchmark)
    problems = [problem for file in source.files for problem in readable(read(file))]
    if params.strip_prompt:
        problems = [replace(problem, prompt=problem.prompt.rstrip()) for problem in problems]
    return HumanEval(params, [problems], source)


@dataclass(frozen=True)
class HumanEval(ProgramTask[Problem]):
    name = "humaneval"
    rules = ("paper", "strict")
    params: Params

    def id(self, item: Problem) -> str:
        return item.task_id

    def prompt(self, model: Model, item: Problem, shots: int) -> str:
        return prompt(model, item, self.params.in_chat(model))

    def stop(self, item: Problem, in_chat: bool) -> Sequence[str]:
        return STOP

    def reference(self, item: Problem) -> str:
        return f"\n{item.canonical_solution}"

    def constants(self, items: Sequence[Problem]) -> Sequence[str]:
        return ["", "\n    pass\n", *(f"\n    return {value}\n" for value in ("None", "True", "0", "[]"))]

    def is_cut_short(self, answer: Generated) -> bool:
        return self.is_cut_in_block(answer)

    def extract(self, sample: Sample[Problem, Generated]) -> Mapping[str, str | None]:
        output = sample.answer.output
        return {
            "paper": until_last_return(self.until_stop(output, STOP)),
            "strict": extract_code(output, sample.item),
        }

    def program(self, sample: Sample[Problem, Generated], rule: str) -> str:
        code = sample.extraction[rule] or ""
        return complete(sample.item, code) if rule == "strict" else sample.item.program(code)


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    if in_chat:
        request = f"Complete the following python function.\n\n\n{problem.prompt}"
        return model.chat_prompt(
            [{"role": "user", "content": request}], prefill=f"Here is the completed function:\n\n\n{problem.prompt}"
        )
    return problem.prompt


def until_last_return(completion: str) -> str:
    """The paper's rule: cut after the last line that starts with `return`. It leaves nothing of a function without a
    return, and breaks a return that spans several lines (known flaws)."""
    lines = completion.split("\n")
    last = max((index for index, line in enumerate(lines) if line.strip().startswith("return")), default=-1)
    return "\n".join(lines[: last + 1])


def extract_code(output: str, problem: Problem) -> str:
    """Strict rule: the completion, or the content of its first code block, whether that repeats the function or is only
    its body, indented, not indented, or all but its first line."""
    code = without_fence(output)
    first, _, rest = code.lstrip("\r\n").partition("\n")
    if not has_own_block(output) or first[:1] in (" ", "\t") or defines(problem.entry_point, code):
        return code
    last = problem.prompt.rstrip().rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())] or "    "
    lines = [line for line in rest.splitlines() if line.strip()]
    deeper = 2 if first.rstrip().endswith(":") else 1
    if lines and lines[0].startswith(indent * deeper) and all(line.startswith(indent) for line in lines):
        return f"\n{indent}{first}\n{rest}"
    return textwrap.indent(code, indent)


def complete(problem: Problem, code: str) -> str:
    """The program of a completion. Code that repeats the function replaces the prompt's; the prompt's imports and
    helper functions stay."""
    starts = [match.start() for match in _definitions(problem.entry_point, problem.prompt)]
    if starts and defines(problem.entry_point, code):
        return replace(problem, prompt=problem.prompt[: starts[-1]]).program(code.strip("\r\n"))
    return problem.program(code)


def defines(entry_point: str, code: str) -> bool:
    """Whether `code` is not a body but a program with the function."""
    return not re.match(r"[ \t]", code.strip("\r\n")) and any(_definitions(entry_point, code))


def _definitions(name: str, code: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"^(?:async )?def[ \t]+{re.escape(name)}\b", code, re.MULTILINE)
