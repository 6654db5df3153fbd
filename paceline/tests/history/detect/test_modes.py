"""A step between two levels that a series takes in turns is not reported, and a lasting one is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from paceline.history.detect import modes, scan

LOW, HIGH = 0.0, 0.1


def series(*lengths: int) -> NDArray[np.float64]:
    """Return stays of these lengths, the first of them to the low level, with noise of 0.5 %."""
    levels = np.repeat([LOW if number % 2 == 0 else HIGH for number in range(len(lengths))], lengths)
    return levels + np.random.default_rng(1).normal(0, 0.005, levels.size)


@pytest.mark.parametrize(
    ("lengths", "explained"),
    [
        ((8, 9, 7, 10, 8, 12), True),  # the last stay is like those before
        ((8, 9, 7, 10, 8, 80), False),  # it is much longer
        ((60, 3, 4, 3, 4, 12), True),
        ((3, 3, 3, 3, 60, 12), False),  # the stay before it is
        ((40, 20), False),  # there are no others
        ((20, 8, 20, 12), False),  # there is one other to each level, which is not many
        ((30, 1, 10, 1, 10, 1, 10, 12), False),  # single values are outliers, not stays
    ],
)
def test_a_stay_is_one_of_many_or_too_long(lengths: tuple[int, ...], explained: bool) -> None:  # noqa: FBT001
    values = series(*lengths)
    assert modes.explain(values, values.size - lengths[-1], (LOW, HIGH)) == explained


def test_levels_that_noise_hides_are_not_told_apart() -> None:
    values = series(20, 20) + np.random.default_rng(2).normal(0, 0.03, 40)
    assert modes.explain(values, 20, (LOW, HIGH)) is None


def test_the_scan_leaves_them_out_on_several_machines() -> None:
    lasting, turns = series(30, 30), series(8, 10, 5, 5, 4, 4, 4, 20)
    both = np.ravel(np.column_stack([lasting, turns]))
    panel = scan.Panel(both, np.tile([0, 1], 60), np.repeat(np.arange(60), 2))
    assert [split.at for split in scan.changes([scan.one_class(turns)])[0]] == []
    assert [split.at for split in scan.changes([scan.one_class(lasting)])[0]] == [30]
    assert [split.at for split in scan.changes([panel])[0]] == [60]
