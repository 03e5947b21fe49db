"""The curve's CSV."""

import csv

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lemur.training.monitoring.curve import COLUMNS, write_curve


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_float32_is_read_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("curve") / "c.csv"
    write_curve(path, [{"step": 0, "tokens": 0}, {"step": 1, "tokens": 12345678901, "loss": value}])
    with path.open(encoding="utf-8") as file:
        empty, row = csv.DictReader(file)
    assert tuple(row) == COLUMNS
    assert np.float32(row["loss"]) == np.float32(value)
    assert row["tokens"] == "12345678901"
    assert set(empty.values()) == {"0", ""}
