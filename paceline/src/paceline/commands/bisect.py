"""`paceline bisect`: parses its arguments, and prints each judgement and the slow commit."""

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
        description="Finds the first slow commit between GOOD and BAD. The gate first checks that BAD is slower, then"
        " judges commits between them against GOOD. It works in clones and does not touch the working tree."
        " Commits where the benchmark does not run are skipped.",
        epilog="Exit status: 0 one commit found, 1 several commits left because some cannot be judged, 4 nothing to"
        " find, or wrong use.",
    )
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", help="pytest's node id, or the name that `paceline check` prints"
    )
    parser.add_argument("good", metavar="GOOD", help="revision where the benchmark is fast")
    parser.add_argument("bad", metavar="BAD", help="later revision where it is slow")
    parser.add_argument(
        "--tolerance",
        type=_fraction,
        default=0.03,
        metavar="FRACTION",
        help="smallest slowdown to find, e.g. 2%% or 0.02 (default: 3%%)",
    )
    parser.add_argument(
        "--alpha",
        type=_fraction,
        default=0.01,
        metavar="FRACTION",
        help="false-alarm rate of each judgement (default: 1%%)",
    )
    parser.add_argument(
        "--budget",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="time limit for each judgement (default: 300)",
    )


def _fraction(text: str) -> float:
    try:
        return fraction(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Find the slow commit, print each judgement and the result, and return the exit status."""
    from paceline.gate import bisection
    from paceline.system.git import GitFailedError, git, resolve

    here = Path.cwd()
    try:
        repository = Path(git(here, "rev-parse", "--show-toplevel").rstrip("\n")).resolve()
    except GitFailedError:
        raise PacelineError(
            f"{here} is not in a git repository, so there are no commits to judge. Run from a clone of the project."
        ) from None
    for name, revision in (("GOOD", arguments.good), ("BAD", arguments.bad)):
        if Path(revision).exists() and not _is_revision(repository, revision):
            raise PacelineError(
                f"{name}: expected a revision, got the path {revision!r}. Run `paceline bisect --help` for usage."
            )
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
        say(f"{_shown(judged):<28} {title(judged.commit)}  ({left} suspects)")

    say(f"{len(commits)} commits. Checking that the last is slower than {title(good)}")
    culprit = bisection.find(repository, commits, good, settings, tell)
    say(*_lines(culprit, [git(repository, "log", "-1", FORMAT, each) for each in culprit.suspects]))
    return 0 if len(culprit.suspects) == 1 else ONLY_A_RANGE


def _is_revision(repository: Path, text: str) -> bool:
    from paceline.system.git import GitFailedError, git

    try:
        return bool(git(repository, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"))
    except GitFailedError:
        return False


FORMAT = "--format=%H%n  %s%n  %an, %ad"


def _shown(judged: Probe) -> str:
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
        "first slow commit:" if one else f"one of these {len(described)} commits; only the last can be judged:",
    ]
    lines += [line for text in described for line in text.rstrip().split("\n")]
    step, whole = culprit.step, culprit.whole
    lines.append(f"against the last fast commit: {_shown(step)}; BAD against GOOD: {_shown(whole)}")
    if not culprit.is_all:
        lines.append(
            "This explains only part of the slowdown, so other commits add to it. Bisect again from GOOD to the"
            " commit before it, and from it to BAD."
        )
    return lines
