"""`paceline explain`: parses its arguments, and prints why a benchmark differs between two revisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paceline.commands import add_benchmark, add_number, progress, say
from paceline.config.settings import seconds
from paceline.errors import PacelineError, why

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from paceline.commands import Commands
    from paceline.report.explanations import Explanation
    from paceline.report.outcome import Outcome

UNEXPLAINED = 1
SHOWN = 12  # functions


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "explain",
        help="name the functions that make a benchmark slower or faster between two revisions",
        usage="paceline explain BENCHMARK BASE HEAD [options] [pytest's options]",
        description="Judges BENCHMARK at HEAD against BASE, and then names the functions whose time differs, with a"
        " known error rate, with any verdict. It also counts calls and memory. It works in clones and does not"
        " touch the working tree. All other options go to pytest, such as --benchmark-asv.",
        epilog="Exit status: 0 explained, 1 judged but not explained, 4 not judged, or wrong use.",
        allow_abbrev=False,
    )
    add_benchmark(parser)
    parser.add_argument("base", metavar="BASE", help="revision to compare with, such as v1.2 or HEAD~3")
    parser.add_argument("head", metavar="HEAD", help="revision to explain; it need not be later")
    add_number(parser, "--seconds", seconds, "120", "time limit for the explanation")
    add_number(parser, "--budget", seconds, "300", "time limit for the verdict")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to FILE, as the gate's JSON")
    parser.add_argument("--flamegraph", type=Path, metavar="DIR", help="write flame graphs of both sides to DIR")
    parser.set_defaults(takes_more=True, more=[])


def run(arguments: argparse.Namespace) -> int:
    """Judge and explain the benchmark, print the result, and return the exit status."""
    from paceline.gate.revisions import FAILED, Target
    from paceline.report.terminal import claim

    target = Target.here(arguments.benchmark, Path.cwd())
    base, head = (target.commit(name.upper(), getattr(arguments, name)) for name in ("base", "head"))
    say(f"{target.title(head)}, against {target.title(base)}")
    judged = target.judge(head, base, _options(arguments), lambda text: progress(f"paceline: {text}"))
    progress("")
    finding = target.finding(judged)
    if isinstance(judged, str) or finding.verdict == FAILED:
        raise PacelineError(f"{target.benchmark} was not judged: {finding.reason}")
    if arguments.json is not None:
        _write(judged, arguments.json)
    say(claim(finding), *(f"note: {notice}" for notice in judged.notices))
    if finding.why is None:
        return UNEXPLAINED
    say(f"why: {finding.why}", "", *_lines(finding.why))
    return 0


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return the options of the gate; those of pytest come last, as they win."""
    options = ["--benchmark-explain-same=yes", f"--benchmark-explain={arguments.seconds}"]
    options.append(f"--benchmark-budget={arguments.budget}")
    if arguments.flamegraph is not None:
        options.append(f"--benchmark-flamegraph={arguments.flamegraph.absolute()}")
    return [*options, *arguments.more]


def _write(judged: Outcome, path: Path) -> None:
    from paceline.report import json_file

    try:
        json_file.write(judged, path)
    except OSError as error:
        raise PacelineError(f"cannot write {path}: {why(error)}. Choose another file.") from None


def _lines(found: Explanation) -> Iterator[str]:
    """Yield the functions that differ most, then calls and memory."""
    rows = [("function", "itself", "95 % interval", "p", "")]
    for each in found.functions[:SHOWN]:
        named = "" if each.named else "not clearly different"
        about = "; ".join(filter(None, (named, each.about)))
        rows.append((each.place, each.difference.percent, str(each.difference), f"{each.p:.2g}", about))
    yield from _aligned(rows)
    for facts in (found.calls, found.allocations):
        yield from (str(each) for each in facts[:SHOWN])
    yield f"{found.rounds} rounds, {found.samples:,} samples"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
