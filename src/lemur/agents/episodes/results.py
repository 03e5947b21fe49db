"""Finished episodes as scores, counts and records."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemur.agents.episodes.episode import Episode
from lemur.core.records import Record
from lemur.evaluation.harness.scores import Scores, scored

RULES = ("paper", "strict")


@dataclass(frozen=True)
class Finished:
    """An episode with what it was about. `turns`: how many it was allowed."""

    task: str
    group: str
    reference: str
    turns: int
    episode: Episode

    def record(self) -> Record:
        solved = {rule: self.episode.solved(rule) for rule in RULES}
        return {
            **self.episode.record(),
            "task": self.task,
            "group": self.group,
            "reference": self.reference,
            "turns_allowed": self.turns,
            "solved": solved,
        }


def results(name: str, finished: Sequence[Finished]) -> dict[str, Mapping[str, object]]:
    """Success with the most turns by task, by group and overall, as the paper averages: over episodes. If several
    numbers of turns were allowed, also with each of them, and the slope of success on it (MINT's improvement rate).

    Episodes whose environment failed are left out; `episodes` counts the others."""
    most = max(each.turns for each in finished)
    parts: defaultdict[str, list[Finished]] = defaultdict(list)
    for each in finished:
        if each.turns == most:
            parts[name].append(each)
            parts[f"{name}_{each.group}"].append(each)
            parts[f"{name}_{each.task}"].append(each)
    scores: dict[str, Mapping[str, object]] = {part: success(parts[part]) for part in sorted(parts)}
    budgets = sorted({each.turns for each in finished})
    if len(budgets) > 1:
        by_turns = {turns: success([each for each in finished if each.turns == turns]) for turns in budgets}
        scores |= {f"{name}_turns_{turns}": values for turns, values in by_turns.items()}
        slopes = {
            f"improvement_rate,{rule}": slope({
                turns: value
                for turns, values in by_turns.items()
                if (value := values[f"success,{rule}"]) is not None
            })
            for rule in RULES
        }  # fmt: skip
        scores[name] = {**scores[name], **slopes}
    return scores


def success(finished: Sequence[Finished]) -> Scores:
    """Shares of solved episodes by rule, and their number."""
    counted = [each.episode for each in finished if each.episode.fault is None]
    scores: Scores = {"episodes": float(len(counted))}
    for rule in RULES:
        scores |= scored("success", rule, [float(episode.solved(rule)) for episode in counted])
    return scores


def slope(values: Mapping[int, float]) -> float | None:
    """Slope of the least-squares line through x -> y; `None` below two points."""
    if len(values) < 2:
        return None
    mean_x, mean_y = sum(values) / len(values), sum(values.values()) / len(values)
    spread = sum((x - mean_x) ** 2 for x in values)
    return sum((x - mean_x) * (y - mean_y) for x, y in values.items()) / spread


def counts(finished: Sequence[Finished]) -> Counter[str]:
    """Episodes by how they ended, turns by what they tried, and, of episodes with verdicts by both rules, those that
    the strict rule changes."""
    count: Counter[str] = Counter({f"ended_{each}": 0 for each in ("solved", "proposals", "turns", "context")})
    count["fault"] = 0
    for each in finished:
        episode = each.episode
        if episode.fault is not None:
            count["fault"] += 1
            continue
        count[f"ended_{episode.ended}"] += 1
        if all(turn.step.solved.keys() >= set(RULES) for turn in episode.turns if turn.step.solved):
            count["rules_disagree"] += episode.solved("paper") != episode.solved("strict")
        for turn in episode.turns:
            count[f"turns_{turn.step.action.kind}"] += 1
    return count
