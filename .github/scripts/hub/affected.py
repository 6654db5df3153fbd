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
        parts = path.parts
        if parts[:1] != ("impl",) or path.suffix != ".py":
            continue
        if len(parts) == 2:  # a file that workloads share
            chosen |= dict.fromkeys(_users(path.stem, root / "impl", set()))
        elif re.fullmatch(WORD, parts[1]):
            chosen[parts[1]] = None
    return " or ".join(chosen)


def _users(name: str, folder: Path, seen: set[str]) -> Iterator[str]:
    """Yield expressions that select the contenders and workloads that import a shared file."""
    if name in seen or not re.fullmatch(f"_{WORD}", name):
        return
    seen.add(name)
    imported = re.compile(rf"\bimpl\.{name}\b|from impl import[^\n]*\b{name}\b")
    for file in sorted(folder.rglob("*.py")):
        if not imported.search(file.read_text(encoding="utf-8", errors="replace")):
            continue
        workload, contender = file.parent.name, file.stem
        if file.parent == folder:
            yield from _users(contender, folder, seen)
        elif re.fullmatch(WORD, workload):
            is_contender = contender != "problem" and re.fullmatch(WORD, contender)
            yield f"({workload} and {contender})" if is_contender else workload
