"""A trajectory: the messages before the first answer, then one row a turn. Rows are added and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from lemur.agents.episodes.environment import Action, Message, Step
from lemur.core.records import Record


@dataclass(frozen=True)
class Turn:
    """A message of the model and what followed. `message`: what the model read next, the observation with the limits
    left and the teacher's `feedback`; empty after the last turn. `tokens`: of prompt, answer and feedback."""

    answer: str
    finish: str
    step: Step
    feedback: str = ""
    message: str = ""
    tokens: Mapping[str, int] = field(default_factory=dict)

    def record(self) -> Record:
        step = asdict(self.step)
        return {
            "answer": self.answer,
            "finish": self.finish,
            **step,
            "feedback": self.feedback,
            "message": self.message,
            "tokens": dict(self.tokens),
        }


@dataclass(frozen=True)
class Episode:
    """`ended`: why, or `None` while it goes on: solved, proposals, turns, context (the prompt left no room for an
    answer), fault (the environment failed; such an episode counts neither as solved nor as failed)."""

    id: str
    messages: Sequence[Message]
    turns: Sequence[Turn] = ()
    ended: str | None = None
    fault: str | None = None

    def add(self, turn: Turn) -> "Episode":
        assert self.ended is None
        return replace(self, turns=(*self.turns, turn), ended=turn.step.ended)

    def end(self, reason: str, fault: str | None = None) -> "Episode":
        return replace(self, ended=reason, fault=fault)

    def solved(self, rule: str) -> bool:
        """Whether any turn was right by `rule`."""
        return any(turn.step.solved.get(rule, False) for turn in self.turns)

    def transcript(self) -> list[Message]:
        """All messages so far, as the model's next prompt shows them."""
        messages = list(self.messages)
        for turn in self.turns:
            messages.append({"role": "assistant", "content": turn.answer})
            if turn.message:
                messages.append({"role": "user", "content": turn.message})
        return messages

    def record(self) -> Record:
        return {
            "id": self.id,
            "messages": list(self.messages),
            "turns": [turn.record() for turn in self.turns],
            "ended": self.ended,
            "fault": self.fault,
        }


def from_record(record: Record) -> Episode:
    """The episode that `Episode.record` wrote; other keys of the record are ignored."""
    turns = [
        Turn(
            row["answer"],
            row["finish"],
            Step(Action(**row["action"]), row["observation"], row["solved"], row["ended"], row["left"]),
            row["feedback"],
            row["message"],
            row["tokens"],
        )
        for row in record["turns"]
    ]
    return Episode(record["id"], record["messages"], tuple(turns), record["ended"], record["fault"])
