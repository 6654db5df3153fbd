"""What a pair does that needs no process."""

import random
from pathlib import Path
from unittest.mock import Mock

import pytest
from paceline.gate.pair import Pair


def test_an_error_of_a_side_that_runs_apart_is_raised(tmp_path: Path) -> None:
    """It happens in a thread, where it would be lost, and the benchmarks with it."""
    pair = Pair(tmp_path, 1, random.Random(1))
    pair._processes = {"base": Mock(), "head": Mock()}  # noqa: SLF001

    def until() -> float:
        raise ValueError("of a thread")

    with pytest.raises(ValueError, match="of a thread"):
        list(pair.rehearse_apart({"base": ["test_it"], "head": ["test_it"]}, 0, until))
