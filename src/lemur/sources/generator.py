"""DM Mathematics, made with its authors' generator (Saxton et al. 2019) at a fixed seed, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from lemur.sources.manifest import Generator, SourceError
from lemur.sources.package import unpack

SCRIPT = Path(__file__).with_name("generator_script.py")
# The generator is of 2019. What it lost since: sympy moved a function (1.6), numpy dropped an alias and a method
# (1.24, 2.0). And its sets of entities come in the order of memory addresses, other in each process. Each old text
# must be there, so that another release of the generator is noticed.
_POLYNOMIALS = "mathematics_dataset/sample/polynomials.py"
_COMPOSITION = "mathematics_dataset/util/composition.py"
PATCHES = [
    (_POLYNOMIALS, "from sympy.solvers.diophantine import", "from sympy.solvers.diophantine.diophantine import"),
    (_POLYNOMIALS, "dtype=np.object)", "dtype=object)"),
    (_POLYNOMIALS, "coeffs.itemset(index, value)", "coeffs[index] = value"),
    (_POLYNOMIALS, "expanded_coefficients.itemset(power, coeffs)", "expanded_coefficients[power] = coeffs"),
    (_COMPOSITION, "entities = set(context.child_entities)", "entities = dict.fromkeys(context.child_entities)"),
    (_COMPOSITION, "entities.add(maybe_entity)", "entities[maybe_entity] = None"),
]


def generate(generator: Generator, wheels: dict[str, Path], work: Path) -> dict[str, Path]:
    """Generate the questions; returns the files by name, `<split>/<module>.txt`, in the published layout.

    Bytes depend on the wheels, the seed and numpy's legacy generators (frozen by numpy since 1.17). Raises
    `SourceError` if the generator stops.
    """
    library, out = work / "library", work / "generated"
    for _, wheel in sorted(wheels.items()):
        unpack(wheel, library)
    for name, old, new in PATCHES:
        path = library / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if old not in text:
            raise SourceError(f"the generator's {name} has no {old!r}; requirements.txt must pin release 1.0.1")
        path.write_text(text.replace(old, new), encoding="utf-8")
    arguments = [str(out), str(generator.seed), str(generator.pairs), *generator.splits]
    # The order of sets of strings decides what is drawn, and gmpy2, where installed, how sympy factorises.
    fixed = {"PYTHONHASHSEED": "0", "SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1"}
    environment = {**os.environ, **fixed, "PYTHONPATH": str(library.resolve())}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), *arguments],
        env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if result.returncode:
        last = "\n".join(f"  {line}" for line in result.stderr.splitlines()[-8:])
        raise SourceError(f"the DM Mathematics generator stopped with exit status {result.returncode}:\n{last}")
    return {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*.txt"))}
