"""How a side is started: the user's own command, pointed at that side's tree, with nothing of the other side near."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import paceline
from paceline.gate import checkout
from paceline.gate.pair import Launch
from paceline.gate.suites import asv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.gate import schedule
    from paceline.gate.install import Interpreter
    from paceline.gate.selection import Selection
    from paceline.gate.trees import Trees

# Set by an outer pytest, coverage or git hook; none of a side's business.
NOT_INHERITED = ("PYTEST_CURRENT_TEST", "COV_CORE_SOURCE", "COV_CORE_CONFIG", "COV_CORE_DATAFILE")


class Launcher:
    """Makes the launches of both sides. `workspace` is the folder of everything that a trial writes."""

    def __init__(self, selection: Selection, trees: Trees, workspace: Path) -> None:
        self._selection = selection
        self._trees = trees
        self._workspace = workspace
        self._plugin = workspace / "plugin"

    def copy_plugin(self) -> None:
        """Give both sides the same paceline, whatever their environments hold."""
        source = Path(paceline.__file__).parent
        unwanted = shutil.ignore_patterns("__pycache__", "pages")
        shutil.copytree(source, self._plugin / "paceline", ignore=unwanted)

    def launch(
        self, side: str, arguments: Sequence[str], items: Sequence[str] | None, draw: schedule.Draw | None
    ) -> Launch:
        """Return how to start a side; `items` are the benchmarks that it may run, None for all."""
        tree, about = self._trees.tree(side), self._trees.sides[side]
        plugins = ["-p", "paceline.gate.worker"]
        if not about.interpreter.has_plugin:
            plugins += ["-p", "paceline.plugin"]
        command = [about.interpreter.executable, "-m", "pytest", *plugins]
        command += [self.translate(word, tree) for word in self._selection.arguments]
        command += [*self._selection.extra, f"--rootdir={self._trees.project(side)}"]
        folder = tree / self._trees.relative(self._selection.started_in)
        return Launch(
            command=(*command, *arguments),
            folder=folder if folder.is_dir() else tree,
            environment=self._environment(side, draw),
            task={
                "items": None if items is None else list(items),
                "own": [str(self._trees.slots.path(side))],
                "names": checkout.package_names(
                    self._trees.project(side), self._trees.site(side) if about.installed else None
                ),
                "foreign": [str(self._workspace), str(self._trees.root)],
                "exempt": self._exempt(about.interpreter),
            },
        )

    def _exempt(self, interpreter: Interpreter) -> list[str]:
        """Environments, which may lie in the user's checkout, and paceline itself."""
        root = str(self._trees.root)
        prefixes = [prefix for prefix in map(os.path.realpath, interpreter.prefixes) if prefix != root]
        prefixes = [prefix for prefix in prefixes if not root.startswith(prefix.rstrip(os.sep) + os.sep)]
        return [*prefixes, str(self._plugin), str(Path(paceline.__file__).resolve().parent)]

    def translate(self, word: str, tree: Path) -> str:
        """Point an argument's absolute path in the user's checkout at the side's tree."""
        for root in self._spellings():
            before, found, after = word.partition(root)
            if found and (not before or before.endswith("=")) and (not after or after.startswith((os.sep, ":"))):
                return f"{before}{tree}{after}"
        return word

    def _spellings(self) -> list[str]:
        """Paths of the checkout as the user may write them: a link on the way to it is resolved, or is not."""
        place, root = self._trees.relative(self._selection.root), self._selection.root
        unresolved = root.parents[len(place.parts) - 1] if place.parts else root
        return [str(self._trees.root), str(unresolved)]

    def _environment(self, side: str, draw: schedule.Draw | None) -> dict[str, str]:
        tree, installed = self._trees.tree(side), self._trees.sides[side].installed
        environment = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
        inherited = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        path = [str(self._trees.site(side))] if installed else []
        path += [str(self._plugin), *(self.translate(word, tree) for word in inherited)]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        if installed:
            environment["PYTHONSAFEPATH"] = "1"  # else the tree, which is not built, comes first
        environment |= asv.environment(self._selection.asv, self._workspace / "asv" / side)
        if draw is not None:
            environment["PYTHONHASHSEED"] = str(draw.hash_seed)
            environment["PACELINE_PADDING"] = "x" * draw.padding[side]
        return environment

    def ini(self, side: str) -> list[str]:
        """Return the option that names pytest's settings file, if this side has it."""
        ini = self._selection.ini
        if ini is None:
            return []
        if not ini.resolve().is_relative_to(self._trees.root):
            return ["-c", str(ini)]
        own = self._trees.tree(side) / self._trees.relative(ini)
        return ["-c", str(own)] if own.is_file() else []
