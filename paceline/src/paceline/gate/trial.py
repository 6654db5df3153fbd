"""The trial as a whole: trees, collection, rounds, findings.

Rounds go only to benchmarks that are still undecided, so a suite of many costs little more than its suspects.
"""

from __future__ import annotations

import errno
import os
import platform
import random
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paceline
from paceline.errors import PacelineError
from paceline.gate import checkout, install, schedule, statistics
from paceline.gate.checkout import Workspace
from paceline.gate.finding import Finding, Verdict
from paceline.gate.pair import End, Launch, Pair
from paceline.gate.schedule import SIDES
from paceline.gate.settings import MERGE_BASE
from paceline.gate.verdict import Benchmark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.gate.install import Interpreter
    from paceline.gate.settings import Settings

# Set by an outer pytest, coverage or git hook; none of a side's business.
NOT_INHERITED = ("PYTEST_CURRENT_TEST", "COV_CORE_SOURCE", "COV_CORE_CONFIG", "COV_CORE_DATAFILE")


@dataclass(frozen=True)
class Selection:
    """What the user's own pytest session has chosen, and how it was started."""

    benchmarks: tuple[str, ...]  # node ids
    modules: tuple[Path, ...]  # files with these benchmarks, conftests and package files above them
    arguments: tuple[str, ...]  # of the command line, without paths
    paths: tuple[str, ...]  # of the command line: files, folders, node ids
    root: Path  # pytest's rootdir
    ini: Path | None
    started_in: Path
    python_path: tuple[str, ...]  # pytest's setting
    extra: tuple[str, ...] = ()  # arguments that silence other plugins


@dataclass
class Side:
    """One side of the trial. `about` goes into the findings."""

    interpreter: Interpreter
    about: dict[str, Any]
    installed: bool = False


@dataclass
class Trial:
    """Runs a gate; what it knows can be read at any time, also after an interruption."""

    settings: Settings
    selection: Selection
    say: Callable[[str], None]
    base: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    _apart: list[Finding] = field(default_factory=list)
    _benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    coins: random.Random = field(default_factory=random.SystemRandom)

    def run(self) -> None:
        """Judge every benchmark. Raises PacelineError; leaves no process and no file, however it ends."""
        started = time.monotonic()
        try:
            with Workspace.create() as workspace:
                _Run(self, workspace).run(started + self.settings.budget)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise PacelineError(checkout.disk_full(Path(error.filename or "."))) from error
            raise
        finally:
            self.seconds = time.monotonic() - started
        self._insist_on_something_measured()

    def findings(self) -> list[Finding]:
        """Return what is known, in the order in which pytest collected the benchmarks; removed ones last."""
        known = {finding.name: finding for finding in self._apart}
        known |= {name: benchmark.finding() for name, benchmark in self._benchmarks.items()}
        order = [name for name in self.selection.benchmarks if name in known]
        order += [name for name in known if name not in order]
        return [self._with_acceptance(known[name]) for name in order]

    def _with_acceptance(self, finding: Finding) -> Finding:
        if self.settings.accept is None or finding.verdict != Verdict.SLOWER.value:
            return finding
        return replace(finding, reason="; ".join(filter(None, (f"accepted: {self.settings.accept}", finding.reason))))

    def enter(self, names: Iterable[str], notes: Mapping[str, str]) -> None:
        """Put these benchmarks on trial; alpha is shared by all of them, decided early or late."""
        names = list(names)
        plan = statistics.plan(self.settings.alpha / max(1, len(names)))
        self._benchmarks = {name: Benchmark(name, plan, self.settings.tolerance, notes.get(name)) for name in names}

    def set_apart(self, name: str, verdict: Verdict, reason: str) -> None:
        """Note a benchmark that only one side has."""
        self._apart.append(Finding(name, verdict.value, reason=reason))

    def undecided(self) -> dict[str, Benchmark]:
        """Return the benchmarks that still need rounds."""
        return {name: each for name, each in self._benchmarks.items() if each.verdict is None}

    def _insist_on_something_measured(self) -> None:
        found = self.findings()
        useless = {Verdict.UNAVAILABLE.value}
        if found and all(finding.verdict in useless for finding in found):
            raise PacelineError(
                f"nothing was measured, so nothing was judged: {found[0].name}: {found[0].reason}"
                f" ({len(found)} unavailable)"
            )


