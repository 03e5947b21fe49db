"""The report: same bytes for same inputs, reasons instead of zeros, and numbers traceable to their files."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from matplotlib.text import Text

from lemur.core.files import read_yaml
from lemur.core.records import read_json, write_json, write_jsonl
from lemur.pages import figures
from lemur.reporting import inputs, table3
from lemur.reporting.curves import plotted
from lemur.reporting.inputs import Curve, Inputs
from lemur.reporting.overview import benchmarks, held_out
from lemur.reporting.paper import load
from lemur.reporting.report import Params, report
from tests.reporting.example import PAPER, build, skip

ROOT = Path(__file__).parents[2]
PICTURES = {
    "table1.png",
    "table3.png",
    "turns.png",
    "table8.png",
    "curves.png",
    "bits_per_byte.png",
    "counts.png",
    "figure4.png",
}

ANSWERS = {
    "base": ["    return 1", "    return <b>\n\n    x", "    return 3"],
    "lemur": ["    return 4", "    return 5" + " + 5" * 40, "    return 6"],
    "lemur_chat": ["\n", "\n    return 8\n    a\n    b\n    c", "    return 9"],  # no room for the first
}

SPIDER = ("execution_accuracy", "test_suite_accuracy")


def make(reports: Path, tables: Path) -> Path:
    folders = [reports / name for name in ("stages", "training", "eval", "agents")]
    answers = [reports / "samples" / model / "humaneval.jsonl" for model in ANSWERS]
    report(Params(scale="demo"), PAPER, *folders, *answers, tables=tables)
    return tables


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = build(tmp_path_factory.mktemp("inputs"))
    skip(reports, "base", "humaneval", "no sandbox layer holds on this machine")
    (reports / "eval/lemur/gsm8k.json").unlink()
    for model, outputs in ANSWERS.items():
        rows = [{"id": f"HumanEval/{number}", "output": output} for number, output in enumerate(outputs)]
        write_jsonl(reports / "samples" / model / "humaneval.jsonl", rows)
    return reports


@pytest.fixture(scope="module")
def summary(reports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(reports, tmp_path_factory.mktemp("made") / "summary")


def rows(summary: Path, name: str) -> list[dict[str, str]]:
    with (summary / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_another_process_writes_the_same_bytes(reports: Path, summary: Path, tmp_path: Path) -> None:
    # With another hash seed, time zone, locale, folder and matplotlib configuration.
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsavefig.dpi: 33\nbackend: svg\n", encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from tests.reporting.test_report import make; "
        "make(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "MPLCONFIGDIR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", code, str(reports), str(tmp_path / "again")],
        env={**os.environ, **environment, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        check=True,
    )
    ours, theirs = (
        {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
        for folder in (summary, tmp_path / "again")
    )
    assert ours == theirs
    assert set(ours) >= PICTURES | {"report.md", "report.html"}


def test_pictures_carry_no_date_or_software(summary: Path) -> None:
    for name in PICTURES:
        data = (summary / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert not any(mark in data for mark in (b"tEXt", b"tIME", b"Software"))


def test_table_3s_picture_is_readable_on_a_phone(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    real = figures.picture

    @contextmanager
    def picture(path: Path, width: float, height: float, title: str) -> Iterator[Figure]:
        with real(path, width, height, title) as figure:
            drawn.append(figure)
            yield figure

    monkeypatch.setattr(figures, "picture", picture)
    found = inputs.load(reports / "stages", reports / "training", reports / "eval")
    table3.draw(found, load(PAPER), tmp_path / "table3.png")
    (figure,) = drawn
    figure.set_dpi(120)  # of the file
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    pixels_per_inch = min(358 / width, 304 / height)  # page.jinja: the room on 390 pixels, and the height in a row
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert {"MMLU", "DS-1000"} <= {text.get_text().split(" (")[0] for text in texts}
    assert min(float(text.get_fontsize()) for text in texts) / 72 * pixels_per_inch >= 11
    boxes = {text.get_text(): text.get_window_extent() for text in texts}
    assert [name for name, box in boxes.items() if box.x0 < 0 or box.x1 > figure.bbox.x1] == []
    assert [names for names in combinations(boxes, 2) if boxes[names[0]].overlaps(boxes[names[1]])] == []


def test_a_skipped_or_missing_score_shows_its_reason_and_never_zero(summary: Path) -> None:
    table = {row["model"]: row for row in rows(summary, "table3")}
    assert table["Base (ours)"]["humaneval"] == ""
    assert "no sandbox layer holds" in table["Base (ours)"]["missing"]
    assert table["Lemur (ours)"]["gsm8k"] == ""
    assert "gsm8k: not run yet" in table["Lemur (ours)"]["missing"]
    by_model = {row["model"]: row for row in json.loads((summary / "table3.json").read_text(encoding="utf-8"))["rows"]}
    assert by_model["Base (ours)"]["humaneval"] == {
        "missing": "humaneval of Base skipped: no sandbox layer holds on this machine"
    }
    line = next(
        line
        for line in (summary / "report.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| Base (ours)")
    )
    assert "0.0" not in line
    assert "skipped: no sandbox layer holds" in (summary / "report.md").read_text(encoding="utf-8")


def test_table_3_has_nine_rows_of_the_paper_and_three_of_ours(summary: Path) -> None:
    table = rows(summary, "table3")
    assert [row["model"] for row in table[-3:]] == ["Base (ours)", "Lemur (ours)", "Lemur-Chat (ours)"]
    assert len(table) == 12
    assert float(table[-1]["mmlu"]) == 25.0
    assert table[-1]["average"] == ""  # five benchmarks have not run yet
    assert "| 55.0 † |" in (summary / "report.md").read_text(encoding="utf-8")


def test_table_1_sums_over_the_sources_of_a_dataset(summary: Path) -> None:
    table = {row["dataset"]: row for row in rows(summary, "table1")}
    oasst = table["Open Assistant 1"]
    assert (oasst["ours_instances"], oasst["ours_rounds"], oasst["ours_prompt"]) == ("20", "1.5", "30.0")
    assert table["Total"]["ours_instances"] == "70"
    assert "nothing of this source reached the mix" in table["Evol-CodeAlpaca"]["missing"]


def test_table_1_explains_its_three_totals(reports: Path, tmp_path: Path) -> None:
    changed = tmp_path / "reports"
    shutil.copytree(reports, changed)
    counts = read_json(changed / "stages/encode_instructions.json")
    for source, reasons in {"oasst1": {"control_token_in_text": 3}, "openorca": {"too_long": 2}}.items():
        row = counts["sources"][source]
        row |= {"in": row["in"] + reasons.get("control_token_in_text", 0), "dropped": reasons}
        row["out"] = row["in"] - sum(reasons.values())
    write_json(changed / "stages/encode_instructions.json", counts)
    summary = make(changed, tmp_path / "summary")
    notes = json.loads((summary / "table1.json").read_text(encoding="utf-8"))["notes"]
    assert "Ours of Evol-CodeAlpaca: evol_code_80k, evol_codealpaca and verified_python together." in notes
    assert rows(summary, "table1")[-1]["ours_instances"] == "70"
    assert notes[-1] == (
        "Three totals: the exported data set has 73 conversations; this table counts 70, without those that cannot be "
        "encoded (control_token_in_text 3); 68 are encoded, without those of this table that do not fit at all "
        "(too_long 2)."
    )


def test_table_8_has_sixteen_sources_and_their_sums(summary: Path) -> None:
    table = {row["source"]: row for row in rows(summary, "table8")}
    assert len(table) == 20
    assert list(table)[10] == "rust" and table["rust"]["paper_weight"] == ""
    assert float(table["Python"]["ours_weight"]) == pytest.approx(72.73)
    assert float(table["Total"]["ours_weight"]) == pytest.approx(100.49)
    assert float(table["All code"]["ours_weight"]) == pytest.approx(91.8)
    assert table["Books"]["ours_tokens"] == ""
    assert "no documents of this source in this build" in table["Books"]["missing"]
    assert "so other sources of their group give more: SQL." in (summary / "report.md").read_text(encoding="utf-8")
    assert table["Python"]["paper_epochs"] == "2.98"


def test_requested_and_reached_shares_of_the_base_mixture(summary: Path) -> None:
    table = {row["source"]: row for row in rows(summary, "base_mixture")}
    assert list(table) == ["python", "books", "refinedweb"]
    asked, got, capped = (table["refinedweb"][key] for key in ("asked", "got", "capped"))
    assert (float(asked), float(got), capped) == (30.0, 30.0, "yes")
    assert float(table["python"]["asked"]) == 50.0 and float(table["python"]["got"]) == 5.0


def test_planted_duplicates_have_a_table(summary: Path) -> None:
    table = {row["kind"]: row for row in rows(summary, "planted_duplicates")}
    assert list(table) == ["exact", "identifiers_renamed", "all copies", "half_of_another"]
    assert float(table["identifiers_renamed"]["recall"]) == 80.0
    assert (table["all copies"]["planted"], table["all copies"]["found"]) == ("15", "14")
    assert float(table["all copies"]["precision"]) == 95.0
    # A row that is not a duplicate counts the documents joined and has no recall.
    assert (table["half_of_another"]["copy"], table["half_of_another"]["found"]) == ("no", "1")
    assert table["half_of_another"]["recall"] == ""


def test_counts_equal_those_of_the_stage_reports(summary: Path) -> None:
    table = {row["stage"]: row for row in rows(summary, "counts")}
    assert list(table) == [
        "normalise",
        "english_filter",
        "mix_instructions",
        "encode_instructions",
        "clean_corpus",
        "dedup_corpus",
    ]  # in the order of the data flow
    assert table["english_filter"]["reasons"] == "language 10, foreign_run 2"
    text = (summary / "report.md").read_text(encoding="utf-8")
    assert "replaced personal data in the documents it kept: email 3, ip_address 2." in text
    for row in table.values():
        assert int(row["in"]) == int(row["out"]) + int(row["dropped"])


def test_the_funnel_of_each_source(summary: Path) -> None:
    table = {row["source"]: row for row in rows(summary, "funnel")}
    assert list(table) == ["oasst1", "openorca", "all"]
    assert [table["oasst1"][key] for key in ("read", "normalise", "english_filter", "mix_instructions")] == [
        "40",
        "3",
        "11",
        "6",
    ]
    assert table["oasst1"]["reasons"].startswith("language 9, not_sampled 5, bad_record 3")
    assert table["all"]["read"] == "100"


def test_counts_of_each_rule_are_machine_readable(summary: Path) -> None:
    table = {row["source"]: row for row in json.loads((summary / "funnel.json").read_text(encoding="utf-8"))["rows"]}
    assert table["oasst1"]["dropped"] == {
        "normalise": {"bad_record": 3},
        "english_filter": {"foreign_run": 2, "language": 9},
        "mix_instructions": {"benchmark_overlap": 1, "not_sampled": 5},
    }
    assert table["all"]["dropped"]["english_filter"] == {"foreign_run": 2, "language": 10}
    for row in table.values():
        for stage, dropped in row["dropped"].items():
            assert sum(dropped.values()) == row[stage]
    long = {(row["source"], row["stage"], row["rule"]): int(row["count"]) for row in rows(summary, "funnel_rules")}
    assert long == {
        (source, stage, rule): count
        for source, row in table.items()
        if source != "all"
        for stage, dropped in row["dropped"].items()
        for rule, count in dropped.items()
    }


def test_the_contamination_table(summary: Path) -> None:
    (row,) = rows(summary, "contamination")
    assert (row["benchmark"], row["items"], row["mix_instructions_removed"]) == ("gsm8k", "1319", "1")
    assert row["mix_instructions_below_share"] == "4"
    assert row["place"] == "bundled"
    page = (summary / "report.md").read_text(encoding="utf-8")
    assert "not the benchmark itself (gsm8k)." in page
    assert "Instructions, not checked: mmlu (ignored); ds1000, webarena (no items to compare with)." in page


def test_precision_and_recall_of_the_english_filter_are_shown(summary: Path) -> None:
    assert "| langdetect alone | 37 | 25 | 1 | 1 | 10 | 96.15 | 96.15 |" in (summary / "report.md").read_text(
        encoding="utf-8"
    )


def test_pages_refer_only_to_existing_files_and_to_no_website(summary: Path) -> None:
    page = (summary / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)) == PICTURES
    html = (summary / "report.html").read_text(encoding="utf-8")
    assert "http" not in html
    assert "<script" not in html and "<link" not in html and "@import" not in html
    assert html.count('src="data:image/png;base64,') == len(PICTURES) + 1  # Table 3's is on the first screen too


def test_the_first_screen_says_what_was_trained_and_what_changed(summary: Path) -> None:
    first_screen = (summary / "report.md").read_text(encoding="utf-8").split("\n## ")[0]
    table = [line.split(" | ") for line in first_screen.splitlines() if line.startswith("| ")]
    assert [row[0] for row in table] == ["| Model", "| Base", "| Lemur", "| Lemur-Chat"]
    assert "![Bits per byte" in first_screen and "](table3.png)" in first_screen
    assert "    return 8\n        a\n        b…" in first_screen and "    return <b>\n" in first_screen
    assert "first problem of HumanEval that all answered" in first_screen and "HumanEval/1" in first_screen
    assert not re.search(r"return [134679]\b", first_screen)
    html = (summary / "report.html").read_text(encoding="utf-8")
    assert "<pre>    return &lt;b&gt;\n\n    x</pre>" in html


def test_headline_metrics_are_those_of_the_tables(summary: Path) -> None:
    headline = read_json(summary / "headline.json")
    bits = {row["source"]: row for row in rows(summary, "bits_per_byte")}
    scores = {(row["model"], row["benchmark"]): row["score"] for row in rows(summary, "table3_ours")}
    assert headline["lemur.code"] == float(bits["code"]["lemur"])
    assert headline["chat.mmlu"] == float(scores["Lemur-Chat", "MMLU"])
    assert headline.keys() == {"lemur.code", "lemur.text", "chat.code", "chat.text", "chat.mmlu"}


def test_dvc_plots_files_without_empty_cells(summary: Path) -> None:
    plots = [entry for plot in read_yaml(ROOT / "dvc.yaml")["plots"] for entry in plot.values()]
    paths = {path for entry in plots for path in entry["y"]}
    assert {path.removeprefix("reports/summary/") for path in paths} == {
        f"{name}_{model}.csv" for name in ("training", "held_out") for model in ("base", "lemur", "lemur_chat")
    }
    for path in paths:
        lines = (summary / Path(path).name).read_text(encoding="utf-8").splitlines()
        assert len(lines) > 1 or "held_out" in path  # the example has no held-out losses
        assert all(all(line.split(",")) for line in lines)


def test_the_plotted_losses_are_the_curves(summary: Path) -> None:
    curve: Curve = {"step": [0, 1, 2], "loss": [None, 4, 2], "heldout_code_loss": [9, None, 3]}
    files = plotted({**curve, "heldout_text_loss": [8, None, 7]})
    assert files == {"training": "step,loss\n2,3\n", "held_out": "step,code,text\n0,9,8\n2,3,7\n"}
    assert plotted({}) == {"training": "step,loss\n", "held_out": "step,code,text\n"}


def test_long_lists_of_facts_are_folded(summary: Path) -> None:
    page = BeautifulSoup((summary / "report.html").read_text(encoding="utf-8"), "html.parser")
    folded = {str(each.summary.string): len(each.find_all("tr")) for each in page.find_all("details")}
    assert folded.keys() == {"Sources of this build", "Stage facts"} and min(folded.values()) > 2
    assert "<summary>Stage facts</summary>\n\n| Stage" in (summary / "report.md").read_text(encoding="utf-8")


def test_contents_open_existing_headings(summary: Path) -> None:
    page = BeautifulSoup((summary / "report.html").read_text(encoding="utf-8"), "html.parser")
    links = [str(link["href"]) for link in page.select("nav a")]
    assert links == [f"#{heading['id']}" for heading in page.find_all("h2")]
    assert all(f"]({link})" in (summary / "report.md").read_text(encoding="utf-8") for link in links)
    ids = [heading["id"] for heading in page.find_all(["h1", "h2", "h3"])]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (2.0, 3.0, "got better on code (3.00 to 2.00), and got worse on text (2.00 to 3.00)"),
        (4.0, 2.0, "got worse on code (3.00 to 4.00), and stayed the same on text (2.00 to 2.00)"),
    ],
)
def test_the_verdict_on_held_out_documents(code: float, text: float, words: str) -> None:
    results = {
        model: {"bits_per_byte": {"results": {"bits_per_byte": {"code": bits[0], "text": bits[1]}}}}
        for model, bits in {"base": (3.0, 2.0), "lemur": (code, text)}.items()
    }
    assert words in held_out(Inputs({}, {}, results))


def test_only_clear_differences_are_named() -> None:
    record = {"model": "lemur", "against": "base", "benchmark": "gsm8k", "rule": "paper", "difference": -0.25}
    assert "On no benchmark" in benchmarks(Inputs({}, {}, {}, comparisons=[record | {"p": 0.2}]))
    assert "Lemur is worse than Base on gsm8k (-25.0 points)" in benchmarks(
        Inputs({}, {}, {}, comparisons=[record | {"p": 0.01}])
    )
    spider = [record | {"benchmark": "spider", "rule": f"{metric},paper", "p": 0.01} for metric in SPIDER]
    assert benchmarks(Inputs({}, {}, {}, comparisons=spider)).count("on spider") == 1  # by the rule of Table 3


def test_items_without_room_for_an_answer_stand_beside_the_score(reports: Path, tmp_path: Path) -> None:
    changed = tmp_path / "reports"
    shutil.copytree(reports, changed)
    path = changed / "eval/lemur_chat/gsm8k.json"
    write_json(path, read_json(path) | {"counts": {"gsm8k": {"prompt_too_long": 13}}})
    table = {(row["model"], row["benchmark"]): row for row in rows(make(changed, tmp_path / "summary"), "table3_ours")}
    assert table["Lemur-Chat", "GSM8K"]["too_long"] == "13"
    assert table["Base", "GSM8K"]["too_long"] == ""


def test_both_pages_show_the_same_tables(summary: Path) -> None:
    page = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", (summary / "report.md").read_text(encoding="utf-8"))
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = BeautifulSoup((summary / "report.html").read_text(encoding="utf-8"), "html.parser").find_all("tr")
    shown = [" | ".join(cell.get_text() for cell in row.find_all(["th", "td"])) for row in rows]
    assert [f"| {row} |" for row in shown] == lines


def test_a_report_without_inputs_gives_reasons(tmp_path: Path) -> None:
    for name in ("stages", "training", "eval"):
        (tmp_path / name).mkdir()
    summary = make(tmp_path, tmp_path / "summary")
    page = (summary / "report.md").read_text(encoding="utf-8")
    assert "not run yet" in page
    assert "no report of encode_instructions" in page
    assert {path.name for path in summary.glob("*.png")} == PICTURES


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("stages/normalise.json", "{", r"normalise\.json: not JSON"),
        ("eval/base/mmlu.json", "[]", r"mmlu\.json: must be a JSON object, not a list"),
        ("training/base.csv", "tokens,loss\n1,2\n", r"base\.csv:1: the columns are .* one of them must be step"),
        ("training/base.csv", "step,loss\n1,low\n", r"base\.csv:2: loss is 'low'; it must be a number or empty"),
    ],
)
def test_broken_input_is_reported(tmp_path: Path, path: str, content: str, message: str) -> None:
    reports = build(tmp_path / "reports")
    (reports / path).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        make(reports, tmp_path / "summary")
