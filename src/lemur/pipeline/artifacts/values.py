"""Shows two values side by side: leaf by leaf, long ones cut to the part around their first difference."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

WIDTH = 60
MISSING = object()


def short(hash_info: Any) -> str:
    """The first 8 digits of a hash (DVC's `HashInfo`, or a string)."""
    return str(getattr(hash_info, "value", hash_info) or "nothing")[:8]


def changes(old: Any, new: Any) -> Iterator[str]:
    """`KEY: OLD -> NEW` of each leaf that differs between two trees of dicts and lists."""
    for key, before, after in leaf_differences(old, new):
        yield f"{key}: {pair(before, after)}" if key else pair(before, after)


def leaf_differences(old: Any, new: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, old, new) of each leaf that differs; `MISSING` where one side lacks the leaf."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            name = f"{prefix}.{key}" if prefix else str(key)
            yield from leaf_differences(old.get(key, MISSING), new.get(key, MISSING), name)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (side[index] if index < len(side) else MISSING for side in (old, new))
            yield from leaf_differences(before, after, f"{prefix}[{index}]")
    # 1, True and 1.0 are equal in Python but are different bytes in an artifact.
    elif old is not new and (type(old) is not type(new) or old != new):
        yield prefix, old, new


def pair(old: Any, new: Any) -> str:
    """`OLD -> NEW`; of long values only the part around their first difference."""
    before, after = _text(old), _text(new)
    at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    return f"{_excerpt(before, at)} -> {_excerpt(after, at)}"


def _text(value: Any) -> str:
    if value is MISSING:
        return "(none)"
    return json.dumps(value, ensure_ascii=False, default=str)


def _excerpt(text: str, at: int) -> str:
    if len(text) <= WIDTH:
        return text
    start = max(0, min(at - WIDTH // 2, len(text) - WIDTH))
    end = start + WIDTH
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (end < len(text))}"


def join_names(names: Iterable[str], limit: int = 6) -> str:
    """Names joined by commas; of a long list, the first `limit` and how many more there are."""
    names = list(names)
    rest = len(names) - limit
    return ", ".join(names) if rest < 2 else f"{', '.join(names[:limit])} and {rest} more"
