"""A second model that comments on each turn, under MINT's template and without the reference (paper, Table 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lemur.agents.dialogue.messages import fill, plain, said
from lemur.agents.episodes.environment import Message
from lemur.agents.episodes.episode import Episode
from lemur.inference.interface import Model

STOP = ("\nObservation:", "\nTask:", "\nAssistant:")
NOT_GIVEN = (
    "Correct solution (please DO NOT disclose the correct solution to the assistant): NOT GIVEN\n"  # MINT's no_GT
)


@dataclass(frozen=True)
class DialogueTeacher:
    """`template`: MINT's template_feedback_agent.txt; `example` and `tools` by episode id."""

    model: Model
    template: str
    example: Callable[[str], str]
    tools: Callable[[str], str]
    tokens: int
    in_chat: bool

    def feedback(self, turns: Sequence[tuple[Episode, str]]) -> list[tuple[str, int]]:
        """A comment on each; empty if the conversation leaves no room for one, as in MINT."""
        prompts = [self._prompt(episode, read_next) for episode, read_next in turns]
        longest = self.model.context_length - self.tokens
        fitting = [index for index, prompt in enumerate(prompts) if self.model.count_tokens(prompt) <= longest]
        comments = [("", 0)] * len(turns)
        asked = [prompts[index] for index in fitting]
        answers = self.model.generate(asked, max_new_tokens=self.tokens, stop=STOP) if asked else []
        for index, answer in zip(fitting, answers, strict=True):
            comments[index] = answer.text.strip(), answer.tokens
        return comments

    def _prompt(self, episode: Episode, read_next: str) -> str:
        example = self.example(episode.id)
        values = {
            "in_context_example": example[max(example.find("Task:"), 0) :],
            "tool_desc": self.tools(episode.id),
            "correct_solution": NOT_GIVEN,
            "trajectory": trajectory(episode.transcript(), read_next),
        }
        message: Message = {"role": "user", "content": fill(self.template, values)}
        return self.model.chat_prompt([message]) if self.in_chat else plain([message])


def trajectory(messages: Sequence[Message], read_next: str) -> str:
    """The episode from its task on, without instructions and example, up to what its model would read next."""
    first = "---\n".join(messages[0]["content"].split("---\n")[2:]) + "\n"
    rest = [
        said(message["content"]) if message["role"] == "assistant" else message["content"] for message in messages[1:]
    ]
    text = first + "\n".join(rest) + "\n" + read_next
    return text[max(text.find("Task:"), 0) :]
