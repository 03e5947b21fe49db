"""Orbax checkpoints to resume a training from: outside the stage's outs, because no two saves have the same bytes."""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Self

import jax

from lemur.pipeline.files import PACKAGE, ROOT
from lemur.records import Record, dump

# Orbax writes 20 lines a save at INFO, the level of the stages' own logs.
logging.getLogger("absl").setLevel(logging.WARNING)

KEEP = 2
EVERY = 200


def fingerprint(identity: Record) -> str:
    """Name of one training: `identity` (parameters, data, initial weights), the numerics and this code.

    A save of any other training has another name, so it is never resumed from.
    """
    code = hashlib.sha256()
    for path in sorted([*(PACKAGE / "model").glob("*.py"), *(PACKAGE / "training").glob("*.py")]):
        code.update(path.name.encode() + b"\0" + path.read_bytes())
    numerics = {
        "jax": jax.__version__,
        "devices": [device.device_kind for device in jax.devices()],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "threads": os.environ.get("NPROC", ""),
    }
    return hashlib.sha256(dump([identity, numerics, code.hexdigest()]).encode()).hexdigest()[:32]


class Checkpoints:
    """Saves of one training. A save is complete or not there: Orbax renames it into place when all is written.

    How often and where are no parameters, since they change no byte of the model: LEMUR_CHECKPOINT_EVERY (steps, 200;
    0 = never) and LEMUR_CHECKPOINTS (folder, `.lemur/checkpoints`).
    """

    def __init__(self, name: str) -> None:
        asked = os.environ.get("LEMUR_CHECKPOINT_EVERY", str(EVERY))
        if not asked.isdigit():
            raise SystemExit(f"LEMUR_CHECKPOINT_EVERY is {asked!r}; a number of steps is allowed, 0 for no checkpoints")
        self.every = int(asked)
        self.folder = Path(os.environ.get("LEMUR_CHECKPOINTS", ROOT / ".lemur" / "checkpoints")).absolute() / name
        self._opened: Any = None

    def newest(self, state: Any) -> tuple[int, Any, Record] | None:
        """(step, state, record) of the newest complete save, None if there is none. `state` gives the shapes."""
        if not self.folder.is_dir() or (step := self._manager.latest_step()) is None:
            return None
        import orbax.checkpoint as ocp

        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
        restored = self._manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
        )
        return step, restored["state"], restored["record"]

    def save(self, step: int, state: Any, record: Record) -> None:
        """Save after `step` steps, if it is time. Returns when the state is copied; it is written in the background."""
        if not self.every or step % self.every:
            return
        import orbax.checkpoint as ocp

        self._manager.save(
            step, args=ocp.args.Composite(state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an error or Ctrl-C: a save that has begun is completed.
        if self._opened is not None:
            self._opened.wait_until_finished()
            self._opened.close()
            self._opened = None

    def remove(self) -> None:
        """The training is done and its model written: nothing is left to resume."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _manager(self) -> Any:
        # Orbax takes 0.7 s to import, so a training that is shorter than the first save does without it.
        if self._opened is None:
            import orbax.checkpoint as ocp

            options = ocp.CheckpointManagerOptions(max_to_keep=KEEP)
            self._opened = ocp.CheckpointManager(self.folder, options=options)
        return self._opened
