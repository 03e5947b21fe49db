"""`lemur why [STAGE...]`: why each stale stage is stale, what the next build does with it, and what follows it."""

import os
from collections import defaultdict
from difflib import get_close_matches
from pathlib import Path

from lemur.pipeline.artifacts.values import join_names
from lemur.pipeline.build.dag import Dag
from lemur.pipeline.inspect.staleness import Fate, Stale


def why(requested: list[str], root: Path) -> list[str]:
    """Lines that explain the requested stages (names, groups, rules or outputs), or all that are stale.

    Raises `SystemExit` for an unknown name.
    """
    dag = Dag(root)
    names = {name for word in requested for name in find_stages(dag, word)}
    stale = Stale(dag)
    changed = [name for name, stage in stale.stages.items() if stage.causes]
    if not requested:
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
                f"{name} itself has not changed; it follows {join_names(roots)}",
                f"  through    {join_names(inputs)}",
                f"  {stage.fate.value}",
            ]
            names |= set(roots)
    explained = [name for name in changed if name in names]
    followers = [name for name in stale.stages if name in dag.descendants(explained) and not stale.stages[name].causes]
    return lines + _causes(stale, explained) + _followers(stale, [name for name in followers if name not in names])


def find_stages(dag: Dag, word: str) -> list[str]:
    """The stages that a word refers to: a stage, all stages of a matrix, a Snakemake rule, or the stage that writes a
    path or a folder above it."""
    matches = [s.name for s in dag.stages.values() if word in (s.name, s.rule, s.name.partition("@")[0])]
    path = Path(os.path.normpath(word))
    matches = matches or [producer for part in (path, *path.parents) if (producer := dag.producer(str(part)))][:1]
    if matches:
        return matches
    names = {*dag.stages, *(name.partition("@")[0] for name in dag.stages)}
    close = get_close_matches(word, sorted(names), cutoff=0.5)
    raise SystemExit(f"no stage {word!r}; " + (f"similar: {', '.join(close)}" if close else "see `dvc stage list`"))


def _all(stale: Stale, changed: list[str]) -> list[str]:
    if not changed:
        return [f"All {len(stale.stages)} stages are up to date"]
    followers = [name for name, stage in stale.stages.items() if stage.fate is not Fate.CURRENT and not stage.causes]
    head = f"{len(changed)} of {len(stale.stages)} stages changed"
    if followers:
        head += f", {len(followers)} more may follow"
    return [head, *_causes(stale, changed), *_followers(stale, followers)]


def _causes(stale: Stale, names: list[str]) -> list[str]:
    """One block per group of stages that are stale for the same reasons."""
    blocks = defaultdict(list)
    for name in names:
        blocks[stale.stages[name].causes, stale.stages[name].fate].append(name)
    lines = []
    for (causes, fate), group in blocks.items():
        lines += ["", f"{join_names(group, 8)} changed:", *(f"  {cause}" for cause in causes), f"  {fate.value}"]
    return lines


def _followers(stale: Stale, names: list[str]) -> list[str]:
    fates = defaultdict(list)
    for name in names:
        fates[stale.stages[name].fate].append(name)
    lines = [""] * bool(names)
    for fate, group in fates.items():
        lines += [f"What follows: {join_names(group, 12)}", f"  {fate.value}"]
    return lines
