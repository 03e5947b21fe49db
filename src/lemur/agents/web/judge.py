"""A model that compares an answer with the reference where words may differ. GPT-4 in the original; here any model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lemur.agents.web.matching import Verdict
from lemur.inference.interface import Model

SYSTEM = "You are a helpful assistant"
EQUIVALENT = (
    "Help a teacher to grade the answer of a student given a question. Keep in mind that the student may use different "
    "phrasing or wording to answer the question. The goal is to evaluate whether the answer is semantically equivalent "
    "to the reference answer.\n"
    "question: {question}\n"
    "reference answer: {reference}\n"
    "all the string 'N/A' that you see is a special sequence that means 'not achievable'\n"
    "student answer: {answer}\n"
    "Conclude the judgement by correct/incorrect/partially correct."
)
SAME_REASON = (
    "A task described in Task_1 cannot be completed for reason listed in Reason_1. A person tried to complete the task "
    "and failed, he reported his attempt in Report_1, check if Report_1 is refering to Reason_1, even implicitly. If "
    "match, return same, else, return different\n"
    "Task_1 = {question}\n"
    "Reason_1 = {reference}\n"
    "Report_1 = {answer}\n"
    "return [same] or [different]"
)


@dataclass(frozen=True)
class Question:
    """What the judge is asked. `reason`: compare reasons why a task cannot be done, else answers."""

    intent: str
    reference: str
    answer: str
    reason: bool = False

    @property
    def text(self) -> str:
        template = SAME_REASON if self.reason else EQUIVALENT
        values = {"question": self.intent, "reference": self.reference, "answer": self.answer}
        return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)


@dataclass
class Judge:
    """Asks `model`, with its chat template if it has one. `tokens`: maximum of an answer."""

    model: Model
    tokens: int

    def ask(self, questions: Sequence[Question]) -> dict[Question, Verdict]:
        """The verdict on each question. A question that leaves no room for an answer is judged wrong."""
        asked = list(dict.fromkeys(questions))
        prompts = {question: self._prompt(question) for question in asked}
        fitting = [
            each for each in asked if self.model.count_tokens(prompts[each]) + self.tokens <= self.model.context_length
        ]
        answers = (
            self.model.generate([prompts[each] for each in fitting], max_new_tokens=self.tokens, stop=())
            if fitting
            else []
        )
        verdicts = dict.fromkeys(asked, WRONG)
        verdicts |= {
            question: read_verdict(answer.text, reason=question.reason)
            for question, answer in zip(fitting, answers, strict=True)
        }
        return verdicts

    def _prompt(self, question: Question) -> str:
        if self.model.chat:
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question.text}]
            return self.model.chat_prompt(messages)
        return f"{question.text}\n"


WRONG: Verdict = {"paper": False, "strict": False}


def read_verdict(text: str, *, reason: bool) -> Verdict:
    """`paper`: the word anywhere in the judge's text, so that "not correct" is right (webarena issue 272); a text
    without a verdict, which stops WebArena's run, is wrong. `strict`: the last one, without a "not" before it."""
    text = text.lower()
    good, bad = ("same", ("different",)) if reason else ("correct", ("partially correct", "incorrect"))
    paper = good in text and not any(word in text for word in bad)
    found = re.findall(rf"(not |n't )?\b({'|'.join((*bad, good))})\b", text)
    return {"paper": paper, "strict": bool(found) and found[-1] == ("", good)}
