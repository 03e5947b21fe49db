"""Pages as HTML: text stays text, tables and pictures arrive, nothing is loaded from outside."""

from pathlib import Path

from bs4 import BeautifulSoup

from lemur.pages.html import html
from lemur.pages.page_parts import NONE, Block, Column, Heading, Missing, Picture, Table, Text, markdown

EVIL = "<script>alert('x')</script> & \"quotes\" {{ 7 * 7 }}"
PNG = b"\x89PNG\x00\xff"
TABLE = Table(
    [Column("name", "Name <b>"), Column("count", "Count"), Column("share", "Share", 2)],
    [
        {"name": EVIL, "count": 1200, "share": 0.5},
        {"name": "b|c", "count": Missing("no <reports>"), "share": 0.004},
        {"name": "d", "count": 0, "share": None},
    ],
    notes=["First & last"],
    slips=[(1, "share", "printed > 1")],
)


def page(folder: Path, *blocks: Block) -> BeautifulSoup:
    (folder / "a.png").write_bytes(PNG)
    text = html(list(blocks), folder, f"Title {EVIL}")
    assert text == html(list(blocks), folder, f"Title {EVIL}")
    assert text.startswith("<!doctype html>\n") and text.endswith("</html>\n")
    return BeautifulSoup(text, "html.parser")


def test_text_is_escaped_everywhere(tmp_path: Path) -> None:
    found = page(tmp_path, Heading(EVIL, 3), Text(f"{EVIL}\n\nsecond"), Picture("a.png", EVIL), TABLE)
    assert not found.find_all(["script", "b", "link", "iframe"])
    assert found.title and found.title.get_text() == f"Title {EVIL}"
    assert [element.get_text() for element in found.find_all("h3")] == [EVIL]
    assert [element.get_text() for element in found.select("p:not(.note)")] == [EVIL, "second"]
    (image,) = found.find_all("img")
    assert image["alt"] == EVIL
    assert image["src"] == "data:image/png;base64,iVBORwD/"


def test_a_table_has_the_cells_and_notes_of_the_markdown(tmp_path: Path) -> None:
    found = page(tmp_path, TABLE)
    cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")]
    assert cells == [
        ["Name <b>", "Count", "Share"],
        [EVIL, "1,200", "0.50"],
        ["b|c", f"{NONE} (a)", "0.004 †"],
        ["d", "0", NONE],
    ]
    notes = [note.get_text() for note in found.select("p.note")]
    assert notes == ["First & last", "† printed > 1", "(a) no <reports>"]
    written = markdown([TABLE])
    assert all(note in written for note in notes)
    assert written.splitlines()[1] == "|---|---:|---:|"
    assert all("number" not in cell.get("class", []) for cell in found.select("tr > :first-child"))
    assert len(found.select("tr > .number")) == 8
