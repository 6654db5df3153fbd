"""Reads from files which projects a tree has, and the names under which their code is imported.

No code of a project may run in the judging process. Build backends disagree on where code lies, so a project's
settings come first and the usual layouts next.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.system import files, toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
# A project in such a folder is a test's, an example or a copy: it counts only if it is installed from there.
APART = re.compile(
    r"(^|/)(tests?|testing|testdata|test_data|fixtures|docs?|examples?|_?vendor(ed)?|third[_-]party|extern(al)?)(/|$)"
)
# Folders of a flat layout that hold no code of the distribution, unless an installed copy has them.
BESIDE = {"asv_bench", "bench", "benchmarks", "build", "ci", "dist", "doc", "docs", "examples", "requirements"}
BESIDE |= {"scripts", "test", "tests", "tools"}
SCRIPTS = {"conftest", "noxfile", "setup", "tasks", "versioneer"}
# Backends and build requirements that always compile.
COMPILES = re.compile(
    r"\b(mesonpy|scikit[-_]build|skbuild|maturin|setuptools[-_]rust|cython|mypy\[?c|mypyc|cffi|pybind11|nanobind|"
    r"pythran|cmake|ext[-_]modules?|cffi_modules|rust[-_]extensions?|pdm\.build\.cpp)",
    re.IGNORECASE,
)
SOURCES = (".pyx", ".c", ".cc", ".cpp", ".cxx", ".f", ".f90", ".rs")
DECLARES_NAMESPACE = re.compile(r"\b(extend_path|declare_namespace)\b")
LONGEST_DECLARATION = 1000  # characters: a longer file has code of its own
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def normalized(name: str) -> str:
    """Return a distribution's name in its normal form: lower case, single dashes."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(requirements: Iterable[object]) -> frozenset[str]:
    """Return the names of the distributions in a list of requirements."""
    found = (REQUIREMENT.match(each) for each in requirements if isinstance(each, str))
    return frozenset(normalized(match[1]) for match in found if match)


@dataclass(frozen=True)
class Project:
    """A folder from which a distribution can be built. `name`: None if only the project's own code knows it.

    `folder` and `roots`, the folders on the import path, are relative to the tree. `names`: import names; of a
    namespace package, those of the first regular package or module in it. `apart`: a test's, an example or a copy.
    """

    folder: str
    name: str | None
    roots: tuple[str, ...]
    names: frozenset[str]
    needs: frozenset[str]
    compiles: bool
    apart: bool


class Sources:
    """The Python files and projects of one tree."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.files = frozenset(_files(tree))
        self.folders: dict[str, list[str]] = {}  # names of their files
        for name in sorted(self.files):
            folder, _, file = name.rpartition("/")
            self.folders.setdefault(folder, []).append(file)
        self._regular: dict[str, bool] = {}
        self.projects = tuple(self._projects())

    @cached_property
    def tops(self) -> frozenset[str]:
        """Top-level import names of this tree's code."""
        names = {name for project in self.projects for name in project.names}
        for folder in self._children:
            parent, _, name = folder.rpartition("/")
            if name.isidentifier() and name not in BESIDE and self.is_package(folder) and not self.is_package(parent):
                names.add(name)
        return frozenset(name.partition(".")[0] for name in names)

    @cached_property
    def _children(self) -> dict[str, set[str]]:
        """Names of the subfolders of each folder."""
        found: dict[str, set[str]] = {}
        for folder in self.folders:
            parts = folder.split("/") if folder else []
            for depth, name in enumerate(parts):
                found.setdefault("/".join(parts[:depth]), set()).add(name)
            found.setdefault(folder, set())
        return found

    def is_apart(self, folder: str) -> bool:
        """Whether code in this folder is a test's, an example or a copy; submodules count as copies."""
        around = [folder, *(each.as_posix() for each in PurePosixPath(folder).parents)]
        own = [each for each in around if each not in {"", "."}]
        return bool(APART.search(folder)) or any(os.path.lexists(self.tree / each / ".git") for each in own)

    def has(self, folder: str, file: str) -> bool:
        """Whether the tree has this file in this folder."""
        return _join(folder, file) in self.files

    def is_package(self, folder: str) -> bool:
        """Whether a folder is a regular package, not a declared portion of a namespace."""
        if folder not in self._regular:
            file = self.tree / folder / "__init__.py"
            self._regular[folder] = self.has(folder, "__init__.py") and not is_namespace(file)
        return self._regular[folder]

    def holds_code(self, root: str) -> bool:
        """Whether there is any Python file in a folder or below it."""
        return root in self._children or root in self.folders

    def names(self, root: str, *, deep: bool) -> frozenset[str]:
        """Return the import names below a folder on the import path; `deep`: also those in namespace packages."""
        return frozenset(self._names(root, "", deep=deep))

    def _names(self, root: str, prefix: str, *, deep: bool) -> Iterator[str]:
        for file in self.folders.get(root, ()):
            stem, _, suffix = file.rpartition(".")
            if suffix in {"py", "pyx"} and stem.isidentifier() and stem != "__init__":
                yield prefix + stem
        for name in self._children.get(root, ()):
            folder = _join(root, name)
            if not name.isidentifier():
                continue
            if self.is_package(folder):
                yield prefix + name
            elif deep or self.has(folder, "__init__.py"):
                yield from self._names(folder, f"{prefix}{name}.", deep=True)

    def roots_of(self, name: str) -> Iterator[str]:
        """Yield the folders of this tree from which `name` could be imported, except those inside a package."""
        place = name.replace(".", "/")
        parent, stem = place[: place.rfind("/") + 1], place.rpartition("/")[2]
        for folder, inner in self.folders.items():
            if f"/{folder}".endswith(f"/{place}") and "__init__.py" in inner:
                root = folder[: -len(place)].rstrip("/")
            elif f"/{folder}/".endswith(f"/{parent}") and f"{stem}.py" in inner:
                root = f"{folder}/"[: -len(parent) or None].strip("/")
            else:
                continue
            if not self.is_package(root):
                yield root

    def _projects(self) -> Iterator[Project]:
        for folder in sorted(self.folders):
            if any(name in self.folders[folder] for name in PROJECT_FILES):
                project = _read_project(self, folder)
                if project is not None:
                    yield project


