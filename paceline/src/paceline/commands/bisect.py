"""`paceline bisect`."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import say
from paceline.config.settings import fraction, seconds
from paceline.errors import PacelineError

if TYPE_CHECKING:
    import argparse

    from paceline.commands import Commands
    from paceline.gate.bisection import Culprit, Probe

ONLY_A_RANGE = 1


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "bisect",
        help="find the commit that made a benchmark slower, on this machine",
        description="Judges commits between GOOD and BAD by the gate, each in a trial against GOOD, in a clone of its"
        " own: the working tree is not touched. First it makes sure that BAD is slower. Commits at which the"
        " benchmark does not run are passed over. Exit status: 0 the commit is found, 1 only a range of them, as"
        " those in it cannot be judged, 4 there is nothing to find.",
    )
    parser.add_argument("benchmark", metavar="BENCHMARK", help="pytest's node id, or the name that check prints")
    parser.add_argument("good", metavar="GOOD", help="a revision at which it was fast")
    parser.add_argument("bad", metavar="BAD", help="a later one at which it is slow")
    parser.add_argument(
        "--tolerance", type=_fraction, default=0.03, metavar="SHARE", help="smallest slowdown (default: 3%%)"
    )
    parser.add_argument("--alpha", type=_fraction, default=0.01, metavar="SHARE", help="wrong trials (default: 1%%)")
    parser.add_argument(
        "--budget", type=_seconds, default=300.0, metavar="SECONDS", help="for one trial (default: 300)"
    )


def _fraction(text: str) -> float:
    try:
        return fraction(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not between 0 and 100 %: write 3% or 0.03") from None


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a positive number of seconds") from None


def run(arguments: argparse.Namespace) -> int:
    """Find the commit, telling of each trial."""
    from paceline.gate import bisection
    from paceline.system.git import (
        GitFailedError,
        git,
        resolve,
    )

    here = Path.cwd()
    try:
        repository = Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    except GitFailedError:
        raise PacelineError(
            f"{here} is in no git repository, so there are no commits to judge: use a clone"
        ) from None
    for name, revision in (("GOOD", arguments.good), ("BAD", arguments.bad)):
        if Path(revision).exists() and not _is_revision(repository, revision):
            raise PacelineError(f"{name} is the path {revision!r}, not a revision: see paceline bisect --help")
    good, bad = (resolve(repository, revision) for revision in (arguments.good, arguments.bad))
    commits = bisection.commits_between(repository, good, bad)
    settings = bisection.Search(
        bisection.node_id(arguments.benchmark, here),
        str(here.resolve().relative_to(repository)),
        arguments.tolerance,
        arguments.alpha,
        arguments.budget,
    )

    def title(commit: str) -> str:
        return git(repository, "log", "-1", "--format=%h %s", commit).strip()

    def tell(judged: Probe, left: int) -> None:
        say(f"{_said(judged):<28} {title(judged.commit)}  (of {left} suspects)")

    say(f"{len(commits)} commits; is the last slower than {title(good)}?")
    culprit = bisection.find(repository, commits, good, settings, tell)
    say(*_lines(culprit, [git(repository, "log", "-1", FORMAT, each) for each in culprit.suspects]))
    return 0 if len(culprit.suspects) == 1 else ONLY_A_RANGE


def _is_revision(repository: Path, text: str) -> bool:
    from paceline.system.git import (
        GitFailedError,
        git,
    )

    try:
        return bool(git(repository, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"))
    except GitFailedError:
        return False


FORMAT = "--format=%H%n  %s%n  %an, %ad"


def _said(judged: Probe) -> str:
    if judged.ratio is None:
        return f"{judged.verdict}: {judged.reason}" if judged.reason else judged.verdict
    return f"{judged.verdict} {_size(judged)}"


def _size(judged: Probe) -> str:
    percent = [
        None if each is None else f"{100 * (each - 1):+.1f} %" for each in (judged.ratio, judged.low, judged.high)
    ]
    return f"{percent[0]} ({percent[1] or '?'} .. {percent[2] or '?'})"


def _lines(culprit: Culprit, described: list[str]) -> list[str]:
    one = len(described) == 1
    lines = [
        "",
        "first slow commit:" if one else f"one of these {len(described)}, as those before the last cannot be judged:",
    ]
    lines += [line for text in described for line in text.rstrip().split("\n")]
    step, whole = culprit.step, culprit.whole
    lines.append(f"against the last that is not slow: {_said(step)}; all in all: {_said(whole)}")
    if not culprit.is_all:
        lines.append(
            "It does not make up for the whole slowdown: several add up. Bisect again from GOOD to the commit before"
            " it, and from it to BAD."
        )
    return lines
