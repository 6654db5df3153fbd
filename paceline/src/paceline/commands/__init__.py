"""One module a command, each with `add(commands)` and `run(arguments) -> status`; `paceline.cli` lists them.

They parse and print; what they do lives elsewhere, and is imported only when the command runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import argparse

    #: What `add_subparsers` returns; argparse has no public name for it.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


class Command(Protocol):
    """What a module of a command gives."""

    def add(self, commands: Commands, /) -> None:
        """Add the command to the command line."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do it, and return the exit status."""
        ...


def progress(text: str) -> None:
    """Say on a terminal what is being done; nothing wipes it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
