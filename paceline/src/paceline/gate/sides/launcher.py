"""Starts a side by the user's own command, pointed at that side's tree, with no path to the other side."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import paceline
from paceline.config.options import RECORDED, SIDES, WATCHED, WORKER
from paceline.gate.sides.lending import lend
from paceline.gate.worker import origin, seal
from paceline.gate.worker.suites import asv_suite, codspeed
from paceline.system.git import GIT_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.config.request import Request
    from paceline.gate.sides import schedule
    from paceline.gate.sides.interpreter import Interpreter
    from paceline.gate.sides.selection import Selection
    from paceline.gate.sides.trees import Trees
    from paceline.gate.worker.messages import Message

# Set by an outer pytest, coverage or git hook, and not meant for a side.
NOT_INHERITED = {
    "PYTEST_CURRENT_TEST",
    "PYTEST_XDIST_WORKER",
    "PYTEST_XDIST_WORKER_COUNT",
    "COV_CORE_SOURCE",
    "COV_CORE_CONFIG",
    "COV_CORE_DATAFILE",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    *GIT_VARIABLES,
}


@dataclass(frozen=True)
class Launch:
    """How to start one side's process."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    task: Message


class Launcher:
    """Makes the launches of both sides. `workspace`: the folder of all files that a gate writes."""

    def __init__(self, request: Request, trees: Trees, workspace: Path) -> None:
        self._request = request
        self._trees = trees
        self._workspace = workspace
        self.plugin = workspace / "plugin"  #: paceline, and what the sides' environments lack
        self.asv: str | None = None  #: folder of head's asv suite below pytest's root, once that is known

    def copy_plugin(self) -> None:
        """Copy paceline for both sides, and from the gate's own environment the distributions that theirs lack."""
        source = Path(paceline.__file__).parent
        unwanted = shutil.ignore_patterns("__pycache__", "pages")
        shutil.copytree(source, self.plugin / "paceline", ignore=unwanted)
        wanted = {"pytest", "pytest-benchmark"} | ({"asv_runner"} if self._request.asv is not None else set())
        lacking = {name for side in self._trees.sides.values() for name in side.interpreter.lacking}
        lend(lacking & wanted, self.plugin)

    def survey(self, side: str) -> Launch:
        """Return how to collect a side as the user would, to see what is selected and loaded."""
        return self._launch(side, self.translated(side), _task(survey=True))

    def collect(self, side: str, selection: Selection, paths: Sequence[str]) -> Launch:
        """Return how to collect all of a side's own tests in these paths of its tree."""
        launch = self._launch(side, [*self._arguments(side, selection), *paths], _task())
        return replace(launch, environment={**launch.environment, "PYTHONDONTWRITEBYTECODE": "1"})

    def items(self, side: str, selection: Selection, items: Sequence[str]) -> Launch:
        """Return how to start a side that may run these benchmarks."""
        root = self._trees.tree(side) / selection.root
        files = dict.fromkeys(str(root / name.partition("::")[0]) for name in items)
        return self._launch(side, [*self._arguments(side, selection), *files], _task(items))

    def recording(self, side: str, selection: Selection, items: Sequence[str], watched: Sequence[str] = ()) -> Launch:
        """Return how to start a side that records what these benchmarks run."""
        launch = self.items(side, selection, items)
        folders = dict.fromkeys([str(self._trees.tree(side)), *launch.task["own"], *launch.task["homes"]])
        asked = {RECORDED: os.pathsep.join(folders), WATCHED: " ".join(watched), "PYTHONHASHSEED": "1"}
        return replace(launch, environment={**launch.environment, **asked})

    def round(self, side: str, selection: Selection, draw: schedule.Draw, items: Sequence[str]) -> Launch:
        """Return how to start a side in a round; its environment holds the round's draws."""
        launch = self.items(side, selection, items)
        drawn = {"PYTHONHASHSEED": str(draw.hash_seed), "PACELINE_PADDING": "x" * draw.padding[side]}
        others = [self._trees.slots.path(other) for other in SIDES if other != side]
        drawn[seal.READ_ONLY] = os.pathsep.join(map(str, [*others, self.plugin]))
        return replace(launch, environment={**launch.environment, **drawn})

    def translated(self, side: str) -> list[str]:
        """Return the user's arguments, pointed at a side's tree."""
        return [self.translate(word, self._trees.tree(side)) for word in self._request.arguments]

    def _arguments(self, side: str, selection: Selection) -> list[str]:
        """Return the user's options, with pytest's rootdir and settings file as in head's collection."""
        tree = self._trees.tree(side)
        options = [self.translate(word, tree) for word in selection.arguments]
        options.append(f"--rootdir={tree / selection.root}")
        if selection.ini is not None and (tree / selection.ini).is_file():
            options += ["-c", str(tree / selection.ini)]
        return options

    def _launch(self, side: str, arguments: Sequence[str], task: Message) -> Launch:
        tree, about = self._trees.tree(side), self._trees.sides[side]
        plugins = [] if about.interpreter.has_plugin else ["-p", "paceline.plugin"]
        # The options by which suites, and the conftests around them, know that benchmarks are wanted.
        plugins += ["-p", WORKER, codspeed.ASKS_FOR_BENCHMARKS, "--benchmark-only"]
        folder = tree / self._trees.relative(self._request.started_in)
        own = [str(self._trees.slots.path(side))]
        return Launch(
            command=(about.interpreter.executable, "-m", "pytest", *plugins, *arguments),
            folder=folder if folder.is_dir() else tree,
            environment=self._environment(side),
            task=task
            | {
                "slot": self._trees.slots.path(side).name,
                "own": own,
                "names": sorted(about.names),
                "homes": own if about.homes is None else list(about.homes),
                "compiled": sorted(about.expected),
                "foreign": [str(self._workspace), str(self._trees.root)],
                "exempt": self._exempt(about.interpreter),
            },
        )

    def _exempt(self, interpreter: Interpreter) -> list[str]:
        """Return folders whose modules both sides may load: environments, maybe in the checkout, and paceline."""
        root = str(self._trees.root)
        prefixes = [prefix for prefix in map(os.path.realpath, interpreter.prefixes) if prefix != root]
        prefixes = [prefix for prefix in prefixes if not root.startswith(prefix.rstrip(os.sep) + os.sep)]
        return [*prefixes, str(self.plugin), str(Path(paceline.__file__).resolve().parent)]

    def translate(self, word: str, tree: Path) -> str:
        """Return an argument; if it has an absolute path in the user's checkout, with the path in the side's tree."""
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        name, colons, node = value.partition("::")
        if not Path(name).is_absolute():
            return word
        path = Path(name).resolve()
        if not path.is_relative_to(self._trees.root):
            return word
        return f"{option}{equals}{tree / path.relative_to(self._trees.root)}{colons}{node}"

    def _environment(self, side: str) -> dict[str, str]:
        tree, about = self._trees.tree(side), self._trees.sides[side]
        environment = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
        inherited = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        path = [str(self._trees.site(side))] if about.served and about.homes is None else []
        path += [str(self.plugin), *(self.translate(word, tree) for word in inherited)]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        if about.served:
            environment[origin.SERVED] = str(self._trees.served_file(side))
            environment["PY_IGNORE_IMPORTMISMATCH"] = "1"  # for pytest: a package's tests are copied into it
            environment["PYTHONSAFEPATH"] = "1"  # else the tree comes before what is installed
        return environment | asv_suite.environment(self.asv, self._workspace / "asv" / side)


def _task(items: Sequence[str] | None = None, *, survey: bool = False) -> Message:
    """Return a worker's task: to collect all tests or only `items`; a survey also reports what was loaded."""
    return {"items": None if items is None else list(items), "survey": survey}
