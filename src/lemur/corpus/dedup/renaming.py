"""Shingles of code that stay the same when its identifiers are renamed or its licence header is changed.

Each identifier is replaced by the number of tokens since it last occurred in the shingle (Baker 1995, parameterised
duplication). So a consistent renaming changes nothing, but code that uses its names in another pattern has other
shingles.
"""

import re
from collections.abc import Sequence

import numpy as np

from lemur.core.recurrence import since_last
from lemur.corpus.dedup.minhash import extend_hashes, mixed_distinct
from lemur.corpus.dedup.token_hashes import Columns, hash_spans, hash_tokens, token_columns, unified, words

# Words with a fixed meaning in Python, SQL, Java, shell, JavaScript, C, C++ or PHP.
_KEYWORDS = """
abstract alter and array as asc assert async auto await begin between bool boolean break by byte case cast catch
char class commit const constexpr constraint continue count create declare default def define del delete desc
distinct do done double drop echo elif else elseif elsif end endif enum esac except exists exit export extends
extern false fi final finally float fn for foreach foreign friend from full func function global go goto grant group
having if ifdef ifndef implements import in include index inline inner insert instanceof int integer interface into
is join key lambda left let like limit local long loop match max min module mut mutable namespace new nil none
nonlocal not null on operator or order outer over override package partition pass pragma primary private protected
pub public raise readonly references register require return returns right select self set shift short signed sizeof
static std string struct sum super switch table template text then this throw throws trigger true try type typedef
typename typeof undefined union unique unset unsigned until update use using values var varchar view virtual void
volatile when where while with yield
"""
KEYWORDS = frozenset(_KEYWORDS.split())
_KEYWORD_HASHES = np.sort(hash_tokens(sorted(KEYWORDS)))
_LOWER = np.frombuffer(bytes(range(128)).lower(), np.uint8)
_NAME_START = np.array([chr(code).isalpha() or chr(code) == "_" for code in range(128)])
_NEW = 1 << 40  # above every hash of a word
_START = r"\s*(?:<\?php\s+)?(?:#!.*\n\s*)?"
_BLOCK = re.compile(_START + r"(/\*.*?\*/|<!--.*?-->)", re.DOTALL)
_LINES = re.compile(_START + r"((?:(?:#(?!\s*(?:include|define|if|pragma|import))|//|--|%|;).*\n)+)")
_LEGAL = re.compile(r"licen[cs]e|copyright|spdx|\(c\)|all rights reserved", re.IGNORECASE)


def strip_licence(code: str) -> str:
    """`code` without its leading comments that mention a licence; unchanged if nothing else would be left."""
    rest = code
    while (comment := _BLOCK.match(rest) or _LINES.match(rest)) and _LEGAL.search(comment[1]):
        rest = rest[: comment.start(1)] + rest[comment.end(1) :]
    return rest if rest.strip() else code


def renamed_shingle_sets(texts: Sequence[str], size: int) -> list[np.ndarray]:
    """As `minhash.shingle_sets`, but ignoring the names of identifiers. Empty for a text of fewer than 4 * `size`
    tokens: short programs of the same shape look alike without being copies."""
    (hashes, names), borders = token_columns([unified(text) for text in texts], ascii_columns, any_columns)
    ago = since_last(hashes)  # an occurrence in an earlier text is outside of every run
    runs = np.zeros(max(len(hashes) - size + 1, 0), np.uint64)
    for offset in range(size):
        at = slice(offset, offset + len(runs))
        inside = np.where(ago[at] <= offset, ago[at], 0)
        runs = extend_hashes(runs, np.where(names[at], inside + np.uint64(_NEW), hashes[at]))
    return [
        mixed_distinct(runs[start : end - size + 1]) if end - start >= 4 * size else runs[:0]
        for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
    ]


def ascii_columns(codes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Columns:
    """Hashes of the tokens, of keywords in lower case, and which tokens are names."""
    lower = hash_spans(_LOWER[codes], starts, ends)
    return _names(lower, hash_spans(codes, starts, ends), _NAME_START[codes[starts]])


def any_columns(text: str) -> Columns:
    """The same of any text that is `unified`."""
    tokens = words(text)
    starts = np.fromiter((token[0].isalpha() or token[0] == "_" for token in tokens), bool, len(tokens))
    return _names(hash_tokens([token.casefold() for token in tokens]), hash_tokens(tokens), starts)


def _names(lower: np.ndarray, hashes: np.ndarray, may_be_name: np.ndarray) -> Columns:
    at = np.searchsorted(_KEYWORD_HASHES, lower).clip(max=len(_KEYWORD_HASHES) - 1)
    is_keyword = _KEYWORD_HASHES[at] == lower
    return np.where(is_keyword, lower, hashes), may_be_name & ~is_keyword
