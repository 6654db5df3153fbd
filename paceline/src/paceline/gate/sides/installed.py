"""Reads from its folders what is installed for an interpreter, without starting a process or importing anything.

An environment may have hundreds of distributions, so a distribution's list of files is read only when needed.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from paceline.gate.sides.sources import is_namespace, normalized, required, text_of
from paceline.gate.worker.origin import COMPILED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

METADATA = (".dist-info", ".egg-info")
# Modules that lead to the checkout, as setuptools, hatchling, pdm, meson-python and scikit-build-core name them.
LINK = re.compile(r"^__editable|^_editable_impl|_editable(_loader)?\.py$")
OPTIONAL = re.compile(r";.*\bextra\b")


def compiled_module(file: str) -> str | None:
    """Return the import name of a compiled module by its path on the import path; None for anything else."""
    match = COMPILED.search(file)
    if match is None:
        return None
    *packages, stem = file[: match.start()].split("/")
    name = ".".join([*packages, stem])
    is_module = all(part.isidentifier() for part in [*packages, stem]) or stem.endswith("__mypyc")
    # mypyc's shared library is named by a hash of all modules; libfoo.so, without Python's tag, is not a module.
    is_library = stem.endswith("__mypyc") or (stem.startswith("lib") and stem != "lib" and match[1] is None)
    return name if is_module and not is_library else None


@dataclass(frozen=True)
class Installed:
    """A distribution in an environment.

    `place`: its folder on the import path. `entries`: the names in that folder, up to their first dots.
    """

    name: str
    place: Path
    metadata: Path
    entries: frozenset[str]

    @cached_property
    def _record(self) -> str:
        return text_of(self.metadata / "RECORD")

    def mentions(self, top: str) -> bool:
        """Whether its files may include code of this name; True without a list of files."""
        return not self._record or f"{top}/" in self._record or f"{top}." in self._record

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Python files and compiled modules below `place`, by its list of files."""
        rows = csv.reader(self._record.splitlines())
        names = [row[0] for row in rows if row]
        if not names:  # as setup.py and conda's older packages have it
            names = text_of(self.metadata / "SOURCES.txt").splitlines()
            names += (f"{top}/__init__.py" for top in text_of(self.metadata / "top_level.txt").split())
        unwanted = (*METADATA, ".data")
        found = (name.replace("\\", "/") for name in names)
        return tuple(
            name
            for name in found
            if (name.endswith(".py") or COMPILED.search(name))
            and not name.startswith(("..", "/"))
            and not LINK.search(name)
            and not name.partition("/")[0].endswith(unwanted)
            and (self.place / name).is_file()
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """Import names; of a namespace package, those of the first regular package or module in it."""
        packages = {name.rpartition("/")[0] for name in self.files if name.endswith("/__init__.py")}
        regular = {each for each in packages if not is_namespace(self.place / each / "__init__.py")}
        return frozenset(filter(None, (_import_name(name, regular) for name in self.files)))

    @cached_property
    def compiled(self) -> frozenset[str]:
        """Import names of the compiled modules."""
        return frozenset(filter(None, map(compiled_module, self.files)))

    @cached_property
    def origin(self) -> Path | None:
        """Folder that this was installed from, or that its link leads to; None if it came from elsewhere."""
        try:
            found = json.loads(text_of(self.metadata / "direct_url.json") or "{}")
            parts = urlsplit(found.get("url", ""))
        except (ValueError, AttributeError):
            return None
        if parts.scheme != "file" or "dir_info" not in found:
            return None
        return Path(unquote(parts.path), found.get("subdirectory") or "").resolve()

    @cached_property
    def needs(self) -> frozenset[str]:
        """Names of the distributions that this requires, without those of extras."""
        header = text_of(self.metadata / "METADATA") or text_of(self.metadata / "PKG-INFO")
        lines = header.partition("\n\n")[0].splitlines()
        key = "Requires-Dist:"
        return required(
            line.removeprefix(key) for line in lines if line.startswith(key) and not OPTIONAL.search(line)
        )


def _import_name(file: str, regular: set[str]) -> str | None:
    """Return the name under which a file's code is imported: its first regular package, or the module itself."""
    path = PurePosixPath(file)
    for folder in reversed(path.parents):
        if folder.as_posix() in regular:
            return ".".join(folder.parts)
    stem = path.stem if path.suffix == ".py" else COMPILED.sub("", path.name)
    parts = (*path.parent.parts, stem)
    return ".".join(parts) if all(part.isidentifier() for part in parts) and stem != "__init__" else None


def read(import_path: Iterable[str]) -> list[Installed]:
    """Return the distributions in these folders, the first of each name, as an import would find them."""
    found: dict[str, Installed] = {}
    for place in dict.fromkeys(import_path):
        for each in _distributions(Path(place)):
            found.setdefault(each.name, each)
    return list(found.values())


def _distributions(place: Path) -> Iterator[Installed]:
    try:
        entries = sorted(place.iterdir())
    except OSError:  # a zip file, or not there
        return
    names = frozenset(entry.name.partition(".")[0] for entry in entries)
    for entry in entries:
        if entry.suffix in METADATA:
            name, _, _ = entry.stem.partition("-")
            yield Installed(normalized(name), place, entry, names)
