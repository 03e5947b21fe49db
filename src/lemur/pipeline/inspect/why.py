"""`lemur why [STAGE...]`: why each stale stage is stale, what will become of it, and what follows from it."""

import os
from collections import defaultdict
from difflib import get_close_matches
from pathlib import Path

from lemur.pipeline.artifacts.values import listed
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.inspect.staleness import Fate, Stale


def why(asked: list[str], root: Path) -> list[str]:
    """Lines that answer for the asked stages (names, groups, rules or outputs), or for all that are stale.

    Raises `SystemExit` for a name that no stage has.
    """
    dag = Dag(root)
    names = {name for word in asked for name in find(dag, word)}
    stale = Stale(dag)
    changed = [name for name, stage in stale.stages.items() if stage.causes]
    if not asked:
        return _all(stale, changed)
    lines = []
    for name in [name for name in stale.stages if name in names]:
        stage = stale.stages[name]
        if stage.fate is Fate.CURRENT:
            lines.append(f"{name} is up to date")
        elif not stage.causes:
            inputs = [path for path in dag.stages[name].inputs if dag.producer(path) in stage.follows]
            roots = stale.roots(name)
            lines += [
                f"{name} has not changed itself; it follows from {listed(roots)}",
                f"  through    {listed(inputs)}",
                f"  {stage.fate.value}",
            ]
            names |= set(roots)
    named = [name for name in changed if name in names]
    followers = [name for name in stale.stages if name in dag.descendants(named) and not stale.stages[name].causes]
    return lines + _causes(stale, named) + _followers(stale, [name for name in followers if name not in names])


def find(dag: Dag, word: str) -> list[str]:
    """Stages that a word names: a stage, all of a matrix, a rule of Snakemake's, or the one that writes a path, or the
    folder that it is in."""
    found = [s.name for s in dag.stages.values() if word in (s.name, s.rule, s.name.partition("@")[0])]
    path = Path(os.path.normpath(word))
    found = found or [producer for part in (path, *path.parents) if (producer := dag.producer(str(part)))][:1]
    if found:
        return found
    known = {*dag.stages, *(name.partition("@")[0] for name in dag.stages)}
    close = get_close_matches(word, sorted(known), cutoff=0.5)
    raise SystemExit(f"no stage {word!r}; " + (f"close to it: {', '.join(close)}" if close else "see `dvc stage list`"))


def _all(stale: Stale, changed: list[str]) -> list[str]:
    if not changed:
        return [f"All {len(stale.stages)} stages are up to date"]
    followers = [name for name, stage in stale.stages.items() if stage.fate is not Fate.CURRENT and not stage.causes]
    head = f"{len(changed)} of {len(stale.stages)} stages changed"
    if followers:
        head += f", {len(followers)} more may follow"
    return [head, *_causes(stale, changed), *_followers(stale, followers)]


def _causes(stale: Stale, names: list[str]) -> list[str]:
    """One block for all stages that are stale for the same reasons."""
    blocks = defaultdict(list)
    for name in names:
        blocks[stale.stages[name].causes, stale.stages[name].fate].append(name)
    lines = []
    for (causes, fate), alike in blocks.items():
        lines += ["", f"{listed(alike, 8)} changed:", *(f"  {cause}" for cause in causes), f"  {fate.value}"]
    return lines


def _followers(stale: Stale, names: list[str]) -> list[str]:
    fates = defaultdict(list)
    for name in names:
        fates[stale.stages[name].fate].append(name)
    lines = [""] * bool(names)
    for fate, alike in fates.items():
        lines += [f"What follows: {listed(alike, 12)}", f"  {fate.value}"]
    return lines
