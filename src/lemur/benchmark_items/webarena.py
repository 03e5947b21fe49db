"""WebArena: tasks that a user wants done on a web site (Zhou et al. 2023)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts

KINDS = ("string_match", "url_match", "program_html")


@dataclass(frozen=True)
class Target:
    """A place to look at when the episode is over, and what has to be there. `url`: an address, `last` or a `func:`;
    `locator`: JavaScript, a `func:`, or empty for the whole page; `prepare`: JavaScript to run first. Either `exact` or
    `include` is given; each text of `include` may have alternatives (` |OR| `)."""

    url: str
    locator: str
    exact: str | None
    include: tuple[str, ...]
    prepare: tuple[str, ...] = ()

    def record(self) -> Record:
        return {"url": self.url, "locator": self.locator, "prepare": list(self.prepare)}


@dataclass(frozen=True)
class Evaluation:
    """How success is decided: by all of `kinds`. `fuzzy`: texts that a judge compares the answer with; `impossible`:
    the right answer is "N/A", or the reason in `note`. `annotation`: the answer as its author wrote it."""

    kinds: tuple[str, ...]
    exact: str | None = None
    include: tuple[str, ...] = ()
    fuzzy: tuple[str, ...] = ()
    impossible: bool = False
    note: str = ""
    annotation: str = ""
    url: str = ""
    url_rule: str = "GOLD in PRED"
    targets: tuple[Target, ...] = ()

    @property
    def needs_judge(self) -> bool:
        return bool(self.fuzzy)

    @property
    def reference(self) -> str:
        """What is right, in short."""
        if self.impossible:
            return "N/A"
        answers = [*([self.exact] if self.exact is not None else []), *self.include, *self.fuzzy]
        contents = [text for target in self.targets for text in ([target.exact] if target.exact else target.include)]
        return " & ".join([*answers, *([self.url] if self.url else []), *contents])


@dataclass(frozen=True)
class Task:
    """`sites`: whose sites it needs; `start_url`: pages to begin on, one a tab; `logins`: sites to be signed in to."""

    where: str
    task_id: int
    sites: tuple[str, ...]
    intent: str
    start_url: tuple[str, ...]
    logins: tuple[str, ...]
    evaluation: Evaluation
    require_login: bool = True
    require_reset: bool = False
    geolocation: Mapping[str, float] | None = None
    intent_template: str = ""
    intent_template_id: int = 0
    instantiation: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"webarena/{self.task_id}"


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records in the schema of config_files/test.raw.json. Addresses keep their placeholders, such as __SHOPPING__."""
    return rows(file, _task)


def _task(where: str, record: Record) -> Task:
    intent, start = texts(record, "intent", "start_url")
    state = record["storage_state"] or ""
    return Task(
        where=where,
        task_id=int(record["task_id"]),
        sites=_strings(record["sites"], "sites"),
        intent=intent,
        start_url=tuple(start.split(" |AND| ")),
        # ./.auth/gitlab.reddit_state.json: the cookies of both
        logins=tuple(state.rpartition("/")[2].removesuffix("_state.json").split(".")) if state else (),
        evaluation=_evaluation(record["eval"]),
        require_login=bool(record["require_login"]),
        require_reset=bool(record["require_reset"]),
        geolocation=record["geolocation"],
        intent_template=str(record.get("intent_template", intent)),
        intent_template_id=int(record.get("intent_template_id", 0)),
        instantiation=record.get("instantiation_dict"),
    )


def _evaluation(record: Record) -> Evaluation:
    kinds = _strings(record["eval_types"], "eval_types")
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValueError(f"eval_types has {unknown}; allowed are {', '.join(KINDS)}")
    answers = record["reference_answers"] or {}
    if unknown := sorted(set(answers) - {"exact_match", "must_include", "fuzzy_match"}):
        raise ValueError(f"reference_answers has {unknown}; allowed are exact_match, must_include, fuzzy_match")
    fuzzy = answers.get("fuzzy_match", [])
    impossible = fuzzy == "N/A"
    return Evaluation(
        kinds=kinds,
        exact=answers.get("exact_match"),
        include=_strings(answers.get("must_include", []), "must_include"),
        fuzzy=() if impossible else _strings(fuzzy, "fuzzy_match"),
        impossible=impossible,
        note=record.get("string_note") or "",
        annotation=record.get("reference_answer_raw_annotation") or "",
        url=record["reference_url"] or "",
        url_rule=record.get("url_note") or "GOLD in PRED",
        targets=tuple(_target(target) for target in record["program_html"] or []),
    )


def _target(record: Record) -> Target:
    url, locator = texts(record, "url", "locator")
    required = record["required_contents"]
    if ("exact_match" in required) == ("must_include" in required):
        raise ValueError(f"required_contents has {sorted(required)}; either exact_match or must_include is allowed")
    return Target(
        url,
        locator,
        required.get("exact_match"),
        _strings(required.get("must_include", []), "must_include"),
        _strings(record.get("prep_actions", []), "prep_actions"),
    )


def _strings(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{name} is {value!r:.50}; a list of strings is allowed")
    return tuple(value)
