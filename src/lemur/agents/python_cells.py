"""An episode's Python session in the sandbox, as the interpreter of its cells."""

from collections.abc import Callable, Mapping

from lemur.agents.episodes.cell_record import CellRecord, Output, record_of
from lemur.agents.episodes.environment import EnvironmentFault
from lemur.core.records import Record
from lemur.sandbox import Unavailable
from lemur.sandbox.sessions.libraries import LIBRARIES
from lemur.sandbox.sessions.session import Session, SessionFault

Tools = Mapping[str, Callable[..., str]]


class PythonInterpreter:
    """`lemur.agents.episodes.cell_record.Interpreter`. `verdict`: on the world's state after each cell, by rule."""

    def __init__(self, session: Session, verdict: Callable[[], Mapping[str, bool]] = dict) -> None:
        self._session, self._verdict = session, verdict

    def run(self, code: str) -> Output:
        try:
            return Output(self._session.run(code).text, self._verdict())
        except (SessionFault, Unavailable) as error:
            raise EnvironmentFault(str(error)) from error

    def close(self) -> None:
        self._session.close()


def record(settings: Record) -> CellRecord:
    """What cells printed under `settings`, such as what a tool searches."""
    return record_of(("sandbox/sessions", "agents/household", "agents/search"), LIBRARIES, settings)
