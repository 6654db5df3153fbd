"""asv's view of the results, as columns."""

import json
import math
from typing import Any

import numpy as np
import pytest
from asv._stats import get_weight
from paceline.history.asv.asv_files import Result, result_file
from paceline.pages.asv_pages import rows
from trees import COLUMNS, commit, result, row


def parsed(number: int, cells: dict[str, list[Any]]) -> Result:
    return result_file(json.dumps(result(number, cells)).encode())


def with_cells(**changes: Any) -> list[Any]:
    cells = [*row(), None, None]
    for column, value in changes.items():
        cells[COLUMNS.index(column)] = value
    return cells


def test_rows_of_several_files() -> None:
    both = row(params=[["1", "2"]])
    both[COLUMNS.index("result")] = [1.0, math.nan]
    failed = with_cells(result=None, version="old", started_at=None)
    found = rows.of([parsed(1, {"a.time_it": both, "b.time_it": failed}), parsed(2, {"b.time_it": with_cells()})])
    assert [head["commit"] for head in found.heads] == [commit(1), commit(2)]
    assert set(found.heads[0]) == {"commit", "date", "params", "env_vars"}
    assert [found.texts[number] for number in found.name] == ["a.time_it", "b.time_it", "b.time_it"]
    assert [json.loads(found.texts[number]) for number in found.params] == [[["1", "2"]], [], []]
    assert [found.texts[number] for number in found.version] == ["v1", "old", "v1"]
    assert found.run.tolist() == [0, 0, 1]
    assert found.count.tolist() == [2, 0, 1]
    assert found.first.tolist() == [0, 2, 2]
    assert np.array_equal(found.values, [1.0, math.nan, 1.0], equal_nan=True)
    assert np.isnan(found.started).tolist() == [False, True, False]


def test_a_row_without_version() -> None:
    assert rows.of([parsed(1, {"a.time_it": with_cells(version=None)})]).version.tolist() == [-1]


def test_no_files() -> None:
    found = rows.of([])
    assert (len(found.heads), found.values.size, found.name.size) == (0, 0, 0)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 3.0), (3.0, 1.0), (2.0, 2.0), (-1e-9, 1e-9), (math.nan, 1.0), (0.0, 5e-324)]
)
def test_weights_are_those_of_asv(low: float, high: float) -> None:
    (found,) = rows.weights(np.array([low]), np.array([high]))
    known = None if math.isnan(low) else get_weight({"ci_99_a": low, "ci_99_b": high})
    assert found == known or (math.isnan(found) and (known is None or math.isinf(known)))
