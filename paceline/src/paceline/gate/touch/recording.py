"""Records what each benchmark of a process runs and reads of its side's tree, as data that fits a message.

A thing is recorded by its content, so that both sides' recordings can be compared without either side's files.
Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from paceline.config.options import RECORDED, WATCHED
from paceline.gate.touch import modules
from paceline.gate.touch.digest import QUOTE, content, digest
from paceline.gate.touch.events import IMPORT_MODULE, LINES, MODULE, MODULE_FROM_SPEC, events
from paceline.gate.touch.reads import PYTEST, Reads, callers, file_content, is_import_of_a_library
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from types import CodeType, FrameType

Recording = dict[str, Any]

GENERATED = "generated code"
COMPILERS = ("numba", "taichi", "torch._dynamo", "triton")  # run functions by what they have read of them
_METACLASSES = frozenset({"builtins", "abc", "enum", "typing", "typing_extensions"})
_PLAIN_HOOKS = frozenset(
    {"builtins", "typing", "typing_extensions", "enum", "abc", "functools", "types", "collections"}
)
_READERS = frozenset({"get_type_hints", "get_annotations"})
_READING = (f"{os.sep}typing.py", f"{os.sep}inspect.py")
_IS_FUNCTION = 0x2  # CO_NEWLOCALS: bodies of classes and modules have it not


class TreeFiles:
    """Where files lie: in the side's tree, by a name that is the same on both sides, or elsewhere."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = [os.path.realpath(root).rstrip(os.sep) for root in roots]
        self._known: dict[str, str | None] = {}
        self._code: dict[str, str | None] = {}
        self._temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
        self._libraries = tuple(os.path.realpath(each) + os.sep for each in sys.path)

    def place(self, name: str) -> str | None:
        """Return a file's name below the tree, such as `0/package/module.py`; None outside of it."""
        if name not in self._known:
            self._known[name] = None if name.startswith("<") else self._find(os.path.realpath(name))
        return self._known[name]

    def _find(self, path: str) -> str | None:
        for number, root in enumerate(self._roots):
            if path.startswith(root + os.sep):
                return f"{number}/{path[len(root) + 1 :].replace(os.sep, '/')}"
        return None

    def is_own(self, path: str) -> bool:
        """Whether a file lies in the tree."""
        return self.place(path) is not None

    def place_of_code(self, name: str) -> str | None:
        """Return the place of code of this file name; GENERATED if it is in no file, or in a temporary one."""
        if name not in self._code:
            self._code[name] = GENERATED if self._is_generated(name) else self.place(name)
        return self._code[name]

    def _is_generated(self, name: str) -> bool:
        if name.startswith("<"):
            return not name.startswith("<frozen ")
        path = os.path.realpath(name)
        if self.is_own(path):
            return not os.path.isfile(path)  # noqa: PTH113 - it is hot; an empty name is the current folder
        return path.startswith(self._temporary) and not path.startswith(self._libraries)

    def clean(self, text: str) -> str:
        """Take the folders of the side out of a text."""
        for number, root in enumerate(self._roots):
            text = text.replace(root, f"<{number}>")
        return text

    @property
    def hidden(self) -> bytes:
        """The first of the side's folders, as it is written in files that were compiled there."""
        return os.fsencode(self._roots[0])


