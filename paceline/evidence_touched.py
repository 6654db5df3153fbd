"""Times the benchmarks that real commits leave untouched: none may have become slower.

    python paceline/evidence_touched.py --commits 40 --minutes 30 ../clone bench

judges each commit of a git clone against its first parent. The gate finds the untouched benchmarks as usual, and then
times these instead of the others. At most a share alpha of such gates may be red. The clone needs an environment of
its own, in which the project is installed in editable mode. Results are appended to a file, and the table is of all
runs together; a commit that is in the file is not judged again. Without a clone, only the table is printed.

Not part of the distribution: it needs SciPy and archspec.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence import at_most, middle
from paceline.commands.gate import find_python
from paceline.config.request import Request
from paceline.config.settings import Settings
from paceline.errors import PacelineError
from paceline.gate import execution
from paceline.gate.trial import Trial
from paceline.history.machine.naming import this_machine
from paceline.report.verdicts import Verdict
from paceline.system.git import git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KEPT = Path(__file__).with_name("touched.jsonl")


@dataclass
class Reversed(Trial):
    """A gate that times the untouched benchmarks, if any, and leaves out the others."""

    times: bool = True
    untouched: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def set_apart(self, name: str, verdict: Verdict, reason: str, *, unproven: bool = False) -> None:
        """Keep an untouched benchmark, to time it."""
        if verdict is Verdict.UNTOUCHED:
            self.untouched.append(name)
        else:
            super().set_apart(name, verdict, reason, unproven=unproven)

    def enter(self, names: Iterable[str], notes: Mapping[str, str]) -> None:
        """Time the untouched benchmarks instead of these."""
        self.others = list(names)
        super().enter(self.untouched if self.times else (), notes)


def commits(arguments: argparse.Namespace, tip: str) -> list[str]:
    """Return the commits to judge, the last of them `tip`, in random order, so that an early end is fair."""
    most = arguments.commits * arguments.every
    paths = ["--", *arguments.changing] if arguments.changing else []
    found = git(arguments.project, "rev-list", "--first-parent", "--no-merges", f"-n{most}", tip, *paths).split()
    found = found[:: arguments.every]
    return random.sample(found, len(found))


def judge(arguments: argparse.Namespace, commit: str) -> dict[str, Any]:
    """Judge the commit that is checked out against its parent. Raises PacelineError."""
    settings = Settings(f"{commit}^", budget=arguments.budget)
    python = arguments.python or find_python(arguments.project)
    request = Request(settings, tuple(arguments.more), arguments.project, python)
    trial = Reversed(request, lambda text: print(f"  {text}", file=sys.stderr), times=not arguments.untimed)
    execution.run(trial)
    if trial.others and not trial.touched:
        raise PacelineError("what benchmarks run could not be recorded")
    timed = [each for each in trial.findings() if each.rounds]
    found = {name: [each.name for each in timed if each.verdict == name] for name in ("slower", "faster", "unsure")}
    return {
        "benchmarks": len(trial.untouched) + len(trial.others),
        "untouched": len(trial.untouched),
        "timed": None if arguments.untimed else len(timed),
        "unsure": len(found.pop("unsure")),
        **found,
        "seconds": round(trial.seconds, 1),
    }


def record(arguments: argparse.Namespace, commit: str) -> dict[str, Any]:
    """Check a commit out, judge it, and return its line of the file."""
    git(arguments.project, "checkout", "--quiet", "--detach", commit)
    names = git(arguments.project, "diff", "--name-only", f"{commit}^", commit).splitlines()
    try:
        found = judge(arguments, commit)
    except PacelineError as error:
        found = {"error": str(error).replace(f"{arguments.project}{os.sep}", "")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine().name,
        "load": round(os.getloadavg()[0], 1),
        "project": arguments.project.name,
        "commit": commit[:12],
        "python_files": sum(name.endswith(".py") for name in names),
        **found,
    }


def collect(arguments: argparse.Namespace) -> None:
    """Judge commits until the time is up; append the results to the file, and restore the clone."""
    project, until = arguments.project, time.monotonic() + 60 * arguments.minutes
    if git(project, "status", "--porcelain", "--untracked-files=no").strip():
        raise PacelineError(
            f"{project} has uncommitted changes. Name a clone that other commits may be checked out in."
        )
    before = git(project, "rev-parse", "--abbrev-ref", "HEAD").strip()
    if before == "HEAD":  # as a run that was killed leaves it
        before = git(project, "rev-parse", "--abbrev-ref", "origin/HEAD").strip()
    known = {each["commit"] for each in read(arguments.file) if _answers(each, arguments)}
    try:
        for commit in (each for each in commits(arguments, before) if each[:12] not in known):
            line = json.dumps(record(arguments, commit))
            with arguments.file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            print(line, file=sys.stderr, flush=True)
            if time.monotonic() >= until:
                return
    finally:
        git(project, "checkout", "--quiet", before)


def _answers(found: Mapping[str, Any], arguments: argparse.Namespace) -> bool:
    """Whether a result is what these arguments ask for."""
    same = found["project"] == arguments.project.name and "error" not in found
    return same and (arguments.untimed or found["timed"] is not None)


def read(file: Path) -> list[dict[str, Any]]:
    """Return all results so far."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def table(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table of all results: of recorded commits by project, then of timed benchmarks."""
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in records:
        groups[each["project"]].append(each)
    yield "| project | commits | not judged | touch nothing | untouched | timed | slower | faster | unsure | load |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for project, group in sorted(groups.items()):
        yield _row(project, group)
    gates = [each for each in records if each.get("timed")]
    red = sum(bool(each["slower"]) for each in gates)
    yield ""
    yield f"{red} of {len(gates)} timed gates were red (at most {at_most(red, len(gates)):.1%})."


