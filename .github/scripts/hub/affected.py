"""`affected`: selects the benchmarks that the gate of a pull request judges.

All of them take a minute and a half a round on two cores, and a verdict takes five rounds or more. That is too long.
So it selects every contender of the workloads that the change touches, those that import the shared code that it
touches, and always those in pure Python and NumPy, which are cheap. The history covers the rest.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

ALWAYS = ("python", "numpy")
WORD = r"[a-z][a-z0-9_]*"
UNTIMED = "problem"  # of the shared modules, the one that checks answers: nothing of it is in a time


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("affected", help="select the benchmarks that a change touches")
    parser.add_argument("base", help="revision to compare the change with")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Print pytest's arguments, and set them as the step's output `arguments`."""
    git = ["git", "diff", "--name-only", "-z", arguments.base, "HEAD"]
    done = subprocess.run(git, capture_output=True, check=False)
    if done.returncode:
        raise PacelineError(f"{' '.join(git)}: {done.stderr.decode(errors='replace').strip()}")
    chosen = f"-k '{expression(done.stdout.decode(errors='replace').split(chr(0)), Path())}'"
    print(chosen)
    if environment.get("GITHUB_OUTPUT"):
        with open(environment["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"arguments={chosen}\n")
    return 0


def expression(paths: Iterable[str], root: Path) -> str:
    """Return the expression for pytest's -k. `root` is the checkout."""
    chosen = dict.fromkeys(ALWAYS)
    for path in map(PurePosixPath, paths):
        match path.parts:
            case ("impl", "_shared", _) if path.suffix == ".py" and path.stem != UNTIMED:
                chosen |= dict.fromkeys(_users(path.stem, root / "impl", set()))
            case ("impl", workload, *_) if path.suffix == ".py" and re.fullmatch(WORD, workload):
                chosen[workload] = None
    return " or ".join(chosen)


def _users(name: str, folder: Path, seen: set[str]) -> Iterator[str]:
    """Yield what chooses the contenders that import a shared module, and the workloads whose problem does."""
    if name in seen or not re.fullmatch(WORD, name):
        return
    seen.add(name)
    imported = re.compile(rf"\bimpl\._shared\.{name}\b|from impl\._shared import[^\n]*\b{name}\b")
    for file in sorted(folder.rglob("*.py")):
        if not imported.search(file.read_text(encoding="utf-8", errors="replace")):
            continue
        workload, contender = file.parent.name, file.stem
        if workload == "_shared":
            yield from _users(contender, folder, seen)
        elif re.fullmatch(WORD, workload):
            is_contender = contender != "problem" and re.fullmatch(WORD, contender)
            yield f"({workload} and {contender})" if is_contender else workload
