"""Chat templates as published models have them: where they are, what they may use, and errors."""

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lemur.inference.chat_template import NOW, ChatTemplate, find_chat_template
from lemur.inference.text import TextCodec
from lemur.model.special_tokens import special_tokens
from tests.inference.template_features import TEMPLATES

TOKENS = {
    "bos_token": "<s>",
    "eos_token": {"__type": "AddedToken", "content": "</s>", "lstrip": False, "normalized": False, "special": True},
    "unk_token": "<unk>",
    "pad_token": "</s>",
    "sep_token": None,
}
QUESTION = {"role": "user", "content": "  Is <b> & 'c' \"ü\" {{ x }}?\n"}
ANSWER = {"role": "assistant", "content": "<think>\nhm</think>\n\nYes. "}
NEXT = {"role": "user", "content": "And 中文 😀?"}
SYSTEM = {"role": "system", "content": " Be brief. "}
CONVERSATIONS = [[QUESTION], [SYSTEM, QUESTION], [QUESTION, ANSWER, NEXT], [SYSTEM, QUESTION, ANSWER, NEXT, ANSWER]]


def write(folder: Path, config: dict[str, Any], **files: str) -> Path:
    (folder / "tokenizer_config.json").write_text(json.dumps({**TOKENS, **config}), encoding="utf-8")
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def template(folder: Path) -> ChatTemplate:
    found = find_chat_template(folder, special_tokens(folder))
    assert found is not None
    return found


@pytest.mark.parametrize("family", TEMPLATES)
def test_same_text_as_transformers(
    family: str, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer
    from transformers.utils import chat_template_utils

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Clock":
            return cls(NOW.year, NOW.month, NOW.day)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATES[family]}
    theirs = AutoTokenizer.from_pretrained(write(tmp_path, config))
    ours = template(tmp_path)
    codec = TextCodec(tmp_path, bos=True)
    refused = 0
    for messages in CONVERSATIONS:
        for prompt in (False, True):
            try:
                text = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            except Exception as error:
                refused += 1
                with pytest.raises(ValueError, match=f"refuses.*{error}"):
                    ours.render(messages, add_generation_prompt=prompt)
                continue
            assert ours.render(messages, add_generation_prompt=prompt) == text
            if prompt:
                assert codec.chat_prompt(messages, "So") == text.removeprefix("<s>") + "So"
                ids = theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
                assert codec.encode_prompt(codec.chat_prompt(messages, "")) == [1, *ids[text.startswith("<s>") :]]
    assert refused == (4 if family == "gemma" else 0)


TURN = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}|{% endfor %}"
NAMED = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": TURN}]


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({"chat_template": TURN}, {}),
        ({"chat_template": NAMED}, {}),
        ({"chat_template": {"default": TURN, "rag": "x"}}, {}),
        ({}, {"chat_template_DOT_jinja": TURN}),
        ({}, {"chat_template_DOT_jinja": "\ufeff" + TURN}),
        ({"chat_template": "other"}, {"chat_template_DOT_jinja": TURN}),
        (
            {"chat_template": "other"},
            {"chat_template_DOT_jinja": TURN, "additional_chat_templates__rag_DOT_jinja": "x"},
        ),
        ({"chat_template": NAMED}, {"additional_chat_templates__rag_DOT_jinja": "x"}),
        ({}, {"additional_chat_templates__default_DOT_jinja": TURN}),
        ({}, {"chat_template_DOT_json": json.dumps({"chat_template": TURN})}),
        ({"chat_template": None}, {"chat_template_DOT_json": json.dumps({"chat_template": NAMED})}),
    ],
)
def test_where_a_template_may_be(tmp_path: Path, config: dict[str, Any], files: dict[str, str]) -> None:
    assert template(write(tmp_path, config, **files)).render([{"role": "user", "content": "Hi"}]) == "u:Hi|"


