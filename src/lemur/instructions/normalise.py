"""Stage `normalise`: bring every instruction source into one conversation schema."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, jsonl_writer
from lemur.instructions.conversation import VERIFIED

READS = "instructions"  # kind of sources
PACKAGES = ("beautifulsoup4", "markdownify")
MALFORMED = ("not_json", "missing_field", "wrong_type", "not_utf8", "bad_text")
VERIFY_BATCH = 64

log = logging.getLogger(__name__)


class Params(StageParams):
    system_turns: Literal["keep", "drop"] = Field(description="what to do with system prompts")
    html_sources: list[str] = Field(description="sources scraped from web pages; their HTML becomes Markdown")
    minimum_characters: int = Field(ge=0, description="drop conversations with fewer characters in total")
    blocked_phrases: list[str] = Field(description="drop a conversation if any message contains one (ignoring case)")
    oasst_reviewed_only: bool = Field(description="OASST1: only messages with a positive review result")
    oasst_synthetic: bool = Field(description="OASST1: include messages that a model wrote")
    verify: Literal["run", "drop", "keep"] = Field(
        description="Python problems: run their tests, or drop or keep the problems without running them"
    )
    verify_timeout_s: int = Field(
        gt=0, description="processor seconds of a program's first run; a second run, alone, gets five times as many"
    )
    verify_memory_mb: int = Field(ge=16, description="megabytes for one program")
    max_bad_share: float = Field(ge=0, le=1, description="share of a source's records that may be malformed")


def normalise(
    params: Params,
    sources: list[Path],
    *,
    conversations: Path,
    rejects: Path,
    report: Path,
) -> None:
    """Read all sources, clean every message, check the order of turns and drop everything that is not a conversation.

    Raises `ValueError` if a source has more malformed records than allowed, and `lemur.sandbox.Unavailable` if programs
    must run and no sandbox works: a verdict that depends on the machine must not reach the artifact.
    """
    with jsonl_writer(rejects) as reject, jsonl_writer(conversations) as write:
        run = _Run(params, Counts("normalise", reject))
        for folder in sources:
            for record in run.source(folder.name, folder):
                write(record)
    run.counts.write(
        report,
        dropped_turns={source: dict(sorted(turns.items())) for source, turns in sorted(run.turns.items())},
        places=run.places,
        verify=params.verify,
    )
    log.info("normalise: %d records in, %d conversations out", run.counts.total_in(), run.written)


class _Run:
    def __init__(self, params: Params, counts: Counts) -> None:
        self.params = params
        self.counts = counts
        self.turns: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.places: dict[str, Record] = {}
        self.written = 0
        self._ids: set[bytes] = set()
        self._origins: set[bytes] = set()

    def source(self, source: str, folder: Path) -> Iterator[Record]:
        """The conversations of one fetched source, in the order of its files."""
        from tqdm import tqdm

        from lemur.instructions.normalising.tested_answers import program_with_tests
        from lemur.sources.fetched import load

        fetched = load(folder)
        self.places[source] = {"place": fetched.place, "revision": fetched.revision, "title": fetched.title}
        entered = malformed = 0
        for file in sorted(fetched.files, key=lambda file: file.name):
            unverified: list[tuple[Record, str]] = []  # conversation, program
            for raw in tqdm(self._read(file), desc=f"normalise {file.name}", unit=" records"):
                self.counts.entered(source)
                entered += 1
                record = self._convert(source, file, raw)
                if record is None:
                    malformed += getattr(raw, "reason", None) in MALFORMED
                    continue
                program = raw.program or (program_with_tests(record) if source == VERIFIED else None)
                if program is None and source == VERIFIED:
                    self.counts.dropped(source, "no_tests", record, where=raw.where)
                elif program is None or self.params.verify == "keep":
                    yield self._out(record)
                elif self.params.verify == "drop":
                    self.counts.dropped(source, "not_run", record, where=raw.where)
                else:
                    unverified.append((record, program))
                    if len(unverified) == VERIFY_BATCH:
                        yield from self._verify(unverified)
                        unverified = []
            yield from self._verify(unverified)
        if malformed > self.params.max_bad_share * entered:
            raise ValueError(
                f"{folder}: {malformed} of {entered} records are malformed (normalise.max_bad_share allows "
                f"{self.params.max_bad_share}); look at the source, or raise that parameter if this is expected"
            )

    def _read(self, file: Any) -> Iterator[Any]:
        from lemur.instructions.readers import oasst_trees, read

        if file.schema == "oasst_trees":
            return oasst_trees.read(
                file, reviewed=self.params.oasst_reviewed_only, synthetic=self.params.oasst_synthetic
            )
        return read(file)

    def _convert(self, source: str, file: Any, raw: Any) -> Record | None:
        """The conversation; None if it was dropped, which this also counts."""
        from lemur.instructions.conversation import characters, conversation
        from lemur.instructions.normalising.cleaning import clean
        from lemur.instructions.normalising.turn_order import Unusable, messages
        from lemur.sources.fetched import BadRecord

        if isinstance(raw, BadRecord):
            self.counts.dropped(source, raw.reason, None, where=raw.where, detail=raw.detail)
            return None
        html = source in self.params.html_sources
        try:
            cleaned = messages(
                raw,
                lambda text: clean(text, html=html),
                keep_system=self.params.system_turns == "keep",
                dropped=self.turns[source],
            )
        except Unusable as error:
            turns = [{"role": role, "content": content} for role, content in raw.turns]
            self.counts.dropped(source, error.reason, {"messages": turns}, where=raw.where, detail=error.detail)
            return None
        record = conversation(source, cleaned, licence=raw.licence or file.licence, language=raw.language)
        reason = None
        if characters(record) < self.params.minimum_characters:
            reason = "too_short"
        elif _blocked(record, self.params.blocked_phrases):
            reason = "blocked_phrase"
        elif raw.origin is not None and _is_repeated(f"{source} {file.name} {raw.origin}", self._origins):
            reason = "duplicate_id"
        elif _is_repeated(record["id"], self._ids):
            reason = "duplicate"
        if reason:
            self.counts.dropped(source, reason, record, where=raw.where)
            return None
        return record

    def _verify(self, unverified: list[tuple[Record, str]]) -> Iterator[Record]:
        """Yield the conversations whose program passes in the sandbox; count the others as dropped."""
        from lemur.sandbox import run_python_programs

        if not unverified:
            return
        results = run_python_programs(
            [program for _, program in unverified],
            names=[record["id"] for record, _ in unverified],
            timeout_s=self.params.verify_timeout_s,
            memory_mb=self.params.verify_memory_mb,
        )
        for (record, _), result in zip(unverified, results, strict=True):
            if result.status == "passed":
                yield self._out(record)
            else:
                self.counts.dropped(record["source"], f"tests_{result.status}", record, detail=result.detail)

    def _out(self, record: Record) -> Record:
        self.counts.left(record["source"])
        self.written += 1
        return record


def _blocked(record: Record, phrases: list[str]) -> bool:
    if not phrases:
        return False
    text = "\n".join(message["content"] for message in record["messages"]).casefold()
    return any(phrase.casefold() in text for phrase in phrases)


def _is_repeated(name: str, digests: set[bytes]) -> bool:
    """Whether an earlier call had the same `name`. Stores 12 bytes per name: a million names take some 80 MB."""
    digest = hashlib.blake2b(name.encode(), digest_size=12).digest()
    if digest in digests:
        return True
    digests.add(digest)
    return False
