"""Collects asv suites as pytest items: asv_runner finds the benchmarks, and the `benchmark` fixture times them.

So -k, node ids, JUnit, pytest-benchmark, the history and the gate work as for any test. The parent of the suite's
folder stays off sys.path, as in asv, so that it cannot hide the side's installed package.
Standard library, pytest, pytest-benchmark and asv_runner only: workers load this.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from paceline.config import asv_conf
from paceline.config.options import ASV_SUITE, WORKER
from paceline.errors import PacelineError
from paceline.system import extras

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from paceline.config.asv_conf import AsvSuite

NAME = "paceline-asv"
IN_WORKER = "paceline-worker"  # plugin of a process of a pair
CACHES = "PACELINE_ASV_CACHES"  # variable with the folder for a side's values of setup_cache
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
LONGEST_ID = 60  # characters of a parameter; longer names are unreadable, and too long for a file's name
KEPT_OF_LONG = 40


def environment(folder: str | None, caches: Path) -> dict[str, str]:
    """Return the variables that give a side's process the suite's folder below rootdir, and the caches' folder."""
    return {ASV_SUITE: folder, CACHES: str(caches)} if folder else {}


def collect(config: pytest.Config, folder: str | Path | None, *, alone: bool) -> None:
    """Make this session collect an asv suite; `alone`: instead of the project's tests, if no paths were given.

    Without `folder`, the suite of the project around rootdir is collected. Raises PacelineError if there is none.
    """
    has_paths = config.args_source is pytest.Config.ArgsSource.ARGS
    try:
        suite = asv_conf.find(config.rootpath, folder)
    except PacelineError:
        if not config.pluginmanager.has_plugin(WORKER):
            raise
        if alone and not has_paths:  # base may have no suite yet
            config.args = []
        return
    extras.require("pytest --benchmark-asv", "asv")
    suite = _below(config.rootpath, suite)
    config.pluginmanager.register(Plugin(config, suite), NAME)
    if not has_paths:
        wider = any(_is_in(suite.folder, Path(each.partition("::")[0])) for each in config.args)
        config.args = [str(suite.folder)] if alone else [*config.args, *([] if wider else [str(suite.folder)])]


def _below(root: Path, suite: AsvSuite) -> AsvSuite:
    """Return the suite by its path below pytest's rootdir, as pytest spells that."""
    try:
        place = suite.folder.resolve().relative_to(root.resolve())
    except ValueError:
        raise PacelineError(
            f"the asv suite in {suite.folder} is outside pytest's rootdir {root}."
            " Choose one that contains it: --rootdir=DIR"
        ) from None
    return replace(suite, folder=root / place)


