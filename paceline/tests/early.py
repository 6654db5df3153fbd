"""Runs a module in which a gate decides after two rounds: `python early.py pytest ...` for `python -m pytest ...`.

Most tests plant what one round shows. What more rounds prove is shown without processes, by test_sequential.py and
others, and by the tests that run `python -m pytest`.
"""

import runpy
import sys
from pathlib import Path

from paceline.gate import estimates, sequential

ROUNDS = 2
TAIL = 0.25  # the chance of two rounds that both say the same


def plan(level: float) -> sequential.Plan:
    """Place the first look after two rounds, whatever the level."""
    looks = tuple(ROUNDS + offset for offset in sequential.LOOK_OFFSETS)
    return sequential.Plan(level, looks, tuple(share * 2 * TAIL for share in sequential.SHARES))


def decide_early() -> None:
    """Set what the other modules of the gate read as they are imported."""
    sequential.EARLIEST_LOOK = ROUNDS
    vars(sequential)["plan"] = plan
    estimates.TAIL = estimates.TAIL_OF_TWO = TAIL


if __name__ == "__main__":
    decide_early()
    sys.path[0] = str(Path.cwd())  # as with `-m`
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
