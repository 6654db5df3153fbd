"""Errors of the system that any program would get, such as a full disk, with their remedies."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "Free some space, or set TMPDIR to another disk."
REFUSALS = {
    errno.ENOSPC: ELSEWHERE,
    errno.EDQUOT: ELSEWHERE,
    errno.EROFS: "Set TMPDIR to a writable folder.",
    errno.EFBIG: "Raise the limit of a file's size (`ulimit -f`), or set TMPDIR to another disk.",
    errno.EIO: "Look for disk errors (`dmesg`), or set TMPDIR to another disk.",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`).",
    errno.ENFILE: "Close programs, or raise the system's limit of open files.",
    errno.ENOMEM: "Close programs, or use a machine with more memory.",
    errno.ENAMETOOLONG: "Set TMPDIR to a folder with a shorter name.",
}


def refusal(error: OSError, folder: Path) -> str | None:
    """Return a line with the remedy for an error that any program would get; None for any other error.

    `folder` is where the gate writes; the line names it if the error names no file.
    """
    numbers = [error.errno] if error.errno is not None else []
    # Copying a folder gathers its errors into one that has no number.
    numbers = numbers or [number for number in REFUSALS if f"[Errno {number}]" in str(error)]
    if not numbers or numbers[0] not in REFUSALS:
        return None
    names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
    return f"{os.strerror(numbers[0])} ({(names or [str(folder)])[0]}). {REFUSALS[numbers[0]]}"
