"""XLA compiles the programs to code whose results do not differ between processors (docs/reproducibility.md)."""

import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.processors.identity import NATIVE, environment, run_module

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the promise is for x86-64")

# Approximate reciprocals and roots, and fused multiply-adds: XLA's own kernels must not contain any.
FORBIDDEN = re.compile(
    r"^ +[0-9a-f]+:\s+v?((?:rsqrt|rcp)(?:14|28)?[ps]s|fn?m(?:add|sub|addsub|subadd)\w*)\b", re.MULTILINE
)

NOT_PORTABLE = """
import sys, os
os.environ |= {"NPROC": "1", "XLA_FLAGS": f"--xla_cpu_max_isa=AVX2 --xla_dump_to={sys.argv[1]} --xla_dump_hlo_as_text"}
import jax, numpy as np
x = np.ones((1022, 128), np.float32)
jax.jit(lambda x, dy: (x.T @ dy, jax.lax.rsqrt(dy), x * 3 + dy))(x, x)
"""


def test_programs_are_portable(tmp_path: Path) -> None:
    run_module(NATIVE, "tests.processors.compile_programs", str(tmp_path))
    ynnpack, others = products(tmp_path)
    assert others == []
    assert {"jit_step", "jit__each_token", "jit__next_token", "jit__first_token", "jit__decode"} <= set(ynnpack)
    assert forbidden(tmp_path) == {}


def test_code_that_differs_between_processors_is_detected(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NOT_PORTABLE, str(tmp_path)], check=True, env=environment(NATIVE))
    ynnpack, others = products(tmp_path)
    assert not ynnpack
    assert len(others) == 1
    assert {name[:5] for name in forbidden(tmp_path)} >= {"rsqrt", "fmadd"}


def products(dump: Path) -> tuple[Counter[str], list[str]]:
    """The number of products per program that YNNPACK computes, and the instructions of the other products."""
    counts: Counter[str] = Counter()
    others: list[str] = []
    for path in dump.glob("*.cpu_after_optimizations.txt"):
        text = path.read_text(encoding="utf-8")
        ynnpack = set(re.findall(r"calls=%([\w.-]+),.*__ynn_fusion", text))
        for computation in text.split("\n\n"):
            name = re.match(r"(?:ENTRY )?%([\w.-]+)", computation.lstrip())
            instructions = re.findall(r"^.* (?:dot|convolution)\(.*$", computation, re.MULTILINE)
            if name and name[1] in ynnpack:
                counts[path.name.split(".")[1]] += len(instructions)
            else:
                others += [f"{path.name}: {instruction.strip()}" for instruction in instructions]
    return +counts, others


def forbidden(dump: Path) -> Counter[str]:
    """The number of occurrences of each forbidden instruction in the code that XLA generated."""
    if not shutil.which("objdump"):
        pytest.skip("no objdump to check the instructions: apt-get install binutils")
    objects = sorted(map(str, dump.glob("*.o")))
    assert objects
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", *objects],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ).stdout
    return Counter(FORBIDDEN.findall(listing))
