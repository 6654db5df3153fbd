"""Makes a gate's temporary folder, with two slots whose paths have equal length.

A gate may be killed at any moment, and two may run at the same time. So each holds a lock: a folder without one was
left by a killed gate, and the next gate removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from paceline.errors import PacelineError, why
from paceline.system import copying, locks
from paceline.system.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "paceline-"
NAME = re.compile(PREFIX + "[a-z0-9_]{8}")  # as tempfile makes it
OWNER = "owner"
PATIENCE = 5.0  # seconds: removing that takes longer is announced
ABANDONED = 600.0  # seconds: an older folder without an owner file is left over


@dataclass
class Slots:
    """Two folders, `a` and `b`; a side is a folder that is renamed from one to the other."""

    folder: Path
    _at: dict[str, str] = field(default_factory=lambda: {"base": "a", "head": "b"})

    def path(self, side: str) -> Path:
        """Return the folder of a side in this round."""
        return self.folder / self._at[side]

    def arrange(self, base_at: str) -> None:
        """Put base into this slot and head into the other."""
        if self._at["base"] == base_at:
            return
        aside = self.folder / "c"
        (self.folder / "a").rename(aside)
        (self.folder / "b").rename(self.folder / "a")
        aside.rename(self.folder / "b")
        self._at["base"], self._at["head"] = self._at["head"], self._at["base"]


@dataclass
class Workspace:
    """A temporary folder. Use it as a context manager, which removes it."""

    folder: Path
    _owner: IO[str]
    _say: Callable[[str], None]

    @classmethod
    def create(cls, say: Callable[[str], None] = lambda _: None) -> Self:
        """Make a workspace, and remove those of killed gates. `say` gets a line if removing takes long."""
        parent = Path(tempfile.gettempdir()).resolve()
        remove_leftovers(parent)
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            raise PacelineError(f"cannot write to {parent}: {why(error)}. Set TMPDIR to another folder.") from error
        try:
            owner = _lock(folder)
            for name in ("a", "b", "logs"):
                (folder / name).mkdir()
        except BaseException:
            copying.remove(folder, last=OWNER)
            raise
        return cls(folder, owner, say)

    @property
    def slots(self) -> Slots:
        """Two new slots, in their order at the start."""
        return Slots(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with put_off():
            slow = threading.Timer(PATIENCE, self._say, [f"removing {self.folder}"])
            slow.start()
            try:
                copying.remove(self.folder, last=OWNER)
            finally:
                slow.cancel()
                self._owner.close()


def _lock(folder: Path) -> IO[str]:
    """Lock the owner file of a workspace, and return it; it gets its name last, when the lock is held."""
    owner = (folder / f"{OWNER}.new").open("w", encoding="utf-8")
    locks.is_taken(owner.fileno())
    owner.write(f"{os.getpid()}\n")
    owner.flush()
    (folder / f"{OWNER}.new").rename(folder / OWNER)
    return owner


def remove_leftovers(parent: Path) -> list[Path]:
    """Remove the workspaces of killed gates: those with an owner file that no process has locked."""
    removed: list[Path] = []
    for folder in (each for each in parent.glob(f"{PREFIX}*") if not each.is_symlink()):
        with contextlib.suppress(OSError), (folder / OWNER).open("r+", encoding="utf-8") as owner:
            if locks.is_taken(owner.fileno()):
                copying.remove(folder, last=OWNER)
                removed.append(folder)
        if _is_abandoned(folder):
            copying.remove(folder)
            removed.append(folder)
    return removed


def _is_abandoned(folder: Path) -> bool:
    """Whether this folder is old and has no owner file: its gate was killed at its start or its end."""
    try:
        names = {each.name for each in folder.iterdir()}
        age = time.time() - folder.stat().st_mtime
    except OSError:
        return False
    return NAME.fullmatch(folder.name) is not None and names <= {f"{OWNER}.new"} and age > ABANDONED
