"""Equal bits are promised for one thread of XLA's (design.md), whose count is read before the first program."""

import os

import hypothesis

os.environ.setdefault("NPROC", "1")
# An example may take as long as it takes: on a busy machine 200 ms are soon over.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=3000)  # `make fuzz`
hypothesis.settings.load_profile("no deadline")