class TouchRecorder:
    """Records from `start` on. `begin` and `end` are around a benchmark; what runs outside counts for all.

    `roots`: folders of the side's tree. `watched`: words of strings that count.
    """

    def __init__(self, roots: Sequence[str], watched: Iterable[str] = ()) -> None:
        self._places = TreeFiles(roots)
        self._events = events(self._look, self._is_library)
        self._reads = Reads(self._places.is_own, self._events.look_again)
        self._watched = frozenset(f"{QUOTE}{word}" for word in watched)
        self._codes: dict[int, tuple[CodeType, int | None]] = {}  # keeps the code, so that its id stays its own
        self._items: dict[tuple[str, str, str, str], int] = {}
        self._refers: list[frozenset[str]] = []
        self._lines: list[frozenset[int]] = []  # of an item's code
        self._files: dict[str, str] = {}  # by place, of modules that have run
        self._importers: dict[str, str] = {}  # files of libraries, by the modules that they have imported
        self._foreign: set[int] = set()  # ids of code that ran for a library
        self._given: dict[tuple[str, str], None] = {}  # names and files of modules that functions have given out
        self._modules: set[str] = set()  # names of sys.modules that have been looked at
        self._ran: set[str] = set()
        self._common: set[int] = set()
        self._benchmarks: list[dict[str, Any]] = []
        self._running: str | None = None

    # What a worker calls

    @classmethod
    def of_environment(cls) -> TouchRecorder | None:
        """Return a recorder that has started, if the environment asks for one."""
        roots, watched = os.environ.pop(RECORDED, ""), os.environ.pop(WATCHED, "")
        if not roots:
            return None
        recorder = cls(roots.split(os.pathsep), watched.split())
        recorder.start()
        return recorder

    @contextlib.contextmanager
    def benchmark(self, name: str) -> Iterator[None]:
        """Record a benchmark."""
        self.begin(name)
        try:
            yield
        finally:
            self.end()

    def start(self) -> None:
        """Begin: to be called before anything of the tree is imported. What is there already counts as a whole."""
        early = [name for name, module in list(sys.modules.items()) if self._is_own_module(module)]
        self._common |= {self._early(name) for name in early}
        self._reads.start()
        self._events.start()

    def begin(self, benchmark: str) -> None:
        """Start a benchmark."""
        self._common |= self._taken()
        self._running = benchmark
        self._reads.in_benchmark = True
        self._events.restart()

    def end(self) -> None:
        """End the benchmark that was started last."""
        self._reads.in_benchmark = False
        unseen = self._events.unseen()
        self._events.pause()  # what runs until the next benchmark is the gate's own
        found = self._taken()
        if unseen is not None:
            found.add(self._item("unseen", "", unseen, ""))
        self._benchmarks.append({"name": self._running, "ran": sorted(found)})
        self._running = None

    def stop(self) -> Recording:
        """End, and return all that was recorded."""
        self._common |= self._taken()
        self._reads.stop()
        self._events.stop()
        return self._recording()

    def note(self, kind: str, name: str, found: str) -> None:
        """Record something that counts for all benchmarks, by its digest."""
        self._common.add(self._item(kind, "", name, found))

    # Code

    def _look(self, frame: FrameType) -> None:
        """Look at who starts code: modules that a library imports, and code that a library makes for itself."""
        code = frame.f_code
        if code is IMPORT_MODULE or code is MODULE_FROM_SPEC:
            self._note_given(frame)
            return
        place = self._places.place_of_code(code.co_filename)
        if place == GENERATED:
            if self._is_of_a_library(frame) or is_import_of_a_library(frame.f_back, self._places.is_own):
                self._foreign.add(id(code))
        elif place is not None and code.co_name == MODULE:
            importers = (name for name in callers(frame.f_back) if not name.endswith(_LOADERS))
            importer = next((name for name in importers if not name.startswith("<frozen importlib")), "")
            if not self._places.is_own(importer):
                self._importers[place] = importer

    def _is_library(self, frame: FrameType) -> bool | None:
        """Whether a frame is of a module outside the tree. Only its functions in `LINES` are recorded.

        None if that is not to be kept: its globals are of no file, and may soon be gone.
        """
        path, name = frame.f_globals.get("__file__"), frame.f_globals.get("__name__")
        place = self._places.place_of_code(frame.f_code.co_filename)
        if path is None and place in {None, GENERATED}:
            return None
        module = sys.modules.get(name) if type(name) is str else None
        return (
            place is None
            and (type(path) is str and path.endswith(".py"))
            and (not path.endswith(_READING) or name in LINES)
            and (type(module) is ModuleType and vars(module) is frame.f_globals)
            and self._places.place_of_code(path) is None
        )

    def _is_of_a_library(self, frame: FrameType) -> bool:
        """Whether code without a file runs among a library's globals, which made it of what that was given."""
        path, name = frame.f_globals.get("__file__"), frame.f_globals.get("__name__")
        is_below = isinstance(path, str) and self._places.place_of_code(path) is None
        return is_below or (isinstance(name, str) and name.startswith("namedtuple_"))

    def _note_given(self, frame: FrameType) -> None:
        """Note a module that code of the tree asks for by its name or file, other than in an import statement."""
        caller = frame.f_back
        if caller is None or caller.f_code.co_filename.startswith("<frozen importlib"):
            return
        if any(self._places.place_of_code(name) is not None for name in callers(caller)):
            given = frame.f_locals
            spec = given.get("spec")
            name, file = getattr(spec, "name", ""), getattr(spec, "origin", "")
            if frame.f_code is IMPORT_MODULE:
                name, file = _absolute(given.get("name"), given.get("package")), ""
            if isinstance(name, str):
                self._given[name, file if isinstance(file, str) else ""] = None

    def _modules_given(self) -> set[int]:
        """Return what was asked for since the last time: modules of the tree."""
        found = set()
        while self._reads.unpickled:
            self._given[self._reads.unpickled.popitem()[0], ""] = None
        while self._given:
            name, file = self._given.popitem()[0]
            path = _file_of(sys.modules.get(name)) or file
            if self._places.is_own(path) and os.path.isfile(path):  # noqa: PTH113 - an origin may be any word
                found.add(self._item("given", str(self._places.place(path)), "", ""))
        return found

    def _taken(self) -> set[int]:
        """Return the numbers of what has run and was read since the last time."""
        found = set()
        ran = self._events.take()
        foreign, self._foreign = self._foreign, set()
        for key, code in ran.items():
            if key not in self._codes and key not in foreign:
                self._codes[key] = code, self._of_code(code)
                if self._codes[key][1] is None:
                    self._events.ignore(key)
            number = self._codes[key][1] if key in self._codes else None
            if number is not None:
                found.add(number)
        with self._reads.deaf():
            for kind, name, hashed in self._reads.take():
                place = None if kind == "child" else self._places.place(name)
                found.add(self._item(kind, place or "", "" if place else name, hashed))
            return found.union(self._natives(), self._modules_given())

    def _of_code(self, code: CodeType) -> int | None:
        place = self._places.place_of_code(code.co_filename)
        if place == GENERATED:
            return self._code(GENERATED, code)
        if place is None:
            is_reader = code.co_name in _READERS and code.co_filename.endswith(_READING)
            if is_reader and self._running is not None:
                return self._item("reads", "", modules.ANNOTATIONS, "", {modules.ANNOTATIONS})
            return None
        if code.co_name == MODULE:
            self._files.setdefault(place, code.co_filename)
            return self._item("module", place, "", "")
        if "<locals>" not in code.co_qualname and self._is_of_module(code):
            return None
        if self._running is None:
            self._ran.add(code.co_name)
        return self._code(place, code)

    def _is_of_module(self, code: CodeType) -> bool:
        """Whether this is the body of a class, or code around a generic definition: the module's table has it."""
        return not code.co_flags & _IS_FUNCTION or code.co_name.startswith("<generic parameters of")

    def _code(self, place: str, code: CodeType) -> int:
        found = content(code, self._places.clean)
        own = {part for part in code.co_qualname.split(".") if part.isidentifier()}
        number = self._item("code", place, code.co_qualname, found.digest, found.names | own)
        self._lines[number] |= {line for _, _, line in code.co_lines() if line is not None}
        return number

    def _item(self, kind: str, place: str, name: str, found: str, refers: Collection[str] = ()) -> int:
        number = self._items.setdefault((kind, place, name, found), len(self._items))
        if number == len(self._refers):
            self._refers.append(frozenset(refers))
            self._lines.append(frozenset())
        return number

    # Files

    def _natives(self) -> list[int]:
        """Return the compiled modules of the tree that have been loaded since the last time."""
        found = []
        for name in sys.modules.keys() - self._modules:
            self._modules.add(name)
            path = _file_of(sys.modules.get(name))
            place = self._places.place(path) if path else None
            if path and place and path.endswith(tuple(EXTENSION_SUFFIXES)):
                found.append(self._item("native", place, name, file_content(path, self._places.hidden)))
        return found

    def _is_own_module(self, module: object) -> bool:
        path = _file_of(module)
        return path is not None and self._places.is_own(path)

    def _early(self, name: str) -> int:
        path = _file_of(sys.modules[name]) or ""
        return self._item("early", self._places.place(path) or "", name, file_content(path, self._places.hidden))

    # The recording

    def _recording(self) -> Recording:
        tables = self._tables()
        bound = {each.name for table in tables.values() for each in table.definitions}
        common = {key for key, number in self._items.items() if number in self._common}
        order = [place for place, table in tables.items() if table.effects and ("module", place, "", "") in common]
        self.note("order", "modules", digest(*order))
        names, items = (
            _Names(bound | self._watched | {modules.LOOKS_UP, modules.REACHES, *modules.READ}),
            list(self._items.items()),
        )
        return {
            "environment": environment(),
            "libraries": self._libraries(),
            "items": [[*key, names.numbers(self._referred(key[1], number, tables))] for key, number in items],
            "modules": [self._module(place, table, names) for place, table in tables.items()],
            "named": self._named(),
            "common": sorted(self._common),
            "benchmarks": self._benchmarks,
            "names": names.names,
        }

    def _referred(self, place: str, number: int, tables: dict[str, modules.Table]) -> Iterable[str]:
        """Return the names that an item refers to, with the signs of those that it does not write."""
        refers = self._refers[number]
        if place in tables:
            return refers | tables[place].unwritten(self._lines[number])
        signs = {modules.LOOKS_UP: modules.LOOKING_UP, modules.REACHES: modules.REACHING}
        return refers | {sign for sign, names in signs.items() if not refers.isdisjoint(names)}

    def _module(self, place: str, table: modules.Table, names: _Names) -> list[Any]:
        """Return a module as data. One that a library has imported acts by all that it defines: that may be read."""
        importer = self._importers.get(place)
        acts = list(table.effects)
        for each in table.definitions if importer is not None else ():
            if each.name != modules.DOCUMENTATION and not each.name.startswith(modules.READ[modules.DOCUMENTATION]):
                by_pytest = PYTEST in str(importer)  # which reads tests, fixtures and settings, not all that it finds
                refers = () if each.is_import and by_pytest else each.refers
                acts.append(modules.Action(each.digest, refers, each.name, each.lines))
        return [
            place,
            [[each.digest, names.numbers(table.referred(each)), each.shown] for each in acts],
            [
                [names.number(each.name), each.digest, names.numbers(table.referred(each)), each.is_member]
                for each in table.definitions
            ],
            [list(each) for each in dict.fromkeys(table.imports)],
        ]

    def _named(self) -> dict[str, str]:
        """Return the places of the tree's modules by their names; empty for one that may be more than its file."""
        found = {name: _file_of(module) for name, module in list(sys.modules.items()) if module is not None}
        places = {name: self._places.place(path) for name, path in found.items() if path}
        tops = {name.partition(".")[0] for name, place in places.items() if place}
        return {
            name: places.get(name) or "" if type(sys.modules.get(name)) is ModuleType else ""
            for name, path in found.items()
            if (places.get(name) or (name.partition(".")[0] in tops and not _is_namespace(sys.modules.get(name))))
        }

    def _tables(self) -> dict[str, modules.Table]:
        ran: dict[str, set[str]] = {place: set() for place in self._files}
        for kind, place, name, _ in self._items:
            if kind == "code" and place in ran:
                ran[place].add(name)
        compiles = any(name in sys.modules for name in COMPILERS)
        own = [name for name, module in list(sys.modules.items()) if self._is_own_module(module)]
        parts = {part for name in own for part in name.split(".")}
        return {
            place: self._table(path, ran[place].__contains__ if compiles else None, parts)
            for place, path in self._files.items()
        }

    def _table(self, path: str, interpreted: Callable[[str], bool] | None, parts: Collection[str]) -> modules.Table:
        """Return a module's statements; the whole file as one statement, if it cannot be read as Python."""
        try:
            with Real.open(path, "rb") as file:
                source = file.read()
            live = _Live(path, self._is_own_module)
            gives = live.gives_module if live.is_loaded else None
            return modules.read(source.decode(), live.acts, self._ran, interpreted, parts, gives)
        except (OSError, SyntaxError, ValueError, RecursionError):
            whole = modules.Action(
                file_content(path, self._places.hidden), (modules.LOOKS_UP, modules.REACHES), "the whole file"
            )
            return modules.Table([whole])

    def _libraries(self) -> dict[str, str]:
        """Return what the process has loaded from elsewhere, by the first part of its name."""
        found: dict[str, list[str]] = {}
        for name, module in sorted(sys.modules.items()):
            path = _file_of(module)
            top = name.partition(".")[0]
            if path and top not in sys.stdlib_module_names and self._places.place_of_code(path) is None:
                found.setdefault(top, []).append(f"{name} {_state(path)}")
        return {top: digest(*states) for top, states in found.items() if top != "__main__"}


