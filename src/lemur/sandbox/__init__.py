"""Runs code that a model wrote: no network, no secrets, limited time, memory, processes and disk (docs/sandbox.md).

`run_python` judges a Python program, `run` is the layer below it, `available()` says whether this machine can.
"""

from lemur.sandbox.backend import Layers, Unavailable, available, layers, run, why_unavailable
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Completed
from lemur.sandbox.programs import Result, run_python, run_python_programs

__all__ = [
    "Completed",
    "Layers",
    "Limits",
    "Result",
    "Unavailable",
    "available",
    "layers",
    "run",
    "run_python",
    "run_python_programs",
    "why_unavailable",
]
