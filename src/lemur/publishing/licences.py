"""What follows from the licences of the data that a model was trained on. No licence is chosen here: that is for the
person who publishes."""

import re
from collections.abc import Callable, Iterable

from lemur.instructions.data_card import is_non_commercial


def _has(*words: str) -> Callable[[str], bool]:
    return lambda licence: bool(set(words) & set(re.findall(r"[a-z0-9]+", licence.lower())))


NON_COMMERCIAL, FREE = "Not for commercial use.", "No conditions."
READ_IT = "Read its terms: this project does not know this licence."
RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (is_non_commercial, NON_COMMERCIAL),
    (_has("sa"), "Share alike: adaptations need the same licence; whether weights are one is not settled."),
    (
        _has("llama"),
        "Pass on the Llama licence and its notice, and begin the model's name with Llama; no use to improve other "
        "models; a licence of its own above 700 million monthly users.",
    ),
    (_has("no", "not", "unknown"), "No permission is on record for at least a part."),
    (
        _has("by", "odc", "mit", "bsd", "apache", "isc", "psf", "python", "bsl", "zlib", "permissive"),
        "Keep the authors' notices with copies of the data.",
    ),
    (_has("domain", "cc0", "unlicense", "0bsd"), FREE),
)
"""Every rule that recognises a licence's name says something; a name that none recognises has to be read."""


def consequences(licence: str) -> list[str]:
    found = [text for recognises, text in RULES if recognises(licence)]
    return [text for text in found if text != FREE or found == [FREE]] or [READ_IT]


def by_consequence(licences: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What follows, to the sources that it follows for. `licences`: pairs (source, licence). The strictest come
    first."""
    pairs = sorted(set(licences))
    order = [*(text for _, text in RULES), READ_IT]
    found = {
        text: list(dict.fromkeys(source for source, licence in pairs if text in consequences(licence)))
        for text in order
    }
    return {text: names for text, names in found.items() if names}
