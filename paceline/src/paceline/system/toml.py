"""Reads TOML that people wrote; a mistake in it becomes a one-line error.

Standard library only, as the gate reads settings with it.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, why
from paceline.system import files

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> dict[str, Any]:
    """Return a file's content. Raises FileNotFoundError if there is none, PacelineError if it cannot be used."""
    try:
        return tomllib.loads(files.read(path, files.LONGEST_BY_HAND).decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PacelineError(f"cannot read {path}: {why(error)}. Restore the file from git.") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise PacelineError(f"cannot read {path}: {reason}. Fix the line, or restore the file from git.") from None
