"""Every reader of a source's files, by schema, with the names of its fields; and what the stages do with a record."""

from collections import Counter
from contextlib import suppress
from typing import Any

from lemur.agents.search.pages import read_pages
from lemur.agents.search.published import read_trajectories
from lemur.agents.search.recorded import read_queries
from lemur.benchmark_items import mint
from lemur.core.records import dump
from lemur.corpus import readers as corpus
from lemur.corpus.cleaning import tidy
from lemur.corpus.readers.raw import RawDocument
from lemur.decontamination import items
from lemur.instructions import readers as instructions
from lemur.instructions.normalising.cleaning import clean
from lemur.instructions.normalising.tested_answers import program_with_tests
from lemur.instructions.normalising.turn_order import Unusable, messages
from lemur.instructions.readers.turns import RawConversation
from lemur.sources.fetched import BadRecord, FetchedFile

BENCHMARKS = {schema: read for schema, (read, _) in items._SCHEMAS.items()}
AGENTS = {
    "mint_episodes": read_trajectories,
    "mint_template": mint.read_example,
    "search_pages": read_pages,
    "search_queries": read_queries,
}
READERS: dict[str, Any] = {**corpus._READERS, **instructions._READERS, **BENCHMARKS, **AGENTS}
KEYS: dict[str, list[str]] = {
    "alpaca": ["instruction", "input", "output", "id"],
    "bbh": ["input", "target"],
    "chatlogs": ["id", "messages", "conversations", "from", "value", "role", "content"],
    "dolly": ["index", "instruction", "input", "output"],
    "ds1000": ["prompt", "reference_code", "code_context", "metadata", "problem_id", "library"],
    "evol_instruct": ["instruction", "output"],
    "gpteacher": ["instruction", "input", "response"],
    "gsm8k": ["question", "answer"],
    "humaneval": ["task_id", "prompt", "entry_point", "test", "canonical_solution"],
    "intercode": ["query", "gold"],
    "mint_episodes": ["state", "history", "role", "content"],
    "mbpp": ["task_id", "text", "code", "test_setup_code", "test_list"],
    "messages": ["id", "messages", "role", "content"],
    "multipl_e": ["name", "prompt", "tests", "stop_tokens", "task_id", "test"],
    "oaast_history": ["instruction", "input", "output", "history"],
    "oasst_trees": ["prompt", "message_id", "lang", "role", "text", "replies", "review_result", "deleted", "synthetic"],
    "openorca": ["id", "system_prompt", "question", "response"],
    "openorca_pairs": ["input", "messages", "preferred_output", "role", "content"],
    "problems": ["id", "prompt", "solution", "tests", "entry_point", "licence"],
    "robocodegen": ["query", "task_id", "group", "f_name", "test_equiv", "tests", "args", "expected", "type", "value"],
    "search_pages": ["title", "text"],
    "search_queries": ["query", "result"],
    "sharegpt": ["id", "conversations", "from", "value", "system"],
    "source_files": ["cells", "worksheets", "cell_type", "source", "input"],
    "spider": ["db_id", "question", "query"],
    "stack": ["content", "lang", "max_stars_repo_licenses"],
    "webarena": ["task_id", "sites", "intent", "start_url", "storage_state", "eval", "eval_types", "program_html"],
}
KEYS |= {schema: KEYS["humaneval"] for schema in ("mint_humaneval",)}
KEYS |= {schema: ["text", "prompt"] for schema in READERS if schema not in KEYS}


def consume(file: FetchedFile) -> None:
    """Read a file as the stages do, and write what they would write."""
    for item in READERS[file.schema](file):
        if isinstance(item, BadRecord):
            dump([item.where, item.reason, item.detail]).encode()
        elif isinstance(item, RawDocument):
            dump([item.where, tidy(item.text), item.licences]).encode()
        elif isinstance(item, RawConversation):
            _normalise(item)
        elif file.schema in AGENTS:
            dump(item if isinstance(item, tuple) else vars(item)).encode()
        else:
            dump(vars(item)).encode()
            _parts(file.schema, item)


def _normalise(raw: RawConversation) -> None:
    dump([raw.where, raw.origin, raw.language, raw.licence, raw.turns]).encode()
    try:
        turns = messages(raw, lambda text: clean(text, html=True), keep_system=True, dropped=Counter())
    except Unusable as error:
        dump([error.reason, error.detail]).encode()
    else:
        dump(turns).encode()
        program_with_tests({"messages": turns})


def _parts(schema: str, item: Any) -> None:
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):  # counted as unreadable
        dump(list(items._SCHEMAS[schema][1](item))).encode()
