"""Finds where a shared library executes `cpuid`.

Its two bytes also occur inside other instructions, so the functions that contain them are disassembled. The library's
unwind table (.eh_frame_hdr) lists where functions start; this takes 2 s, disassembling all of jaxlib would take 40.
"""

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

CPUID = b"\x0f\xa2"
LOADED, UNWINDING, EXECUTABLE = 1, 0x6474E550, 1
BETWEEN = b"\x90" * 16  # longer than any instruction, so the next function is disassembled from its start


def cpuid_sites(library: Path) -> list[int]:
    """Addresses of the library's cpuid instructions, relative to its load address."""
    data = library.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return []
    functions = list(_functions_with(CPUID, data))
    if not functions:
        return []
    with tempfile.NamedTemporaryFile() as file:
        file.write(BETWEEN.join(code for _, code in functions))
        file.flush()
        command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", file.name]
        listing = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    offsets = [int(offset, 16) for offset in re.findall(r"^ *([0-9a-f]+):\tcpuid", listing, re.MULTILINE)]
    sites, begin = [], 0
    for address, code in functions:
        sites += [address + offset - begin for offset in offsets if begin <= offset < begin + len(code)]
        begin += len(code) + len(BETWEEN)
    return sites


def _functions_with(pattern: bytes, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Address and code of a library's functions that contain these bytes."""
    table, entry_size, entries = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, table + entry_size * i) for i in range(entries)]
    starts = np.concatenate([np.array([], np.int64), *(_starts(data, s) for s in segments if s[0] == UNWINDING)])
    for kind, flags, offset, address, _, size in segments:
        if kind != LOADED or not flags & EXECUTABLE:
            continue
        inside = starts[(starts > address) & (starts < address + size)]
        code = data[offset : offset + size]
        for start, end in pairwise([0, *(inside - address).tolist(), size]):
            if code.find(pattern, start, end) >= 0:
                yield address + start, code[start:end]


def _starts(data: bytes, segment: tuple[int, ...]) -> np.ndarray:
    """The addresses in the sorted table of .eh_frame_hdr: pairs of int32, relative to the header's own address."""
    _, _, offset, address, _, _ = segment
    assert data[offset : offset + 4] == b"\x01\x1b\x03\x3b", (
        "unsupported format of .eh_frame_hdr, which linkers do not write"
    )
    (count,) = struct.unpack_from("<I", data, offset + 8)
    return address + np.frombuffer(data, np.int32, 2 * count, offset + 12)[::2].astype(np.int64)
