"""`lemur publish`: the folder and the card, what is unknown, and an upload to a hub on 127.0.0.1."""

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from lemur.commands.app import parse
from lemur.core.records import Record, read_json, write_json
from lemur.inference.text import TextCodec
from lemur.publishing import facts as room
from lemur.publishing.card import fenced, hub_name
from lemur.publishing.facts import facts
from lemur.publishing.folder import faults, files, left_out
from lemur.publishing.licences import FREE, NON_COMMERCIAL, READ_IT, by_consequence, consequences
from lemur.publishing.publish import compose
from tests.publishing.conftest import Hub

STAGE = {"environment.yaml": {}}


def lineage(sources: list[Record]) -> Record:
    """As `lemur.pipeline.inspect.lineage` returns it: a model trained on The Stack and on web pages."""
    train = {
        "cmd": "python -m lemur run training.base_model shards=data/packed/ model=models/tiny/ report=train.json",
        "params": {"params.yaml": {"base_model": {"init": "scratch", "optimizer": {"peak_learning_rate": 0.5}}}},
        "deps": [{"path": "data/packed/", "md5": "1", "from": "pack"}],
        "outs": [{"path": "train.json", "md5": ""}],
    }
    pack = {
        "cmd": "python -m lemur run tokens.pack_corpus shards=data/packed/ report=pack.json",
        "params": {"params.yaml": {"tokenizer": {"kind": "train"}}},
        "deps": [],
        "outs": [{"path": "pack.json", "md5": ""}],
    }
    return {"on_disk": "1", "recorded": "1", "stages": {"base_model": train, "pack": pack},
            "sources": {source["name"]: source for source in sources}}  # fmt: skip


def source(name: str, licence: str, place: str = "hub") -> Record:
    files = [{"path": "x", "licence": licence}]
    return {
        "name": name,
        "place": place,
        "title": name.title(),
        "homepage": "https://x",
        "revision": "r1",
        "files": files,
    }


