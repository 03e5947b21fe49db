"""Orbax checkpoints to resume a training from. They are no outputs of the stage: no two saves have the same bytes."""

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

# Orbax logs 20 lines per save at INFO, the level of the stages' own logs.
logging.getLogger("absl").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

KEEP = 2
EVERY = 200
RESUME = ("any", "other-data", "fresh")
IDENTITY = "identity.json"


def fingerprint(identity: Record) -> str:
    """Folder name of a training (stage, parameters, steps, data, initial weights and `code_hash()`) or of a numerics
    profile.

    A save of any other training is in another folder, so this training does not resume from it.
    """
    return hashlib.sha256(dump(identity).encode()).hexdigest()[:32]


def code_hash() -> str:
    """Hash of the code of the model and the trainings."""
    digest = hashlib.sha256()
    for path in sorted([*(PACKAGE / "model").rglob("*.py"), *(PACKAGE / "training").rglob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def numerics_profile(mesh: dict[str, int]) -> Record:
    """What else decides the bits. A run under another profile resumes from a save only if LEMUR_RESUME says so."""
    return {
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "processes": jax.process_count(),
        "mesh": mesh,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "threads": os.environ.get("NPROC", ""),
    }


class Checkpoints:
    """Saves of one training. A save either exists completely or not at all: Orbax renames it when all is written.

    Environment variables, not parameters, set how often, how many and where, since none of it changes the model:

        LEMUR_CHECKPOINT_EVERY       steps between saves (200); 0 = no saves
        LEMUR_CHECKPOINT_KEEP        newest saves to keep (2); at least 1
        LEMUR_CHECKPOINT_KEEP_EVERY  also keep saves at multiples of this many steps, even when the training is done;
                                     0 = none
        LEMUR_CHECKPOINTS            folder (`.lemur/checkpoints`)
        LEMUR_RESUME                 any = resume from the newest save of any numerics profile, such as another mesh;
                                     other-data = resume an unfinished training that differs only in its data;
                                     fresh = abandon that training and start at step 0
    """

    def __init__(self, identity: Record, numerics: Record) -> None:
        self.every = _read_count("LEMUR_CHECKPOINT_EVERY", EVERY)
        self._keep = _read_count("LEMUR_CHECKPOINT_KEEP", KEEP, minimum=1)
        self._keep_every = _read_count("LEMUR_CHECKPOINT_KEEP_EVERY", 0)
        self._identity = identity
        root = Path(os.environ.get("LEMUR_CHECKPOINTS", ROOT / ".lemur" / "checkpoints")).absolute()
        self.training = root / fingerprint(identity)
        self.folder = self.training / fingerprint(numerics)
        self._resume = os.environ.get("LEMUR_RESUME", "")
        if self._resume not in ("", *RESUME):
            raise SystemExit(f"LEMUR_RESUME is {self._resume!r}; {', '.join(RESUME)} or nothing is allowed")
        self._any_profile = self._resume == "any"
        self.other_data = self._resume == "other-data"
        self._open_manager: Any = None

    def newest(self, state: Any) -> tuple[int, Any, Record] | None:
        """(step, state, record) of the newest complete save, None if there is none. `state` gives shapes and mesh.

        Raises `ValueError` that names a save which cannot be read, or the save of an unfinished training that differs
        only in its data, unless LEMUR_RESUME says what to do about it.
        """
        saves = self._saves(self.training)
        own_steps = [step for step, folder in saves if folder == self.folder]
        if saves and not self._any_profile and not own_steps:
            log.warning(
                "%s holds a save after step %d of this training under another numerics profile (docs/training.md); it "
                "is ignored, since resuming from it would change the bits. LEMUR_RESUME=any resumes from it",
                *saves[-1][::-1],
            )
        usable = saves if self._any_profile else [(step, self.folder) for step in own_steps]
        if usable:
            return self._restore(*usable[-1], state)
        others = self._unfinished()
        if not others:
            return None
        step, folder, other = others[-1]
        if self._resume == "fresh":
            log.warning(
                "%s: the training that reached step %d with other data is abandoned; starting at step 0", folder, step
            )
            self._abandon_unfinished()
            return None
        steps = self._identity["steps"]
        if self.other_data and step < steps:
            log.warning("%s: resuming after step %d, which was reached with other data", folder, step)
            return self._restore(step, folder, state)
        other_data_option = (
            "LEMUR_RESUME=other-data resumes from there with the new data; the model then does not follow from its "
            "inputs alone, and the report says so"
            if step < steps
            else f"With the new data the training has only {steps} steps, so it cannot resume from there"
        )
        raise ValueError(
            f"{folder}: an unfinished training of this stage ({self._identity['stage']}) reached step {step} with "
            f"other data, and differs in nothing else: the data's fingerprint was {other['data']} and is "
            f"{self._identity['data']}. {other_data_option}. LEMUR_RESUME=fresh starts at step 0 and leaves the save "
            "there. See docs/training.md, Resume"
        )

    def _restore(self, step: int, folder: Path, state: Any) -> tuple[int, Any, Record]:
        import orbax.checkpoint as ocp

        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
        manager = self._manager if folder == self.folder else ocp.CheckpointManager(folder)
        try:
            restored = manager.restore(step, args=arguments)
        except Exception as error:  # Orbax and TensorStore raise many kinds
            first_line = (str(error).splitlines() or [""])[0]
            raise ValueError(
                f"{folder / str(step)}: this save cannot be read ({type(error).__name__}: {first_line}); it is "
                f"damaged. Remove it (rm -r {folder / str(step)}) and run again: training resumes from the save before "
                "it, if there is one, else it starts at step 0"
            ) from error
        if folder != self.folder:
            manager.close()
        return step, restored["state"], restored["record"]

    def _saves(self, training: Path) -> list[tuple[int, Path]]:
        """(step, folder of its profile) of every complete save, newest last; among equal steps this profile's last."""
        saves = [(int(path.name), path.parent) for path in training.glob("*/*") if path.name.isdigit()]
        return sorted(saves, key=lambda save: (save[0], save[1].name == self.folder.name))

    def _unfinished(self) -> list[tuple[int, Path, Record]]:
        """(step, folder, identity) of the newest save of each unfinished training that differs only in its data, newest
        last. The number of steps may differ too: with equal parameters it depends on the data."""
        unfinished = []
        for path in sorted(self.training.parent.glob(f"*/{IDENTITY}")):
            try:
                identity = read_json(path)
            except FileNotFoundError:  # the first process has just abandoned it
                continue
            saves = self._saves(path.parent)
            if saves and path.parent != self.training and _without_data(identity) == _without_data(self._identity):
                unfinished.append((*saves[-1], identity))
        return sorted(unfinished, key=lambda save: save[0])

    def _abandon_unfinished(self) -> None:
        """Hide the trainings of `_unfinished` from runs with other data; with their own data they still resume."""
        if not jax.process_index():
            for _, folder, _ in self._unfinished():
                (folder.parent / IDENTITY).unlink()

    def save(self, step: int, state: Any, record: Record, *, now: bool = False) -> None:
        """Save after `step` steps if a save is due or `now` is set. Returns when the state is copied; Orbax writes it
        in the background."""
        if not self.every or (step % self.every and not now) or step in self._manager.all_steps():
            return
        import orbax.checkpoint as ocp

        if not jax.process_index() and not (file := self.training / IDENTITY).exists():
            partial = file.with_name(f".{IDENTITY}.partial")
            write_json(partial, self._identity)
            partial.replace(file)
        self._manager.save(
            step,
            # A copy: Orbax writes it in the background, while the training adds rows to the curve.
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(deepcopy(record))),
            force=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A save that has begun is completed, even after an error or Ctrl-C.
        if self._open_manager is not None:
            self._open_manager.wait_until_finished()
            self._open_manager.close()
            self._open_manager = None

    def remove(self) -> None:
        """Remove the saves when the training is done and its model written, except those LEMUR_CHECKPOINT_KEEP_EVERY
        keeps."""
        if jax.process_index():
            return
        self._abandon_unfinished()
        saves = self._saves(self.training)
        kept = [step for step, _ in saves if self._keep_every and step % self._keep_every == 0]
        (self.training / IDENTITY).unlink(missing_ok=True)
        for step, folder in saves:
            if step not in kept:
                shutil.rmtree(folder / str(step), ignore_errors=True)
        if kept:
            log.info("saves after steps %s are kept in %s", kept, self.training)
        else:
            shutil.rmtree(self.training, ignore_errors=True)

    @property
    def _manager(self) -> Any:
        # Importing Orbax takes 0.7 s; a training that ends before its first save does not need it.
        if self._open_manager is None:
            import orbax.checkpoint as ocp

            options = ocp.CheckpointManagerOptions(max_to_keep=self._keep, keep_period=self._keep_every or None)
            self._open_manager = ocp.CheckpointManager(self.folder, options=options)
        return self._open_manager


class SigtermFlag:
    """`with SigtermFlag() as terminated:` SIGTERM, which a preempted machine gets, only makes `terminated()` true."""

    def __init__(self) -> None:
        self._received = False
        self._previous_handler: Any = None

    def __call__(self) -> bool:
        return self._received

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGTERM, self._handle)
        return self

    def _handle(self, *_: object) -> None:
        self._received = True

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous_handler)


def _read_count(variable: str, default: int, minimum: int = 0) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or int(text) < minimum:
        allowed = (
            f"a whole number of at least {minimum} is allowed" if minimum else "a whole number is allowed, 0 for none"
        )
        raise SystemExit(f"{variable} is {text!r}; {allowed}")
    return int(text)


def _without_data(identity: Record) -> str:
    return dump({key: value for key, value in identity.items() if key not in ("data", "steps")})
