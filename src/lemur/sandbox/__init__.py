"""Runs code that a model wrote: no network, no secrets, limited time, memory, processes and disk (docs/sandbox.md).

`run_python` judges a Python program, `run` runs any command, `available()` tells whether this machine can do either.
"""

from lemur.sandbox.backend import Layers, Unavailable, available, layers, run, why_unavailable
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Completed
from lemur.sandbox.programs import Result, out_of_time, run_python, run_python_programs
from lemur.sandbox.second_run import judge_all

__all__ = [
    "Completed",
    "Layers",
    "Limits",
    "Result",
    "Unavailable",
    "available",
    "judge_all",
    "layers",
    "out_of_time",
    "run",
    "run_python",
    "run_python_programs",
    "why_unavailable",
]
