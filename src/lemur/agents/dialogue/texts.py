"""The texts of MINT that come with its data: prompt templates and worked examples."""

from collections.abc import Mapping
from dataclasses import dataclass

from lemur.sources.fetched import Fetched

EXAMPLE, TEMPLATE = "mint_example", "mint_template"
REASONING = ("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu")


@dataclass(frozen=True)
class Texts:
    """`examples` by task and whether a teacher comments in them; the reasoning tasks share one."""

    template: str
    feedback_template: str
    examples: Mapping[tuple[str, bool], str]

    def example(self, task: str, with_feedback: bool) -> str:
        return self.examples["reasoning" if task in REASONING else task, with_feedback]


def read_texts(source: Fetched) -> Texts:
    """Raises `ValueError` if a template is missing."""
    templates = {
        str(file.meta["template"]): file.path.read_text(encoding="utf-8")
        for file in source.files
        if file.schema == TEMPLATE
    }
    wanted = ("with_tool", "feedback_agent")
    if missing := [name for name in wanted if name not in templates]:
        raise ValueError(
            f"source {source.name}: no file of schema {TEMPLATE} has template {missing[0]}; it has {sorted(templates)}"
        )
    examples = {
        (str(file.meta["task"]), bool(file.meta["feedback"])): file.path.read_text(encoding="utf-8")
        for file in source.files
        if file.schema == EXAMPLE
    }
    return Texts(templates["with_tool"], templates["feedback_agent"], examples)
