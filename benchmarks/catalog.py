"""Names every workload, contender and size, and loads the one that is asked for.

Naming reads file names and literals and imports nothing, so that collecting costs no framework's start and the
lists, which asv addresses by position, are the same on every machine.

A problem is loaded from this checkout, a contender from the installed ``impl``: under asv that is another commit,
which must be measured on today's problem.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import io
import re
import sys
import tokenize
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

IMPL = Path(__file__).resolve().parent.parent / "impl"

#: The sizes that are measured unless others are asked for.
DEFAULT_SIZES = ("small", "article")

#: Contenders whose framework has no other device. Known by name, since it cannot be imported without a driver.
ONLY_ON_GPUS = ("with_cupy",)

#: Contenders in an environment of their own: a file in the suite's that is there when theirs is ready, and the
#: command that makes it. Without it they are left out, also under --strict-contenders.
OWN_ENVIRONMENTS = {"flink_sql": ("flink/ready", "make flink")}

#: Part of every version: increase it when what is timed changes though no problem did.
PROTOCOL = 1


class Unavailable(Exception):  # noqa: N818 - not an error: the text says what this machine lacks
    """A contender cannot run here, for the reason given in one line."""


class LeftOut(Unavailable):
    """A contender leaves a size out, on every machine, or a device."""

    REASON = "left out, for it takes over a minute"


def workloads() -> list[str]:
    """Name every folder of ``impl`` that holds a ``problem.py``, sorted; one with a leading underscore is none."""
    return sorted(path.parent.name for path in IMPL.glob("*/problem.py") if not path.parent.name.startswith("_"))


def contenders(workload: str) -> list[str]:
    """Name every contender of ``workload``, sorted; a module with a leading underscore is none."""
    names = (path.stem for path in (IMPL / workload).glob("*.py"))
    return sorted(name for name in names if name != "problem" and not name.startswith("_"))


def sizes(workload: str) -> list[str]:
    """Name the sizes of ``workload`` in the order in which its ``problem.py`` lists them.

    Raises ``ValueError`` unless the module assigns ``SIZES`` a dictionary with literal names.
    """
    for node in _parsed(_source(workload)).body:
        if "SIZES" in _defined(node) and isinstance(value := getattr(node, "value", None), ast.Dict):
            return [str(ast.literal_eval(key)) for key in value.keys if key is not None]
    path = IMPL / workload / "problem.py"
    raise ValueError(f"{path} assigns no dictionary to SIZES; write one out, as in SIZES = {{'tiny': (50, 30)}}")


def default_sizes(workload: str) -> list[str]:
    """Name the sizes of ``workload`` that are measured unless others are asked for."""
    return [size for size in sizes(workload) if size in DEFAULT_SIZES]


def version(workload: str) -> str:
    """Identify what is measured: results of one ``workload`` belong to one series only under one version.

    Hashes the source of the problem, and of those that it imports from, without comments, docstrings, blank lines and
    trailing blanks. The text is cut and never rebuilt, because tokens and syntax trees differ between versions of
    Python.
    """
    digest = hashlib.sha256(f"{PROTOCOL}\n".encode())
    read = [workload]
    for name in read:
        digest.update(_code(_source(name)).encode())
        read += [needed for needed in _needs(name) if needed not in read]
    return digest.hexdigest()[:16]


def _source(workload: str) -> str:
    return (IMPL / workload / "problem.py").read_text(encoding="utf-8")


@functools.cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _needs(workload: str) -> list[str]:
    """Name the workloads from whose problems that of ``workload`` imports, in the order of its source."""
    imports = (node for node in ast.walk(_parsed(_source(workload))) if isinstance(node, ast.ImportFrom))
    found = (re.fullmatch(r"impl\.(\w+)\.problem", node.module or "") for node in imports)
    return list(dict.fromkeys(match[1] for match in found if match))


def defines(workload: str, name: str) -> bool:
    """Tell whether the problem of ``workload`` has a function or assigns a variable ``name`` at its top level."""
    return any(name in _defined(node) for node in _parsed(_source(workload)).body)


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines as a function or variables."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _code(source: str) -> str:
    """Return ``source`` without comments, docstrings and blank lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(_parsed(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        # Left uncleaned: cleaning would import inspect, which collecting can do without.
        if ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno
            lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


@functools.cache
def problem_module(workload: str) -> ModuleType:
    """Load ``problem.py`` of ``workload`` from this checkout, under the name that contenders know it by."""
    for needed in _needs(workload):
        problem_module(needed)
    name = f"impl.{workload}.problem"
    spec = importlib.util.spec_from_file_location(name, IMPL / workload / "problem.py")
    if spec is None or spec.loader is None:  # pragma: no cover - for the type checker
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name while the class is being made.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def make(workload: str, size: str) -> Any:
    """Return the ``Problem`` of ``workload`` at ``size``; raises ``Unavailable`` where its data are not installed."""
    module = problem_module(workload)
    with _installed():
        return module.make(module.SIZES[size])


@contextmanager
def _installed() -> Iterator[None]:
    """Raise ``Unavailable`` where something is missing that is imported late: data, a broker."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("impl."):
            raise  # a slip in the suite's own imports
        raise Unavailable(f"{error.name} is not installed") from error


def contender_module(workload: str, contender: str) -> ModuleType:
    """Import ``contender`` and with it its framework, or raise ``Unavailable`` if that is not installed."""
    name = f"impl.{workload}.{contender}"
    if environment.device() == "cpu" and contender in ONLY_ON_GPUS:
        raise LeftOut("runs on a GPU only (DEVICE=gpu)")
    ready, command = OWN_ENVIRONMENTS.get(contender, ("", ""))
    if not Path(sys.prefix, ready).exists():
        raise LeftOut(f"runs in an environment of its own, which {command} makes")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Unavailable(f"the measured commit has no {name}") from error
        if error.name is None or error.name.startswith("impl."):
            raise  # a slip in the contender's own imports, which is no missing framework
        raise Unavailable(f"{error.name} is not installed") from error


def prepare(workload: str, contender: str, problem: Any) -> Callable[[], Any]:
    """Return the ``run`` of ``contender`` on ``problem``, or raise ``Unavailable``."""
    module = contender_module(workload, contender)
    try:
        environment.require_device(contender)
    except LookupError as error:
        raise Unavailable(str(error)) from error
    with _installed():
        run: Callable[[], Any] = module.prepare(problem)
    return run


def admit(workload: str, contender: str, size: str) -> None:
    """Raise ``Unavailable`` or ``LeftOut`` unless ``contender`` runs at ``size`` here. Imports the contender."""
    module = contender_module(workload, contender)
    if size in getattr(module, "LEAVES_OUT", ()):
        raise LeftOut(LeftOut.REASON)
    out_of_core = size in getattr(problem_module(workload), "OUT_OF_CORE", ())
    if out_of_core and not getattr(module, "OUT_OF_CORE", False):
        raise LeftOut("works in memory, which the data of this size exceed")


def approach(workload: str, contender: str) -> str:
    """Say what ``contender`` does, by its own ``APPROACH`` or else its workload's. Imports the contender."""
    default = problem_module(workload).APPROACH
    return str(getattr(contender_module(workload, contender), "APPROACH", default))
