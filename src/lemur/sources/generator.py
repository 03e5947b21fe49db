"""Generate DM Mathematics with its authors' generator (Saxton et al. 2019) at a fixed seed, in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

from lemur.sources.manifest import Generator, SourceError
from lemur.sources.package import unpack

SCRIPT = Path(__file__).with_name("generator_script.py")
# The generator dates from 2019. Since then sympy moved a function (1.6) and numpy dropped an alias and a method (1.24,
# 2.0). Its sets of entities iterate in the order of memory addresses, which differs in each process. Every old text
# must be present, so that we notice another release of the generator.
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
    """Generate the questions; return the files by name, `<split>/<module>.txt`, in the published layout.

    The bytes depend on the wheels, the seed and numpy's legacy generators (frozen since numpy 1.17). Raises
    `SourceError` if the generator fails.
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
    # The order of string sets decides the draws; gmpy2, where installed, changes how sympy factorises.
    fixed = {"PYTHONHASHSEED": "0", "SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1"}
    environment = {**os.environ, **fixed, "PYTHONPATH": str(library.resolve())}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), *arguments],
        env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False, encoding="utf-8", errors="replace"
    )  # fmt: skip
    if result.returncode:
        last = "\n".join(f"  {line}" for line in result.stderr.splitlines()[-8:])
        raise SourceError(f"the DM Mathematics generator stopped with exit status {result.returncode}:\n{last}")
    return {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*.txt"))}
