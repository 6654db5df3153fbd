"""What the system refuses to every program alike, such as space on a full disk, and what helps."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "free some, or set TMPDIR to another disk"
# What the system refuses, and what helps.
REFUSALS = {
    errno.ENOSPC: ELSEWHERE,
    errno.EDQUOT: ELSEWHERE,
    errno.EROFS: "set TMPDIR to a folder that can be written to",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or set TMPDIR to another disk",
    errno.EIO: "look for the disk's errors (`dmesg`), or set TMPDIR to another disk",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "close programs, or raise the system's limit of open files",
    errno.ENOMEM: "close programs, or use a machine with more memory",
    errno.ENAMETOOLONG: "set TMPDIR to a folder with a shorter name",
}


def refusal(error: OSError, folder: Path) -> str | None:
    """Line for what the system refuses to all alike, with the remedy; None for any other error.

    `folder` is where the gate writes, and counts where the error names no file.
    """
    numbers = [error.errno] if error.errno is not None else []
    # Copying a folder gathers its errors into one that has no number.
    numbers = numbers or [number for number in REFUSALS if f"[Errno {number}]" in str(error)]
    if not numbers or numbers[0] not in REFUSALS:
        return None
    names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
    return f"{os.strerror(numbers[0])} ({(names or [str(folder)])[0]}): {REFUSALS[numbers[0]]}"
