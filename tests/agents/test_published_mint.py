"""The stage published_mint and the command `lemur rescore`."""

from pathlib import Path

import pytest

from lemur.agents import published_mint as stage
from lemur.agents.published.report import lines, rescored
from lemur.commands.app import parse
from lemur.core.records import dump, read_json, write_json
from tests.agents.recorded import row, write

META = {"model": "m", "feedback": "none", "turns": 5, "proposals": 2, "task": "math"}
ROWS = [
    row(["<solution>38</solution>"], reference="40", success=True, reason="task_success"),
    row(["<solution>7</solution>"], reference="6", number=1, success=True),
]


def source(folder: Path, files: dict[str, tuple[str, str, dict[str, object]]]) -> Path:
    """A fetched source with files {name: (schema, content, meta)}."""
    entries = []
    for name, (schema, content, meta) in sorted(files.items()):
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        entries.append({"path": name, "schema": schema, "licence": "MIT", "sha256": "", "bytes": 0, "meta": meta})
    head = {"name": "mint", "title": "MINT", "place": "mirror", "revision": "1", "licence": "MIT"}
    write_json(folder / "source.json", {**head, "files": entries})
    return folder


def result_of(tmp_path: Path, files: dict[str, tuple[str, str, dict[str, object]]]) -> dict:  # type: ignore[type-arg]
    result = tmp_path / "published.json"
    stage.published_mint(stage.Params(), source(tmp_path / "mint", files), result=result)
    found = read_json(result)
    assert isinstance(found, dict)
    return found


def test_the_stage_tabulates_a_source(tmp_path: Path) -> None:
    episodes = "".join(dump(line) + "\n" for line in ROWS)
    found = result_of(tmp_path, {"math.jsonl": ("mint_episodes", episodes, META)})
    (run,) = found["models"]["m"]["runs"]
    assert (run["feedback"], run["turns"], run["skipped"]) == ("none", 5, None)
    cell = run["cells"]["math"]
    assert (cell["items"], cell["recorded"], cell["paper"], cell["strict"]) == (2, 2, 1, 0)
    assert run["disagreements"][0]["where"] == "math.jsonl:2"
    assert found["place"] == "mirror" and str(tmp_path) not in dump(found)


def test_items_of_the_source_are_used(tmp_path: Path) -> None:
    episodes = dump(ROWS[1]) + "\n"
    item = dump({"id": 1, "prompt": "How many?", "reference": "7"})
    found = result_of(
        tmp_path, {"e.jsonl": ("mint_episodes", episodes, META), "math/test_prompts.json": ("mint", item, {})}
    )
    assert found["models"]["m"]["runs"][0]["cells"]["math"]["strict"] == 1


def test_a_source_without_trajectories_is_skipped(tmp_path: Path) -> None:
    assert result_of(tmp_path, {}) == {"skipped": "source mint of place mirror has no published trajectories"}


def test_missing_metadata_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"KeyError\('turns'\); the manifest must give model, feedback, turns"):
        result_of(tmp_path, {"e.jsonl": ("mint_episodes", dump(ROWS[0]), {"task": "math"})})


def test_the_command_prints_what_changed_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "outputs_m", "math", ROWS)
    parse(["rescore", str(tmp_path), "--json", str(tmp_path / "out.json")])()
    assert capsys.readouterr().out == (
        "m, no feedback, 5 turns, 2 proposals\n"
        "             items        recorded           paper          strict  changed\n"
        "math             2      2 (100.00)      1 ( 50.00)      0 (  0.00)        1\n"
        "strict, math: 1 number within 5 %, not equal\n"
        "Verdicts that differ from the record: 1\n"
        f"  {path}:2: math/1, paper: recorded True, now False (unexplained): '7'\n"
        "\n"
    )
    assert read_json(tmp_path / "out.json")["models"]["m"]["runs"][0]["changes"][0]["answers"] == ["38"]


def test_the_command_says_what_it_does_not_know(tmp_path: Path) -> None:
    cell = "<execute>put('a', 'b')</execute>"
    games = [row([cell], name="alfworld/put", number="w/1", success=True, reason="task_success")]
    write(tmp_path / "m", "alfworld", games, "F=gpt-4/PHF=no_GT-textual/max5_p2+tool+cd")
    head, _, game, *_ = lines(rescored(tmp_path))
    assert head == "m, feedback of gpt-4 no_GT-textual, 5 turns, 2 proposals"
    assert game == "alfworld         1      1 (100.00)      1 (100.00)         unknown        0  (1 unknown)"
