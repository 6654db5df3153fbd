"""`affected`: the benchmarks of this suite that the gate of a pull request judges.

All of them take a minute and a half a round on two cores, and a verdict takes five rounds or more: too long to wait
for. So it is every contender of the workloads that the change touches, those of the frameworks whose shared code it
touches, and those in pure Python and NumPy always, which are cheap. The history sees the rest.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

ALWAYS = ("python", "numpy")
WORD = r"[a-z][a-z0-9_]*"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("affected", help="choose the benchmarks to judge, by what a change touches")
    parser.add_argument("base", help="revision that the change is compared with")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Print pytest's arguments, and hand them to the next steps as the output `arguments`."""
    git = ["git", "diff", "--name-only", "-z", arguments.base, "HEAD"]
    done = subprocess.run(git, capture_output=True, check=False)
    if done.returncode:
        raise PacelineError(f"{' '.join(git)}: {done.stderr.decode(errors='replace').strip()}")
    chosen = f"-k '{expression(done.stdout.decode(errors='replace').split(chr(0)))}'"
    print(chosen)
    if environment.get("GITHUB_OUTPUT"):
        with open(environment["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"arguments={chosen}\n")
    return 0


def expression(paths: Iterable[str]) -> str:
    """Return the expression for pytest's -k; what a path adds to it is a plain word."""
    words = dict.fromkeys(ALWAYS)
    for path in map(PurePosixPath, paths):
        parts = path.parts
        if len(parts) < 2 or parts[0] != "impl" or path.suffix != ".py":
            continue
        word = parts[1] if len(parts) > 2 else path.stem.rpartition("_")[2]
        if re.fullmatch(WORD, word):
            words[word] = None
    return " or ".join(words)
