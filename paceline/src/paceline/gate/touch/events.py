"""Which code objects run: each is reported at least once after every `restart`, in all threads.

By `sys.monitoring` on Python 3.12 and later, where a code object costs nothing once it has been reported; by profile
functions on 3.11. Standard library only: workers load this.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import threading
import typing
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

MODULE = "<module>"
NAME = "paceline"
#: Functions that give modules out. Each of their calls is looked at.
IMPORT_MODULE, MODULE_FROM_SPEC = importlib.import_module.__code__, importlib.util.module_from_spec.__code__
_GIVING = frozenset(map(id, (IMPORT_MODULE, MODULE_FROM_SPEC)))
#: Functions of the standard library that are reported like the tree's own.
_REPORTED = (importlib.import_module, importlib.util.module_from_spec, typing.get_type_hints, inspect.get_annotations)
#: Their lines, by the names of their modules.
LINES: dict[str, set[int | None]] = {}
for _each in _REPORTED:
    LINES.setdefault(_each.__globals__["__name__"], set()).update(line for *_, line in _each.__code__.co_lines())
TOOLS = (3, 4, 2, 1, 5, 0)  # ids of monitoring tools, those first that nobody else has reserved


class Events(ABC):
    """Collects code objects.

    `look` is called with the first frame of a module's code, and of code in no file; and with each frame of the
    functions that give modules out. `is_library`: whether a frame's globals are those of a library, so that what runs
    among them need not be reported, or None if it is to be asked again; `look_again` says when that may have changed.
    """

    def __init__(self, look: Callable[[FrameType], None], is_library: Callable[[FrameType], bool | None]) -> None:
        self._look = look
        self._is_library = is_library
        self._found: dict[int, CodeType] = {}
        self._ignored: set[int] = set()

    def ignore(self, key: int) -> None:
        """Never report the code of this id again, unless it gives modules out. The caller keeps the object."""
        if key not in _GIVING:
            self._ignored.add(key)

    def look_again(self, code: CodeType, *, is_run: bool) -> None:  # noqa: B027 - most need none
        """Prepare for code that may get any globals: it runs at once (`is_run`), or as a function."""

    def take(self) -> dict[int, CodeType]:
        """Return what has run since the last time, by id. The caller keeps the objects, or their ids come back."""
        taken = dict(self._found)  # at once: another thread may add to it, and on 3.11 so does this function
        for key in taken:
            del self._found[key]
        return taken

    @abstractmethod
    def start(self) -> None:
        """Begin to report."""

    @abstractmethod
    def stop(self) -> None:
        """Report no more."""

    def pause(self) -> None:
        """Until `restart`, report no more in this thread if reports are slow, else as before."""
        self.restart()

    @abstractmethod
    def restart(self) -> None:
        """Report again what has been reported."""

    @abstractmethod
    def unseen(self) -> str | None:
        """Say why code may have run without a report; None if that cannot be."""


class Monitoring(Events):
    """Python 3.12 and later."""

    def __init__(self, look: Callable[[FrameType], None], is_library: Callable[[FrameType], bool | None]) -> None:
        super().__init__(look, is_library)
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        names = self._monitoring.events
        self._wanted = names.PY_START | names.PY_RESUME | names.PY_THROW
        self._tool = next((tool for tool in TOOLS if self._monitoring.get_tool(tool) is None), None)

    def start(self) -> None:
        """Begin to report."""
        monitoring = self._monitoring
        if self._tool is None:
            return
        found, ignored, look, disable = self._found, self._ignored, self._look, monitoring.DISABLE

        def hit(code: CodeType, _: int) -> object:
            if id(code) in ignored:
                return disable
            found[id(code)] = code
            gives = id(code) in _GIVING
            if gives or code.co_name == MODULE or code.co_filename[:1] == "<":
                look(sys._getframe(1))  # noqa: SLF001 - of the interpreter
            return None if gives else disable

        def thrown(code: CodeType, *_: object) -> None:  # an event that cannot be disabled
            found[id(code)] = code

        monitoring.use_tool_id(self._tool, NAME)
        monitoring.register_callback(self._tool, monitoring.events.PY_START, hit)
        monitoring.register_callback(self._tool, monitoring.events.PY_RESUME, hit)
        monitoring.register_callback(self._tool, monitoring.events.PY_THROW, thrown)
        monitoring.set_events(self._tool, self._wanted)

    def stop(self) -> None:
        """Report no more."""
        if self.unseen() is None:
            self._monitoring.set_events(self._tool, 0)
            self._monitoring.free_tool_id(self._tool)

    def restart(self) -> None:
        """Report again what has been reported."""
        self._monitoring.restart_events()

    def unseen(self) -> str | None:
        """Say why code may have run without a report; None if that cannot be."""
        monitoring = self._monitoring
        if self._tool is None:
            return "other tools have taken sys.monitoring"
        if monitoring.get_tool(self._tool) != NAME or monitoring.get_events(self._tool) != self._wanted:
            return "it changed sys.monitoring"
        return None


class Profiling(Events):
    """Python 3.11. Does not see threads that were there before, or that the `threading` module did not start.

    Most calls are of libraries, known by their globals and the name there. Code and ids are slow: they are audited.
    """

    def __init__(self, look: Callable[[FrameType], None], is_library: Callable[[FrameType], bool | None]) -> None:
        super().__init__(look, is_library)
        self._libraries: dict[str, dict[str, Any]] = {}  # globals by name
        self._partly: dict[str, dict[str, Any]] = {}  # those of modules with `LINES`
        self._others: set[int] = set()  # ids of globals; some may be gone
        self._awaited: dict[int, CodeType] = {}  # that must show its globals first, by id

    def look_again(self, code: CodeType, *, is_run: bool) -> None:
        """Trust no globals until this code has run; never again, if it is of a function, which may have copies."""
        self._awaited[id(code) if is_run else 0] = code
        self._libraries.clear()
        self._partly.clear()

    def _sort(self, key: int, frame: FrameType) -> None:
        """Note whether a frame's globals are those of a library."""
        given = frame.f_globals
        self._awaited.pop(key, None)
        found = self._is_library(frame)
        if found and not self._awaited:
            name = given["__name__"]
            (self._partly if name in LINES else self._libraries)[name] = given
        elif found is False:
            self._others.add(id(given))

    def start(self) -> None:
        """Begin to report."""
        found, ignored, look = self._found, self._ignored, self._look
        libraries, partly, others = self._libraries, self._partly, self._others
        awaited, sort = self._awaited, self._sort

        def hit(frame: FrameType, event: str, _: object) -> None:
            if event != "call":
                return
            given = frame.f_globals
            name: Any = dict.get(given, "__name__")
            try:
                if libraries.get(name) is given or (partly.get(name) is given and frame.f_lineno not in LINES[name]):
                    return
            except TypeError:  # `__name__` is not hashable
                pass
            code = frame.f_code
            key = id(code)
            if awaited or id(given) not in others:
                sort(key, frame)
            is_new, gives = key not in ignored and key not in found, key in _GIVING
            if is_new:
                found[key] = code
            if gives or (is_new and (code.co_name == MODULE or code.co_filename[:1] == "<")):
                look(frame)

        self._hit = hit
        self._before = set(sys._current_frames()) - {threading.get_ident()}  # noqa: SLF001 - of the interpreter
        threading.setprofile(hit)
        sys.setprofile(hit)

    def stop(self) -> None:
        """Report no more."""
        sys.setprofile(None)
        threading.setprofile(None)

    def pause(self) -> None:
        """Report no more in this thread until `restart`."""
        sys.setprofile(None)

    def restart(self) -> None:
        """Report again, in this thread too if a test has taken the profile function away."""
        sys.setprofile(self._hit)
        threading.setprofile(self._hit)

    def unseen(self) -> str | None:
        """Say why code may have run without a report; None if that cannot be."""
        if sys.getprofile() is not self._hit or threading.getprofile() is not self._hit:
            return "it set a profile function of its own"
        if self._before.intersection(sys._current_frames()):  # noqa: SLF001 - of the interpreter
            return "threads that started before the recording run"
        return "greenlets run" if "greenlet" in sys.modules else None


def events(look: Callable[[FrameType], None], is_library: Callable[[FrameType], bool | None]) -> Events:
    """Return the means that this Python has."""
    return (Monitoring if sys.version_info >= (3, 12) else Profiling)(look, is_library)
