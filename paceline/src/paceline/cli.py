"""The commands `paceline calibrate` and `paceline doctor`, which ask what a machine is fit to judge."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Sequence

WRONG_USE = 4
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="paceline", description="Is this machine fit to judge?")
    commands = parser.add_subparsers(dest="command", required=True)
    calibrate = commands.add_parser(
        "calibrate",
        help="judge known changes: what is seen here, and how often does it cry wolf?",
        description="Runs the gate on identical code and on planted slowdowns of 2, 5, 10 and 20 %, and says"
        " what it said. One gate of each takes some two minutes in all.",
    )
    calibrate.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="go on until then (default: one gate of each)",
    )
    calibrate.add_argument(
        "--planted",
        type=float,
        action="append",
        metavar="PERCENT",
        help="plant this slowdown instead; can be repeated",
    )
    calibrate.add_argument(
        "--curve",
        action="store_true",
        help="run nothing: simulate the chance of each verdict at known slowdowns and spreads of rounds",
    )
    commands.add_parser("doctor", help="say what makes this machine noisy, and what would help")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, or 4 with one line of why it could not be run."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "doctor":
            return _doctor()
        return _curve() if given.curve else _calibrate(given.minutes, given.planted)
    except GateError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        return INTERRUPTED


def _doctor() -> int:
    from paceline import doctor

    for line in doctor.lines(doctor.examine(Path("/"), os.environ)):
        print(line)
    return 0


def _curve() -> int:
    from paceline import curve

    for line in curve.lines():
        _say(line)
    return 0


def _calibrate(minutes: float, planted: Sequence[float] | None) -> int:
    from paceline import calibrate

    shares = [percent / 100 for percent in planted] if planted else calibrate.PLANTED
    rows = [calibrate.Row(share) for share in shares]
    print(calibrate.HEADINGS)
    calibrate.run(rows, _say, time.monotonic() + 60 * minutes)
    false = sum(row.red for row in rows if row.planted == 0)
    gates = sum(row.gates for row in rows if row.planted == 0)
    if gates:
        print(f"\nidentical code: {false} of {gates} gates red")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
