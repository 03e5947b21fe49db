"""Times 48 episodes of MINT played together against one at a time, with the JAX back end on this checkout's Lemur-Chat.

    python benchmarks/play.py [--rounds N]

The episodes are those of the bundled tasks with one and with two turns. Both sides run in this process, in turn, after
a round that compiles; nothing is on record. Prints medians, ranges and the ratio of episodes a minute.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.numerics import apply_profile  # noqa: E402


def main(rounds: int) -> None:
    apply_profile()
    from lemur.agents import acting, mint
    from lemur.agents.episodes import play
    from lemur.core.parameter_blocks import current_blocks
    from lemur.inference.jax_model import JaxModel
    from lemur.sources.fetched import load

    params = mint.Params.model_validate(current_blocks()["mint"])
    source = load(ROOT / "data/raw/mint")
    tasks = mint.read_tasks(source)
    model = JaxModel.load(ROOT / "models/lemur_chat", tile=params.tile, bos=params.bos, context=params.context)

    def seconds(at_once: int) -> tuple[float, int]:
        with tempfile.TemporaryDirectory() as answers, patch.dict(os.environ, {"LEMUR_ANSWERS": answers}):
            assignments = mint.Setting(params, source, with_feedback=False).assignments(tasks)[:48]
            start = time.perf_counter()
            with patch.object(acting, "play", lambda *a, **k: play.play(*a, **k, at_once=at_once)):
                acting.act(params, model, assignments)
            return time.perf_counter() - start, len(assignments)

    seconds(48)
    seconds(1)
    together, alone = [], []
    for _ in range(rounds):
        together.append(seconds(48)[0])
        alone.append(seconds(1)[0])
    count = seconds(48)[1]
    for name, times in (("together", together), ("one at a time", alone)):
        print(f"{name}: {60 * count / median(times):.0f} episodes a minute ({min(times):.2f} to {max(times):.2f} s)")
    print(f"ratio: {median(alone) / median(together):.2f}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.WARNING)
    main(parser.parse_args().rounds)
