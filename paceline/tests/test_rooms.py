"""The layout holds: imports go down, rooms of the standard library need nothing else, every name is one thing's."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
ROOT = SOURCE.parents[1]
#: Each may import what is to its right, and itself. Neighbours of one level import nothing of each other.
LEVELS = (("cli",), ("commands", "plugin"), ("pages",), ("gate", "history"), ("report",), ("config",), ("system",))
#: Below every room.
GROUND = {"errors"}
#: Parts of `gate.explain` that workers load.
SAMPLING = tuple(f"gate.explain.{name}" for name in ("sampler", "call_counter", "function_names", "other_threads"))
#: Rooms within rooms, and what in `paceline` they may import beyond the levels below.
INNER = {
    "gate.touch": ("gate.touch", "gate.worker"),
    "gate.worker": ("gate.worker", "gate.touch", *SAMPLING),
    **dict.fromkeys(SAMPLING, ("gate.worker", "gate.touch", *SAMPLING)),
    "gate.sides": ("gate.sides", "gate.touch", "gate.worker"),
    "history.asv": ("history.asv", "history.model"),
    "history.machine": ("history.machine",),
    "history.detect": ("history.detect", "history.asv", "history.model"),
    "history.intake": ("history.intake", "history.asv", "history.machine", "history.model"),
}
LONGEST = 40
TYPICAL = 8


@cache
def modules() -> dict[str, ast.Module]:
    """Return the trees of all modules, by name below `paceline`."""
    files = (SOURCE / "paceline").rglob("*.py")
    return {_name(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def _name(file: Path) -> str:
    parts = file.relative_to(SOURCE / "paceline").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """Return who imports whom, types included."""
    return frozenset(
        (name, target) for name, tree in modules().items() for target in _imported(tree) if target not in {name, ""}
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_module(alias.name) for alias in node.names if alias.name.startswith("paceline"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paceline"):
            yield from (_module(f"{node.module}.{alias.name}") for alias in node.names)


def _module(name: str) -> str:
    name = name.removeprefix("paceline").removeprefix(".")
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


def level(name: str) -> int:
    room = name.partition(".")[0]
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms)


def test_every_room_has_its_level() -> None:
    rooms = {name.partition(".")[0] for name in modules()} - GROUND - {""}
    assert rooms == {room for rooms in LEVELS for room in rooms}


def test_imports_go_down() -> None:
    up = [
        (name, target)
        for name, target in arrows()
        if target not in GROUND
        and name.partition(".")[0] != target.partition(".")[0]
        and (name in GROUND or level(name) >= level(target))
    ]
    assert up == []


def test_inner_rooms_import_what_is_below_them() -> None:
    for room, allowed in INNER.items():
        own = room.partition(".")[0]
        inside = {(name, target) for name, target in arrows() if f"{name}.".startswith(f"{room}.")}
        assert inside, room
        wrong = {
            (name, target)
            for name, target in inside
            if target.partition(".")[0] == own and not f"{target}.".startswith(tuple(f"{each}." for each in allowed))
        }
        assert wrong == set()


def test_no_circle_of_imports() -> None:
    left = defaultdict(set)
    for name, target in arrows():
        left[name].add(target)
    while done := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in done:
            del left[name]
    assert dict(left) == {}


def test_no_two_things_share_a_name() -> None:
    """A command has the name of the room that it opens."""
    stems, classes = defaultdict(list), defaultdict(list)
    for name, tree in modules().items():
        if (SOURCE / "paceline" / f"{name.replace('.', '/')}.py").exists():
            stems[name.rpartition(".")[2]].append(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(name)
    assert {name: places for found in (stems, classes) for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("room", ["system", "report", "config"])
def test_a_room_of_the_standard_library_needs_nothing_else(room: str) -> None:
    """The scripts under .github import these where nothing is installed."""
    names = [f"paceline.{name}" for name in modules() if f"{name}.".startswith(f"{room}.")]
    code = f"import sys, importlib; sys.path.insert(0, {str(SOURCE)!r})\n"
    code += f"for name in {names!r}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_suite_and_the_plugin_do_not_know_each_other() -> None:
    """`impl` imports nothing of ours, `benchmarks` reads `impl`, and `paceline` imports neither."""
    for folder, unknown in {
        ROOT / "impl": ("benchmarks", "paceline"),
        ROOT / "benchmarks": ("paceline",),
        SOURCE: ("impl", "benchmarks"),
    }.items():
        for file in folder.rglob("*.py"):
            assert not _packages(ast.parse(file.read_text(encoding="utf-8"))) & set(unknown), file


def _packages(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names}


def test_functions_are_short() -> None:
    lengths = {}
    for folder in (SOURCE, ROOT / "impl", ROOT / "benchmarks", ROOT / ".github" / "scripts"):
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lengths[file, node.name, node.lineno] = (node.end_lineno or 0) - node.lineno + 1
    assert median(lengths.values()) <= TYPICAL
    assert {place for place, length in lengths.items() if length > LONGEST} == set()
