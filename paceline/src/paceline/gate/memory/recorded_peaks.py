"""Measures the peak memory of a checkout's own benchmarks, for the history.

It does so by the same worker as a gate, in processes of their own, with a hash seed that is the same in every run.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paceline
from paceline.config.options import SIDES, WORKER
from paceline.gate.memory.weighing import Scales, Weighed
from paceline.gate.pair import Pair
from paceline.gate.sides.launcher import NOT_INHERITED, Launch
from paceline.gate.worker.suites import codspeed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.gate.sides.schedule import Draw

SIDE = SIDES[-1]
TIMEOUT = 120.0  # seconds for one benchmark
HASH_SEED = "1"


def peaks(
    arguments: Sequence[str], folder: Path, names: Sequence[str], seconds: float, tell: Callable[[str], None]
) -> dict[str, int]:
    """Return each benchmark's peak in bytes, as far as it can be measured in some seconds.

    `arguments`: of the pytest run in `folder` that has these benchmarks. `tell` gets what could not be measured.
    """
    cases = [Weighed(name) for name in names]
    with tempfile.TemporaryDirectory(prefix="paceline-memory-", ignore_cleanup_errors=True) as workspace:
        Path(workspace, "logs").mkdir()

        def start(some: Sequence[str], _: Draw, sides: Sequence[str]) -> Pair:
            pair = Pair(Path(workspace), TIMEOUT, random.Random(), seconds)  # noqa: S311 - nothing is drawn
            pair.start({side: _launch(arguments, folder, some) for side in sides}, sides[0])
            return pair

        scales = Scales(random.Random(), start, [SIDE])  # noqa: S311 - as above
        until = time.monotonic() + seconds
        while time.monotonic() < until and (left := [each for each in cases if not each.passes and not each.failure]):
            scales.weigh(left, scales.draw(left), until)
    for case in (each for each in cases if not each.passes):
        tell(f"the memory of {case.name} was not recorded: {case.failure or 'the time was too short'}")
    return {each.name: each.passes[0][SIDE].size for each in cases if each.passes}


def _launch(arguments: Sequence[str], folder: Path, names: Sequence[str]) -> Launch:
    environment = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
    path = [*filter(None, [environment.get("PYTHONPATH")]), str(Path(paceline.__file__).parents[1])]
    task: dict[str, Any] = {"items": list(names), "survey": False, "slot": "a", "own": [str(folder)]}
    return Launch(
        command=(
            sys.executable,
            "-m",
            "pytest",
            "-p",
            WORKER,
            codspeed.ASKS_FOR_BENCHMARKS,
            "--benchmark-only",
            *arguments,
        ),
        folder=folder,
        environment={**environment, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": HASH_SEED},
        task=task | {key: [] for key in ("names", "homes", "compiled", "foreign", "exempt")},
    )
