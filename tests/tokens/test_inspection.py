import json
import re
import shutil
import sys

import numpy as np
import pytest

from lemur import __main__ as cli
from lemur.core import parameter_blocks
from lemur.core.records import write_json
from lemur.tokens import inspection
from lemur.tokens.loader import Loader
from lemur.tokens.shards import open_shards
from lemur.tokens.tokenizers.tokenizer_folder import write_folder
from lemur.tokens.tokenizers.vocabulary import BOS, EOS, UNK, train
from tests.corpus.builders import shards, token_store


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose run `tuning` reads 300 records of token shards."""
    data = shards(tmp_path / "packed", 300)
    text = [f"word{number} and some more words of a text\n" for number in range(200)]
    model = train(lambda: text, vocab_size=330, character_coverage=1.0, max_token_chars=8)
    write_folder(tmp_path / "models/tokenizer", model, bos=BOS, eos=EOS, unk=UNK, max_length=None)
    dag = {
        "stages": {
            "tuning": {
                "cmd": "run shards=packed model=models/tuned report=reports/tuning.json",
                "deps": ["packed"],
                "params": ["tuning"],
            },
            "other": {"cmd": "x", "params": ["other"]},
        }
    }
    write_json(tmp_path / "reports/tuning.json", {"steps": 80, "data": data.fingerprint})
    (tmp_path / "dvc.yaml").write_text(json.dumps(dag), encoding="utf-8")
    (tmp_path / "params.yaml").write_text(json.dumps({"tuning": {"seed": 5, "batch_size": 4}}), encoding="utf-8")
    monkeypatch.setattr(inspection, "DAG", tmp_path / "dvc.yaml")
    monkeypatch.setattr(parameter_blocks, "DAG", tmp_path / "dvc.yaml")
    monkeypatch.setattr(parameter_blocks, "PARAMS", tmp_path / "params.yaml")
    return tmp_path, data


def test_inspect_shows_the_batch_that_the_training_reads(checkout):
    root, data = checkout
    loader = Loader(data, 4, 5)
    for step in (1, 2, 80):
        batch = inspection.inspect_step(step, "tuning", root=root)
        read = loader[step - 1]
        shown = [row["documents"][0]["tokens"] for row in batch["rows"]]
        assert np.array_equal(np.array(shown), read["tokens"])
        assert sum(batch["tokens"].values()) == read["tokens"].size
        assert (batch["fingerprint"], batch["warning"]) == (data.fingerprint, None)
        assert all(document["source"] in ("a", "b") for row in batch["rows"] for document in row["documents"])
        text = "\n".join(inspection.lines(batch, full=False))
        assert f"step {step} of tuning: 4 sequences of 8 tokens" in text and "record" in text and "WARNING" not in text


def test_inspect_checks_the_step_and_warns_about_other_data(checkout):
    root, data = checkout
    report = root / "reports/tuning.json"
    with pytest.raises(SystemExit, match=r"step 81; tuning has 80 steps \(.*reports/tuning.json\)"):
        inspection.inspect_step(81, "tuning", root=root)

    def printed(step, **options):
        return "\n".join(inspection.lines(inspection.inspect_step(step, "tuning", root=root, **options), full=False))

    other = shards(root / "other", 200)
    differs = f"read other data: its fingerprint was {data.fingerprint} .*, that of these shards is {other.fingerprint}"
    assert re.search(f"WARNING: step 80 of tuning {differs}", printed(80, shards=root / "other"))
    changes = [{"after_step": 0, "data": other.fingerprint}, {"after_step": 30, "data": data.fingerprint}]
    write_json(report, {"steps": 80, "data": data.fingerprint, "other_data": changes})
    assert f"its fingerprint was {other.fingerprint}" in printed(30)
    assert "WARNING" not in printed(31)
    report.unlink()
    assert "reports/tuning.json: no report, so this is what step 81 of tuning would read" in printed(81)


def test_inspect_errors_name_what_is_allowed(checkout):
    root, _ = checkout
    with pytest.raises(SystemExit, match="steps count from 1"):
        inspection.inspect_step(0, "tuning", root=root)
    with pytest.raises(SystemExit, match=r"'nothing' is not a training of dvc.yaml; tuning are"):
        inspection.inspect_step(1, "nothing", root=root)
    with pytest.raises(SystemExit, match=r"no manifest.json"):
        inspection.inspect_step(1, "tuning", root=root, shards=root)
    with pytest.raises(SystemExit, match=r"tokenizer\.json is missing"):
        inspection.inspect_step(1, "tuning", root=root, tokenizer=root)


def test_validate_separates_sound_from_damaged_folders(checkout, monkeypatch, capsys):
    root, data = checkout
    store = token_store(root / "data/corpus/tokens", {"python": [4, 0, 9], "books": [1]})
    sound, problems = inspection.validate_folders([], root)
    assert not problems and [line.split(":")[0] for line in sound] == [str(root / "packed"), str(store)]
    assert "300 records in 43 shards, 2400 tokens" in sound[0] and "14 tokens" in sound[1]

    broken = shutil.copytree(root / "packed", root / "broken")
    (broken / "shard-00000.arrayrecord").write_bytes(b"")
    np.save(store / "python-00000.borders.npy", np.array([0, 4, 3, 13]))
    np.save(store / "books-00000.npy", np.array([5000], np.uint16))
    (root / "empty").mkdir()
    folders = [str(broken), str(store), str(root / "empty"), str(root / "nothing")]
    monkeypatch.setattr(sys, "argv", ["lemur", "validate", *folders])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    printed = capsys.readouterr().out
    for part in (
        "shard-00000.arrayrecord: sha256 is",
        "borders do not rise",
        "token id 5000",
        "empty: no manifest.json",
    ):
        assert part in printed
    assert f"{root / 'nothing'}: no such folder; is the path right?\n" in printed
    assert open_shards(root / "packed").fingerprint == data.fingerprint


def test_help_has_an_example_and_the_exit_status(monkeypatch, capsys):
    for command, words in {
        "inspect": ["from 1", "Example: lemur inspect 120"],
        "validate": ["sha256", "status is 1"],
    }.items():
        monkeypatch.setattr(sys, "argv", ["lemur", command, "--help"])
        with pytest.raises(SystemExit):
            cli.main()
        printed = " ".join(capsys.readouterr().out.split())
        assert all(word in printed for word in words)
