"""At demo scale every rule that docs/corpus.md lists drops something, even from the bundled samples alone."""

import re

from lemur.core.files import ROOT, SCALES, read_yaml
from lemur.core.records import read_json
from lemur.corpus.clean_corpus import Params, clean_corpus
from lemur.corpus.sources import SOURCES
from tests.corpus.builders import fetched

FOLDERS = ["stack", "refinedweb", "wikipedia", "books", "arxiv", "stackexchange", "dm_mathematics"]
FIELDS = {"refinedweb": {"text_field": "content"}}


def bundled(folder):
    schema = "stack" if folder.name == "stack" else "text_jsonl"
    paths = (ROOT / "data/sources" / folder.name / "bundled").glob("*.jsonl")
    return fetched(
        folder, {path.name: (path.read_bytes(), schema, "MIT", FIELDS.get(folder.name, {})) for path in paths}
    )


def test_every_documented_rule_of_clean_corpus_drops_something(tmp_path):
    values = read_yaml(ROOT / "params.yaml")["clean_corpus"]
    values["rules"]["text"] |= read_yaml(SCALES / "demo.yaml")["clean_corpus"]["rules"]["text"]
    # More than 1 in 100 of the bundled records are malformed.
    params = Params.model_validate({**values, "max_bytes": dict.fromkeys(SOURCES), "max_bad_share": 0.05})
    report = tmp_path / "report.json"
    folders = [bundled(tmp_path / "raw" / name) for name in FOLDERS]
    clean_corpus(params, folders, documents=tmp_path / "cleaned", rejects=tmp_path / "rejects", report=report)
    section = (ROOT / "docs/corpus.md").read_text(encoding="utf-8").split("## clean_corpus")[1].split("\n## ")[0]
    rules = re.findall(r"`(\w+)`", "".join(re.findall(r"(?m)^\| (`[^|]+) \|", section)))
    assert len(rules) == 13
    counts = read_json(report)
    assert set(counts["dropped"]) == set(rules)
    assert len({kind for kinds in counts["redacted"].values() for kind in kinds}) == 2  # e-mail and IP addresses