@pytest.mark.parametrize(
    ("config", "files", "message"),
    [
        ({"chat_template": 1}, {}, r"tokenizer_config\.json: chat_template is 1; a string, or a list"),
        ({"chat_template": []}, {}, r"chat_template is \[\]"),
        ({"chat_template": [TURN]}, {}, "a list of objects with the strings"),
        ({"chat_template": [{"name": "default"}]}, {}, "a list of objects with the strings"),
        ({"chat_template": {"default": 1}}, {}, "a list of objects with the strings"),
        ({"chat_template": NAMED[:1]}, {}, r"none of the chat templates \['tool_use'\] is named `default`"),
        ({}, {"additional_chat_templates__rag_DOT_jinja": "x"}, r"templates \['rag'\]"),
        ({"chat_template": ""}, {}, r"tokenizer_config\.json: the chat template is empty"),
        ({}, {"chat_template_DOT_jinja": " \n"}, r"chat_template\.jinja: the chat template is empty"),
        ({}, {"chat_template_DOT_json": '{"chat_template": false}'}, r"chat_template\.json: chat_template is false"),
        ({"bos_token": 1, "chat_template": TURN}, {}, r"tokenizer_config\.json: bos_token is 1; a string, an object"),
        ({"eos_token": {"text": "x"}, "chat_template": TURN}, {}, "eos_token is {'text': 'x'}"),
        ({"chat_template": "a\n{% if %}"}, {}, r"json: line 2 of the chat template: Expected an expression"),
        ({"chat_template": "{% tool %}"}, {}, "unknown tag 'tool'.*is allowed"),
        ({"chat_template": "{% break %}"}, {}, "does not compile: 'break' outside loop"),
        ({"chat_template": "{{ messages[0].content + 1 }}"}, {}, "the chat template fails: TypeError"),
        ({"chat_template": "{{ messages[9].content.x }}"}, {}, "fails: UndefinedError"),
        ({"chat_template": "{{ messages.append(1) }}"}, {}, "fails: SecurityError"),
        ({"chat_template": "{{ ''.__class__.__mro__ }}"}, {}, "fails: SecurityError"),
        ({"chat_template": "{{ raise_exception('No.') }}"}, {}, "refuses turns of the roles user: No.$"),
    ],
)
def test_what_is_not_understood_is_an_error(
    tmp_path: Path, config: dict[str, Any], files: dict[str, str], message: str
) -> None:
    write(tmp_path, config, **files)
    with pytest.raises(ValueError, match=message):
        template(tmp_path).render([{"role": "user", "content": "Hi"}])


def test_a_model_without_a_template_has_none(tmp_path: Path) -> None:
    assert find_chat_template(write(tmp_path, {"chat_template": None}), {}) is None


def test_a_refused_system_turn_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, {"chat_template": TEMPLATES["gemma"]})
    with pytest.raises(ValueError, match=r"system, user: System role not supported; put the system turn's text into"):
        template(tmp_path).render([SYSTEM, QUESTION])


def test_the_day_is_the_one_in_the_docs(tmp_path: Path) -> None:
    write(tmp_path, {"chat_template": "{{ strftime_now('%d %b %Y, %H:%M') }}"})
    assert template(tmp_path).render([QUESTION]) == "26 Jul 2024, 00:00"
    assert "26 July 2024" in (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_json_in_prompts_is_not_escaped_for_html(tmp_path: Path) -> None:
    write(tmp_path, {"chat_template": "{{ messages[0].content | tojson }}"})
    assert template(tmp_path).render([QUESTION]) == '"  Is <b> & \'c\' \\"ü\\" {{ x }}?\\n"'


def test_special_tokens_are_strings_objects_or_in_the_older_file(tmp_path: Path) -> None:
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    assert special_tokens(write(tmp_path, {"pad_token": {"content": "</s>"}})) == tokens
    older = json.dumps({"eos_token": {"content": "<end>"}, "additional_special_tokens": ["<x>"]})
    write(tmp_path, {}, special_tokens_map_DOT_json=older)
    assert special_tokens(tmp_path) == {**tokens, "eos_token": "<end>"}
    assert special_tokens(write(tmp_path, {"added_tokens_decoder": {}})) == tokens


def test_a_literal_beginning_of_text_is_not_doubled(tokenizer_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    write(tmp_path, {"chat_template": "<s>{{ messages[0].content }}"})
    codec = TextCodec(tmp_path, bos=True)
    prompt = codec.chat_prompt([{"role": "user", "content": "<s>x"}], "")
    assert prompt == "<s>x"  # the question's own, which stays
    assert codec.encode_prompt(prompt)[:2] == [1, 1]
