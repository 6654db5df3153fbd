"""What else a process uses of its side's tree: files, listed folders, native libraries; and what nobody can follow.

An audit hook cannot be removed, so there is one for all, which does nothing while nobody listens.
Standard library only: workers load this.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from types import CodeType
from typing import TYPE_CHECKING, Any

from paceline.gate.touch.digest import digest
from paceline.gate.worker.real import Real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

OPENS, LISTS = frozenset({"open", "sqlite3.connect", "ctypes.dlopen"}), frozenset({"os.listdir", "os.scandir"})
CHILDREN = frozenset(
    {
        "cpython.PyInterpreterState_New",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.system",
        "subprocess.Popen",
        "_winapi.CreateProcess",
    }
)
_THREAD = "_thread.start_new_thread"
_UNPICKLED = "pickle.find_class"
_RUN, _MADE, _SET = "exec", "function.__new__", "object.__setattr__"
_PLACES_OF_CODE = {_RUN: 0, _MADE: 0, _SET: 2}  # among the arguments
_WATCHED = OPENS | LISTS | CHILDREN | {_THREAD, _UNPICKLED, *_PLACES_OF_CODE}
_CACHES = ("__pycache__", ".pyc")
_STDLIB = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - as co_filename has it
#: The standard library's modules that start processes for others, and those that ask the system by its programs.
_STARTERS = (f"{_STDLIB}subprocess.py", f"{_STDLIB}os.py", f"{_STDLIB}contextlib.py")
_ASKERS = tuple(f"{_STDLIB}{name}.py" for name in ("platform", "uuid", f"ctypes{os.sep}util"))
_SITE = f"{os.sep}site-packages{os.sep}"
PYTEST = f"{os.sep}_pytest{os.sep}"
_PLUGGY = f"{os.sep}pluggy{os.sep}_manager.py"  # reads the entry points of all distributions, for pytest
_IMPORTS = ("<frozen importlib", "<frozen zipimport")
_SHOW_SOURCE = (f"{_STDLIB}traceback.py", f"{_STDLIB}warnings.py")
_listeners: list[Callable[[str, tuple[Any, ...]], None]] = []
_installed: list[bool] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in _WATCHED and _listeners:  # it is hot: most events are not watched
        _listeners[-1](event, args)


def callers(frame: FrameType | None) -> Iterator[str]:
    """Yield the file names of a frame and its callers."""
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


class Reads:
    """Notes what is used while it listens. `is_own` says whether an absolute path lies in the side's tree.

    `look_again` is called with code of the tree that may get any globals, and whether it runs at once.
    """

    def __init__(self, is_own: Callable[[str], bool], look_again: Callable[..., None]) -> None:
        self._is_own = is_own
        self._look_again = look_again
        self._used: dict[tuple[str, str], None] = {}
        self.unpickled: dict[str, None] = {}  # names of modules that a pickle has named
        self._deaf: int | None = None  # a thread
        self.in_benchmark = False

    def start(self) -> None:
        """Begin to listen."""
        if not _installed:
            sys.addaudithook(_hook)
            _installed.append(True)
        _listeners.append(self._hear)

    def stop(self) -> None:
        """Listen no more."""
        _listeners.remove(self._hear)

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """Hear nothing of this thread."""
        self._deaf = threading.get_ident()
        try:
            yield
        finally:
            self._deaf = None

    def take(self) -> list[tuple[str, str, str]]:
        """Return what has been used since the last time: `file` or `folder`, path and digest; or `child` and name."""
        used = [self._used.popitem()[0] for _ in range(len(self._used))]
        return [(kind, name, _CONTENTS[kind](name)) for kind, name in used]

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._deaf is not None and self._deaf == threading.get_ident():
            return
        if event in CHILDREN:
            if not self._is_harmless_child(sys._getframe(2)):  # noqa: SLF001 - of the interpreter
                self._used["child", event + _program(event, args)] = None
        elif event == _THREAD:
            if sys.version_info < (3, 12) and getattr(args[0], "__name__", "") != "_bootstrap":
                self._used["child", "a thread without the threading module"] = None
        elif event == _UNPICKLED:
            self.unpickled[str(args[0])] = None
        elif event in _PLACES_OF_CODE:
            code = args[_PLACES_OF_CODE[event]]
            if isinstance(code, CodeType) and self._is_own(code.co_filename):
                self._look_again(code, is_run=event == _RUN)
        elif args:
            self._note(event, args[0])

    def _is_harmless_child(self, frame: FrameType | None) -> bool:
        """Whether a process asks the system something, or is a library's own, before or after a benchmark."""
        asks = next((name for name in callers(frame) if not name.startswith(_STARTERS)), "").startswith(_ASKERS)
        alone = not self.in_benchmark and not any(map(self._is_own, callers(frame)))
        return asks or alone or is_import_of_a_library(frame, self._is_own)

    def _note(self, event: str, given: object) -> None:
        if event in LISTS and isinstance(given, int):
            given = _path_of(given)
        path = os.getcwd() if given is None and event in LISTS else given  # noqa: PTH109 - it is hot
        if not isinstance(path, str | bytes | os.PathLike) or (event == "ctypes.dlopen" and not path):
            return
        absolute = os.path.realpath(os.fsdecode(path))
        if not self._is_own(absolute) or any(each in absolute for each in _CACHES):
            return
        kind = "folder" if event in LISTS else "file"
        data = kind == "file" and not absolute.endswith(".py")
        if not _is_housekeeping(sys._getframe(3), self._is_own, data=data):  # noqa: SLF001 - of the interpreter
            self._used[kind, absolute] = None


def _path_of(descriptor: int) -> str:
    """Path of an open folder; a name in no tree where the system does not say it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - it is hot
    except OSError:
        return os.devnull


def _program(event: str, args: tuple[Any, ...]) -> str:
    """Name the program that a child process runs, where the event says it."""
    if event in {"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"} and args:
        return f" {os.path.basename(str(args[0]).partition(' ')[0])}"  # noqa: PTH119 - a name
    return ""


def is_import_of_a_library(frame: FrameType | None, is_own: Callable[[str], bool]) -> bool:
    """Whether a library does this for itself while it is imported."""
    for name in callers(frame):
        if is_own(name):
            return False
        if name.startswith(_IMPORTS):
            return True
    return False


def _is_housekeeping(frame: FrameType | None, is_own: Callable[[str], bool], *, data: bool) -> bool:
    """Whether this is to import code, to show a line of it, or by pytest itself; for `data`, by pytest alone."""
    for name in callers(frame):
        if is_own(name):
            return False
        if not data and (name.startswith(_IMPORTS) or name in _SHOW_SOURCE):
            return True
        if (name.startswith((*_IMPORTS, _STDLIB)) and _SITE not in name) or name.endswith(_PLUGGY):
            continue
        return PYTEST in name or f"{os.sep}iniconfig{os.sep}" in name
    return False


def file_content(path: str, hidden: bytes = b"") -> str:
    """Return the digest of a file without the path `hidden` of its side's folder; empty if it cannot be read."""
    try:
        with Real.open(path, "rb") as file:
            return digest(file.read().replace(hidden, b""))
    except OSError:
        return ""


def folder_content(path: str) -> str:
    """Return the digest of the names in a folder; empty if it cannot be listed."""
    try:
        names = [name for name in Real.listdir(path) if not any(each in name for each in _CACHES)]
    except OSError:
        return ""
    return digest(*sorted(names))


_CONTENTS: dict[str, Callable[[str], str]] = {"file": file_content, "folder": folder_content, "child": lambda _: ""}
