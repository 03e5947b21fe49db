"""Outputs on record: code that has run before does not run again, and new code finds the state of what ran before."""

from pathlib import Path

from lemur.agents.episodes.cell_record import CellRecord, Cells, Output


class Adder:
    """Each cell is a number; prints the sum so far."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.closed = False

    def run(self, code: str) -> Output:
        self.ran.append(code)
        return Output(str(sum(map(int, self.ran))), {"paper": code == "7"})

    def close(self) -> None:
        self.closed = True


def run(cells: list[str], record: CellRecord, world: str = "w") -> tuple[list[Output], list[str]]:
    """Outputs, and which cells an interpreter really ran."""
    opened: list[Adder] = []

    def open_interpreter() -> Adder:
        opened.append(Adder())
        return opened[-1]

    episode = Cells(world, open_interpreter, record)
    outputs = [episode.run(cell) for cell in cells]
    episode.close()
    assert all(adder.closed for adder in opened)
    return outputs, [cell for adder in opened for cell in adder.ran]


def test_what_is_on_record_does_not_run(tmp_path: Path) -> None:
    first = run(["1", "2", "7"], CellRecord(tmp_path / "cells"))
    again = run(["1", "2", "7"], CellRecord(tmp_path / "cells"))
    assert first == (
        [Output("1", {"paper": False}), Output("3", {"paper": False}), Output("10", {"paper": True})],
        ["1", "2", "7"],
    )
    assert again == (first[0], [])


def test_a_new_cell_runs_after_the_earlier_ones(tmp_path: Path) -> None:
    record = CellRecord(tmp_path / "cells")
    run(["1", "2"], record)
    outputs, ran = run(["1", "2", "5", "6"], record)
    assert ([output.text for output in outputs], ran) == (["1", "3", "8", "14"], ["1", "2", "5", "6"])


def test_the_same_cell_after_other_cells_or_in_another_world_is_another(tmp_path: Path) -> None:
    record = CellRecord(tmp_path / "cells")
    run(["1", "2"], record)
    assert run(["2"], record)[1] == ["2"]
    assert run(["1"], record, world="other")[1] == ["1"]


def test_a_cell_found_on_record_meanwhile_still_changes_the_state(tmp_path: Path) -> None:
    record = CellRecord(tmp_path / "cells")
    episode = Cells("w", Adder, record)
    episode.run("1")
    run(["1", "2"], record)  # another episode with the same cells
    assert episode.run("2").text == "3"
    assert episode.run("4").text == "7"


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "cells"
    run(["1", "2"], CellRecord(path))
    path.write_bytes(path.read_bytes()[:-9])
    assert run(["1", "2", "3"], CellRecord(path))[1] == ["1", "2", "3"]
    assert run(["1", "2", "3"], CellRecord(path))[1] == []
