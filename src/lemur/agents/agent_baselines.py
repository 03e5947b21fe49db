"""Stage `agent_baselines`: what the references and the best constant message score in the agents' benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from lemur.agents import alfworld, intercode_bash, intercode_ctf, intercode_sql, mint, robocodegen
from lemur.agents.acting import Assignment
from lemur.agents.dialogue.environment import Dialogue
from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.episodes.results import RULES
from lemur.agents.household.plan import play_plan, read_plan
from lemur.agents.intercode import baseline as intercode
from lemur.agents.intercode.stage import choose_tasks
from lemur.agents.robot_code import baseline as robot_code
from lemur.agents.scoring.verdict import Proposal, judge_all
from lemur.benchmark_items.mint import GROUPS, Task, group
from lemur.core.files import read_yaml
from lemur.core.params import StageParams
from lemur.core.records import Record, write_json
from lemur.evaluation.comparing.baseline import best_constants
from lemur.sources.fetched import load

MESSAGES = ("<solution> done </solution>", "<execute>\nfor _ in range(50):\n    print(look())\n</execute>")
"""Constant messages to a household; the second uses up the game's steps."""
INTERCODE = (intercode_sql, intercode_bash, intercode_ctf)
Values = dict[str, dict[str, float]]
"""{part of the benchmark: {rule: share of solved tasks}}"""


class Params(StageParams):
    """Those of the agents' stages."""


def agent_baselines(
    params: Params,
    parameters: Path,
    tasks: Path,
    games: Path,
    texts: Path,
    commands: Path,
    functions: Path,
    *,
    result: Path,
) -> None:
    """On exactly the tasks that a model plays; `parameters`: params.yaml; `tasks`, `texts`: the fetched MINT; `games`:
    the fetched ALFWorld; `commands`: InterCode; `functions`: RoboCodeGen. Layout as of stage `baselines`; MINT's parts
    are mint_reasoning, mint_gsm8k and so on."""
    blocks = read_yaml(parameters)
    scores = {
        **of_mint(mint.Params.model_validate(blocks["mint"]), tasks),
        "alfworld": of_alfworld(alfworld.Params.model_validate(blocks["alfworld"]), games, texts),
        **{stage.NAME: of_intercode(stage, blocks, commands) for stage in INTERCODE},
        "robocodegen": of_robocodegen(robocodegen.Params.model_validate(blocks["robocodegen"]), functions),
    }
    write_json(result, {"baselines": scores})


def of_mint(params: mint.Params, folder: Path) -> dict[str, Record]:
    """Constants: every reference of the chosen tasks, as a proposed solution."""
    source = load(folder)
    tasks = mint.choose_tasks(params, mint.read_tasks(source))
    if reason := mint.why_skipped(source, tasks):
        return {"mint": {"skipped": reason}}
    reached = shares(tasks, judge_all([Proposal(task, task.solution) for task in tasks]))
    texts = sorted({task.solution for task in tasks if task.task not in GROUPS["code"]})
    written = [task for task in tasks if task.task not in GROUPS["code"]]
    by_text = {}
    for text in texts:
        verdicts = iter(judge_all([Proposal(task, text) for task in written]))
        # A text that is no program solves no programming task.
        never = dict.fromkeys(RULES, False)
        by_text[text] = shares(tasks, [never if task.task in GROUPS["code"] else next(verdicts) for task in tasks])
    members = parts(tasks)
    return {
        part: _record(len(members[part]), reached[part], {text: by_text[text][part] for text in texts})
        for part in reached
    }


def parts(tasks: Sequence[Task]) -> dict[str, list[int]]:
    """Places of the tasks of MINT, its groups and its kinds of tasks."""
    places: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        for part in ("mint", f"mint_{group(task.task)}", f"mint_{task.task}"):
            places.setdefault(part, []).append(place)
    return places


def shares(tasks: Sequence[Task], verdicts: Sequence[Mapping[str, bool]]) -> Values:
    return {part: _share([verdicts[place] for place in places]) for part, places in parts(tasks).items()}


def of_alfworld(params: alfworld.Params, games: Path, texts: Path) -> Record:
    """References: the plans that come with the games. Constants: `MESSAGES`, each said in every turn."""
    source, protocol = load(games), load(texts)
    if reason := alfworld.why_skipped(params, source, protocol):
        return {"skipped": reason}
    most = max(params.turns)
    chosen = [
        each for each in alfworld.choose_games(params, alfworld.read_games(source), protocol) if each.turns == most
    ]
    won = []
    for each in chosen:
        assert isinstance(each.world, alfworld.HouseholdWorld)
        game = each.world.start()
        play_plan(game, read_plan(each.reference))
        won.append({"paper": game.done, "strict": game.won})
        game.close()
    by_text = {message: _share([_said(each, message) for each in chosen]) for message in MESSAGES}
    return _record(len(chosen), _share(won), by_text)


def of_intercode(stage: ModuleType, blocks: Record, commands: Path) -> Record:
    """References: the gold commands. Constants: commands, or flags, that are the same in each task."""
    params, source = stage.Params.model_validate(blocks[stage.NAME]), load(commands)
    tasks = stage.read_tasks(source, stage.NAME)
    if reason := stage.why_skipped(params, source, tasks):
        return {"skipped": reason}
    with stage.opened(params, source, tasks) as (assign, _):
        chosen = choose_tasks(params, tasks, assign)
        gold, constants = intercode.verdicts(stage.LANGUAGE.name, chosen)
    return _record(len(chosen), _share(gold), {text: _share(each) for text, each in constants.items()})


def of_robocodegen(params: robocodegen.Params, functions: Path) -> Record:
    """Constants: values that every function of a message returns, whatever it is called with."""
    source = load(functions)
    if reason := robocodegen.why_skipped(source):
        return {"skipped": reason}
    problems = robocodegen.choose_problems(params, robocodegen.read_problems(source)[0])
    reached, by_text = robot_code.shares(problems, params.memory)
    return _record(len(problems), reached, by_text)


def _said(assignment: Assignment, message: str) -> Mapping[str, bool]:
    """Whether an episode in which the model always says `message` is solved."""
    environment = assignment.world.open()
    assert isinstance(environment, Dialogue)
    solved = dict.fromkeys(RULES, False)
    try:
        environment.reset()
        for _ in range(assignment.turns):
            step = environment.step(message)
            solved = {rule: solved[rule] or step.solved.get(rule, False) for rule in RULES}
            if step.ended is not None:
                return solved
    except EnvironmentFault as fault:
        raise RuntimeError(f"{assignment.world.id}: {fault}") from fault
    finally:
        environment.close()
    return solved


def _share(verdicts: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    return {rule: sum(verdict[rule] for verdict in verdicts) / len(verdicts) for rule in RULES}


def _record(asked: int, reached: Mapping[str, float], by_text: Mapping[str, Mapping[str, float]]) -> Record:
    best = best_constants({
        text: {f"success,{rule}": value for rule, value in values.items()} for text, values in by_text.items()
    })  # fmt: skip
    return {
        "asked": asked,
        "references": asked,
        "metrics": {
            metric: {
                "reference": reached[metric.partition(",")[2]],
                "constant": found["score"],
                "answer": found["answer"],
            }
            for metric, found in best.items()
        },
    }
