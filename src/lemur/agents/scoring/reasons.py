"""Why the two rules differ on a proposal, in a few fixed phrases that reports count."""

from lemur.agents.scoring import multiple_choice, reasoning
from lemur.benchmark_items.mint import Task

TOLERANCE = "number within 5 %, not equal"
CONTAINED = "reference inside a longer answer"
NEGATIVE = "negative reference, which `paper` never accepts"
NOTATION = "right in another notation"
OTHER_LETTER = "another option named"
NO_OPTION = "no option named"
CUT = "option's text cut at a bracket"
FALSE_ZERO = "number where a boolean is asked"
ROUNDED = "number rounded to the integer"
ORDER = "list in another order"
OPTION = "option, which `paper` never accepts"
NOT_A_VALUE = "no value by type"
TESTS = "tests differ"


def why(item: Task, solution: str, *, paper: bool) -> str:
    """`paper`: the verdict by that rule, the opposite of `strict`'s."""
    match item.task:
        case "gsm8k" | "math" | "hotpotqa":
            return _why_reasoning(str(item.reference), solution, paper)
        case "mmlu":
            if not paper:
                return CUT if ")" in item.options[str(item.reference).strip().lower()] else NOTATION
            return OTHER_LETTER if multiple_choice.named_option(item.options, solution) else NO_OPTION
        case "theoremqa":
            return _why_theoremqa(item.answer_type, paper)
    return TESTS


def _why_reasoning(reference: str, solution: str, paper: bool) -> str:
    if paper:
        return CONTAINED if reasoning.as_float(solution.strip()) is None else TOLERANCE
    wanted = reasoning.as_float(reference)
    return NEGATIVE if wanted is not None and wanted < 0 else NOTATION


def _why_theoremqa(answer_type: str, paper: bool) -> str:
    if not paper:
        return OPTION if answer_type == "option" else NOTATION
    by_type = {"bool": FALSE_ZERO, "integer": ROUNDED, "list of integer": ORDER, "list of float": ORDER}
    return by_type.get(answer_type, NOT_A_VALUE)
