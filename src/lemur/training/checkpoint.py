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

from lemur.core.files import PACKAGE, ROOT
from lemur.core.records import Record, dump, read_json, write_json

# Orbax writes 20 lines a save at INFO, the level of the stages' own logs.
logging.getLogger("absl").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

KEEP = 2
EVERY = 200
RESUME = ("any", "other-data", "fresh")
IDENTITY = "identity.json"


def fingerprint(identity: Record) -> str:
    """Name of a training (its stage, parameters, steps, data, initial weights and `code()`) or of a numerics profile.

    A save of any other training has another name, so it is not resumed from.
    """
    return hashlib.sha256(dump(identity).encode()).hexdigest()[:32]


def code() -> str:
    """Hash of the model's and the trainings' code."""
    digest = hashlib.sha256()
    for path in sorted([*(PACKAGE / "model").rglob("*.py"), *(PACKAGE / "training").rglob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


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
    (steps, 200; 0 = never), LEMUR_CHECKPOINT_KEEP (the newest so many, 2; 1 or more), LEMUR_CHECKPOINT_KEEP_EVERY (also
    those of every so many steps, and after the end of the training; 0 = none) and LEMUR_CHECKPOINTS (folder,
    `.lemur/checkpoints`). LEMUR_RESUME says what else to go on from, or not to: any = from the newest save of any
    numerics profile, another mesh for instance; other-data = from the save of an unfinished training that differs only
    in its data; fresh = not from that one, which is then given up.
    """

    def __init__(self, identity: Record, numerics: Record) -> None:
        self.every = _steps("LEMUR_CHECKPOINT_EVERY", EVERY)
        self._keep = _steps("LEMUR_CHECKPOINT_KEEP", KEEP, least=1)
        self._keep_every = _steps("LEMUR_CHECKPOINT_KEEP_EVERY", 0)
        self._identity = identity
        root = Path(os.environ.get("LEMUR_CHECKPOINTS", ROOT / ".lemur" / "checkpoints")).absolute()
        self.training = root / fingerprint(identity)
        self.folder = self.training / fingerprint(numerics)
        self._resume = os.environ.get("LEMUR_RESUME", "")
        if self._resume not in ("", *RESUME):
            raise SystemExit(f"LEMUR_RESUME is {self._resume!r}; {', '.join(RESUME)} or nothing is allowed")
        self._any = self._resume == "any"
        self.other_data = self._resume == "other-data"
        self._opened: Any = None

    def newest(self, state: Any) -> tuple[int, Any, Record] | None:
        """(step, state, record) of the newest complete save, None if there is none. `state` gives shapes and mesh.

        Raises `ValueError` that names a save which cannot be read, or one of an unfinished training that differs only
        in its data, if LEMUR_RESUME does not say what to do about it.
        """
        saves = self._saves(self.training)
        mine = [step for step, folder in saves if folder == self.folder]
        if saves and not self._any and not mine:
            log.warning(
                "%s holds a save after step %d of this training under another numerics profile (docs/training.md); it "
                "is left alone, since to go on from it changes the bits. LEMUR_RESUME=any goes on from it",
                *saves[-1][::-1],
            )
        usable = saves if self._any else [(step, self.folder) for step in mine]
        if usable:
            return self._restore(*usable[-1], state)
        others = self._unfinished()
        if not others:
            return None
        step, folder, other = others[-1]
        if self._resume == "fresh":
            log.warning(
                "%s: the training that reached step %d with other data is given up; starting anew", folder, step
            )
            self._give_up()
            return None
        steps = self._identity["steps"]
        if self.other_data and step < steps:
            log.warning("%s: going on after step %d, which was reached with other data", folder, step)
            return self._restore(step, folder, state)
        go_on = (
            "LEMUR_RESUME=other-data goes on from there with the new data; the model is then no function of its "
            "inputs, and the report says so"
            if step < steps
            else f"With the new data the training has only {steps} steps, so it cannot go on from there"
        )
        raise ValueError(
            f"{folder}: an unfinished training of this stage ({self._identity['stage']}) reached step {step} with "
            f"other data, and differs in nothing else: the data's fingerprint was {other['data']} and is "
            f"{self._identity['data']}. {go_on}. LEMUR_RESUME=fresh starts anew at step 0 and leaves the save there. "
            "See docs/training.md, Resume"
        )

    def _restore(self, step: int, folder: Path, state: Any) -> tuple[int, Any, Record]:
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
                f"Remove it (rm -r {folder / str(step)}) and run again: training goes on from the save before it, if "
                "there is one, else from the start"
            ) from error
        if folder != self.folder:
            manager.close()
        return step, restored["state"], restored["record"]

    def _saves(self, training: Path) -> list[tuple[int, Path]]:
        """(step, folder of its profile) of every complete save, the newest last; of equal steps this profile's."""
        found = [(int(path.name), path.parent) for path in training.glob("*/*") if path.name.isdigit()]
        return sorted(found, key=lambda save: (save[0], save[1].name == self.folder.name))

    def _unfinished(self) -> list[tuple[int, Path, Record]]:
        """(step, folder, identity) of the newest save of each unfinished training that differs only in its data; the
        newest last. Steps may differ too: where the parameters are equal, they do because of the data."""
        found = []
        for path in sorted(self.training.parent.glob(f"*/{IDENTITY}")):
            try:
                identity = read_json(path)
            except FileNotFoundError:  # given up by the first process, in this moment
                continue
            saves = self._saves(path.parent)
            if saves and path.parent != self.training and _besides_data(identity) == _besides_data(self._identity):
                found.append((*saves[-1], identity))
        return sorted(found, key=lambda save: save[0])

    def _give_up(self) -> None:
        """Those of `_unfinished` count no more; with their own data they are still resumed."""
        if not jax.process_index():
            for _, folder, _ in self._unfinished():
                (folder.parent / IDENTITY).unlink()

    def save(self, step: int, state: Any, record: Record, *, now: bool = False) -> None:
        """Save after `step` steps, if it is time or `now`. Returns when the state is copied; it is written in the
        background."""
        if not self.every or (step % self.every and not now) or step in self._manager.all_steps():
            return
        import orbax.checkpoint as ocp

        if not jax.process_index() and not (file := self.training / IDENTITY).exists():
            partial = file.with_name(f".{IDENTITY}.partial")
            write_json(partial, self._identity)
            partial.replace(file)
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
        self._give_up()
        saves = self._saves(self.training)
        kept = [step for step, _ in saves if self._keep_every and step % self._keep_every == 0]
        (self.training / IDENTITY).unlink(missing_ok=True)
        for step, folder in saves:
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


def _steps(variable: str, default: int, least: int = 0) -> int:
    asked = os.environ.get(variable, str(default))
    if not asked.isdigit() or int(asked) < least:
        allowed = f"a whole number of at least {least} is allowed" if least else "a whole number is allowed, 0 for none"
        raise SystemExit(f"{variable} is {asked!r}; {allowed}")
    return int(asked)


def _besides_data(identity: Record) -> str:
    return dump({key: value for key, value in identity.items() if key not in ("data", "steps")})
