"""Results of our models that act: shares of episodes, with what a reader must know about them."""

from dataclasses import dataclass

from lemur.core.records import Record
from lemur.pages.page_parts import Missing
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.scores import why_skipped

ACTING = ("lemur", "lemur_chat")
STAGES = {
    "mint": "MINT",
    "mint_feedback": "MINT with feedback",
    "alfworld": "ALFWorld",
    "intercode_sql": "IC-SQL",
    "intercode_bash": "IC-Bash",
    "intercode_ctf": "IC-CTF",
    "robocodegen": "RoboCodeGen",
    "webarena": "WebArena",
}

CHAT_ONLY = ("intercode_sql", "intercode_bash", "intercode_ctf", "robocodegen", "webarena")


@dataclass(frozen=True)
class Share:
    """Solved episodes in percent by each rule, ± standard error by the paper's, over so many episodes."""

    paper: float | None
    strict: float | None
    error: float | None
    episodes: int | None


def share(inputs: Inputs, model: str, stage: str, part: str = "") -> Share | Missing:
    """`part`: a task or group of the stage; without, all its episodes."""
    result = inputs.results.get(model, {}).get(stage)
    if result is None:
        others = model != "lemur_chat" and stage in CHAT_ONLY
        why = "only Lemur-Chat plays it, as in the paper" if others else "not run yet"
        return Missing(f"{STAGES[stage]}: {why}")
    if (reason := why_skipped(inputs, model, stage)) is not None:
        return Missing(f"{STAGES[stage]} of {MODELS[model]} skipped: {reason}")
    name = stage if part in ("", stage) else f"{stage}_{part}"
    values = result.get("results", {}).get(name)
    if values is None:
        return Missing(f"{STAGES[stage]} of {MODELS[model]}: no episodes of this kind were played")
    episodes = values.get("episodes")
    return Share(
        percent(values.get("success,paper")),
        percent(values.get("success,strict")),
        percent(values.get("success_stderr,paper")),
        None if episodes is None else int(episodes),
    )


def by_turns(inputs: Inputs, model: str, stage: str, rule: str) -> tuple[list[float], float] | Missing:
    """Success in percent with 1, 2, ... turns, and its slope in points a turn."""
    if isinstance(whole := share(inputs, model, stage), Missing):
        return whole
    results: Record = inputs.results[model][stage]["results"]
    points: list[float] = []
    while isinstance(value := results.get(f"{stage}_turns_{len(points) + 1}", {}).get(f"success,{rule}"), float):
        points.append(100 * value)
    slope = results[stage].get(f"improvement_rate,{rule}")
    if len(points) < 2 or slope is None:
        return Missing(f"{STAGES[stage]} of {MODELS[model]}: played with one number of turns only")
    return points, 100 * slope


def remarks(inputs: Inputs, stage: str) -> list[str]:
    """For each model that acted: from where its tasks are, how it searched, who taught, faults, changed verdicts."""
    notes = []
    for model in ACTING:
        if isinstance(share(inputs, model, stage), Missing):
            continue
        result = inputs.results[model][stage]
        config, counts = result["configs"][stage], result.get("counts", {}).get(stage, {})
        data = config.get("data", {})
        items = result.get("n-samples", {}).get(stage, {})
        facts = [f"{items.get('effective', '?')} of {items.get('original', '?')} tasks"]
        facts += [
            f"a sample written for this project ({data.get('place')})" if data.get("sample") else "the real tasks"
        ]
        facts += [f"search: {config['search']['kind']}"] if isinstance(config.get("search"), dict) else []
        facts += [f"teacher: {_teacher(config['teacher'])}"] if isinstance(config.get("teacher"), dict) else []
        facts += [f"{part}: {config[part]}" for part in ("engine", "server", "root", "runnable") if part in config]
        facts.append(f"episodes whose environment failed, left out: {counts.get('fault', 0)}")
        facts.append(f"verdicts that the strict rule changes: {counts.get('rules_disagree', 0)}")
        notes.append(f"{STAGES[stage]} of {MODELS[model]} (ours): {'; '.join(facts)}.")
    return notes


def percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _teacher(teacher: Record) -> str:
    name = str(teacher.get("name") or teacher.get("backend") or "unnamed")
    return f"{name} ({str(teacher.get('model_hash', 'no hash')).removeprefix('sha256:')[:12]})"
