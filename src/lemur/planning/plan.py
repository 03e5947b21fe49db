"""`lemur plan`: the memory, communication and time of a scale's trainings on a TPU slice."""

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

    scale: name of a scale, or a file like those in scales/.
    mesh: data x fsdp x sequence x tensor, "search" for the best, None for the scale's own, which may be one device.
    layers: a smaller number of layers, for a quick look.
    """
    if machine not in MACHINES:
        raise SystemExit(f"--machine is {machine!r}; {', '.join(MACHINES)} are allowed")
    if scale not in names() and not Path(scale).is_file():
        raise SystemExit(f"{scale!r} is neither a file nor a scale; the scales are {', '.join(names())}")
    file = SCALES / f"{scale}.yaml" if scale in names() else Path(scale)
    trainings = [read_training(file, stage, layers=layers) for stage in stages]
    slice_, chips = MACHINES[machine], devices(MACHINES[machine])
    fits = True
    for stage, training in zip(stages, trainings, strict=True):
        best: Compiled | None
        if mesh == "search":
            best = _search(training, slice_, chips, compile_most)
        else:
            sizes = _parse_mesh(mesh) if mesh else list(training.params.mesh.sizes().values())
            training = training.on(sizes, microbatches or training.params.microbatches)
            count = training.params.mesh.devices
            if count != len(chips) and (mesh or count > 1):
                raise SystemExit(
                    f"{stage}: the mesh {_format_mesh(training)} has {count} devices, {machine} {len(chips)} chips; "
                    "give another --mesh, or --mesh search"
                )
            try:
                best = compile_training(training, chips[:count])
            except ValueError as error:
                raise SystemExit(f"{stage}: {error}") from None
        print(text(best, slice_, len(chips), mfu) if best else f"{stage}: no layout of {machine} fits", flush=True)
        fits &= best is not None and best.fits(slice_)
    return fits


def _parse_mesh(mesh: str) -> list[int]:
    sizes = mesh.split("x")
    if len(sizes) != 4 or not all(size.isdigit() and int(size) for size in sizes):
        raise SystemExit(
            f"--mesh is {mesh!r}; four numbers like 1x64x1x4 (data, fsdp, sequence, tensor) or search are allowed"
        )
    return [int(size) for size in sizes]


def _format_mesh(training: Training) -> str:
    return "x".join(map(str, training.params.mesh.sizes().values()))


def _search(training: Training, machine: Machine, chips: Sequence[Any], most: int) -> Compiled | None:
    print(f"{training.stage}: layouts, those that should send least first; the compiler decides which fit")
    print(f"{'mesh d x f x s x t':>20} {'micro':>6} {'memory':>10} {'sent':>10} {'compiled in':>12}")
    fitting: list[Compiled] = []
    for compiled in search(training, machine, chips, most=most):
        sent = f"{compiled.sent / GIB:.0f} GiB" if compiled.fits(machine) else "too large"
        micro, memory = compiled.training.params.microbatches, f"{compiled.total / GIB:.1f} GiB"
        mesh = _format_mesh(compiled.training)
        print(f"{mesh:>20} {micro:6} {memory:>10} {sent:>10} {compiled.seconds:10.0f} s", flush=True)
        fitting += [compiled] if compiled.fits(machine) else []
    return min(fitting, key=lambda compiled: compiled.sent, default=None)


def text(compiled: Compiled, machine: Machine, chips: int, mfu: float) -> str:
    """The plan of one training, one fact per line."""
    training, params, config = compiled.training, compiled.training.params, compiled.training.config
    used = params.mesh.devices
    chips_used = f"{used} of {chips}" if used < chips else f"{chips}"
    weights = matrix_weights(config) + (0 if config.tie_word_embeddings else config.hidden_size * config.vocab_size)
    sizes = ", ".join(f"{name} {size}" for name, size in params.mesh.sizes().items())
    lines = [
        f"{training.stage} on {machine.name}: {chips_used} chips, mesh {sizes}; compiled in {compiled.seconds:.0f} s",
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
    memory = {
        "weights (float32)": compiled.weights,
        "optimizer (float32)": compiled.optimizer,
        "batch": compiled.batch,
        "gradients, activations, gathered weights": compiled.temporary,
        "total": compiled.total,
        "of which in use at the peak": compiled.live,
        "available to a program": machine.memory,
    }
    lines += [f"    {name:42} {size / GIB:7.2f} GiB" for name, size in memory.items() if size or name == "batch"]
    if not compiled.fits(machine):
        reason = compiled.error or "more than a chip has"
        return "\n".join([*lines, f"  DOES NOT FIT: {reason}", *_advice(compiled, machine)])
    lines.append("  sent by a chip per step")
    lines += [f"    {name:42} {size / GIB:7.1f} GiB" for name, size in compiled.collectives.items()]
    sending = compiled.sent / machine.interconnect
    lines.append(
        f"    {'total':42} {compiled.sent / GIB:7.1f} GiB, {sending:.1f} s at {machine.interconnect / 1e9:.0f} GB/s"
    )
    return "\n".join(lines + _estimate_time(training, used * machine.flops, mfu, sending))


def _estimate_time(training: Training, peak: float, mfu: float, sending: float) -> list[str]:
    """Times by formula; nothing here is measured. `peak`: FLOP/s; `sending`: seconds per step."""
    flops = flops_per_token(training.config, training.length) * training.tokens
    # A forward pass is a third of a step's FLOPs.
    recomputed = flops * (4 / 3 if training.params.remat == "full" else 1)
    seconds = flops / (peak * mfu)
    lines = [
        _line("FLOPs", f"{flops:.3g} per step (flops.py), {recomputed:.3g} with recomputation"),
        _line(
            "step",
            f"{_short(seconds)} s at an assumed MFU of {mfu:.0%} of {peak / 1e15:.1f} PFLOP/s; at least "
            f"{_short(recomputed / peak)} s for the products and {_short(sending)} s for sending",
        ),
    ]
    if seconds < max(recomputed / peak, sending):
        lines.append("                that MFU is out of reach: give a lower one (--mfu)")
    if steps := training.steps:
        days = steps * seconds / 86400
        lines.append(
            _line("training", f"{steps:,} steps, {steps * training.tokens / 1e9:.1f} billion tokens: {days:.1f} days")
        )
    else:
        hours = 1e9 / training.tokens * seconds / 3600
        lines.append(_line("training", f"{hours:.1f} hours per billion tokens, including padding"))
    return lines


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 0.95 or not seconds else f"{seconds:.2g}"


def _line(name: str, fact: str) -> str:
    return f"  {name:13} {fact}"


def _advice(compiled: Compiled, machine: Machine) -> list[str]:
    params = compiled.training.params
    rows = params.batch_size // params.microbatches // (params.mesh.data * params.mesh.fsdp)
    lines = ["  possible changes (or --mesh search):"]
    if compiled.weights + compiled.optimizer > 0.7 * machine.memory:
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
        lines.append("    already one sequence at once: a larger tensor or sequence axis splits its activations")
    return lines
