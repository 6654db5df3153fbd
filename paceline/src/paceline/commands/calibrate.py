"""`paceline calibrate`: parses its arguments, and prints how planted changes were judged."""

from __future__ import annotations

import math
import time
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from paceline.commands import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from paceline.commands import Commands


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "calibrate",
        help="judge planted changes, to measure what the gate detects here and how often it is wrong",
        description="Runs the gate on identical code and on planted slowdowns of 2, 5, 10 and 20 %, and counts its"
        " verdicts. One gate of each takes about two minutes in all.",
        epilog="Exit status: 0 with any verdicts, 4 wrong use.",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=0.0,
        help="keep judging for this long (default: one gate of each)",
    )
    parser.add_argument(
        "--planted",
        type=_percent,
        action="append",
        metavar="PERCENT",
        help="plant this slowdown instead of the default ones; can be repeated",
    )
    parser.add_argument(
        "--curve",
        action="store_true",
        help="run no gate: simulate the chance of each verdict, by planted slowdown and spread of rounds",
    )


def _minutes(text: str) -> float:
    return _between(0.0, 365 * 24 * 60.0, text)


def _percent(text: str) -> float:
    return _between(-99.0, 1000.0, text)


def _between(least: float, most: float, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ArgumentTypeError(f"expected a number from {least:g} to {most:g}, got {text!r}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Judge or simulate, print the verdicts, and return the exit status."""
    return _curve() if arguments.curve else _calibrate(arguments.minutes, arguments.planted)


def _curve() -> int:
    from paceline.gate import curve

    for line in curve.lines():
        say(line)
    return 0


def _calibrate(minutes: float, planted: Sequence[float] | None) -> int:
    from paceline.gate import calibration

    shares = [percent / 100 for percent in planted] if planted else calibration.PLANTED
    rows = [calibration.Row(share) for share in shares]
    say(calibration.HEADINGS)
    calibration.run(rows, say, time.monotonic() + 60 * minutes)
    false = sum(row.red for row in rows if row.planted == 0)
    gates = sum(row.gates for row in rows if row.planted == 0)
    if gates:
        say("", f"identical code: {false} of {gates} gates red")
    return 0