def _files(tree: Path) -> Iterator[str]:
    """Yield the paths of Python, native and project files."""
    for name in files.names_below(tree, leaving_out={"node_modules"}):
        file = name.rpartition("/")[2]
        if file.endswith((".py", *SOURCES)) or file in PROJECT_FILES:
            yield name


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def is_namespace(file: Path) -> bool:
    """Whether a package's file only declares a portion of a namespace, in one of the old ways."""
    text = text_of(file)
    return len(text) < LONGEST_DECLARATION and bool(DECLARES_NAMESPACE.search(text))


def text_of(path: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# One project


def _read_project(sources: Sources, folder: str) -> Project | None:
    place = sources.tree / folder
    content = _toml(place / "pyproject.toml")
    script = Script.read(place / "setup.py")
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read_string(text_of(place / "setup.cfg"))
    except configparser.Error:
        settings = configparser.ConfigParser()
    if not _is_project(content, settings, script):
        return None
    roots = tuple(_roots(sources, folder, [*_toml_roots(content), *_other_roots(settings, script)]))
    tools = _table(content, "tool")
    names = frozenset(_project_names(sources, folder, roots))
    name = next(filter(None, _declared_names(content, settings, script)), None)
    needs = [*_list(_table(content, "project").get("dependencies"))]
    needs += [*_table(tools, "poetry", "dependencies"), *script.requires]
    needs += settings.get("options", "install_requires", fallback="").splitlines()
    return Project(
        folder=folder,
        name=None if name is None else normalized(name),
        roots=roots,
        names=names,
        needs=required(needs),
        compiles=_compiles(content, script) or _has_native_sources(sources, roots, names),
        apart=sources.is_apart(folder),
    )


def _toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; empty if it cannot be read."""
    try:
        return toml.read(path)
    except (FileNotFoundError, PacelineError):
        return {}


def _table(content: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = content
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_project(content: Mapping[str, Any], settings: configparser.ConfigParser, script: Script) -> bool:
    tools = _table(content, "tool")
    if _table(tools, "uv").get("package") is False or _table(tools, "poetry").get("package-mode") is False:
        return False
    return (
        bool(_table(content, "project") or _table(content, "build-system"))
        or any(name in _table(tools, "poetry") for name in ("name", "version"))
        or settings.has_option("metadata", "name")
        or script.calls_setup
    )


def _declared_names(
    content: Mapping[str, Any], settings: configparser.ConfigParser, script: Script
) -> Iterator[str | None]:
    tools = _table(content, "tool")
    places = [_table(content, "project"), _table(tools, "poetry"), _table(tools, "flit", "module")]
    texts = [place.get("name") for place in places]
    texts += [_table(tools, "flit", "metadata").get("module"), settings.get("metadata", "name", fallback=None)]
    yield from (text for text in [*texts, script.name] if isinstance(text, str))


def _toml_roots(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders of code that the settings of a build backend name."""
    tools = _table(content, "tool")
    yield from _package_dir(_table(tools, "setuptools", "package-dir"))
    yield from _list(_table(tools, "setuptools", "packages", "find").get("where"))
    for each in _list(_table(tools, "poetry").get("packages")):
        yield each.get("from", "") if isinstance(each, dict) else ""
    wheel = _table(tools, "hatch", "build", "targets", "wheel")
    packages = _list(wheel.get("packages")) + _list(wheel.get("only-include"))
    packages += _list(_table(tools, "scikit-build", "wheel").get("packages"))
    yield from (PurePosixPath(each).parent.as_posix() for each in packages if isinstance(each, str))
    single = [
        _table(tools, "maturin").get("python-source"),
        _table(tools, "pdm", "build").get("package-dir"),
        _table(tools, "uv", "build-backend").get("module-root"),
    ]
    yield from (each for each in single if isinstance(each, str))


def _package_dir(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders on the import path, from a mapping of packages to their folders."""
    for package, folder in table.items():
        path, parts = PurePosixPath(str(folder)), package.split(".") if package else []
        if not parts or list(path.parts[-len(parts) :]) == parts:
            yield PurePosixPath(*path.parts[: len(path.parts) - len(parts)]).as_posix()


def _other_roots(settings: configparser.ConfigParser, script: Script) -> Iterator[str]:
    lines = settings.get("options", "package_dir", fallback="").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    yield from _package_dir({package.strip(): folder.strip() for package, _, folder in pairs})
    where = settings.get("options.packages.find", "where", fallback="")
    yield from filter(None, (line.strip() for line in where.splitlines()))
    yield from _package_dir(script.package_dir)


def _roots(sources: Sources, folder: str, configured: Iterable[str]) -> Iterator[str]:
    """Yield the folders on the import path: those configured, the usual ones, the project's own."""
    seen = set()
    for name in [*configured, "src", "lib", "python", ""]:
        root = os.path.normpath(_join(folder, name) or ".").replace(os.sep, "/")
        root = "" if root == "." else root
        if root not in seen and not root.startswith("..") and (root == folder or sources.holds_code(root)):
            seen.add(root)
            yield root


def _project_names(sources: Sources, folder: str, roots: Iterable[str]) -> Iterator[str]:
    names: frozenset[str] = frozenset()
    for root in roots:
        if root != folder:
            names |= sources.names(root, deep=True)
    if not names:
        names = _beside_no_other_code(sources.names(folder, deep=False))
        names = names or _beside_no_other_code(sources.names(folder, deep=True))
    yield from names


def _beside_no_other_code(names: Iterable[str]) -> frozenset[str]:
    unwanted = BESIDE | SCRIPTS | sys.stdlib_module_names | {"paceline"}
    return frozenset(name for name in names if name.partition(".")[0] not in unwanted and not _is_test(name))


def _is_test(name: str) -> bool:
    return "." not in name and (name.startswith("test_") or name.endswith("_test"))


def loose_names(sources: Sources, folders: Iterable[str]) -> frozenset[str]:
    """Return the import names of code outside of projects, in folders that are on the import path."""
    found = (sources.names(each, deep=PurePosixPath(each).name == "src") for each in folders)
    return _beside_no_other_code(name for names in found for name in names)


def _compiles(content: Mapping[str, Any], script: Script) -> bool:
    """Whether the settings show that a build may compile modules; a backend of the project's own may."""
    system = _table(content, "build-system")
    words = [str(system.get("build-backend", "")), *map(str, _list(system.get("requires")))]
    tools = _table(content, "tool")
    words += [str(key) for key in _table(tools, "setuptools")]
    words += [str(key) for key in _table(tools, "hatch", "build", "hooks")]
    words += [str(key) for key in _table(tools, "hatch", "build", "targets", "wheel", "hooks")]
    own = "backend-path" in system or "script" in _table(tools, "poetry", "build")
    return own or any(map(COMPILES.search, [*words, script.text]))


def _has_native_sources(sources: Sources, roots: Iterable[str], names: Iterable[str]) -> bool:
    """Whether the packages have a file to compile, tests left out."""
    tops = {name.partition(".")[0] for name in names}
    for name in sources.files:
        inner = (_below(name, root) for root in roots if name.startswith(f"{root}/" if root else ""))
        if name.endswith(SOURCES) and any(
            each.partition("/")[0].partition(".")[0] in tops and not APART.search(each) for each in inner
        ):
            return True
    return False


def _below(name: str, folder: str) -> str:
    return name.removeprefix(f"{folder}/") if folder else name


@dataclass(frozen=True)
class Script:
    """The literals in a setup.py."""

    text: str = ""
    calls_setup: bool = False
    name: str | None = None
    package_dir: Mapping[str, Any] = None  # type: ignore[assignment] # set by __post_init__
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.package_dir is None:
            object.__setattr__(self, "package_dir", {})

    @classmethod
    def read(cls, path: Path) -> Script:
        """Read a script without running it; values that it computes stay unknown."""
        text = text_of(path)
        if "setup" not in text:
            return cls()
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return cls(text, calls_setup=True)
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) == "setup"]
        given = {word.arg: word.value for call in calls for word in call.keywords if word.arg}
        name, folders, requires = (
            _literal(given.get(key), constants) for key in ("name", "package_dir", "install_requires")
        )
        return cls(
            text,
            calls_setup=bool(calls),
            name=name if isinstance(name, str) else None,
            package_dir=folders if isinstance(folders, dict) else {},
            requires=tuple(requires) if isinstance(requires, list) else (),
        )


def called(call: ast.Call) -> str:
    """Return the last part of the name of what a call calls."""
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))


def _literal(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> object:
    if isinstance(node, ast.Name):
        node = constants.get(node.id)
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        return None
