import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.sources.patterns import is_pattern, literal_folder, matches

PATHS = ["a/b/c.py", "a/c.py", "c.py", "a/b/c.txt", "m/dev/x_y_dev.csv", "m/test/x_dev.csv"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*.py", ["a/c.py"]),
        ("a/**/*.py", ["a/b/c.py", "a/c.py"]),
        ("**/*.py", ["a/b/c.py", "a/c.py", "c.py"]),
        ("a/**", ["a/b/c.py", "a/b/c.txt", "a/c.py"]),
        ("*.py", ["c.py"]),
        ("c.py", ["c.py"]),
        ("c?py", []),
    ],
)
def test_wildcards(pattern: str, expected: list[str]) -> None:
    assert [path for path, _ in matches(pattern, PATHS)] == expected


def test_a_repeated_field_must_have_one_value() -> None:
    assert matches("m/{split}/{subject}_{split}.csv", PATHS) == [
        ("m/dev/x_y_dev.csv", {"split": "dev", "subject": "x_y"})
    ]


@given(st.permutations(PATHS))
def test_order_of_the_listing_does_not_matter(paths: list[str]) -> None:
    assert matches("**/*.py", paths) == matches("**/*.py", PATHS)


@given(st.text(alphabet="abc./()[]+?^$|", min_size=1))
def test_other_characters_are_literal(path: str) -> None:
    assert not is_pattern(path)
    assert matches(path, [path, path + "x"]) == [(path, {})]


def test_literal_folder() -> None:
    assert literal_folder("a/b/*.py") == "a/b"
    assert literal_folder("a/b{x}/c") == "a"
    assert literal_folder("*.py") == ""
