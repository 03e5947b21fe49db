"""DS-1000: data-science code for seven libraries, with test programs (Lai et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Problem:
    where: str
    number: int
    library: str
    prompt: str
    reference_code: str
    code_context: str

    def program(self, code: str) -> str:
        """The official test program (from the simplified release of April 2024)."""
        tests = ["test_execution(code)"]
        if "test_string(" in self.code_context:
            tests.append("test_string(code)")
        return "\n".join([self.code_context, f"code = {code!r}", *tests, ""])


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {prompt, reference_code, code_context, metadata: {problem_id, library}}."""
    return rows(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    text, code, context = texts(record, "prompt", "reference_code", "code_context")
    meta = record["metadata"]
    return Problem(where, int(meta["problem_id"]), str(meta["library"]), text, code, context)
