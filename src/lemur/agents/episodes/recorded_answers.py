"""What models said in recorded episodes, as a model and as a teacher: back end `replay` for agents."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lemur.agents.episodes.episode import Episode, from_record
from lemur.core.records import read_jsonl
from lemur.inference.interface import Generation, Model
from lemur.inference.replay import ReplayModel
from lemur.inference.text import TextCodec


def replay_model(
    path: Path, codec: TextCodec, context_length: int, prompt: Callable[[Model, Episode], str]
) -> ReplayModel:
    """A model that answers each prompt as in the episodes of `path`. `prompt` builds the prompt of an episode so far,
    as for the model that played; another prompt is an error that names the most similar one."""
    builder = ReplayModel({}, {}, codec, context_length)
    answers: defaultdict[str, list[Generation]] = defaultdict(list)
    ids: dict[str, str] = {}
    for number, episode in enumerate(read_episodes(path), 1):
        for turn in range(len(episode.turns)):
            answered = episode.turns[turn]
            before = prompt(builder, replace(episode, turns=episode.turns[:turn], ended=None))
            tokens = answered.tokens.get("answer", 0)
            answers[before].append(
                Generation(answered.answer, tokens, "length" if answered.finish == "length" else "stop")
            )
            ids[before] = f"{path}:{number}: turn {turn + 1} of {episode.id}"
    return ReplayModel(dict(answers), {}, codec, context_length, ids)


class RecordedTeacher:
    """Comments as in the episodes of `path`, by episode and turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turns = {episode.id: episode.turns for episode in read_episodes(path)}

    def feedback(self, turns: Sequence[tuple[Episode, str]]) -> list[tuple[str, int]]:
        """Raises `ValueError` for a turn that is not recorded."""
        comments = []
        for episode, _ in turns:
            recorded, number = self._turns.get(episode.id, ()), len(episode.turns)
            if len(recorded) < number:
                raise ValueError(f"{self._path}: no comment is recorded on turn {number} of {episode.id}")
            turn = recorded[number - 1]
            comments.append((turn.feedback, turn.tokens.get("feedback", 0)))
        return comments


def read_episodes(path: Path) -> list[Episode]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; LEMUR_REPLAY must hold MODEL/TASK.jsonl, like data/eval/")
    return [from_record(record) for record in read_jsonl(path)]