class _Names:
    """Numbers for the names that a recording mentions: those that some module binds."""

    def __init__(self, bound: Iterable[str]) -> None:
        self._bound = frozenset(bound)
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return list(self._numbers)

    def number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    def numbers(self, names: Iterable[str]) -> list[int]:
        meant = {modules.ALIASES.get(name, name) for name in names}.union(names)
        return sorted(self.number(name) for name in meant & self._bound)


class _Live:
    """The module of one file as it is now."""

    def __init__(self, path: str, is_own: Callable[[object], bool]) -> None:
        self._module = next((each for each in list(sys.modules.values()) if _file_of(each) == path), None)
        self._is_own = is_own
        self.is_loaded = self._module is not None

    def gives_module(self, module: str, name: str) -> bool:
        """Whether importing a name from a module, given with a dot for each level, gives a module of the tree."""
        full = _absolute(module, getattr(self._module, "__package__", None))
        found = getattr(sys.modules.get(full), "__dict__", {}).get(name)
        return any(map(self._is_own, (found, sys.modules.get(f"{full}.{name}"))))

    def acts(self, name: str) -> bool | None:
        """Whether making a class ran code of its metaclass, bases or attributes; None if it cannot be found."""
        found: object = self._module
        for part in name.split("."):
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
        if not isinstance(found, type) or found.__module__ != getattr(self._module, "__name__", None):
            return None
        return found.__qualname__ != name or _acted(found)


