"""One change each, planted in a project that really runs: touched or untouched, as it must be."""

import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from paceline.gate.touch.comparison import compare
from paceline.gate.touch.recording import Recording
from recorded import record

PROJECT = {
    "pkg/__init__.py": "",
    "pkg/core.py": '''"""Works."""
from dataclasses import dataclass
from pkg import base as parents

LIMIT = 3
UNUSED = 4
SIZES = [1, 2]


def traced(function):
    """Return it."""
    return function


def work(count=2, scale=LIMIT):
    """Work."""
    total = 0
    for number in range(count):
        total += helper(number) * scale
    return total


def helper(number: int) -> int:
    # a comment
    return number + 1


def idle():
    return 0


@traced
def decorated():
    return 1


class Thing(parents.Base):
    size = 5
    colour = "red"

    def area(self):
        return self.size

    def idle_method(self):
        return 1


class Lonely:
    weight = 1


@dataclass
class Point:
    x: int = 1
    y: int = 2


def generated():
    space = {}
    exec("def made():\\n    return 1", space)
    return space["made"]()


def lazily():
    from pkg import lazy
    return lazy.answer()
''',
    "pkg/base.py": """
REGISTERED = []


class Root:
    def __init_subclass__(cls):
        REGISTERED.append(cls.__name__)


class Base:
    def common(self):
        return 1


class Leaf(Root):
    pass
""",
    "pkg/lazy.py": "STEPS = 3\n\n\ndef answer():\n    return STEPS\n",
    "pkg/registry.py": "HANDLERS = {}\n\n\ndef handle(name):\n    return HANDLERS[name]()\n",
    "pkg/plugin.py": """from pkg.registry import HANDLERS


def first():
    return 1


def second():
    return 2


HANDLERS["first"] = first
""",
    "pkg/fresh.py": "VALUE = 1\n",
    "pkg/data.txt": "1 2 3",
    "pkg/parts/a.txt": "a",
    "bench.py": """from pathlib import Path
import pkg.plugin
from pkg import core, registry

HERE = Path(core.__file__).parent


def bench_work():
    core.work()

def bench_thing():
    core.Thing().area()

def bench_decorated():
    core.decorated()

def bench_point():
    core.Point() == core.Point()

def bench_generated():
    core.generated()

def bench_lazy():
    core.lazily()

def bench_registry():
    registry.handle("first")

def bench_data():
    (HERE / "data.txt").read_text()

def bench_parts():
    list((HERE / "parts").iterdir())

def bench_nothing():
    pass
""",
}  # fmt: skip
CORE, BASE = "pkg/core.py", "pkg/base.py"
IDLE = "    def idle_method"
UNCHECKED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nLIMIT = 3"


class Change(NamedTuple):
    """An edit, and what it touches of the benchmarks: those named, `all` or `none`."""

    file: str
    old: str
    new: str
    touched: str


