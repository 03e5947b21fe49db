"""MMLU as on SmolLM2's model card: no shots, no options in the prompt, and the likeliest answer text wins. Checks our
explanation of why the stage `mmlu`, which asks for letters as the paper does, gives this model another score.

    make abilities
    python benchmarks/cloze.py .lemur/at/abilities [--limit 10]

The prompt is lighteval's `mmlu_cloze`; acc_norm divides a text's log-probability by its number of characters.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout with models/base and data/raw/mmlu")
    parser.add_argument("--limit", type=int, default=10, help="questions per subject, a seeded choice")
    arguments = parser.parse_args()
    from lemur.core.numerics import apply_profile
    from lemur.core.parameter_blocks import current_blocks

    apply_profile()
    from lemur.benchmark_items.mmlu import LETTERS
    from lemur.evaluation import mmlu
    from lemur.evaluation.harness.scores import scored
    from lemur.inference.jax_model import JaxModel

    params = mmlu.Params(**{**current_blocks()["mmlu"], "limit": arguments.limit, "seed": 0})
    questions = mmlu.task(params, arguments.checkout / "data/raw/mmlu").choose()
    requests = [
        (
            f"The following are questions about {question.subject.replace('_', ' ')}.\n"
            f"Question: {question.question}\nAnswer:",
            f" {choice}",
        )
        for question in questions
        for choice in question.choices
    ]
    model = JaxModel.load(arguments.checkout / "models/base", tile=8, bos=False)
    scores = model.loglikelihood(requests)
    correct: dict[str, list[float]] = {"acc": [], "acc_norm": []}
    for index, question in enumerate(questions):
        sums = [score.logprob for score in scores[4 * index : 4 * index + 4]]
        per_character = [value / max(len(choice), 1) for value, choice in zip(sums, question.choices, strict=True)]
        for name, values in (("acc", sums), ("acc_norm", per_character)):
            correct[name].append(float(LETTERS[values.index(max(values))] == question.answer))
    for name, values in correct.items():
        scores = scored(name, "none", values)
        error = scores[f"{name}_stderr,none"]
        print(f"{name}: {100 * scores[f'{name},none']:.1f} ± {100 * error:.1f} % of {len(values)} questions")


if __name__ == "__main__":
    main()
