"""Orbax checkpoints to resume a training from: outside the stage's outs, because no two saves have the same bytes."""

import hashlib
import logging
import os
import shutil
import signal
import threading
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import jax

from lemur.pipeline.files import PACKAGE, ROOT
from lemur.records import Record, dump

# Orbax writes 20 lines a save at INFO, the level of the stages' own logs.
logging.getLogger("absl").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

KEEP = 2
EVERY = 200


def fingerprint(identity: Record) -> str:
    """Name of one training: `identity` (parameters, data, initial weights) and this code.

    A save of any other training has another name, so it is never resumed from.
    """
    code = hashlib.sha256()
    for path in sorted([*(PACKAGE / "model").glob("*.py"), *(PACKAGE / "training").glob("*.py")]):
        code.update(path.name.encode() + b"\0" + path.read_bytes())
    return _short([identity, code.hexdigest()])


def profile(mesh: dict[str, int]) -> Record:
    """What else decides the bits: a run under another profile goes on from a save only where it is told to."""
    return {
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "processes": jax.process_count(),
        "mesh": mesh,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "threads": os.environ.get("NPROC", ""),
    }


class Checkpoints:
    """Saves of one training. A save is complete or not there: Orbax renames it into place when all is written.

    How often, how many and where are no parameters, since they change no byte of the model: LEMUR_CHECKPOINT_EVERY
    (steps, 200; 0 = never), LEMUR_CHECKPOINT_KEEP (the newest so many, 2), LEMUR_CHECKPOINT_KEEP_EVERY (also those of
    every so many steps, and after the end of the training; 0 = none) and LEMUR_CHECKPOINTS (folder,
    `.lemur/checkpoints`). LEMUR_RESUME=any: from the newest save of any numerics profile, another mesh for instance.
    """

    def __init__(self, name: str, numerics: Record) -> None:
        self.every = _steps("LEMUR_CHECKPOINT_EVERY", EVERY)
        self._keep = _steps("LEMUR_CHECKPOINT_KEEP", KEEP)
        self._keep_every = _steps("LEMUR_CHECKPOINT_KEEP_EVERY", 0)
        self.training = Path(os.environ.get("LEMUR_CHECKPOINTS", ROOT / ".lemur" / "checkpoints")).absolute() / name
        self.folder = self.training / _short(numerics)
        self._any = os.environ.get("LEMUR_RESUME", "") == "any"
        self._opened: Any = None

    def newest(self, state: Any) -> tuple[int, Any, Record] | None:
        """(step, state, record) of the newest complete save, None if there is none. `state` gives shapes and mesh.

        Raises `ValueError` that names a save which cannot be read.
        """
        saves = self._saves()
        mine = [step for step, folder in saves if folder == self.folder]
        if saves and not self._any and not mine:
            log.warning(
                "%s holds a save after step %d of this training under another numerics profile (docs/training.md); it "
                "is left alone, since to go on from it changes the bits. LEMUR_RESUME=any goes on from it",
                *saves[-1][::-1],
            )
        usable = saves if self._any else [(step, self.folder) for step in mine]
        if not usable:
            return None
        step, folder = usable[-1]
        import orbax.checkpoint as ocp

        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
        asked = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
        manager = self._manager if folder == self.folder else ocp.CheckpointManager(folder)
        try:
            restored = manager.restore(step, args=asked)
        except Exception as error:  # Orbax and TensorStore raise many kinds
            first = (str(error).splitlines() or [""])[0]
            raise ValueError(
                f"{folder / str(step)}: this save cannot be read ({type(error).__name__}: {first}); it is damaged. "
                f"Remove it (rm -r {folder / str(step)}) and run again: training goes on from the save before it"
            ) from error
        if folder != self.folder:
            manager.close()
        return step, restored["state"], restored["record"]

    def _saves(self) -> list[tuple[int, Path]]:
        """(step, folder of its profile) of every complete save, the newest last; of equal steps this profile's."""
        found = [(int(path.name), path.parent) for path in self.training.glob("*/*") if path.name.isdigit()]
        return sorted(found, key=lambda save: (save[0], save[1] == self.folder))

    def save(self, step: int, state: Any, record: Record, *, now: bool = False) -> None:
        """Save after `step` steps, if it is time or `now`. Returns when the state is copied; it is written in the
        background."""
        if not self.every or (step % self.every and not now) or step in self._manager.all_steps():
            return
        import orbax.checkpoint as ocp

        self._manager.save(
            step,
            # A copy: Orbax makes JSON of it in the background, while the training adds to its curve.
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(deepcopy(record))),
            force=True,
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
        """The training is done and its model written: nothing is left to resume, and only what was to be kept stays."""
        if jax.process_index():
            return
        kept = [step for step, _ in self._saves() if self._keep_every and step % self._keep_every == 0]
        for step, folder in self._saves():
            if step not in kept:
                shutil.rmtree(folder / str(step), ignore_errors=True)
        if kept:
            log.info("saves after the steps %s stay in %s", kept, self.training)
        else:
            shutil.rmtree(self.training, ignore_errors=True)

    @property
    def _manager(self) -> Any:
        # Orbax takes 0.7 s to import, so a training that is shorter than the first save does without it.
        if self._opened is None:
            import orbax.checkpoint as ocp

            options = ocp.CheckpointManagerOptions(max_to_keep=self._keep, keep_period=self._keep_every or None)
            self._opened = ocp.CheckpointManager(self.folder, options=options)
        return self._opened


class Terminated:
    """`with Terminated() as asked:` SIGTERM, as a preempted machine gets it, only makes `asked()` true."""

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __call__(self) -> bool:
        return self._asked

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._remember)
        return self

    def _remember(self, *_: object) -> None:
        self._asked = True

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


def _steps(variable: str, default: int) -> int:
    asked = os.environ.get(variable, str(default))
    if not asked.isdigit():
        raise SystemExit(f"{variable} is {asked!r}; a whole number is allowed, 0 for none")
    return int(asked)


def _short(value: Any) -> str:
    return hashlib.sha256(dump(value).encode()).hexdigest()[:32]
