"""`lemur plan`: what a scale's trainings would take on a TPU slice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lemur.core.files import SCALES
from lemur.core.scales import names
from lemur.planning.compilation import Compiled, compile_training, search
from lemur.planning.machines import GIB, MACHINES, Machine, devices
from lemur.planning.trainings import Training, read_training
from lemur.training.flops import flops_per_token, matrix_weights


def plan(
    scale: str,
    stages: list[str],
    *,
    machine: str,
    mesh: str | None,
    microbatches: int | None,
    layers: int | None,
    mfu: float,
    compile_most: int,
) -> bool:
    """Print the plan of each stage. Returns whether all of them fit.

    scale: its name, or a file as those in scales/.
    mesh: data x fsdp x sequence x tensor, "search" for the best, None for the scale's own, which may be of one device.
    layers: fewer than the model has, for a quick look.
    """
    if machine not in MACHINES:
        raise SystemExit(f"--machine is {machine!r}; {', '.join(MACHINES)} are known")
    if scale not in names() and not Path(scale).is_file():
        raise SystemExit(f"{scale!r} is no file and no scale; there are {', '.join(names())}")
    file = SCALES / f"{scale}.yaml" if scale in names() else Path(scale)
    trainings = [read_training(file, stage, layers=layers) for stage in stages]
    slice_, chips = MACHINES[machine], devices(MACHINES[machine])
    fits = True
    for stage, training in zip(stages, trainings, strict=True):
        best: Compiled | None
        if mesh == "search":
            best = _search(training, slice_, chips, compile_most)
        else:
            sizes = _sizes(mesh) if mesh else list(training.params.mesh.sizes().values())
            training = training.on(sizes, microbatches or training.params.microbatches)
            wanted = training.params.mesh.devices
            if wanted != len(chips) and (mesh or wanted > 1):
                raise SystemExit(
                    f"{stage}: the mesh {_mesh(training)} has {wanted} devices, {machine} {len(chips)} chips; "
                    "give another --mesh, or --mesh search"
                )
            try:
                best = compile_training(training, chips[:wanted])
            except ValueError as error:
                raise SystemExit(f"{stage}: {error}") from None
        print(text(best, slice_, len(chips), mfu) if best else f"{stage}: no layout of {machine} fits", flush=True)
        fits &= best is not None and best.fits(slice_)
    return fits


def _sizes(mesh: str) -> list[int]:
    sizes = mesh.split("x")
    if len(sizes) != 4 or not all(size.isdigit() and int(size) for size in sizes):
        raise SystemExit(f"--mesh is {mesh!r}; four numbers as 1x64x1x4 (data, fsdp, sequence, tensor), or search")
    return [int(size) for size in sizes]


def _mesh(training: Training) -> str:
    return "x".join(map(str, training.params.mesh.sizes().values()))


def _search(training: Training, machine: Machine, chips: Sequence[Any], most: int) -> Compiled | None:
    print(f"{training.stage}: layouts by what a chip sends, estimated least first; the compiler says which fit")
    print(f"{'mesh d x f x s x t':>20} {'micro':>6} {'memory':>10} {'sent':>10} {'compiled in':>12}")
    fitting: list[Compiled] = []
    for found in search(training, machine, chips, most=most):
        sent = f"{found.sent / GIB:.0f} GiB" if found.fits(machine) else "too large"
        micro, memory = found.training.params.microbatches, f"{found.total / GIB:.1f} GiB"
        print(f"{_mesh(found.training):>20} {micro:6} {memory:>10} {sent:>10} {found.seconds:10.0f} s", flush=True)
        fitting += [found] if found.fits(machine) else []
    return min(fitting, key=lambda found: found.sent, default=None)


def text(found: Compiled, machine: Machine, chips: int, mfu: float) -> str:
    """The plan of one training, one fact a line."""
    training, params, config = found.training, found.training.params, found.training.config
    used = params.mesh.devices
    of = f"{used} of {chips}" if used < chips else f"{chips}"
    weights = matrix_weights(config) + (0 if config.tie_word_embeddings else config.hidden_size * config.vocab_size)
    sizes = ", ".join(f"{name} {size}" for name, size in params.mesh.sizes().items())
    lines = [
        f"{training.stage} on {machine.name}: {of} chips, mesh {sizes}; compiled in {found.seconds:.0f} s",
        _line(
            "model",
            f"{weights / 1e9:.1f} billion weights, {config.num_hidden_layers} layers, {config.vocab_size} tokens",
        ),
        _line(
            "batch",
            f"{params.batch_size} sequences of {training.length} = {training.tokens:,} tokens, in "
            f"{params.microbatches} microbatches, remat {params.remat}",
        ),
        "  memory of a chip",
    ]
    kinds = {
        "weights (float32)": found.weights,
        "optimizer (float32)": found.optimizer,
        "batch": found.batch,
        "gradients, activations, gathered weights": found.temporary,
        "in all": found.total,
        "of it in use at the fullest moment": found.live,
        "a program may use": machine.memory,
    }
    lines += [f"    {name:42} {size / GIB:7.2f} GiB" for name, size in kinds.items() if size or name == "batch"]
    if not found.fits(machine):
        return "\n".join([*lines, f"  DOES NOT FIT: {found.error or 'more than a chip has'}", *_advice(found, machine)])
    lines.append("  a chip sends each step")
    lines += [f"    {name:42} {size / GIB:7.1f} GiB" for name, size in found.collectives.items()]
    links = found.sent / machine.interconnect
    lines.append(
        f"    {'in all':42} {found.sent / GIB:7.1f} GiB, {links:.1f} s at {machine.interconnect / 1e9:.0f} GB/s"
    )
    return "\n".join(lines + _time(training, used * machine.flops, mfu, links))


def _time(training: Training, peak: float, mfu: float, links: float) -> list[str]:
    """What the formulas say; nothing here is measured."""
    flops = flops_per_token(training.config, training.length) * training.tokens
    # A forward pass is a third of the step's.
    again = flops * (4 / 3 if training.params.remat == "full" else 1)
    seconds = flops / (peak * mfu)
    lines = [
        _line("FLOPs", f"{flops:.3g} a step (flops.py), {again:.3g} with what is computed again"),
        _line(
            "a step",
            f"{_short(seconds)} s at an assumed MFU of {mfu:.0%} of {peak / 1e15:.1f} PFLOP/s; not below "
            f"{_short(again / peak)} s of products, nor {_short(links)} s of sending",
        ),
    ]
    if seconds < max(again / peak, links):
        lines.append("                that MFU is out of reach: state a lower one (--mfu)")
    if steps := training.steps:
        days = steps * seconds / 86400
        lines.append(
            _line("training", f"{steps:,} steps, {steps * training.tokens / 1e9:.1f} billion tokens: {days:.1f} days")
        )
    else:
        hours = 1e9 / training.tokens * seconds / 3600
        lines.append(_line("training", f"{hours:.1f} hours for each billion tokens, padding included"))
    return lines


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.95 or not seconds else f"{seconds:.2g}"


def _line(name: str, fact: str) -> str:
    return f"  {name:13} {fact}"


def _advice(found: Compiled, machine: Machine) -> list[str]:
    params = found.training.params
    rows = params.batch_size // params.microbatches // (params.mesh.data * params.mesh.fsdp)
    lines = ["  what would have to change (or --mesh search):"]
    if found.weights + found.optimizer > 0.7 * machine.memory:
        lines.append(
            "    weights and optimizer alone fill a chip: less data, more fsdp, sequence or tensor; or more chips"
        )
    if params.remat != "full":
        lines.append("    remat: full keeps only each layer's input")
    if rows > 1:
        lines.append(
            f"    microbatches: {params.microbatches * 2} halves the activations ({rows} sequences at once now)"
        )
    else:
        lines.append("    one sequence at once already: a larger tensor or sequence axis cuts its activations")
    return lines
