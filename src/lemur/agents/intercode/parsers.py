"""What a message of the model does: the command that InterCode's parsers read in it, with their faults, or without."""

import re

from lemur.agents.episodes.environment import Action

SQL_KEYWORDS = ("SHOW", "SELECT", "DESCRIBE", "DESC")
_FENCED = re.compile(r"```(?:sql|SQL)?([\s\S]+?)```")
_FENCED_BASH = re.compile(r"```(?:bash|sh)?([\s\S]+?)```")


def sql(answer: str) -> Action:
    """With a fence its content, else the text from the first keyword in capitals on; up to the first semicolon. Kind
    tool, or invalid if it does not begin with a keyword."""
    answer = answer.replace("\\_", "_")
    if "```" not in answer:
        if answer.startswith("SQL: "):  # the parser takes one character
            return Action("tool", _first_statement(answer[len("SQL: ") :][:1]))
        for keyword in SQL_KEYWORDS:
            if keyword in answer:
                return Action("tool", _first_statement(answer[answer.index(keyword) :]))
    block = _FENCED.search(answer)
    if block is None:
        return Action("invalid", answer)
    statement = _first_statement(" ".join(block[1].split()))
    words = statement.split()
    return Action("tool" if words and words[0].upper() in SQL_KEYWORDS else "invalid", statement)


def sql_strict(answer: str) -> Action:
    """The same without the faults: `SQL: ` keeps the whole statement, keywords count in any case and as words, and a
    semicolon inside quotes ends nothing."""
    answer = answer.replace("\\_", "_").removeprefix("SQL: ")
    block = _FENCED.search(answer)
    text = block[1] if block else answer
    start = re.search(rf"\b(?:{'|'.join(SQL_KEYWORDS)}|WITH)\b", text, re.IGNORECASE)
    if start is None or (block and text[: start.start()].strip()):
        return Action("invalid", answer if block is None else " ".join(text.split()))
    statement = re.match(r"(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|[^;])*", text[start.start() :])
    assert statement is not None
    return Action("tool", statement[0].strip())


def bash(answer: str) -> Action:
    """The whole text on one line; after `bash: ` or `command:`; or the first fence, in lower case."""
    answer = answer.replace("\n", " ")
    lowered = answer.lower()
    if "```" not in answer:
        if lowered.startswith("bash: "):
            return Action("tool", answer[len("bash: ") :])
        if "command:" in lowered:
            start = answer.find("command:")
            # `Command:` is found and then not found again: the original raises an error and ends the episode.
            return Action("tool", answer[start + len("command:") :]) if start >= 0 else Action("blocked", answer)
    block = _FENCED_BASH.search(lowered)
    return Action("tool", answer if block is None else " ".join(block[1].split()))


def bash_strict(answer: str) -> Action:
    """The same without the faults: upper case, newlines and spaces stay."""
    block = re.search(r"```(?:bash|sh)?\n?([\s\S]+?)```", answer, re.IGNORECASE)
    if block is not None:
        return Action("tool", block[1].strip())
    return Action("tool", re.sub(r"^(?:bash|command): ", "", answer.strip(), flags=re.IGNORECASE))


def ctf(answer: str) -> Action:
    """The first line, after `Action:` (which the prompt ends with): submit, skip or tool."""
    line = answer.split("\n")[0].strip()
    line = line.partition("Action:")[2].strip() if "Action:" in line else line
    if line.lower() == "skip":
        return Action("skip", line)
    return Action("solution" if line.startswith("submit") else "tool", line)


def _first_statement(text: str) -> str:
    return text.partition(";")[0]
