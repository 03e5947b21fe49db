"""WebArena: tasks on web sites, done in a real browser by the ids of its accessibility tree (paper, Table 7)."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from lemur.agents.acting import open_model, write
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking, play
from lemur.agents.episodes.results import RULES, results
from lemur.agents.web.actions import Form
from lemur.agents.web.addresses import Addresses, own_sites, reachable, runnable, sites_of_environment
from lemur.agents.web.environment import Setting, WebWorld
from lemur.agents.web.grading import constant_answer
from lemur.agents.web.judge import Judge
from lemur.agents.web.process import browser_version, why_missing
from lemur.agents.web.prompts import STOP, Style, as_prompt, read_texts
from lemur.agents.web.verdicts import graded
from lemur.benchmark_items import webarena as items
from lemur.core import workers
from lemur.core.params import StageParams
from lemur.core.records import Record
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.result import origin, write_skipped
from lemur.inference import backends
from lemur.inference.interface import Model
from lemur.sources.fetched import Fetched, load
from lemur.sources.reading.rows import readable

NAME = "webarena"
AT_ONCE = 8
"""Episodes open at the same time; each has a browser of some 250 MB. On sites that episodes share, one."""


class JudgeParams(StageParams):
    backend: backends.Backend = Field(description="what computes the judge's verdicts (docs/evaluation.md)")
    max_new_tokens: int = Field(description="maximum tokens of a verdict", gt=0)
    context: int | None = Field(description="maximum tokens of its prompt plus verdict; null: what it allows", gt=1)


class Params(GenerateParams):
    limit: int | None = Field(description="tasks, a seeded choice of those that can run; null for all", gt=0)
    turns: int = Field(description="actions in an episode", gt=0)
    actions: Form = Field(description="symbolic, `click [12]`, or Lemur's programming form, `click(12)`")
    style: Style = Field(description="prompt: reasoning before the action, the same without N/A, or the action alone")
    observation_tokens: int = Field(description="maximum tokens of the page in a prompt", gt=0)
    judge: JudgeParams

    def prompt(self, model: Model, episode: Episode) -> str:
        return as_prompt(
            model,
            episode,
            in_chat=self.in_chat(model),
            observation_tokens=self.observation_tokens,
            answer_tokens=self.max_new_tokens,
        )

    def asking(self) -> Asking:
        return Asking(self.prompt, self.max_new_tokens, self.stops(STOP))


def webarena(params: Params, model: Path, judge: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result and one episode a line. `judge`: folder of the
    model that compares answers where words may differ.

    The project's own tasks run on its own sites; WebArena's run on the sites that the environment names. Without a
    browser, its libraries or any site the result is `skipped`."""
    source = load(benchmark)
    tasks = [task for file in source.files if file.schema == NAME for task in readable(items.read(file))]
    own = any(file.meta.get("sites") == "own" for file in source.files)
    if not tasks:
        return write_skipped(NAME, f"the source {source.name} is left out", params, result, samples)
    if reason := why_missing():
        return write_skipped(NAME, reason, params, result, samples)
    addresses = own_sites() if own else reachable(sites_of_environment())
    possible, lacking = runnable(tasks, addresses)
    if not possible:
        absent = ", ".join(f"{site.upper()} ({count} tasks)" for site, count in lacking.items())
        reason = f"0 of {len(tasks)} tasks runnable; sites not named in the environment, or not reachable: {absent}"
        return write_skipped(NAME, reason, params, result, samples)
    player, judging = open_model(params, model, NAME, params.prompt), open_judge(params, judge)
    chosen = choose(possible, params.limit, params.seed, lambda task: task.id)
    episodes = act(params, player, chosen, source, addresses, model.name)
    finished = graded(chosen, episodes, Judge(judging, params.judge.max_new_tokens), params.turns)
    config: Record = {
        "data": origin(source),
        "sites": "the project's own" if own else sorted(addresses.urls),
        "runnable": len(possible),
        "lacking": lacking,
        "browser": browser_version(),
        "judge": {"folder": judge.name, **judging.identity()},
        "stop": params.asking().stop,
    }
    scores = results(NAME, finished)
    always_na = {f"success,{rule}": constant_answer(chosen, "N/A")[rule] for rule in RULES}
    write(
        NAME,
        params,
        player,
        finished,
        {**scores, NAME: {**scores[NAME], "always_na": always_na}},
        shots=2,
        original=len(tasks),
        effective=len(finished),
        config=config,
        result=result,
        samples=samples,
    )


def open_judge(params: Params, folder: Path) -> Model:
    judge = params.judge
    return backends.open_model(
        folder, judge.backend, task="judge", tile=params.tile, bos=params.bos, context=judge.context
    )


def act(
    params: Params, model: Model, tasks: Sequence[items.Task], source: Fetched, addresses: Addresses, folder: str
) -> list[Episode]:
    """Play `tasks`, in their order. LEMUR_SCREENSHOTS names a folder for a picture a turn, in FOLDER/MODEL/TASK."""
    pictures = os.environ.get("LEMUR_SCREENSHOTS")
    texts = read_texts(prompts_of(source), params.actions, params.style)
    setting = Setting(addresses, texts, params.actions, params.turns, Path(pictures, folder) if pictures else None)
    worlds = [WebWorld(setting, task) for task in tasks]
    # Episodes share sites that are not the project's own.
    processes, at_once = (workers.count() + 1, AT_ONCE) if addresses.own else (1, 1)
    return play(model, worlds, params.asking(), workers=processes, at_once=at_once)


def prompts_of(source: Fetched) -> Path:
    """Raises `ValueError` if the source has none."""
    for file in source.files:
        if (path := file.companion("prompts")) is not None:
            return path
    raise ValueError(f"no file of the source {source.name} at {source.place} names its prompts in meta.prompts")
