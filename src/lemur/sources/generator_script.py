"""Run DeepMind's generator, with its wheels on PYTHONPATH: OUT SEED PAIRS SPLIT... (see generator.py)."""

import random
import sys
from pathlib import Path

import numpy
import sympy.core.random
from absl import flags
from mathematics_dataset import generate

_randint = random.randint
# The generator passes whole numbers as floats, which Python 3.12 refuses.
random.randint = lambda a, b: _randint(int(a), int(b))


def main(out: Path, seed: int, pairs: int, splits: list[str]) -> None:
    flags.FLAGS(["generate"])
    generate.init_modules(train_split=True)
    for split in splits:
        (out / split).mkdir(parents=True)
        for name, module in generate.filtered_modules[split].items():
            # Seed each file by itself, so that its bytes depend neither on the other files nor on their order.
            random.seed(f"{seed}/{split}/{name}")
            numpy.random.seed(random.getrandbits(32))
            sympy.core.random.seed(random.getrandbits(32))
            problems: dict[str, str] = {}
            # Some modules have few distinct easy questions (polynomials__add).
            for _ in range(4 * pairs):
                problem, _ = generate.sample_from_module(module)
                problems[str(problem.question)] = str(problem.answer)
                if len(problems) == pairs:
                    break
            lines = [f"{question}\n{answer}\n" for question, answer in problems.items()]
            (out / split / f"{name}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
