"""`lemur plan-data`: what a scale's corpus needs, source by source, before anything is downloaded.

Tokens follow from the scale's mixture and Table 8's epochs; bytes, hours and disk from the measured rates and stated
assumptions in data/paper/corpus_rates.yaml.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from lemur.core import scales as scale
from lemur.core.files import ROOT, read_yaml
from lemur.core.records import Record
from lemur.corpus.sources import SOURCES, group
from lemur.tokens.mixture import allocate_groups

RATES = ROOT / "data/paper/corpus_rates.yaml"
TABLES = ROOT / "data/paper/tables.yaml"
_ID_BYTES = 2  # per token id in the token store, for vocabularies up to 65,536


def plan(name: str, *, cores: int, hours: float, rates: Path = RATES) -> Record:
    """The plan of a scale's Lemur mixture: one row per source, and totals.

    Args:
        cores, hours: size of one job, which decides how many jobs a source is split into.

    Raises `SystemExit` if one of them is not above zero.
    """
    if not (cores > 0 and hours > 0):
        raise SystemExit(f"a job of {cores} cores for {hours:g} hours: --cores and --hours must be above zero")
    params, rate = scale.leaves(name), read_yaml(rates)
    printed = {row["source"]: row for row in read_yaml(TABLES)["table8"]["rows"]}
    weights = {source: float(params[f"mix_corpus.lemur.weights.{source}"]) for source in SOURCES}
    total = int(params["mix_corpus.lemur.total_tokens"])
    targets = allocate_groups(total, weights, dict.fromkeys(SOURCES, math.inf))
    shard_bytes = params["clean_corpus.shard_bytes"]
    hub = {source: row for source, row in rate["hub"].items() if params[f"fetch.{source}.place"] == "hub"}
    rows = [
        _row(source, targets[source], printed[source], rate, hub.get(source), shard_bytes, cores * hours)
        for source in SOURCES
    ]
    assumptions = [
        {"name": name, "code": row["code"], "text": row["text"], "why": row["why"]}
        for name, row in rate["assumed"].items()
    ]
    keys = [key for key, value in rows[0].items() if isinstance(value, int | float) and key not in ("epochs", "weight")]
    return {
        "scale": name,
        "total_tokens": total,
        "paper_tokens": 1e9 * sum(row["tokens"] for row in printed.values()),
        "sequence_length": params["pack_corpus.sequence_length"],
        "job": {"cores": cores, "hours": hours},
        "assumed": assumptions,
        "hub": hub,
        "sources": rows,
        "total": {key: sum(row[key] for row in rows) for key in keys},
    }


def _row(
    source: str,
    tokens: float,
    printed: Record,
    rate: Record,
    hub: Record | None,
    shard_bytes: int,
    job_hours: float,
) -> Record:
    """
    Args:
        hub: sizes of what the patterns of the source's hub manifest match; None: the bytes follow from the epochs.
        shard_bytes: of files as they are stored, which make a shard of documents and then of tokens.
    """
    kind = group(source)
    assumed = {name: row[kind] for name, row in rate["assumed"].items()}
    if hub is not None:
        raw = 1e9 * hub["raw_gigabytes"]
        kept = raw * assumed["kept_share"]
        available = kept / rate["bytes_per_token"][source]
        epochs = tokens / available
    else:
        epochs = printed["epochs"] or assumed["epochs"]
        available = tokens / epochs  # after all filters
        kept = available * rate["bytes_per_token"][source]
        raw = kept / assumed["kept_share"]
    speed = rate["megabytes_per_core_second"][kind]
    early = sum(raw / (1e6 * speed[stage]) for stage in ("clean_corpus", "dedup_corpus", "decontaminate_corpus"))
    late = sum(kept / (1e6 * speed[stage]) for stage in ("split_corpus", "tokenize_corpus"))
    packing = tokens * rate["bytes_per_token"][source] / (1e6 * speed["pack_corpus"])
    hours = (early + late + packing) / 3600
    measured = hub or {}
    downloaded = 1e9 * (measured.get("downloaded_gigabytes") or raw / 1e9 / assumed["raw_compression"])
    return {
        "source": source,
        "group": kind,
        "weight": round(float(printed["weight"]), 2),
        "paper_tokens": 1e9 * printed["tokens"],
        "tokens": tokens,
        "epochs": epochs,
        "source_tokens": available,
        "raw_bytes": raw,
        "downloaded_bytes": downloaded,
        # Cleaned, distinct, decontaminated and split documents; rejects; ids; packed records.
        "disk_bytes": raw + 3 * kept + available * _ID_BYTES + tokens * rate["packed_bytes_per_token"],
        "cpu_hours": hours,
        "raw_shards": measured.get("files") or math.ceil(downloaded / (1e9 * assumed["gigabytes_per_raw_shard"])),
        "shards": math.ceil(downloaded / shard_bytes),
        "jobs": math.ceil(hours / job_hours),
    }


def _unit(amount: float, units: dict[str, float]) -> tuple[str, float]:
    """The largest unit that `amount` reaches, else the smallest."""
    return next((unit for unit in units.items() if amount >= unit[1]), list(units.items())[-1])


def lines(plan: Record) -> Iterator[str]:
    """The plan as text."""
    job = plan["job"]
    # One unit per column, chosen by the totals.
    token_unit, of_tokens = _unit(plan["total_tokens"], {"billion": 1e9, "million": 1e6, "thousand": 1e3})
    byte_unit, of_bytes = _unit(plan["total"]["raw_bytes"], {"GB": 1e9, "MB": 1e6, "KB": 1e3})
    time_unit, of_hours = _unit(plan["total"]["cpu_hours"], {"hours": 1, "minutes": 1 / 60, "seconds": 1 / 3600})
    yield (
        f"Scale {plan['scale']}: {plan['total_tokens'] / of_tokens:g} {token_unit} tokens in sequences of "
        f"{plan['sequence_length']}; jobs of {job['cores']} cores for at most {job['hours']:g} hours"
    )
    tokens = {"billion": "B", "million": "M", "thousand": "K"}[token_unit]
    head = ["source", f"tokens, {tokens}", "paper, B", "epochs", f"source, {tokens}"]
    head += [f"raw, {byte_unit}", f"download, {byte_unit}", f"disk, {byte_unit}", f"CPU {time_unit}"]
    yield "".join(
        f"{title:>15}" if title == "source" else f"{title:>13}"
        for title in [*head, "raw shards", "shards", "jobs, if cut"]
    )
    for row in [*plan["sources"], {"source": "total", **plan["total"]}]:
        epochs = f"{row['epochs']:.2f}" if "epochs" in row else ""
        cells = (
            f"{row['tokens'] / of_tokens:.2f}",
            f"{row['paper_tokens'] / 1e9:.2f}",
            epochs,
            f"{row['source_tokens'] / of_tokens:.2f}",
            f"{row['raw_bytes'] / of_bytes:,.1f}",
            f"{row['downloaded_bytes'] / of_bytes:,.1f}",
            f"{row['disk_bytes'] / of_bytes:,.1f}",
            f"{row['cpu_hours'] / of_hours:,.1f}",
            f"{row['raw_shards']:,}",
            f"{row['shards']:,}",
            f"{row['jobs']:,}",
        )
        yield f"{row['source']:>15}" + "".join(f"{cell:>13}" for cell in cells)
    hours = plan["total"]["cpu_hours"] / of_hours
    yield (
        f"Processor {time_unit} on one machine: {hours:,.0f} with one core, the default of a stage; at best "
        f"{hours / job['cores']:,.0f} with {job['cores']} (snakemake --set-threads). Jobs: if a source were split"
    )
    total, paper = plan["total"]["tokens"] / of_tokens, plan["paper_tokens"] / 1e9
    of_table = f"{paper:.2f}" if token_unit == "billion" else f"{paper:.2f} billion"
    yield f"Tokens sum to {total:.2f} {token_unit}; the printed rows of Table 8 to {of_table}, each truncated at 0.01"
    yield "Assumed, not measured on these sets (code, text):"
    for row in plan["assumed"]:
        values = ", ".join("as Table 8" if row[kind] is None else f"{row[kind]:g}" for kind in ("code", "text"))
        yield f"  {row['name']} {values}: {row['why']}"
    for source, row in plan["hub"].items():
        yield f"  {source} reads {row['raw_gigabytes']:g} GB from the hub: {row['why']}"
    yield "Measured: bytes per token and megabytes per processor second, data/paper/corpus_rates.yaml (docs/corpus.md)"
