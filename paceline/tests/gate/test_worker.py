"""Both sides of a round work on the same random data."""

import random

import numpy as np
import pytest
from paceline.gate import worker


def draws() -> tuple[float, float]:
    worker.seed()
    return random.random(), np.random.random()  # noqa: NPY002


def test_same_numbers_for_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", str(2**32 - 2))
    assert draws() == draws()
    first = draws()
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert all(new != old for new, old in zip(draws(), first, strict=True))


def test_without_a_drawn_seed_nothing_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert draws() != draws()
