"""Reads TOML that people wrote, as the history and the gate have it; a mistake in it ends with one line.

The standard library alone, as the gate reads settings by it.
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
        said = " ".join(str(error).split())
        raise PacelineError(f"cannot read {path}: {said}. Fix the line, or restore the file from git.") from None
