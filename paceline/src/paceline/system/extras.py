"""What a command needs beyond pytest and pytest-benchmark, which are all that `pip install paceline` brings."""

from __future__ import annotations

from importlib.util import find_spec

from paceline.errors import PacelineError

_HISTORY = ("archspec", "numpy", "orjson", "psutil", "scipy", "threadpoolctl")
#: Modules by extra, which are the names of their distributions too.
MODULES = {"asv": ("asv_runner",), "history": _HISTORY, "pages": ("asv", *_HISTORY)}


def require(command: str, extra: str) -> None:
    """Raise PacelineError, which names the pip command, unless everything of this extra is installed."""
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        raise PacelineError(f"`{command}` needs {', '.join(missing)}: pip install 'paceline[{extra}]'")
