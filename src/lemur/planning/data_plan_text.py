"""The plan of a corpus as text of at most 100 columns."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from lemur.core.records import Record

WIDTH = 100


def lines(plan: Record) -> Iterator[str]:
    yield (
        f"Scale {plan['scale']}: {_number(plan['total_tokens'])} tokens in sequences of {plan['sequence_length']}, "
        f"machines x cores: {plan['machines']} x {plan['cores']}"
    )
    yield ""
    yield from _sources(plan)
    yield ""
    yield from _stages(plan)
    yield ""
    yield from _path(plan)
    yield ""
    yield from _rates(plan["rates"], plan["total"]["raw_bytes"] / 1e6)
    yield ""
    yield from _assumptions(plan)


def _sources(plan: Record) -> Iterator[str]:
    token_name, of_tokens = _unit(plan["total_tokens"], {"B": 1e9, "M": 1e6, "K": 1e3})
    byte_name, of_bytes = _unit(plan["total"]["raw_bytes"], {"GB": 1e9, "MB": 1e6, "KB": 1e3})
    time_name, of_hours = _time(plan["total"]["cpu_hours"])
    heads = ["source", f"tokens,{token_name}", "paper,B", "epochs", f"source,{token_name}"]
    heads += [f"raw,{byte_name}", "download", "files", "disk", f"CPU {time_name}"]
    rows = [
        (
            row["source"],
            f"{row['tokens'] / of_tokens:.2f}",
            f"{row['paper_tokens'] / 1e9:.2f}",
            f"{row['epochs']:.2f}" if "epochs" in row else "",
            f"{row['source_tokens'] / of_tokens:.2f}",
            f"{row['raw_bytes'] / of_bytes:,.1f}",
            f"{row['downloaded_bytes'] / of_bytes:,.1f}",
            f"{row['files']:,}",
            f"{row['disk_bytes'] / of_bytes:,.1f}",
            f"{row['cpu_hours'] / of_hours:,.1f}",
        )
        for row in [*plan["sources"], {"source": "total", **_totals(plan["total"])}]
    ]
    yield from _table(heads, rows, (14, 9, 8, 7, 9, 10, 10, 8, 10, 12))
    total, paper = plan["total"]["tokens"] / of_tokens, plan["paper_tokens"] / 1e9
    yield f"Tokens sum to {total:.2f}{token_name}; the printed rows of Table 8 to {paper:.2f}B, each truncated at 0.01"


def _totals(total: Record) -> Record:
    return {key: value for key, value in total.items() if key != "documents"}


def _stages(plan: Record) -> Iterator[str]:
    byte_name, of_bytes = _unit(max(row["disk_bytes"] for row in plan["stages"]), {"GB": 1e9, "MB": 1e6, "KB": 1e3})
    time_name, of_hours = _time(plan["hours"])
    heads = ["stage", time_name, "serial", "parallel", "a job", "worker", "driver"]
    heads += [f"disk,{byte_name}", "scratch", "traffic", "MB/s", "on"]
    rows = []
    for row in plan["stages"]:
        hours = [row["hours"], row["start_hours"] + row["serial_hours"], row["parallel_hours"]]
        sizes = [row["disk_bytes"], row["scratch_bytes"], row["read_bytes"] + row["written_bytes"]]
        rows.append(
            [
                row["stage"],
                *(_short(value / of_hours) for value in [*hours, row["longest_job_hours"]]),
                *(_short(row[key]) for key in ("worker_mb", "driver_mb")),
                *(_short(value / of_bytes) for value in sizes),
                f"{row['mb_per_second']:,.0f}",
                "all" if row["several_machines"] else "one",
            ]
        )
    yield from _table(heads, rows, (20, 8, 7, 9, 6, 7, 8, 8, 8, 8, 7, 4))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value else "0"


def _path(plan: Record) -> Iterator[str]:
    name, unit = _time(plan["hours"])
    stages = plan["stages"]
    fixed = sum(row["start_hours"] + row["serial_hours"] for row in stages)
    parallel = sum(row["parallel_hours"] for row in stages)
    yield from _wrapped(
        f"{plan['hours'] / unit:,.1f} {name} in all, as the stages follow each other. serial: the start and what one "
        f"process does alone, {fixed / unit:,.2f} {name} whatever the number of cores. parallel: "
        f"{parallel / unit:,.1f} {name} of processor, divided by the cores of all machines, or of one, but never less "
        "than the longest job, which works on one shard. Waiting for disks or a network that move less than MB/s comes "
        "on top."
    )
    yield from _wrapped(
        "Memory in MB: driver is a stage's first process, worker each of the others, one a core. traffic: what they "
        "read and write, on the file system that several machines share."
    )
    memory = max(row["driver_mb"] + plan["cores"] * row["worker_mb"] for row in stages) / 1e3
    disk = sum(row["disk_bytes"] for row in stages) + max(row["scratch_bytes"] for row in stages)
    yield from _wrapped(
        f"A machine needs {memory:,.1f} GB of memory at most; all outputs and the largest scratch need "
        f"{disk / 1e9:,.1f} GB of disk; {plan['total']['downloaded_bytes'] / 1e9:,.1f} GB are downloaded."
    )
    yield "Serial parts:"
    for row in stages:
        yield from _wrapped(f"{row['stage']}: {row['serial_part']}", "  ")


def _rates(rates: Record, megabytes: float) -> Iterator[str]:
    times = megabytes / rates["sample_mb"]
    yield from _wrapped(
        f"Rates: {rates['file']}, measured on {rates['sample_mb']:g} MB; {megabytes:,.0f} MB are {times:,.0f} times as "
        "much, as if time grew in proportion. `lemur plan-data --calibrate` measures this machine, in a few minutes."
    )
    name, unit = _time(hours := rates["repeat_seconds"] * times / 3600)
    yield from _wrapped(
        "Serial parts grow with the number of jobs, that of mix_corpus with its documents; its two shortest runs "
        f"differed by {rates['repeat_seconds']:.3f} s, so it is uncertain by about {hours / unit:,.1f} {name}."
    )
    if rates["changed_since"]:
        yield from _wrapped(f"OUTDATED: since they were measured changed {'; '.join(rates['changed_since'])}")


def _assumptions(plan: Record) -> Iterator[str]:
    yield "Assumed, not measured on these sets (code, text):"
    for row in plan["assumed"]:
        values = ", ".join("as Table 8" if row[kind] is None else f"{row[kind]:g}" for kind in ("code", "text"))
        yield from _wrapped(f"{row['name']} {values}: {row['why']}", "  ")
    for source, row in plan["hub"].items():
        yield from _wrapped(f"{source} reads {row['raw_gigabytes']:g} GB from the hub: {row['why']}", "  ")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for cells in [heads, *rows]:
        first, *others = cells
        yield first.ljust(widths[0]) + "".join(
            cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
        )


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent and indent + "  ")


def _number(value: float) -> str:
    name, unit = _unit(value, {"billion": 1e9, "million": 1e6, "thousand": 1e3})
    return f"{value / unit:g} {name}"


def _time(hours: float) -> tuple[str, float]:
    return _unit(hours, {"hours": 1, "minutes": 1 / 60, "seconds": 1 / 3600})


def _unit(amount: float, units: Mapping[str, float]) -> tuple[str, float]:
    """The largest unit that `amount` reaches, else the smallest."""
    return next((unit for unit in units.items() if amount >= unit[1]), list(units.items())[-1])
