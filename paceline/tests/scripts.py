"""The scripts that measure paceline, as modules."""

import importlib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1]


def script(name: str) -> Any:
    """Return a script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return importlib.import_module(name)