@pytest.fixture
def trained(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`root` with a dvc.lock that knows how the model was made."""
    heldout = {"code": {"bits_per_byte": 1.5}, "text": {"bits_per_byte": 2.5}}
    write_json(root / "train.json", {"steps": 7, "tokens": 700, "heldout": heldout})
    rows = {"python": 30, "sql": 12, "refinedweb": 5, "wikipedia": 0}
    write_json(root / "pack.json", {"sources": {name: {"tokens_packed": count} for name, count in rows.items()}})
    (root / "dvc.lock").touch()
    sources = [source("stack", "MIT"), source("refinedweb", "CC-BY-NC-SA-4.0", "bundled"), source("wikipedia", "MIT"),
               source("mmlu", "CC-BY-NC-4.0"), source("llama2_tokenizer", "Llama 2 Community License")]  # fmt: skip
    history = lineage(sources)
    monkeypatch.setattr("lemur.pipeline.inspect.lineage.lineage", lambda path, root: history)
    monkeypatch.setattr(room, "file_md5", lambda path: "")
    return root


def test_the_card_of_a_trained_model(model: Path, trained: Path) -> None:
    publication = compose(model, "me/nice", "apache-2.0", None, trained)
    text = (publication.folder / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text)
    assert card.data.license == "apache-2.0" and card.data.model_name == "nice"
    results = {(r.dataset_type, r.metric_name): r.metric_value for r in card.data.eval_results}
    assert results == {("humaneval", "pass@1,strict"): 0.4, ("mmlu-sample-items", "acc"): 0.25}
    assert model_index_to_eval_results(card.data.to_dict()["model-index"])[0] == "nice"
    assert "| Base model | 7 | 700 | 1.500 | 2.500 | peak_learning_rate 0.5 |" in text
    assert "| Stack | hub, r1 | MIT | 42 |" in text and "| Refinedweb | bundled, r1 | CC-BY-NC-SA-4.0 | 5 |" in text
    for name in ("Wikipedia", "Mmlu", "Llama", "gsm8k"):  # no token of it, only compared with, not used, other weights
        assert name not in text.replace("LlamaFor", "")
    assert f"* {NON_COMMERCIAL} refinedweb." in text
    assert "Published under apache-2.0." in text
    assert (
        "--licence apache-2.0 allows commercial use, but the licences of these do not: refinedweb"
        in publication.warnings
    )
    assert 'AutoModelForCausalLM.from_pretrained("me/nice")' in text and "apply_chat_template" in text
    assert f"...{'p' * 800}\n```\n\nThe answer:\n\n````text\n```\nx\n````" in text  # not the empty answer
    assert text == (compose(model, "me/nice", "apache-2.0", None, trained).folder / "README.md").read_text(
        encoding="utf-8"
    )


def test_facts_that_are_no_longer_true_are_left_out(
    model: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "file_md5", lambda path: "changed since")
    known = facts(model, trained, [])
    assert known.trainings[0].report == {} and known.sources == []
    assert "what base_model trained on (rebuilt since)" in known.unknown
    history = lineage([]) | {"on_disk": "2"}
    monkeypatch.setattr("lemur.pipeline.inspect.lineage.lineage", lambda path, root: history)
    assert "models/tiny is not what dvc.lock records" in facts(model, trained, []).unknown[0]


def test_somebodys_own_model(model: Path, tmp_path: Path) -> None:
    (model / "training_args.bin").touch()
    (model / ".snakemake_timestamp").touch()
    (model / "checkpoint-1").mkdir()
    elsewhere = tmp_path / "checkout"
    elsewhere.mkdir()
    publication = compose(model, None, None, None, elsewhere)
    text = (publication.folder / "README.md").read_text(encoding="utf-8")
    assert publication.left_out == [".snakemake_timestamp", "checkpoint-1", "training_args.bin"]
    assert sorted(p.name for p in publication.files) == sorted([*(p.name for p in files(model)), "README.md"])
    assert (publication.folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    card = ModelCard(text)
    assert card.data.license is None and card.data.eval_results is None and card.data.base_model is None
    assert "Whoever publishes these weights has stated no licence for them." in text
    assert "Which data the model was trained on, and under which licences, is not on record." in text
    assert "the folder is no artifact of this checkout" in text and "any score of these weights" in text
    assert any(line.startswith("no licence: name the one that you choose") for line in publication.warnings)
    assert "Training" not in text and "lemur," not in text


def test_a_folder_without_faults_has_none_and_each_fault_is_named(model: Path) -> None:
    assert faults(model) == []  # as the stages write it
    config, tokenizer_config = read_json(model / "config.json"), read_json(model / "tokenizer_config.json")
    del config["dtype"]
    write_json(model / "config.json", {**config, "architectures": None, "eos_token_id": 4, "vocab_size": 8})
    write_json(model / "tokenizer_config.json", {**tokenizer_config, "model_max_length": 10**30})
    write_json(model / "generation_config.json", {"eos_token_id": None})
    assert [fault.partition(":")[0] for fault in faults(model)] == [
        "config.json", "config.json", "tokenizer_config.json", "config.json", "generation_config.json",
        "tokenizer.json has 300 tokens, config.json's vocab_size is only 8",
    ]  # fmt: skip
    write_json(model / "tokenizer_config.json", {**tokenizer_config, "model_max_length": 65})
    assert "model_max_length 65 exceeds config.json's 64 tokens" in faults(model)[2]


@pytest.mark.parametrize(
    ("licence", "first"),
    [
        ("CC-BY-NC-SA-4.0", NON_COMMERCIAL),
        ("CC-BY-SA-3.0", "Share alike"),
        ("Llama 2 Community License", "Pass on the Llama licence"),
        ("not stated", "No permission"),
        ("BSD-3-Clause", "Keep the authors' notices"),
        ("public domain (the edition's markup is MIT)", "Keep the authors' notices"),
        ("public domain", FREE),
        ("Some EULA", READ_IT),
    ],
)
def test_what_follows_from_a_licence(licence: str, first: str) -> None:
    assert consequences(licence)[0].startswith(first)


def test_every_licence_of_the_manifests_is_known() -> None:
    from lemur.core.files import ROOT
    from lemur.sources.manifest import read

    for path in sorted((ROOT / "data/sources").glob("*/manifest.yaml")):
        for place in read(path.parent).places.values():
            for licence in (place.licence, *(f.licence for f in (*place.files, *place.archives) if f.licence)):
                assert licence.startswith("by ") or READ_IT not in consequences(licence), (path.parent.name, licence)
    pairs = [("b", "MIT"), ("a", "MIT"), ("a", "BSD-2-Clause"), ("c", "CC-BY-NC-4.0")]
    assert list(by_consequence(pairs).values()) == [["c"], ["a", "b", "c"]]


def test_names_and_fences() -> None:
    assert hub_name("https://huggingface.co/meta-llama/Llama-2-70b-hf") == "meta-llama/Llama-2-70b-hf"
    assert hub_name("https://huggingface.co/datasets/x") is None and hub_name("https://x.org/a/b") is None
    assert fenced("a\n````\nb").startswith("`````text\n")


def run(*words: object) -> None:
    parse(["publish", *map(str, words)])()


def test_dry_by_default_then_uploaded_with_the_token_of_the_environment(
    model: Path, root: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lemur.core.files.ROOT", root)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    run(model, "--to", "me/tiny")
    said = capsys.readouterr().out
    assert "Nothing was uploaded. To upload: the same command with --yes\n" in said
    assert "Look at this: no licence" in said and "model.safetensors" in said
    assert not hub.created and not hub.files and not hub.tokens
    run(model)
    assert "the same command with --to OWNER/NAME --yes\n" in capsys.readouterr().out
    run(model, "--to", "me/tiny", "--yes")
    assert f"Uploaded: {hub.url}/me/tiny/commit/1" in capsys.readouterr().out
    assert hub.created[0]["visibility"] == "private" and hub.tokens == {"Bearer hf_of_the_test"}
    assert hub.files == {path.name: path.read_bytes() for path in (root / ".lemur/publish/tiny").iterdir()}
    assert hub.validated == [hub.files["README.md"].decode()]
    for name in ("tokenizer.json", "model.safetensors"):
        assert hub.files[name] == (model / name).read_bytes()


def test_refusals(model: Path, root: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.core.files.ROOT", root)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for words, message in (
        (["--yes"], "--yes needs --to OWNER/NAME"),
        (["--to", "tiny"], "--to tiny: OWNER/NAME is allowed, such as me/tiny"),
        (["--to", "me/..", "--yes"], "--to me/..: "),
        (["--to", "me/tiny", "--yes"], "HF_TOKEN is not set"),
    ):
        with pytest.raises(SystemExit, match=message):
            run(model, *words)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    hub.refuse = 403
    with pytest.raises(SystemExit, match=r"me/tiny: .*403"):
        run(model, "--to", "me/tiny", "--yes")
    (model / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(SystemExit, match="probably truncated"):
        run(model)
    for folder, message in (
        (root, "is not a model folder"),
        (root / "nowhere", "nowhere: no such folder; is the path"),
    ):
        with pytest.raises(SystemExit, match=message):
            run(folder)
    assert left_out(root)  # nothing was removed


def test_the_composed_folder_opens(model: Path, root: Path) -> None:
    composed = compose(model, None, None, None, root).folder
    assert TextCodec(composed, bos=True).encode("def add") == TextCodec(model, bos=True).encode("def add")
    from lemur.model import folder

    assert folder.load(composed)[0] == folder.load(model)[0]
    assert json.loads((composed / "config.json").read_bytes())["architectures"] == ["LlamaForCausalLM"]
