import gzip
import json

import pytest

from lemur.corpus.readers import read
from lemur.corpus.readers.notebook import notebook_text
from lemur.sources.fetched import BadRecord, FetchedFile
from tests.corpus.builders import jsonl


@pytest.fixture
def file(tmp_path):
    def make(schema, data, name="f", **meta):
        (tmp_path / name).write_bytes(data)
        return FetchedFile(tmp_path, name, schema, "MIT", meta)

    return make


STACK = {"content": "x = 1\n", "lang": "Python", "max_stars_repo_licenses": ["MIT"], "max_stars_repo_path": "a.py"}


def test_stack_with_bad_records_among_the_good(file):
    data = (
        jsonl(STACK, {**STACK, "content": 5}, [1])
        + b"{nonsense\n\n\xff\n"
        + jsonl({"lang": "C"}, {**STACK, "lang": "C"})
    )
    found = list(read(file("stack", data)))
    assert [(raw.where, raw.reason) for raw in found if isinstance(raw, BadRecord)] == [
        ("f:2", "wrong_type"),
        ("f:3", "wrong_type"),
        ("f:4", "not_json"),
        ("f:6", "not_utf8"),
        ("f:7", "missing_field"),
    ]
    good = [raw for raw in found if not isinstance(raw, BadRecord)]
    assert [(raw.language, raw.text, raw.licences, raw.where) for raw in good] == [
        ("Python", "x = 1\n", ("MIT",), "f:1"),
        ("C", "x = 1\n", ("MIT",), "f:8"),
    ]


def test_gzip_and_parquet_read_as_json_lines(file, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.Table.from_pylist([STACK, STACK]), tmp_path / "t.parquet")
    plain = list(read(file("stack", jsonl(STACK, STACK))))
    zipped = list(read(file("stack", gzip.compress(jsonl(STACK, STACK)), "t.jsonl.gz")))
    table = list(read(FetchedFile(tmp_path, "t.parquet", "stack", "MIT", {})))
    assert [raw.text for raw in plain] == [raw.text for raw in zipped] == [raw.text for raw in table] == ["x = 1\n"] * 2


def test_text_field_is_named_by_the_manifest(file):
    (raw,) = read(file("text_jsonl", jsonl({"content": "a", "text": "b"}), text_field="content"))
    assert raw.text == "a" and raw.language is None
    (raw,) = read(file("text_jsonl", jsonl({"content": "a", "text": "b"})))
    assert raw.text == "b"


def test_records_of_redpajama_and_common_crawl(file):
    """RedPajama's ArXiv, StackExchange and books, and CommonCrawl as RedPajama and Dolma have it."""
    records = [
        {"text": "Q: why?\nA: so.", "meta": {"language": "en", "url": "-", "question_score": "4"}},
        {"text": "a page", "meta": {"pred_label": "__label__wiki", "source": "cc/2023-06/en_head_0000.json.gz/line1"}},
        {"id": "1", "text": "another page", "source": "common-crawl", "added": "-", "created": "-", "metadata": {}},
    ]
    assert [raw.text for raw in read(file("text_jsonl", jsonl(*records)))] == [record["text"] for record in records]


def test_notebook_keeps_markdown_and_code_in_order_without_outputs(file):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "text"]},
        {"cell_type": "code", "source": "print(1)\n", "outputs": [{"text": "SECRET OUTPUT"}]},
        {"cell_type": "code", "source": []},
    ]
    content = json.dumps({"cells": cells, "nbformat": 4})
    expected = "# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nprint(1)\n"
    assert notebook_text(content) == expected
    record = {**STACK, "lang": "Jupyter Notebook", "content": content}
    good, bad = read(file("stack", jsonl(record, {**record, "content": "{}"})))
    assert good.text == expected
    assert bad.reason == "wrong_type"
    (whole,) = read(file("source_files", content.encode(), "a.ipynb", language="Jupyter Notebook"))
    assert (whole.text, whole.language, whole.licences) == (expected, "Jupyter Notebook", ("MIT",))
    (bad,) = read(file("source_files", b"{}", "b.ipynb", language="Jupyter Notebook"))
    assert (bad.where, bad.reason) == ("b.ipynb", "wrong_type")
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1"]}]}]}
    assert notebook_text(json.dumps(old)) == "# %%\na = 1\n"


def test_plain_files(file):
    (raw,) = read(file("source_files", b"\xef\xbb\xbfx = 1\r\n", "pkg/a.py".replace("/", "_"), language="Python"))
    assert (raw.text, raw.language, raw.licences) == ("x = 1\n", "Python", ("MIT",))
    (raw,) = read(file("plain_text", b"a\nb\n"))
    assert (raw.text, raw.language, raw.licences) == ("a\nb\n", None, ())
    (raw,) = read(file("plain_text", b"a\n\xff"))
    assert (raw.where, raw.reason) == ("f:2", "not_utf8")
    assert [getattr(raw, "text", raw.where) for raw in read(file("text_lines", b"one\n\ntwo\r\n\xff\n"))] == [
        "one",
        "two",
        "f:4",
    ]


def test_wikitext_articles_as_running_text(file):
    text = (
        ' \n = A B = \n \n He paid 1 @,@ 000 ( net $ 5 ) , he said . \n = = Part = = \n it \'s " so " \n = C = \n x \n'
    )
    found = [raw.text for raw in read(file("wikitext", text.encode()))]
    assert found == ['A B\n\nHe paid 1,000 (net $5), he said.\nPart\n\nit\'s "so"\n', "C\n\nx\n"]


def test_latex_body_without_comments(file):
    text = "\\usepackage{a}\n\\begin{document}\n% note\nA 5\\% rise % why\nend\n\\end{document}\n"
    (raw,) = read(file("latex", text.encode()))
    assert raw.text == "A 5\\% rise %\nend\n"
    (raw,) = read(file("latex", b"\\chapter{x}\ntext\n"))
    assert raw.text == "\\chapter{x}\ntext\n"


def test_markdown_play(file):
    text = "# Othello\n\n## ACT I\n\n_Enter IAGO_\n\n**IAGO**  \nTush! never tell me; [_Aside_] snake_case_word  \n"
    (raw,) = read(file("markdown_play", text.encode()))
    assert raw.text == "Othello\n\nACT I\n\n[Enter IAGO]\n\nIAGO\nTush! never tell me; [[Aside]] snake_case_word\n"


def test_dm_mathematics_pairs(file):
    (raw,) = read(file("dm_mathematics", b"What is 1+1?\n2\nWhat is 2+2?\n4\n"))
    assert raw.text == "What is 1+1?\n2\n\nWhat is 2+2?\n4\n"
    bad, raw = read(file("dm_mathematics", b"q\na\nq\n"))
    assert (bad.where, bad.reason, raw.text) == ("f:3", "missing_field", "q\na\n")


def test_unknown_schema_is_refused(file):
    with pytest.raises(ValueError, match="'sharegpt' is not a document schema"):
        read(file("sharegpt", b""))
