"""How many threads `tokenizers` uses. It reads that from the environment, before its first batch."""

import os


def one_thread() -> None:
    """For a stage with worker processes: without this, each worker would use every core."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
