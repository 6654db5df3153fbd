"""Makes a worker import its own side's code, and lists which code it has loaded.

Entries of the import path, editable installations and pytest's own insertions compete for a name, so a finder comes
before all of them. The loaded modules are still checked. Standard library only: workers load this.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from importlib.machinery import ModuleSpec

SERVED = "PACELINE_SERVED"  # variable with the name of the file that lists what a finder serves
# The end of a compiled module's file name: `.cpython-313-x86_64-linux-gnu.so`, `.abi3.so`, `.cp313-win_amd64.pyd`.
COMPILED = re.compile(r"(\.[\w-]+)?\.(so|pyd)$")

_real_paths: dict[str, str] = {}


class SideFinder:
    """Serves import names from these folders alone: a name that they lack cannot be imported from elsewhere."""

    def __init__(self, folders: Sequence[str], names: Iterable[str]) -> None:
        self._folders = list(folders)
        self._names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find a name that this serves, also as a part of a namespace package that came from elsewhere."""
        del path, target
        if name not in self._names:
            return None
        *packages, _ = name.split(".")
        spec = PathFinder.find_spec(name, [str(Path(folder, *packages)) for folder in self._folders])
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec

    def invalidate_caches(self) -> None:
        """Do nothing, as there is no cache."""


def serve() -> None:
    """Put a finder before all others, if the environment names a file of what to serve."""
    file = os.environ.get(SERVED)
    if file is None:
        return
    served = json.loads(Path(file).read_text(encoding="utf-8"))
    folders = [str(Path(file).parent / folder) for folder in served["folders"]]
    sys.meta_path.insert(0, SideFinder(folders, served["names"]))
    sys.path.insert(0, str(Path.cwd()))  # as `python -m pytest` has it; the finder still comes first


def loaded_modules() -> Iterator[tuple[str, str]]:
    """Yield the names and files of the loaded modules, with links resolved and without those of the gate."""
    for name, module in list(sys.modules.items()):
        try:
            file = getattr(module, "__file__", None)
        except Exception:  # noqa: BLE001 - an object in sys.modules may do anything
            file = None
        if type(file) is str and "\0" not in file and type(name) is str and name.partition(".")[0] != "paceline":
            if file not in _real_paths:
                _real_paths[file] = os.path.realpath(file)
            if os.path.isabs(file) or os.path.exists(file):  # noqa: PTH110, PTH117 - PyTorch has names without files
                yield name, _real_paths[file]


def foreign_modules(task: Mapping[str, Any], loaded: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the modules, with their files, that this side must not have loaded.

    These are modules of another tree, and modules with a name of this repository's that lie outside of the side's
    `homes`: with an installed copy, both sides would run the same code.
    """
    names = frozenset(task["names"])
    for name, path in loaded.items():
        if provided_name(name, names) is not None:
            is_foreign = not is_inside(path, task["homes"])
        else:
            elsewhere = is_inside(path, task["foreign"]) and not is_inside(path, task["own"])
            is_foreign = elsewhere and not is_inside(path, task["exempt"])
        if is_foreign:
            yield name, path


def own_code(task: Mapping[str, Any], loaded: Mapping[str, str], tests: Collection[str]) -> dict[str, list[str]]:
    """Return which of its own code this side has loaded, and which it lacks; `tests` are the test files.

    `code`: import names of the repository, or else top-level names. `native`: compiled modules. `lacking`: modules
    that should be compiled. `elsewhere`: if there is no code, top-level names of the other loaded modules.
    """
    names = frozenset(task["names"])
    folders = {str(Path(file).parent) for file in tests}
    code: dict[str, None] = {}
    native: list[str] = []
    elsewhere: dict[str, None] = {}
    for name, path in loaded.items():
        provided = provided_name(name, names)
        folder, file = os.path.split(path)
        if path in tests or file == "conftest.py" or (file == "__init__.py" and folder in folders):
            continue
        if is_inside(path, task["own"] if provided is None else task["homes"]):
            code[provided or name.partition(".")[0]] = None
            native += [name] if COMPILED.search(path) else []
        elif (top := name.partition(".")[0]) not in sys.stdlib_module_names:
            elsewhere[top] = None
    return {
        "code": list(code),
        "native": native,
        "lacking": [name for name in task["compiled"] if lacks(name)],
        "elsewhere": [] if code else list(elsewhere),
    }


def provided_name(name: str, names: Collection[str]) -> str | None:
    """Return which of these import names a module belongs to."""
    while name:
        if name in names:
            return name
        name = name.rpartition(".")[0]
    return None


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether an absolute path lies below one of these folders."""
    return any(path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def origin(name: str) -> str | None:
    """Return the file from which a name is, or would be, imported; None if it cannot be."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):
            return None
        file = spec.origin if spec is not None and spec.has_location else None
    return os.path.realpath(file) if isinstance(file, str) else None


def lacks(name: str) -> bool:
    """Whether this module should be compiled but is not; False if its package is not loaded."""
    package = name.rpartition(".")[0]
    if package and package not in sys.modules:
        return False
    return COMPILED.search(origin(name) or "") is None