def _acted(made: type) -> bool:
    if type(made).__module__ not in _METACLASSES:
        return True
    hooks = [each.__module__ for each in made.__mro__[1:] if "__init_subclass__" in vars(each)]
    named = [type(value) for value in list(vars(made).values()) if hasattr(type(value), "__set_name__")]
    return not _PLAIN_HOOKS.issuperset([*hooks, *(each.__module__ for each in named)])


def _absolute(name: Any, package: Any) -> Any:
    try:
        return resolve_name(name, package)
    except Exception:  # noqa: BLE001 - the caller may have given anything
        return name


def _is_namespace(module: object) -> bool:
    """Whether this is a package without a file."""
    return type(module) is ModuleType and "__path__" in vars(module) and _file_of(module) is None


_LOADERS = (f"_pytest{os.sep}assertion{os.sep}rewrite.py", f"importlib{os.sep}__init__.py")


def _file_of(module: object) -> str | None:
    try:
        path = module.__file__  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a module may be anything
        return None
    return path if isinstance(path, str) else None


def _state(path: str) -> str:
    """Say which file this is, in the environment that a side has: the same on both sides if they share it."""
    try:
        found = Path(path).stat()
    except OSError:
        return path
    return f"{path.removeprefix(sys.prefix)} {found.st_size} {found.st_mtime_ns}"


def environment() -> dict[str, str]:
    """Return the facts of the interpreter that both sides must share."""
    return {
        "Python": sys.version,
        "build": platform.python_implementation(),
        "flags": repr(sys.flags),
        "options": repr(sorted(sys._xoptions.items(), key=str)),  # noqa: SLF001 - the only way
    }