class _Run:
    """One execution of a trial in its workspace."""

    def __init__(self, trial: Trial, workspace: Workspace) -> None:
        self._trial = trial
        self._settings = trial.settings
        self._selection = trial.selection
        self._workspace = workspace
        self._slots = workspace.slots
        self._plugin = workspace.folder / "plugin"
        self._cpus = schedule.cpus()
        self._checkout_root = self._selection.root
        self._sides: dict[str, Side] = {}

    def run(self, until: float) -> None:
        self._copy_plugin()
        self._make_trees()
        own = self._collect_base()
        different = self._overlay()
        self._enter(own, different)
        self._rounds(until)

    # Trees

    def _copy_plugin(self) -> None:
        """Give both sides the same paceline, whatever their environments hold."""
        source = Path(paceline.__file__).parent
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, self._plugin / "paceline", ignore=unwanted)

    def _make_trees(self) -> None:
        head_python = install.probe(sys.executable, self._workspace.folder)
        base_python = head_python
        if self._settings.python:
            base_python = install.probe(self._settings.python, self._workspace.folder)
        if self._settings.revision is None and not self._is_in_git():
            base, head = self._same_code_without_git()
        else:
            base, head = self._trees_from_git()
        self._sides["base"] = Side(base_python, base | {"python": base_python.version})
        self._sides["head"] = Side(head_python, head | {"python": head_python.version})
        self._trial.base, self._trial.head = self._sides["base"].about, self._sides["head"].about
        self._install()

    def _is_in_git(self) -> bool:
        try:
            checkout.toplevel(self._selection.root)
        except PacelineError:
            return False
        return True

    def _same_code_without_git(self) -> tuple[dict[str, Any], dict[str, Any]]:
        for side in SIDES:
            checkout.copy_tree_without_git(self._checkout_root, self._tree(side))
        about = {"revision": None, "commit": None, "dirty": None}
        return about, dict(about)

    def _trees_from_git(self) -> tuple[dict[str, Any], dict[str, Any]]:
        repository = checkout.toplevel(self._selection.root)
        self._checkout_root = repository
        head_commit = checkout.git(repository, "rev-parse", "HEAD").strip()
        dirty = checkout.is_dirty(repository)
        head: dict[str, Any] = {"revision": "HEAD", "commit": head_commit, "dirty": dirty}
        base = dict(head)
        if self._settings.revision is None:
            checkout.checkout_working_tree(repository, self._tree("base"))
        else:
            base = self._base_revision(repository)
            checkout.checkout_commit(repository, base["commit"], self._tree("base"))
        if self._settings.control:
            head = dict(base)
        if self._settings.control and self._settings.revision is not None:
            checkout.checkout_commit(repository, base["commit"], self._tree("head"))
        else:
            checkout.checkout_working_tree(repository, self._tree("head"))
        if base["commit"] == head["commit"] and not dirty and not self._settings.python:
            self._trial.notices.append("base and head are the same code: every slowdown found would be false")
        return base, head

    def _base_revision(self, repository: Path) -> dict[str, Any]:
        revision = self._settings.revision
        if revision == MERGE_BASE or revision is None:
            commit = checkout.default_base(repository)
            return {"revision": "merge base", "commit": commit, "dirty": False}
        return {"revision": revision, "commit": checkout.resolve(repository, revision), "dirty": False}

    def _tree(self, side: str) -> Path:
        """Where a side's tree is now; named as the user's, since a test may depend on that."""
        return self._slots.path(side) / (self._checkout_root.name or "tree")

    def _site(self, side: str) -> Path:
        return self._slots.path(side) / "site"

    def _install(self) -> None:
        place = self._relative(self._selection.root)
        choice = self._settings.install
        for side in SIDES:
            project = self._tree(side) / place
            if choice == "no" or (
                choice == "auto" and not install.needs_install(project, self._selection.python_path)
            ):
                continue
            self._trial.say(f"installing {side}")
            install.install(self._sides[side].interpreter, project, self._site(side), side)
            self._sides[side].installed = True

    def _relative(self, path: Path) -> Path:
        try:
            return path.resolve().relative_to(self._checkout_root)
        except ValueError:
            return Path()

    # Starting a side

    def _launch(
        self, side: str, arguments: Sequence[str], items: Sequence[str] | None, draw: schedule.Draw | None
    ) -> Launch:
        tree, about = self._tree(side), self._sides[side]
        plugins = ["-p", "paceline.gate.worker"]
        if not about.interpreter.has_plugin:
            plugins += ["-p", "paceline.plugin"]
        command = [about.interpreter.executable, "-m", "pytest", *plugins]
        command += [self._translate(word, tree) for word in self._selection.arguments]
        command += [*self._selection.extra, f"--rootdir={tree / self._relative(self._selection.root)}"]
        folder = tree / self._relative(self._selection.started_in)
        return Launch(
            command=(*command, *arguments),
            folder=folder if folder.is_dir() else tree,
            environment=self._environment(side, draw),
            task={
                "items": None if items is None else list(items),
                "own": [str(self._slots.path(side))],
                "names": checkout.package_names(
                    tree / self._relative(self._selection.root), self._site(side) if about.installed else None
                ),
                "foreign": [str(self._workspace.folder), str(self._checkout_root)],
                "exempt": self._exempt(about.interpreter),
            },
        )

    def _exempt(self, interpreter: Interpreter) -> list[str]:
        """Environments, which may lie in the user's checkout, and paceline itself."""
        root = str(self._checkout_root)
        prefixes = [prefix for prefix in map(os.path.realpath, interpreter.prefixes) if prefix != root]
        prefixes = [prefix for prefix in prefixes if not root.startswith(prefix.rstrip(os.sep) + os.sep)]
        return [*prefixes, str(self._plugin), str(Path(paceline.__file__).resolve().parent)]

    def _translate(self, word: str, tree: Path) -> str:
        """Point an argument's absolute path in the user's checkout at the side's tree."""
        for root in self._spellings():
            before, found, after = word.partition(root)
            if found and (not before or before.endswith("=")) and (not after or after.startswith((os.sep, ":"))):
                return f"{before}{tree}{after}"
        return word

    def _spellings(self) -> list[str]:
        """Paths of the checkout as the user may write them: a link on the way to it is resolved, or is not."""
        place, root = self._relative(self._selection.root), self._selection.root
        unresolved = root.parents[len(place.parts) - 1] if place.parts else root
        return [str(self._checkout_root), str(unresolved)]

    def _environment(self, side: str, draw: schedule.Draw | None) -> dict[str, str]:
        tree, installed = self._tree(side), self._sides[side].installed
        environment = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
        inherited = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        path = [str(self._site(side))] if installed else []
        path += [str(self._plugin), *(self._translate(word, tree) for word in inherited)]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        if installed:
            environment["PYTHONSAFEPATH"] = "1"  # else the tree, which is not built, comes first
        if draw is not None:
            environment["PYTHONHASHSEED"] = str(draw.hash_seed)
            environment["PACELINE_PADDING"] = "x" * draw.padding[side]
        return environment

    def _ini(self, side: str) -> list[str]:
        """Return the option that names pytest's settings file, if this side has it."""
        ini = self._selection.ini
        if ini is None:
            return []
        if not ini.resolve().is_relative_to(self._checkout_root):
            return ["-c", str(ini)]
        own = self._tree(side) / self._relative(ini)
        return ["-c", str(own)] if own.is_file() else []

    # Collection

    def _collect_base(self) -> set[str] | None:
        """Names of base's benchmarks by base's own tests; None if they cannot be collected at all."""
        tree = self._tree("base")
        paths = [self._translate(path.split("::")[0], tree) for path in self._selection.paths]
        folder = tree / self._relative(self._selection.started_in)
        there = [path for path in paths if (folder / path).exists()]
        if paths and not there:
            return set()
        launch = self._launch("base", [*self._ini("base"), *there], None, None)
        launch = replace(launch, environment={**launch.environment, "PYTHONDONTWRITEBYTECODE": "1"})
        with Pair(self._workspace.folder, self._settings.timeout, self._trial.coins) as pair:
            pair.start({"base": launch}, "base")
            found = pair.collected()["base"]
        if isinstance(found, End):
            self._trial.notices.append(
                f"base could not be collected with its own tests ({found.reason}): new and removed"
                " benchmarks cannot be told apart from others"
            )
            return None
        errors = [name for name, text in found["errors"].items() if not text.startswith("skipped")]
        lost = {name for name in self._selection.benchmarks if any(name.startswith(error) for error in errors)}
        return {name for name in found["benchmarks"] if self._is_asked_for(name)} | lost

    def _is_asked_for(self, name: str) -> bool:
        wanted = [path for path in self._selection.paths if "::" in path]
        if not wanted or len(wanted) < len(self._selection.paths):
            return True
        tails = [path.partition("::")[2] for path in wanted]
        own = name.partition("::")[2]
        return any(own == tail or own.startswith((f"{tail}[", f"{tail}::")) for tail in tails)

    def _overlay(self) -> set[str]:
        """Give both sides head's tests. Returns the files that differ from base's own."""
        files = [self._relative(path).as_posix() for path in self._selection.modules]
        if self._selection.ini is not None and self._selection.ini.resolve().is_relative_to(self._checkout_root):
            files.append(self._relative(self._selection.ini).as_posix())
        place = self._relative(self._selection.root)
        named = [(place / name).as_posix() for name in self._settings.overlay]
        head, base = self._tree("head"), self._tree("base")
        files += [name for name in map(_package_file, files) if not (self._tree("base") / name).exists()]
        if self._settings.control:  # both are base: the tests come from the user's checkout
            checkout.overlay(self._checkout_root, head, files, [])
        for name in named:
            if not (head / name).exists():
                raise PacelineError(f"[tool.paceline] overlay names {name!r}, which head has not")
        folders = [name for name in named if (head / name).is_dir()]
        files += [name for name in named if (head / name).is_file()]
        return checkout.overlay(head, base, files, folders)

    def _enter(self, own: set[str] | None, different: set[str]) -> None:
        place = self._relative(self._selection.root)
        entered, notes = [], {}
        for name in self._selection.benchmarks:
            if own is not None and name not in own:
                self._trial.set_apart(name, Verdict.NEW, "base has no such benchmark")
                continue
            entered.append(name)
            if (place / name.partition("::")[0]).as_posix() in different:
                notes[name] = "its file differs from base's: both sides ran head's"
        for name in sorted((own or set()) - set(self._selection.benchmarks)):
            self._trial.set_apart(name, Verdict.REMOVED, "head has no such benchmark")
        self._trial.enter(entered, notes)

    # Rounds

    def _rounds(self, until: float) -> None:
        trial = self._trial
        count = 0
        while (undecided := trial.undecided()) and time.monotonic() < until:
            count += 1
            self._round(undecided, until)
            left = len(trial.undecided())
            trial.say(f"round {count}: {len(undecided)} timed, {left} undecided")
        for benchmark in trial.undecided().values():
            benchmark.close(f"the budget of {self._settings.budget:g} s is spent (--benchmark-budget)")

    def _round(self, undecided: Mapping[str, Benchmark], until: float) -> None:
        draw = schedule.draw(self._trial.coins, list(undecided))
        self._slots.arrange(draw.base_at)
        left = list(draw.order)
        while left and time.monotonic() < until:
            with Pair(self._workspace.folder, self._settings.timeout, self._trial.coins) as pair:
                launches = {side: self._side_launch(side, left, draw) for side in SIDES}
                pair.start(launches, draw.first)
                left = self._visit_all(pair, undecided, left, until)

    def _side_launch(self, side: str, items: Sequence[str], draw: schedule.Draw) -> Launch:
        root = self._tree(side) / self._relative(self._selection.root)
        files = dict.fromkeys(str(root / name.partition("::")[0]) for name in items)
        return self._launch(side, [*self._ini(side), *files], items, draw)

    def _visit_all(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str], until: float) -> list[str]:
        """Time these benchmarks in order. Returns those that a fresh pair must take over."""
        left = self._present(pair, undecided, left)
        while left and time.monotonic() < until:
            name = left.pop(0)
            benchmark = undecided[name]
            pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
            visit = pair.visit(name, benchmark.recipe, pinned)
            for side, end in visit.ends.items():
                self._insist_on_own_code(side, name, end)
            benchmark.add(visit)
            if pair.lost or any(end.outcome == "failed" for end in visit.ends.values()):
                return left  # what spoilt this test may have spoilt its process
        return []

    def _present(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Drop what a side could not collect; if it could not start at all, that is everything."""
        found = pair.collected()
        missing: dict[str, dict[str, End]] = {name: {} for name in left}
        for side, message in found.items():
            there = set() if isinstance(message, End) else set(message["items"])
            for name in left:
                if isinstance(message, End):
                    missing[name][side] = message
                elif name not in there:
                    missing[name][side] = End("missing", _why_missing(name, message["errors"]))
        for name, ends in missing.items():
            if ends:
                undecided[name].fail(ends)
        return [name for name in left if not missing[name]]

    def _insist_on_own_code(self, side: str, name: str, end: End) -> None:
        if not end.foreign:
            return
        module, file = end.foreign[0]
        more = f" and {len(end.foreign) - 1} more" if len(end.foreign) > 1 else ""
        raise PacelineError(
            f"{side} did not run its own code in {name}: module {module!r} came from {file}{more}: install"
            " both sides (--benchmark-against-install), or remove the editable installation or PYTHONPATH"
            " entry that comes first"
        )


def _why_missing(name: str, errors: Mapping[str, str]) -> str:
    for place, text in errors.items():
        if not place or name.startswith(place):
            return text
    return "not collected there: its parameters differ, or an option deselected it"


def _package_file(module: str) -> str:
    """Name the file that makes a test's folder a package: base gets it only if it has none."""
    return (Path(module).parent / "__init__.py").as_posix()


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, as far as the standard library knows."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(schedule.cpus()) or os.cpu_count(),
        "pinning": bool(schedule.cpus()),
    }
