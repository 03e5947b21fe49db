"""Hashes of what the project computes, one per line, to compare between processors.

    python -m tests.processors.fingerprints [--steps 5] [--model num_hidden_layers=1] [--mesh fsdp=2] [PART...]

Parts: trainings, imported (another training), answers, kernels, arrays. On a mesh of forced CPU devices: trainings.
"""

import argparse
import hashlib
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lemur.core.files import ENVIRONMENT, read_yaml
from lemur.core.numerics import apply_numerics

PARTS = ("trainings", "imported", "answers", "kernels", "arrays")


def fingerprints(part: str, work: Path, arguments: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    """`work`: an empty folder."""
    if part == "arrays":
        from tests.processors.arrays import arrays

        return arrays(work)
    if part == "kernels":
        from tests.processors.kernels import kernels

        return kernels()
    if part == "answers":
        from tests.processors.answers import answers

        return answers(work, arguments.model)
    from tests.processors.trainings import imported, trainings

    return (
        imported(work, arguments.steps)
        if part == "imported"
        else trainings(work, arguments.steps, arguments.model, arguments.mesh)
    )


def sizes(text: str) -> dict[str, int]:
    return {name: int(size) for name, size in (part.split("=") for part in text.split(","))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5, help="optimizer steps of each training")
    parser.add_argument("--model", type=sizes, default={}, help="sizes in place of params.yaml's base_model.model")
    parser.add_argument("--flags", help="XLA's flags, in place of environment.yaml's")
    parser.add_argument("--mesh", type=sizes, default={}, help="as data=1,fsdp=2,sequence=1,tensor=2")
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART")
    arguments = parser.parse_args()
    numerics = read_yaml(ENVIRONMENT)["numerics"]
    apply_numerics(
        numerics | ({"xla_flags": arguments.flags} if arguments.flags else {}), math.prod(arguments.mesh.values())
    )
    # A cached program that another processor compiled would prove nothing about this one.
    os.environ |= {"JAX_ENABLE_COMPILATION_CACHE": "false", "LEMUR_CHECKPOINT_EVERY": "0", "TQDM_DISABLE": "1"}
    for part in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LEMUR_CHECKPOINTS"] = f"{folder}/checkpoints"
            for name, value in fingerprints(part, Path(folder), arguments):
                print(f"{name:44} {hashlib.sha256(value).hexdigest()[:16]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