CHANGES = {
    "a function that runs": Change(CORE, "number + 1", "number + 2", "work"),
    "one that does not": Change(CORE, "return 0", "return 99", "none"),
    "a default argument": Change(CORE, "count=2", "count=3", "work"),
    "a constant in a default argument": Change(CORE, "LIMIT = 3", "LIMIT = 4", "work"),
    "a constant that nothing refers to": Change(CORE, "UNUSED = 4", "UNUSED = 5", "none"),
    "a class attribute": Change(CORE, "size = 5", "size = 6", "thing"),
    "an attribute of a class that nothing refers to": Change(CORE, "weight = 1", "weight = 2", "none"),
    "a method that does not run": Change(CORE, "return 1\n\n\nclass Lonely", "return 2\n\n\nclass Lonely", "none"),
    "a new method": Change(CORE, IDLE, "    def fresh(self): ...\n\n" + IDLE, "none"),
    "a new special method": Change(CORE, IDLE, "    def __len__(self): ...\n" + IDLE, "thing"),
    "a decorator": Change(CORE, "return function", "return lambda: function()", "all"),
    "another decorator": Change(CORE, "@traced", "@staticmethod", "all"),
    "a base class": Change(CORE, "Thing(parents.Base)", "Thing(parents.Base, Exception)", "thing"),
    "a base class's method that does not run": Change("pkg/base.py", "return 1", "return 2", "none"),
    "a base class's attribute": Change("pkg/base.py", "    def common", "    size = 8\n    def common", "thing"),
    "__init_subclass__": Change("pkg/base.py", "cls.__name__", "cls", "all"),
    "a class that __init_subclass__ sees": Change(BASE, "    pass", "    pass\nclass Twig(Root): ...", "all"),
    "a new __init_subclass__": Change(BASE, "    def c", "    def __init_subclass__(cls): ...\n    def c", "all"),
    "a lazily imported module's function": Change("pkg/lazy.py", "return STEPS", "return STEPS + 1", "lazy"),
    "a lazily imported module's constant": Change("pkg/lazy.py", "STEPS = 3", "STEPS = 4", "lazy"),
    "what a lazily imported module does": Change("pkg/lazy.py", "STEPS = 3", "STEPS = 3\nprint(end='')", "lazy"),
    "a data file": Change("pkg/data.txt", "1 2 3", "1 2 4", "data"),
    "a file in a listed folder": Change("pkg/parts/b.txt", "", "b", "parts"),
    "a file in another folder": Change("pkg/others/b.txt", "", "b", "none"),
    "a field of a dataclass": Change(CORE, "y: int = 2", "y: int = 2\n    z: int = 3", "all"),
    "generated code": Change(CORE, 'return 1", space', 'return 2", space', "generated"),
    "a registry that another module fills": Change("pkg/plugin.py", "= first", "= second", "all"),
    "one more entry of it": Change("pkg/plugin.py", "= first", '= first\nHANDLERS["x"] = second', "all"),
    "a comment": Change(CORE, "# a comment", "# another comment, that is longer", "none"),
    "a docstring": Change(CORE, '"""Work."""', '"""Work hard.\n\n    And long.\n    """', "none"),
    "no docstring": Change(CORE, '    """Work."""\n', "", "none"),
    "an annotation of a function that runs": Change(CORE, "number: int", "number: float", "annotated"),
    "an added module that nothing imports": Change("pkg/extra.py", "", "print('loaded')", "none"),
    "an added module that is imported": Change(CORE, "LIMIT = 3", "from pkg import fresh\nLIMIT = 3", "none"),
    "an added library": Change(CORE, "LIMIT = 3", "import wave\nLIMIT = 3", "none"),
    "moved lines": Change(CORE, "LIMIT = 3", "\n\n\n\nLIMIT = 3", "none"),
    "definitions in another order": Change(CORE, "LIMIT = 3\nUNUSED = 4", "UNUSED = 4\nLIMIT = 3", "none"),
    "an iterator that is used up": Change(CORE, "SIZES = [1, 2]", "SIZES = [1, 2]\nUSED = list(SIZES)", "all"),
    "a loop": Change(CORE, "LIMIT = 3", "LIMIT = 3\nfor _ in (): pass", "all"),
    "what nothing imports at run time": Change(CORE, "LIMIT = 3", UNCHECKED, "none"),
}  # fmt: skip


def edited(change: Change) -> dict[str, str]:
    """Return the project with a change."""
    text = PROJECT.get(change.file, "")
    assert text.count(change.old) >= 1
    return {
        **PROJECT,
        "pkg/fresh.py": "VALUE = 1\n",
        change.file: text.replace(change.old, change.new, 1) if text else change.new,
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """What was recorded before the change."""
    return record(tmp_path_factory.mktemp("project") / "base", PROJECT)


@pytest.mark.parametrize("name", CHANGES)
def test_change(name: str, base: Recording, tmp_path: Path) -> None:
    change = CHANGES[name]
    found = compare([base], [record(tmp_path / "head", edited(change))])
    touched = {each.removeprefix("bench_") for each, touch in found.items() if not touch.untouched}
    everything = {each.removeprefix("bench_") for each in found}
    evaluated = {"work"} if sys.version_info < (3, 14) else set()
    expected = {"none": set(), "all": everything, "annotated": evaluated}.get(change.touched, {change.touched})
    assert touched == expected, {each: touch.reason for each, touch in found.items()}
