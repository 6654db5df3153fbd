"""Runs gates on identical code, and adds up how many are red: `python paceline/thousand_gates.py --minutes 20`.

At most a share alpha, 1 %, of them may be. Each gate judges ten benchmarks of several kinds, all of them timed.
Results are appended to a file that all sessions and machines share, and the table is of all of them together.

Not part of the distribution: it needs NumPy, SciPy and archspec.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence import Bench, at_most, by_paceline, chosen, collected, middle
from paceline.history.machine.naming import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTENDERS = ("article_python", "pure_python", "moments_python", "article_numpy", "with_numpy", "moments_numpy")
KEPT = Path(__file__).with_name("gates.jsonl")


def collect(arguments: argparse.Namespace) -> None:
    """Run gates until the time is up; append the results to the file."""
    until = time.monotonic() + 60 * arguments.minutes
    (identical,) = chosen(["identical"])
    with tempfile.TemporaryDirectory(prefix="gates-") as folder:
        bench = Bench(Path(folder) / "project", CONTENDERS)
        head = bench.change(identical)
        while True:
            line = json.dumps(gate(bench, head, arguments.budget))
            with arguments.file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            print(line, file=sys.stderr, flush=True)
            if time.monotonic() >= until:
                return


def gate(bench: Bench, head: str, budget: float) -> dict[str, Any]:
    """Run one gate, and return its line of the file. `rounds`: the most that a benchmark got."""
    started = time.monotonic()
    said = by_paceline(bench, head, f"--benchmark-budget={budget:g}")
    verdicts = [each["verdict"] for each in said.findings]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine().name,
        "load": round(os.getloadavg()[0], 1),
        "benchmarks": len(verdicts),
        "red": said.red,
        "unsure": verdicts.count("unsure"),
        "rounds": max(each["rounds"] for each in said.findings),
        "seconds": round(time.monotonic() - started, 1),
    }


def table(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table by machine and of all, with the exact bound of the false-alarm rate."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in records:
        groups[each["machine"]].append(each)
    if len(groups) > 1:
        groups["all"] = list(records)
    yield "| machine | dates | gates | red | at most | unsure benchmarks | median rounds | median seconds | load |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for machine, group in groups.items():
        red, dates = sum(each["red"] for each in group), sorted({each["date"] for each in group})
        unsure, benchmarks = (sum(each[key] for each in group) for key in ("unsure", "benchmarks"))
        yield (
            f"| {machine} | {' to '.join(dict.fromkeys((dates[0], dates[-1])))} | {len(group)} | {red}"
            f" | {at_most(red, len(group)):.1%} | {unsure} of {benchmarks} | {middle(group, 'rounds'):.0f}"
            f" | {middle(group, 'seconds'):.0f} | {middle(group, 'load'):.1f} |"
        )


def main() -> int:
    """Run gates, then print the table of everything run so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="start no gate later; 0: only print the table")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds of a gate (default: %(default)s)")
    parser.add_argument("--file", type=Path, default=KEPT, help="file that results are appended to")
    return collected(parser.parse_args(), collect, table)


if __name__ == "__main__":
    sys.exit(main())
