"""Runs a module in which a gate decides after two rounds: `python early.py pytest ...` for `python -m pytest ...`.

Most tests plant what one round shows. What more rounds prove is shown without processes, by test_sequential.py and
others, and by the tests that run `python -m pytest`.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from paceline.gate.sequential import Plan

ROUNDS = 2
TAIL = 0.25  # the chance of two rounds that both say the same


def plan(level: float) -> Plan:
    """Place the first look after two rounds, whatever the level."""
    from paceline.gate import sequential

    looks = tuple(ROUNDS + offset for offset in sequential.LOOK_OFFSETS)
    return sequential.Plan(level, looks, tuple(share * 2 * TAIL for share in sequential.SHARES))


def decide_early() -> None:
    """Set what the other modules of the gate read as they are imported."""
    from paceline.gate import estimates, sequential

    sequential.EARLIEST_LOOK = ROUNDS
    vars(sequential)["plan"] = plan
    estimates.TAIL = estimates.TAIL_OF_TWO = TAIL


class Early:
    """Waits for pytest's plugins: pytest warns of what was imported before them."""

    @staticmethod
    def pytest_load_initial_conftests() -> None:
        """Decide early from now on."""
        decide_early()


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # as with `-m`
    del sys.argv[0]
    if sys.argv[0] == "pytest":
        sys.exit(pytest.main(sys.argv[1:], plugins=[Early()]))
    decide_early()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