def _is_in(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


class Plugin:
    """Collects the suite. `values`: results of `mem_*`, `peakmem_*` and `track_*`, by node id, with units."""

    def __init__(self, config: pytest.Config, suite: AsvSuite) -> None:
        from asv_runner._aux import update_sys_path

        self._config = config
        self.suite = suite
        self.values: dict[str, tuple[float | None, str]] = {}
        self.modules: dict[str, str] = {}  #: files of the modules that child processes have loaded, by name
        self._caches: Path | None = None
        _find_memory_benchmarks()
        update_sys_path(str(suite.folder))
        self._insist_on_own_name()

    def files(self) -> dict[str, str]:
        """Return the files, links resolved, of the modules that child processes have loaded, by name."""
        return {name: os.path.realpath(file) for name, file in self.modules.items()}

    @property
    def place(self) -> str:
        """The suite's folder below rootdir."""
        return self.suite.folder.relative_to(self._config.rootpath).as_posix()

    def _insist_on_own_name(self) -> None:
        """Raise PacelineError if another package of this name was imported: Python would take it for the suite."""
        name, folder = self.suite.folder.name, str(self.suite.folder)
        there = sys.modules.get(name)
        if there is not None and folder not in map(os.path.normpath, getattr(there, "__path__", ())):
            origin = getattr(there, "__file__", None) or "another folder"
            raise PacelineError(
                f"the asv suite {folder} cannot be imported: {name!r} was imported from {origin}."
                " Rename the suite's folder."
            )

    @property
    def caches(self) -> Path:
        """Folder for the values of setup_cache: a side's own in a gate, else one for this session."""
        if self._caches is None and CACHES in os.environ:
            self._caches = Path(os.environ[CACHES])
        elif self._caches is None:
            self._caches = Path(tempfile.mkdtemp(prefix="paceline-asv-"))
            self._config.add_cleanup(lambda: shutil.rmtree(str(self._caches), ignore_errors=True))
        return self._caches

    def module_name(self, path: Path) -> str | None:
        """Return the name of a file's module as asv imports it; None for files that asv ignores."""
        parts = path.relative_to(self.suite.folder).parts
        packages = [self.suite.folder.joinpath(*parts[:depth]) for depth in range(len(parts))]
        if path.suffix != ".py" or path.name == "conftest.py":  # pytest's own
            return None
        if not all((package / "__init__.py").is_file() for package in packages):
            return None
        names = [*parts[:-1], *([] if path.name == "__init__.py" else [path.stem])]
        return ".".join([self.suite.folder.name, *names])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Keep pytest from importing the packages of the suite, for which it would extend sys.path."""
        return pytest.Dir.from_parent(parent, path=path) if _is_in(path, self.suite.folder) else None

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Collect asv's benchmarks of a file, and its tests if pytest would look for some there."""
        found = yield
        if not _is_in(file_path, self.suite.folder) or self.module_name(file_path) is None:
            return found
        patterns = self._config.getini("python_files")
        if not any(file_path.match(pattern) for pattern in patterns):
            found = [each for each in found if not isinstance(each, pytest.Module)]
        return [*found, AsvFile.from_parent(parent, path=file_path)]

    def notes(self, items: Iterable[pytest.Item]) -> list[str]:
        """Return notices for settings of the configuration and of the benchmarks that the gate ignores."""
        from paceline.gate.worker.suites.asv_run import ignored_settings

        found = {id(each.found): each.found for each in items if isinstance(each, AsvTime | AsvValue)}
        ignored = ignored_settings(list(found.values()))
        notes = (
            [f"asv's {', '.join(ignored)}: not applied, the gate decides how often it measures"] if ignored else []
        )
        if self.suite.file and self.suite.ignored():
            notes.append(f"{self.suite.file.name}: {', '.join(self.suite.ignored())}: not applied in a gate")
        return notes

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the values where no gate compares them."""
        if not self.values or self._config.pluginmanager.has_plugin("paceline-gate"):
            return
        from paceline.report.terminal import amount

        terminalreporter.section("asv values")
        for name, (value, unit) in self.values.items():
            terminalreporter.write_line(f"{name}  {amount(value, unit)}")


def _find_memory_benchmarks() -> None:
    """Let `mem_*` be found without pympler, which measures them: a suite without them would look complete."""
    from asv_runner import benchmarks

    if any(each.__name__ in {"MemBenchmark", "Unmeasured"} for each in benchmarks.benchmark_types):
        return
    base = benchmarks.benchmark_types[0].__mro__[-2]

    class Unmeasured(base):  # type: ignore[misc, valid-type]
        name_regex = re.compile("^(Mem[A-Z_].+)|(mem_.+)$")

        def run(self, *_: Any) -> None:
            from paceline.gate.worker.suites.asv_run import not_applicable

            raise not_applicable("mem_ benchmarks need pympler: python -m pip install pympler")

    benchmarks.benchmark_types.append(Unmeasured)


def suite_of(config: pytest.Config) -> Plugin | None:
    """Return the asv suite that this session collects, if there is one."""
    found = config.pluginmanager.get_plugin(NAME)
    return found if isinstance(found, Plugin) else None


def _plugin(node: pytest.Item | pytest.Collector) -> Plugin:
    found = node.config.pluginmanager.get_plugin(NAME)
    assert isinstance(found, Plugin)  # noqa: S101 - it has made the node
    return found


# Collection


class AsvFile(pytest.File):
    """A file of the suite."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Yield the benchmarks of this file alone, by asv's own rules; classes keep theirs together."""
        module = _plugin(self).module_name(self.path)
        functions: list[tuple[str, Any]] = []
        classes: dict[str, list[tuple[str, Any]]] = {}
        for found in _discover(str(module)):
            kind, dot, name = _short_name(found.name, str(module)).rpartition(".")
            if dot and "." not in kind:
                classes.setdefault(kind, []).append((name, found))
            else:
                functions.append((f"{kind}{dot}{name}", found))
        yield from _items(self, functions)
        for kind, members in classes.items():
            group = AsvClass.from_parent(self, name=kind)
            group.members = members
            yield group


class AsvClass(pytest.Collector):
    """A class of benchmarks."""

    members: Sequence[tuple[str, Any]] = ()

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the class's benchmarks."""
        return _items(self, self.members)


def _discover(module: str) -> list[Any]:
    """Return the benchmarks of one module, as asv finds them; each once, even if the module names it twice."""
    from asv_runner.discovery import disc_benchmarks

    imported = importlib.import_module(module)
    path = vars(imported).pop("__path__", None)  # modules below a package are files of their own
    try:
        return list({found.name: found for found in disc_benchmarks(module)}.values())
    finally:
        if path is not None:
            vars(imported)["__path__"] = path


def _short_name(name: str, module: str) -> str:
    """Return a benchmark's name within its file; asv's `benchmark_name` may be any text."""
    prefix = module.partition(".")[2]
    return name.removeprefix(f"{prefix}.") if prefix else name


def _items(parent: pytest.Collector, members: Sequence[tuple[str, Any]]) -> Iterator[pytest.Item]:
    """Yield one item for each benchmark and combination of its parameters."""
    from asv_runner.benchmarks.time import TimeBenchmark

    named = [
        (f"{name}[{'-'.join(ids)}]" if ids else name, ids, found, params)
        for name, found in members
        for ids, params in zip(
            itertools.product(*map(parameter_ids, found._params)), itertools.product(*found._params), strict=True
        )
    ]
    for name, (_, ids, found, params) in zip(_unique([each[0] for each in named]), named, strict=True):
        kind = AsvTime if isinstance(found, TimeBenchmark) else AsvValue
        yield kind.of(parent, name, found, params, "-".join(ids))


# Parameters, by which both sides' benchmarks are matched


def parameter_ids(values: Sequence[Any]) -> list[str]:
    """Return a name for each value of one parameter, made from the value; a number is added only to equal names."""
    short = [_short(value) for value in values]
    counts = Counter(short)
    return _unique(
        [text if counts[text] == 1 else _cut(_text(value)) for text, value in zip(short, values, strict=True)]
    )


def _short(value: Any) -> str:
    if isinstance(value, str) and value:
        return _cut(value)
    if inspect.isclass(value) or inspect.isroutine(value):
        return _cut(value.__name__)
    return _cut(_text(value))


def _text(value: Any) -> str:
    """Return the repr of a value, without addresses and orders that differ between processes."""
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    return ADDRESS.sub("", repr(value))


def _cut(text: str) -> str:
    """Return text as one short line; if it was cut, a hash replaces the rest."""
    line = " ".join(text.split())
    if line == text and len(line) <= LONGEST_ID:
        return line.encode("unicode_escape").decode("ascii")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{line[:KEPT_OF_LONG].encode('unicode_escape').decode('ascii')}...{digest}"


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names with a number added to the second and later of equal ones."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


# Items


def _line(found: Any) -> int:
    """Return the line in which a benchmark is defined, from 0."""
    code = getattr(inspect.unwrap(found.func), "__code__", None)
    return code.co_firstlineno - 1 if code else 0


class AsvTime(pytest.Function):
    """A `time_*` or `timeraw_*` benchmark with its parameters: a test that uses the `benchmark` fixture."""

    found: Any = None

    @classmethod
    def of(cls, parent: pytest.Collector, name: str, found: Any, params: tuple[Any, ...], text: str) -> AsvTime:
        """Make the item."""
        item: AsvTime = cls.from_parent(parent, name=name, callobj=_test(parent, found, params, text))
        item.found = found
        in_trial = parent.config.pluginmanager.has_plugin(WORKER)
        timer = None if in_trial else _timer(found)
        item.add_marker(pytest.mark.benchmark(disable_gc=True, **({"timer": timer} if timer else {})))
        return item

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return where the benchmark is defined."""
        return self.path, _line(self.found), self.name


def _timer(found: Any) -> Any:
    """Return a timer for pytest-benchmark: asv's `timer` or a child's clock; None for pytest-benchmark's own."""
    from asv_runner.benchmarks.time import wall_timer

    from paceline.gate.worker.suites.asv_run import ChildClock

    if _is_raw(found):
        return ChildClock()
    return found.timer if found.timer is not wall_timer else None


def _is_raw(found: Any) -> bool:
    from asv_runner.benchmarks.timeraw import TimerawBenchmark

    return isinstance(found, TimerawBenchmark)


def _test(parent: pytest.Collector, found: Any, params: tuple[Any, ...], text: str) -> Any:
    """Make the function that pytest calls."""
    suite = _plugin(parent)

    def test(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        from paceline.gate.worker.suites.asv_run import AsvRun, time_call, time_child

        if params:
            benchmark.param, benchmark.params = text, dict(zip(found.param_names, params, strict=True))
        if not request.config.pluginmanager.has_plugin(WORKER):  # in a gate, both sides run head's benchmarks
            benchmark.extra_info["version"] = found.version
        run = AsvRun(found, params, suite.caches)
        if _is_raw(found):
            time_child(benchmark, run, request.node, suite.modules)
        else:
            time_call(benchmark, run, request.config)

    return test


class AsvValue(pytest.Item):
    """A `mem_*`, `peakmem_*` or `track_*` benchmark with its parameters: gives a value.

    A gate does not judge the value, unless it judges memory.
    """

    fixturenames = ("benchmark",)  # so that --benchmark-only lets it run
    found: Any = None
    _params: tuple[Any, ...] = ()

    @classmethod
    def of(cls, parent: pytest.Collector, name: str, found: Any, params: tuple[Any, ...], _: str) -> AsvValue:
        """Make the item."""
        item: AsvValue = cls.from_parent(parent, name=name)
        item.found, item._params = found, params
        return item

    @property
    def is_of_memory(self) -> bool:
        """Whether less of the value is better, as asv defines it."""
        return getattr(self.found, "type", None) in {"memory", "peakmemory"}

    @property
    def is_peak(self) -> bool:
        """Whether it is a `peakmem_*`, which is recorded with the peaks of memory."""
        return getattr(self.found, "type", None) == "peakmemory"

    def runtest(self) -> None:
        """Measure, and keep the value with its unit; a gate that judges memory measures a `peakmem_*` itself."""
        from paceline.gate.worker.suites.asv_run import AsvRun, repeat, value

        suite, worker = _plugin(self), self.config.pluginmanager.get_plugin(IN_WORKER)
        run = AsvRun(self.found, self._params, suite.caches)
        if worker is not None and worker.weighs and self.is_peak:
            repeat(worker.fixture(self), run)
            return
        measured, unit = value(run), str(self.found.unit)
        suite.values[self.nodeid] = measured, unit
        self.user_properties += [("value", measured), ("unit", unit)]

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return where the benchmark is defined."""
        return self.path, _line(self.found), self.name
