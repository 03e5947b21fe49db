"""Markdown code blocks in answers: chat models put fences around their code, and prose around the fences."""

import re

_FENCE = re.compile(r"^[ ]{0,3}(?P<marks>`{3,}|~{3,})[ \t]*(?P<word>[^\s`]*)[^\n]*$", re.MULTILINE)
_CODE_LINE = re.compile(
    r"[ \t]|@|(?:async )?def |class |import |from [\w.]+ import|return\b|[\w.\[\]'\"]+\s*=(?!=)|[\w.]+\("
)


def without_fence(answer: str) -> str:
    """The code of an answer: the content of its first code block, with the line break before it; or what precedes the
    fence that closes a block which the prompt began; or all of an answer without a fence."""
    fence = _FENCE.search(answer)
    if fence is None:
        return answer
    if not _opens(answer, fence):
        return answer[: fence.start()]
    closing = _closing(answer, fence)
    return answer[fence.end() : None if closing is None else closing.start()]


def in_open_block(answer: str) -> bool:
    """Whether `answer` ends within the code block that it began."""
    fence = _FENCE.search(answer)
    return fence is not None and _opens(answer, fence) and _closing(answer, fence) is None


def has_own_block(answer: str) -> bool:
    """Whether `answer` begins a code block, rather than only ending one that the prompt began."""
    fence = _FENCE.search(answer)
    return fence is not None and _opens(answer, fence)


def _opens(answer: str, fence: re.Match[str]) -> bool:
    """Whether the first fence opens a block. It closes one if code precedes it, or if only prose follows."""
    before, after = answer[: fence.start()].strip("\r\n"), answer[fence.end() :].strip("\r\n")
    if _CODE_LINE.match(before):
        return False
    if fence["word"] or before.rstrip().endswith(":"):
        return True
    if before.strip() and (re.search(r"[(){};=]", before) or not re.search(r"\w +\w|[.!?]\s*$", before)):
        return False
    return not after or _closing(answer, fence) is not None or any(map(_CODE_LINE.match, after.splitlines()))


def _closing(answer: str, fence: re.Match[str]) -> re.Match[str] | None:
    for other in _FENCE.finditer(answer, fence.end()):
        if other["marks"].startswith(fence["marks"]) and not other["word"]:
            return other
    return None