def _row(project: str, group: Sequence[Mapping[str, Any]]) -> str:
    last = {each["commit"]: each for each in group if "error" not in each}
    failed = {each["commit"] for each in group} - last.keys()
    benchmarks, untouched = (sum(each[key] for each in last.values()) for key in ("benchmarks", "untouched"))
    nothing = sum(each["benchmarks"] == each["untouched"] for each in last.values())
    timed = [each for each in group if each.get("timed")]
    counts = [
        sum(each["timed"] for each in timed),
        *(sum(len(each[key]) for each in timed) for key in ("slower", "faster")),
    ]
    share = f"{untouched / benchmarks:.0%} of {benchmarks}" if benchmarks else ""
    cells = [project, len(last), len(failed), nothing, share, f"{counts[0]} in {len(timed)} gates", *counts[1:]]
    cells += [sum(each["unsure"] for each in timed), f"{middle([dict(each) for each in group], 'load'):.1f}"]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Judge commits, then print the table of everything judged so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=60, help="the last so many (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th of more commits")
    parser.add_argument("--changing", action="append", metavar="PATH", help="only commits that change this path")
    parser.add_argument("--minutes", type=float, default=20.0, help="start no gate later (default: %(default)s)")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of a gate (default: %(default)s)")
    parser.add_argument("--untimed", action="store_true", help="only count the untouched benchmarks")
    parser.add_argument("--python", help="the project's Python (default: that of its .venv)")
    parser.add_argument("--file", type=Path, default=KEPT, help="file that results are appended to")
    parser.add_argument("project", type=Path, nargs="?", metavar="CLONE", help="folder of the project's git clone")
    parser.add_argument("more", nargs=argparse.REMAINDER, metavar="...", help="pytest's arguments, such as bench")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    status = 0
    if arguments.project is not None:
        arguments.project = arguments.project.resolve()
        try:
            collect(arguments)
        except KeyboardInterrupt:
            status = 130
        except PacelineError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            status = 1
    for line in table(read(arguments.file)) if arguments.file.exists() else ["Nothing was measured yet."]:
        print(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
