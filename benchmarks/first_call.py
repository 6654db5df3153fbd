"""Measures what a user waits for before the second call: import, prepare, first run, in a process that did neither.

python -m benchmarks.first_call gradient_descent with_jax small
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from benchmarks import catalog

CHECKOUT = Path(__file__).resolve().parent.parent


class FirstCall(NamedTuple):
    """Seconds that each part of a contender's first call took.

    ``imported`` is beyond the import of NumPy, which every problem needs already; ``ran`` includes compiling.
    """

    imported: float
    prepared: float
    ran: float


def measure(workload: str, contender: str, size: str) -> FirstCall:
    """Time the first call in this process, which must not have imported the contender; may raise ``Unavailable``."""
    if f"impl.{workload}.{contender}" in sys.modules:
        raise RuntimeError(f"{workload}/{contender} is imported already, so its first call is over")
    problem = catalog.make(workload, size)
    times = [perf_counter()]
    catalog.admit(workload, contender, size)
    times.append(perf_counter())
    run = catalog.prepare(workload, contender, problem)
    times.append(perf_counter())
    answer = run()
    times.append(perf_counter())
    catalog.problem_module(workload).check(problem, answer)
    return FirstCall(*(after - before for before, after in pairwise(times)))


def in_fresh_process(workload: str, contender: str, size: str) -> FirstCall:
    """Time the first call in a process of its own; raises ``RuntimeError`` with its last words if it fails."""
    command = [sys.executable, "-m", "benchmarks.first_call", workload, contender, size]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise RuntimeError(f"the first call of {workload}/{contender} failed: {last}")
    return FirstCall(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure the contender named on the command line and print the parts as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_call", description=__doc__)
    parser.add_argument("workload", choices=catalog.workloads())
    parser.add_argument("contender", help="one of the workload's contenders, such as article_numpy")
    parser.add_argument("size", help="one of the workload's sizes, such as small")
    given = parser.parse_args()
    for kind, name, names in (
        ("contender", given.contender, catalog.contenders(given.workload)),
        ("size", given.size, catalog.sizes(given.workload)),
    ):
        if name not in names:
            parser.error(f"{given.workload} has no {kind} {name!r}; choose from {', '.join(names)}")
    try:
        print(json.dumps(measure(given.workload, given.contender, given.size)._asdict()))  # noqa: T201 - the result
    except catalog.Unavailable as reason:
        parser.exit(1, f"{given.contender} is not available: {reason}\n")


if __name__ == "__main__":
    main()
