"""A separate Python environment for programs that need libraries, mounted read-only into the sandbox."""

import re
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from lemur import sandbox
from lemur.core.files import ROOT

PROBE = "import numpy\nopen('written', 'w').write(str(numpy.ones(2).sum()))"


@dataclass(frozen=True)
class Environment:
    """`folder`: a virtual environment; `base`: the Python installation it was created with."""

    folder: Path
    base: Path

    def run(self, program: str, timeout_s: int, memory_mb: int) -> sandbox.Result:
        """The verdict on `program`. `timeout_s`: CPU seconds of all its threads together."""
        settings = {
            "LD_LIBRARY_PATH": str(self.base / "lib"),
            "MPLCONFIGDIR": "/tmp",
            "MPLBACKEND": "Agg",
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        python = [str(self.folder / "bin/python"), "-s", "-P", "-B", "-W", "ignore"]
        return sandbox.run_python(
            program,
            python=["/usr/bin/env", *(f"{name}={value}" for name, value in settings.items()), *python],
            readable=[str(self.folder), str(self.base)],
            timeout_s=timeout_s,
            memory_mb=memory_mb,
        )

    def why_broken(self) -> str | None:
        """Why programs cannot run in it here (for example, the sandbox has no writable files), or `None`."""
        result = self.run(PROBE, timeout_s=60, memory_mb=2048)
        return None if result.status == "passed" else f"its libraries do not run in this sandbox: {result.status}"


def find_environment(requirements: Path) -> Environment | str:
    """The environment `.venv-NAME` that `make NAME` creates from requirements/NAME.txt, or why it cannot be used."""
    name = requirements.stem
    folder = ROOT / f".venv-{name}"
    if not (folder / "pyvenv.cfg").is_file():
        return f"its libraries are not installed (make {name})"
    required = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    packages = next(iter(sorted(folder.glob("lib/python3.*/site-packages"))), folder)
    versions = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions(path=[str(packages)])}
    if differing := sorted(name for name, version in required if versions.get(canonicalize_name(name)) != version):
        return f"its libraries are not those of {requirements.name}: {', '.join(differing[:3])} (make {name})"
    return open_environment(folder)


def open_environment(folder: Path) -> Environment:
    settings = dict(
        line.split(" = ", 1)
        for line in (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        if " = " in line
    )
    return Environment(folder, Path(settings["home"]).parent)
