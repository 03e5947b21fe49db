"""Equal bits need a single XLA thread (docs/reproducibility.md); XLA reads the number before its first program."""

import os

import hypothesis

os.environ.setdefault("NPROC", "1")
# No time limit for an example: a busy machine easily exceeds 200 ms.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=3000)  # `make fuzz`
hypothesis.settings.load_profile("no deadline")
