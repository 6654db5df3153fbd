"""Checks for a command's optional packages: `pip install paceline` brings only pytest and pytest-benchmark."""

from __future__ import annotations

from importlib.util import find_spec

from paceline.errors import PacelineError

_HISTORY = ("archspec", "numpy", "orjson", "psutil", "pyarrow", "scipy", "threadpoolctl")
#: Modules by extra; their distributions have the same names.
MODULES = {
    "asv": ("asv_runner",),
    "dask": ("distributed",),
    "history": _HISTORY,
    "memory": ("memray",),
    "pages": ("asv", *_HISTORY),
}


def require(command: str, extra: str) -> None:
    """Raise PacelineError, which names the pip command, unless everything of this extra is installed."""
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        raise PacelineError(f"`{command}` needs {', '.join(missing)}. Run `pip install 'paceline[{extra}]'`.")
