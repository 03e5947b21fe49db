"""How answers, addresses and contents are compared: WebArena's faults in `paper`, mended in `strict`."""

import pytest

from lemur.agents.web import matching
from lemur.agents.web.judge import read_verdict

BOTH, PAPER, STRICT, NEITHER = (True, True), (True, False), (False, True), (False, False)


def both(verdict: matching.Verdict) -> tuple[bool, bool]:
    return verdict["paper"], verdict["strict"]


@pytest.mark.parametrize(
    ("reference", "answer", "verdict"),
    [
        ("$32.00", "$32.00", BOTH),
        ("Enamel Mug", '"enamel mug"', BOTH),
        ("Enamel Mug", "'Enamel Mug' ", BOTH),
        ("$32.00", "32", STRICT),
        ("Enamel Mug", "Enamel  Mug", STRICT),
        ("Enamel Mug", "Mug", NEITHER),
        ("", "", BOTH),
    ],
)
def test_exact(reference: str, answer: str, verdict: tuple[bool, bool]) -> None:
    assert both(matching.exact(reference, answer)) == verdict


@pytest.mark.parametrize(
    ("reference", "answer", "alone", "verdict"),
    [
        ("0", "$0.00", True, STRICT),  # webarena issue 211: right, and rejected
        ("0", "There are 10 orders.", False, PAPER),  # a zero inside another number
        ("0", "There are 10 orders.", True, NEITHER),
        ("2", "2 commits.", True, BOTH),
        ("14", "It costs $140", False, PAPER),
        ("5.0", "5.00", False, BOTH),
        ("anna", "Joanna", False, PAPER),
        ("Richard Danforth", "richard danforth, 1940", False, BOTH),
        ("x", "", False, NEITHER),
    ],
)
def test_included(reference: str, answer: str, alone: bool, verdict: tuple[bool, bool]) -> None:
    assert both(matching.included(reference, answer, alone=alone)) == verdict


@pytest.mark.parametrize(
    ("reference", "url", "verdict"),
    [
        ("http://x/f/books", "http://x/f/books/", BOTH),
        ("http://x/f/books", "http://x/f/books/11/a-post", BOTH),
        ("http://x/f/books", "http://x/f/bookshelf", PAPER),  # webarena issue 77
        ("http://x/f/books", "http://y/http://x/f/books", PAPER),
        ("http://x/f/books |OR| http://x/f/birds", "http://x/f/birds", BOTH),
        ("http://x/s?q=usb+wifi", "http://x/s?page=2&q=usb%20wifi", BOTH),
        ("http://x/s?q=usb+wifi", "http://x/s?q=usb", NEITHER),
        ("http://x/a?k=1 |OR| http://x/b?k=2", "http://x/a?k=2", PAPER),  # the value of another reference
        ("http://x/f/books", "http://x/f/birds", NEITHER),
    ],
)
def test_address(reference: str, url: str, verdict: tuple[bool, bool]) -> None:
    assert both(matching.address(reference, url)) == verdict


def test_another_rule_for_addresses_is_refused() -> None:
    with pytest.raises(ValueError, match="GOLD in PRED"):
        matching.address("http://x", "http://x", "EXACT")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The answer is correct.", BOTH),
        ("Correct", BOTH),
        ("partially correct", NEITHER),
        ("This is incorrect.", NEITHER),
        ("The student is not correct.", PAPER),  # webarena issue 272
        ("Is it correct? I cannot say", BOTH),
        ("I first thought incorrect, but on reflection: correct", STRICT),
        ("I do not know.", NEITHER),
        ("", NEITHER),
    ],
)
def test_the_judges_verdict(text: str, verdict: tuple[bool, bool]) -> None:
    assert both(read_verdict(text, reason=False)) == verdict


@pytest.mark.parametrize(("text", "verdict"), [("same", BOTH), ("[different]", NEITHER), ("not same", PAPER)])
def test_the_judges_verdict_on_reasons(text: str, verdict: tuple[bool, bool]) -> None:
    assert both(read_verdict(text, reason=True)) == verdict


def test_tokens() -> None:
    assert matching.tokens("it costs $0.00, 3 (three)") == ["it", "costs", "$", "0.00", ",", "3", "(", "three", ")"]
    assert matching.tokens("there are 2.") == ["there", "are", "2", "."]
