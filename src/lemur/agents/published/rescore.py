"""Scores recorded trajectories again by both rules, and says which verdicts changed and why."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lemur import sandbox
from lemur.agents.episodes.episode import Turn
from lemur.agents.published.trajectories import Recorded
from lemur.agents.scoring import reasons
from lemur.agents.scoring.verdict import RULES, Proposal, Verdict, judge_all
from lemur.benchmark_items.mint import GROUPS
from lemur.core.records import Record

UNEXPLAINED = "unexplained"
NOT_WON = "game ended at its limit of 50 steps, not won"
_NEEDED = re.compile(r"\b(?:put|use|toggle)\(")
_DEFINED = re.compile(r"^\s*def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Scored:
    """A trajectory with its new verdicts. `solved` by rule; `None` where the file alone cannot tell. `skipped`: why its
    programs were not run."""

    recorded: Recorded
    solved: Mapping[str, bool | None]
    skipped: str | None = None

    @property
    def was(self) -> bool:
        """The recorded verdict, by rule `paper`."""
        return self.recorded.recorded["paper"]


def rescore(trajectories: Iterable[Recorded], won: Mapping[str, bool] | None = None) -> list[Scored]:
    """Verdicts of all proposals, the last turn's too, whose observation MINT did not log. Programs run in one batch.

    `won`: whether a game of ALFWorld was won, by episode id, where a replay has found out; else only a game whose last
    code cannot have ended it is known to be lost. Without a sandbox, trajectories with programs are skipped."""
    trajectories = list(trajectories)
    has_programs = any(one.task in GROUPS["code"] for one in trajectories)
    unavailable = sandbox.why_unavailable() if has_programs else None
    judged = [
        (place, turn)
        for place, one in enumerate(trajectories)
        if _why_not(one, unavailable) is None
        for turn, row in enumerate(one.episode.turns)
        if _proposed(row)
    ]
    found = judge_all([_proposal(trajectories[place], turn) for place, turn in judged])
    verdicts: dict[int, dict[int, Verdict]] = defaultdict(dict)
    for (place, turn), verdict in zip(judged, found, strict=True):
        verdicts[place][turn] = verdict
    scored = []
    for place, one in enumerate(trajectories):
        if one.item is None:
            scored.append(Scored(one, _game(one, won or {})))
        elif (reason := _why_not(one, unavailable)) is not None:
            scored.append(Scored(one, dict.fromkeys(RULES), reason))
        else:
            scored.append(_with_verdicts(one, verdicts[place]))
    return scored


def _why_not(one: Recorded, unavailable: str | None) -> str | None:
    """Why its proposals are not judged: games have none, and programs need a sandbox."""
    if one.item is None:
        return "the game decides"
    return unavailable if one.task in GROUPS["code"] else None


def _proposed(turn: Turn) -> bool:
    return turn.step.action.kind == "solution"


def _proposal(one: Recorded, turn: int) -> Proposal:
    assert one.item is not None
    return Proposal(one.item, one.episode.turns[turn].step.action.text)


def _with_verdicts(one: Recorded, verdicts: Mapping[int, Verdict]) -> Scored:
    turns = [
        replace(turn, step=replace(turn.step, solved=verdicts.get(place, {})))
        for place, turn in enumerate(one.episode.turns)
    ]
    episode = replace(one.episode, turns=tuple(turns))
    return Scored(replace(one, episode=episode), {rule: episode.solved(rule) for rule in RULES})


def _game(one: Recorded, won: Mapping[str, bool]) -> dict[str, bool | None]:
    """MINT counts a game as solved when it is done. A won game is done, and so is one that reached its step limit."""
    done = one.recorded["paper"]
    known = one.recorded.get("strict", won.get(one.episode.id))
    if known is None and (not done or not may_have_won([turn.step.action.text for turn in one.episode.turns])):
        known = False
    return {"paper": done, "strict": known}


def may_have_won(cells: Sequence[str]) -> bool:
    """Whether the last cell calls the action that ends every kind of game (put; use, of a lamp), itself or in a
    function that an earlier cell defined."""
    if not cells:
        return False
    earlier = [name for cell in cells[:-1] if _NEEDED.search(cell) for name in _DEFINED.findall(cell)]
    return bool(_NEEDED.search(cells[-1])) or any(re.search(rf"\b{name}\(", cells[-1]) for name in earlier)


def disagreements(scored: Iterable[Scored]) -> list[Record]:
    """Recorded verdicts that the rules do not give: {where, id, rule, recorded, ours, answers, why}."""
    return [
        {
            "where": one.recorded.where,
            "id": one.recorded.episode.id,
            "rule": rule,
            "recorded": was,
            "ours": one.solved[rule],
            "answers": _answers(one),
            "why": _why_recorded(one),
        }
        for one in scored
        for rule, was in one.recorded.recorded.items()
        if one.solved[rule] not in (was, None)
    ]


def changes(scored: Iterable[Scored]) -> list[Record]:
    """Trajectories on which the rules differ: {where, id, paper, strict, answers, why}."""
    return [
        {
            "where": one.recorded.where,
            "id": one.recorded.episode.id,
            **one.solved,
            "answers": _answers(one),
            "why": _why(one),
        }
        for one in scored
        if None not in one.solved.values() and one.solved["paper"] != one.solved["strict"]
    ]


def _answers(one: Scored) -> list[str]:
    return [turn.step.action.text for turn in one.recorded.episode.turns if _proposed(turn)]


def _why(one: Scored) -> str:
    """Of the proposal that decided: the one that a single rule accepts."""
    item, paper = one.recorded.item, bool(one.solved["paper"])
    if item is None:
        return NOT_WON
    rule = "paper" if paper else "strict"
    turn = next(turn for turn in one.recorded.episode.turns if turn.step.solved.get(rule))
    return reasons.why(item, turn.step.action.text, paper=paper)


def _why_recorded(one: Scored) -> str:
    """MINT's later versions mended two rules, and scored some models by them."""
    item = one.recorded.item
    if item is None or not one.was or not one.recorded.published:
        return UNEXPLAINED
    if item.task == "theoremqa" and item.answer_type == "option":
        return reasons.OPTION
    if item.task in ("gsm8k", "math") and str(item.reference).startswith("-"):
        return reasons.NEGATIVE
    return UNEXPLAINED
