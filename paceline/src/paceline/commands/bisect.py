"""`paceline bisect`: parses its arguments, and prints each judgement and the slow commit."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import add_benchmark, add_number, say
from paceline.config.settings import fraction, seconds, seconds_or_none

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
    add_benchmark(parser)
    parser.add_argument("good", metavar="GOOD", help="revision where the benchmark is fast")
    parser.add_argument("bad", metavar="BAD", help="later revision where it is slow")
    add_number(parser, "--tolerance", fraction, "3%", "smallest slowdown to find, e.g. 2% or 0.02")
    add_number(parser, "--alpha", fraction, "1%", "false-alarm rate of each judgement")
    add_number(parser, "--budget", seconds, "300", "time limit for each judgement")
    add_number(parser, "--explain", seconds_or_none, "60", "time to explain the slow commit at the end; 0: none")


def run(arguments: argparse.Namespace) -> int:
    """Find the slow commit, print each judgement and the result, and return the exit status."""
    from paceline.gate import bisection
    from paceline.gate.revisions import Target
    from paceline.system.git import git

    target = Target.here(arguments.benchmark, Path.cwd())
    good, bad = target.commit("GOOD", arguments.good), target.commit("BAD", arguments.bad)
    commits = bisection.commits_between(target.repository, good, bad)
    settings = bisection.Search(target, arguments.tolerance, arguments.alpha, arguments.budget, arguments.explain)

    def tell(judged: Probe, left: int) -> None:
        say(f"{_shown(judged):<28} {target.title(judged.commit)}  ({left} suspects)")

    say(f"{len(commits)} commits. Checking that the last is slower than {target.title(good)}")
    culprit = bisection.find(commits, good, settings, tell)
    described = [git(target.repository, "log", "-1", FORMAT, each) for each in culprit.suspects]
    say(*_lines(culprit, described, target.benchmark))
    return 0 if len(culprit.suspects) == 1 else ONLY_A_RANGE


FORMAT = "--format=%H%n  %s%n  %an, %ad"


def _shown(judged: Probe) -> str:
    found = judged.finding
    if found.ratio is None:
        return f"{found.verdict}: {found.reason}" if found.reason else found.verdict
    percent = [
        None if each is None else f"{100 * (each - 1):+.1f} %" for each in (found.ratio, found.low, found.high)
    ]
    return f"{found.verdict} {percent[0]} ({percent[1] or '?'} .. {percent[2] or '?'})"


def _lines(culprit: Culprit, described: list[str], benchmark: str) -> list[str]:
    one = len(described) == 1
    lines = [
        "",
        "first slow commit:" if one else f"one of these {len(described)} commits; only the last can be judged:",
    ]
    lines += [line for text in described for line in text.rstrip().split("\n")]
    step, whole = culprit.step, culprit.whole
    lines.append(f"against the last fast commit: {_shown(step)}; BAD against GOOD: {_shown(whole)}")
    if step.finding.why is not None:
        lines.append(f"why: {step.finding.why}")
    else:
        command = shlex.join(["paceline", "explain", benchmark, step.against[:12], step.commit[:12]])
        lines.append(f"not explained: the time was too short, or --explain=0. Run `{command}`.")
    if not culprit.is_all:
        lines.append(
            "This explains only part of the slowdown, so other commits add to it. Bisect again from GOOD to the"
            " commit before it, and from it to BAD."
        )
    return lines
