"""Equal bits are promised for one thread of XLA's (design.md), whose count is read before the first program."""

import os

os.environ.setdefault("NPROC", "1")
