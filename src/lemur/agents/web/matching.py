"""Whether an answer, an address or a page's content is what a task wants, by two rules.

`paper` is WebArena's code of October 2023 with its faults; `strict` mends them (docs/agents_webarena.md)."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs, urlsplit

from lemur.benchmark_items.webarena import Target

RULES = ("paper", "strict")
Verdict = Mapping[str, bool]


def cleaned(text: str) -> str:
    """Without space and one pair of quotes around it, in lower case."""
    text = text.strip()
    if text[:1] == text[-1:] and text[:1] in ("'", '"') and text:
        text = text[1:-1]
    return text.lower()


def exact(reference: str, text: str) -> Verdict:
    """`strict` also ignores how much white space there is, and the way a number is written."""
    wanted, found = cleaned(reference), cleaned(text)
    same = " ".join(wanted.split()) == " ".join(found.split())
    return {
        "paper": wanted == found,
        "strict": same or (_number(wanted) is not None and _number(wanted) == _number(found)),
    }


def included(reference: str, text: str, *, alone: bool = False) -> Verdict:
    """`paper`: a substring; a single character that is `alone`, the only reference, must be a token of the text, so
    that "0" is not found in "$0.00" (webarena issue 211). `strict`: a number is found where a number of its value is,
    other text where it does not begin or end within a word or number."""
    wanted, found = cleaned(reference), cleaned(text)
    by_paper = wanted in tokens(found) if alone and len(wanted) == 1 else wanted in found
    return {"paper": by_paper, "strict": _includes(wanted, found)}


def _includes(wanted: str, found: str) -> bool:
    value = _number(wanted)
    if value is not None:
        return any(_number(number) == value for number in re.findall(r"-?\d[\d,]*(?:\.\d+)?", found))
    wanted, found = " ".join(wanted.split()), " ".join(found.split())
    start = r"(?<!\w)" if wanted[:1].isalnum() else ""
    end = r"(?!\w)" if wanted[-1:].isalnum() else ""
    return re.search(start + re.escape(wanted) + end, found) is not None


def _number(text: str) -> Decimal | None:
    if not re.fullmatch(r"-?\$?\d[\d,]*(\.\d+)?", text):
        return None
    try:
        return Decimal(text.replace("$", "").replace(",", ""))
    except InvalidOperation:
        return None


def tokens(text: str) -> list[str]:
    """Words, numbers and punctuation, as nltk's word_tokenize separates them where it matters: one character alone."""
    text = re.sub(r"""([;@#$%&?!()\[\]{}<>"`]|--|\.\.\.|[,:](?!\d))""", r" \1 ", text)
    return re.sub(r"\.(?=\s|$)|(?<=\w)'(?=s\b)", " . ", text).split()


def address(reference: str, url: str, rule: str = "GOLD in PRED") -> Verdict:
    """`paper`: host and path contain one of the references' (` |OR| `), as a substring (webarena issue 77), and each
    parameter has a value of any reference. `strict`: host, path, or a beginning of it up to a slash, and parameters are
    those of one reference.

    Raises `ValueError` for another rule."""
    if rule != "GOLD in PRED":
        raise ValueError(f"url_note is {rule!r}; 'GOLD in PRED' is allowed")
    references = [_parts(each) for each in reference.split(" |OR| ")]
    place, values = _parts(url)
    wanted: dict[str, set[str]] = {}
    for _, query in references:
        for key, options in query.items():
            wanted.setdefault(key, set()).update(options)
    paper = any(base in place for base, _ in references) and all(
        options & set(values.get(key, ())) for key, options in wanted.items()
    )
    strict = any(
        f"{place}/".startswith(f"{base}/")
        and all(set(options) <= set(values.get(key, ())) for key, options in query.items())
        for base, query in references
    )
    return {"paper": paper, "strict": strict}


def _parts(url: str) -> tuple[str, dict[str, list[str]]]:
    """Host with path, and the parameters."""
    parts = urlsplit(url.rstrip("/"))
    return (parts.netloc + parts.path).rstrip("/"), parse_qs(parts.query)


def content(target: Target, found: str) -> Verdict:
    """Whether what was `found` at a target is what it requires."""
    if target.exact is not None:
        return exact(target.exact, found)
    verdicts = [[included(option, found) for option in text.split(" |OR| ")] for text in target.include]
    return {rule: all(any(each[rule] for each in options) for options in verdicts) for rule in RULES}
