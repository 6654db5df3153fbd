"""What a recording sees beside functions: other files, threads, processes, caches, and what runs by chance."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from paceline.gate.touch.comparison import Touch, compare
from recorded import SOURCE, run, touches, write

CC = shutil.which("cc")
EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(NUMBER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "", -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""


def touch(folder: Path, base: dict[str, str], old: str, new: str, *, passes: int = 1) -> dict[str, Touch]:
    """Change a text in all files of a project, and return what that touches."""
    assert any(old in text for text in base.values())
    return touches(folder, base, {name: text.replace(old, new) for name, text in base.items()}, passes=passes)


def touched(found: dict[str, Touch]) -> set[str]:
    return {name.removeprefix("bench_") for name, each in found.items() if not each.untouched}


def build(folder: Path, number: int) -> None:
    """Compile an extension that returns a number."""
    (folder / "native.c").write_text(EXTENSION.replace("NUMBER", str(number)))
    suffix, include = sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_path("include")
    command = [str(CC), "-shared", "-fPIC", f"-I{include}", "native.c", "-o", f"native{suffix}"]
    subprocess.run(command, cwd=folder, check=True)
    (folder / "native.c").unlink()


@pytest.mark.skipif(CC is None, reason="no C compiler")
@pytest.mark.parametrize("number", [1, 2])
def test_compiled_module(tmp_path: Path, number: int) -> None:
    code = "def bench_native():\n    import native\n    native.answer()\n\ndef bench_nothing(): pass\n"
    for name, value in (("base", 1), ("head", number)):
        build(write(tmp_path / name, {"bench.py": code}), value)
    found = compare(*([run(tmp_path / side)["recording"]] for side in ("base", "head")))
    assert touched(found) == ({"native"} if number == 2 else set())
    assert number == 1 or found["bench_native"].reason.startswith("compiled module native")


def test_code_in_threads_that_were_there_before(tmp_path: Path) -> None:
    code = """
import queue, threading
from work import run
tasks, done = queue.Queue(), queue.Queue()
def serve():
    while True:
        done.put(tasks.get()())
threading.Thread(target=serve, daemon=True).start()
def bench_thread():
    tasks.put(run)
    done.get()
def bench_other(): pass
"""
    assert touched(touch(tmp_path, {"bench.py": code, "work.py": "def run(): return 1"}, "1", "2")) == {"thread"}


def test_a_generator_that_is_resumed(tmp_path: Path) -> None:
    code = """
from work import numbers
found = numbers()
next(found)
def bench_next(): next(found)
def bench_throw():
    made = numbers()
    next(made)
    try:
        made.throw(ValueError)
    except ValueError:
        pass
"""
    work = "def numbers():\n    yield 1\n    yield from more()\n\ndef more():\n    yield 2\n    yield 3\n"
    assert touched(touch(tmp_path, {"bench.py": code, "work.py": work}, "yield 3", "yield 4")) == {"next"}


@pytest.mark.parametrize(
    "start",
    [
        "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
        "import os; os.waitpid(os.fork() or os._exit(0), 0)",
        "import os; os.system('true')",
    ],
)
def test_a_child_process_cannot_be_followed(tmp_path: Path, start: str) -> None:
    files = {"bench.py": f"def bench_child():\n    {start}\n\ndef bench_nothing(): pass\n"}
    found = touches(tmp_path, files, files)
    assert touched(found) == {"child"}
    assert found["bench_child"].reason.startswith("starts another process: ")


def test_code_that_runs_by_chance(tmp_path: Path) -> None:
    code = """
import sys
def often(): pass
def rarely(): pass
def bench_chance(): (often if "forward" in sys.argv else rarely)()
def bench_steady(): often()
"""
    files = {"bench.py": code}
    found = touches(tmp_path, files, files, passes=2)
    assert touched(found) == {"chance"}
    assert found["bench_chance"].reason.startswith("ran different code in two runs: ")


CACHED = {
    "bench.py": "import work\ndef bench_before(): pass\n"
    + "".join(f"def bench_{name}(): work.cached()\n" for name in ("first", "second", "third"))
    + "def bench_after(): pass\n",
    "work.py": "import functools\n@functools.cache\ndef cached(): return fill()\n\ndef fill(): return 1\n",
}


def test_a_cache_that_the_first_fills_counts_for_all_that_cannot_do_without(tmp_path: Path) -> None:
    assert touched(touch(tmp_path, CACHED, "return 1", "return 2", passes=2)) == {"first", "second", "third"}


def test_a_cache_is_no_chance(tmp_path: Path) -> None:
    assert not touched(touches(tmp_path, CACHED, CACHED, passes=2))


@pytest.mark.parametrize(
    ("reads", "expected"), [("", set()), ("    annotated.__annotations__\n", {"annotated"})], ids=["unread", "read"]
)
def test_an_annotation_that_is_not_evaluated(tmp_path: Path, reads: str, expected: set[str]) -> None:
    code = (
        f"from work import annotated\ndef bench_annotated():\n    annotated(1)\n{reads}\ndef bench_nothing(): pass\n"
    )
    work = "from __future__ import annotations\n\ndef annotated(x: int) -> str:\n    return x\n"
    assert touched(touch(tmp_path, {"bench.py": code, "work.py": work}, "int", "float")) == expected


@pytest.mark.parametrize("of", ["documented", "other"])
def test_a_docstring_counts_where_it_is_read(tmp_path: Path, of: str) -> None:
    code = "from work import documented\n\ndef bench_reads():\n    return documented.__doc__\n\n"
    code += "def bench_runs():\n    documented()\n"
    work = "".join(f"def {name}():\n    'Text of {name}.'\n\n" for name in ("documented", "other"))
    found = touch(tmp_path, {"bench.py": code, "work.py": work}, f"Text of {of}", "Words")
    assert touched(found) == ({"reads"} if of == "documented" else set())


LOOKUPS = {
    "a computed name": "getattr(work, 'LI' + 'MIT')",
    "all names": "vars(work)",
    "a name from elsewhere": "getattr(work, name)",
    "a module that is passed on": "taken(work)",
    "a module in a package": "taken(package.inner)",
    "sys.modules": "sys.modules['work']",
    "a module of a name": "importlib.import_module('work')",
    "globals": "globals()",
}


@pytest.mark.parametrize("loads", LOOKUPS)
def test_names_that_are_looked_up(tmp_path: Path, loads: str) -> None:
    code = f"""
import importlib, sys, work, package.inner
name = 'LI' + 'MIT'

def taken(module):
    return getattr(module, name)

def bench_looks():
    return {LOOKUPS[loads]}

def bench_of_object():
    return getattr(Thing(), name, 1), work.OTHER

def bench_nothing(): pass

class Thing: pass
"""
    files = {"bench.py": code, "work.py": "LIMIT = 1\nOTHER = 1\n", "package/inner.py": "LIMIT = 1\n"}
    assert touched(touch(tmp_path, files, "LIMIT = 1", "LIMIT = 2")) == {"looks"}


def test_members_that_are_looked_up(tmp_path: Path) -> None:
    code = (
        "class Thing:\n    def one(self): pass\nname = 'o' + 'ne'\n\ndef bench_looks():\n    getattr(Thing(), name)\n"
    )
    code += "\ndef bench_nothing(): pass\n"
    found = touch(tmp_path, {"bench.py": "from work import *", "work.py": code}, "one(self)", "one(self, more=1)")
    assert touched(found) == {"looks"}


ACTS = "import registry\nregistry.NAMES.append(__name__)\n"
ORDERED = {
    "bench.py": "import registry, user\n\ndef bench_names(): return registry.NAMES\n",
    "registry.py": "NAMES = []\n",
    "user.py": "import one\nimport two\nimport registry\nregistry.NAMES.append('x')\n",
    "one.py": ACTS,
    "two.py": ACTS,
}


@pytest.mark.parametrize(
    "new", ["import two\nimport one\nimport registry\nregistry.NAMES.append('x')\n",
            "import one\nimport registry\nregistry.NAMES.append('x')\nimport two\n"],
    ids=["each other", "a statement that acts"],
)  # fmt: skip
def test_the_order_of_imports_that_act(tmp_path: Path, new: str) -> None:
    assert touched(touch(tmp_path, ORDERED, ORDERED["user.py"], new)) == {"names"}


def test_a_function_that_a_compiler_runs(tmp_path: Path) -> None:
    """A stand-in for numba: what it is given never runs as Python, only its code is read."""
    code = "from work import kernel\n\ndef bench_kernel(): kernel(1)\n\ndef bench_other(): pass\n"
    work = "import numba\n\n@numba.njit\ndef kernel(x):\n    return helper(x)\n\ndef helper(x): return x + 1\n"
    stand_in = "def njit(function):\n    return type('Compiled', (), {'__call__': lambda self, x: x})()\n"
    write(tmp_path, {"_pytest/numba.py": stand_in})
    found = touch(tmp_path, {"bench.py": code, "work.py": work}, "x + 1", "x + 2")
    assert touched(found) == {"kernel"}


def test_a_star_import(tmp_path: Path) -> None:
    files = {
        "bench.py": "from work import *\ndef bench_star(): return A\ndef bench_b(): pass\n",
        "work.py": "A = 1\n",
    }
    assert touched(touch(tmp_path, files, "A = 1", "A = 2")) == {"star"}


def test_modules_that_a_library_imports_count_as_a_whole(tmp_path: Path) -> None:
    files = {"bench.py": "def bench_a(): pass\nUNSEEN = 1\n"}
    found = touch(tmp_path, files, "UNSEEN = 1", "UNSEEN = 2")
    assert found["bench_a"].reason == "module-level code of bench.py differs: UNSEEN"


def test_a_library_that_differs(tmp_path: Path) -> None:
    files = {"bench.py": "def bench_a(): pass\n"}
    base = run(write(tmp_path / "side", files))["recording"]
    head = json.loads(json.dumps(base))
    head["libraries"]["numpy"] = "1"
    assert compare([base], [head])["bench_a"].reason == "only one side loads library numpy"
    head = json.loads(json.dumps(base))
    head["environment"]["Python"] = "4"
    assert compare([base], [head])["bench_a"].reason == "Python differs"


def test_a_file_that_may_be_read_unseen(tmp_path: Path) -> None:
    """Its name is in a string. A name of code is no name of a file."""
    code = "def bench_reads(): return open_natively('table.parquet')\n\ndef bench_calls(): parquet()\n"
    code += "\ndef open_natively(name): pass\n\ndef parquet(): pass\n"
    recording = run(write(tmp_path / "side", {"bench.py": code}), watched="parquet")["recording"]
    assert touched(compare([recording], [recording], ["parquet"])) == {"reads"}


@pytest.mark.parametrize(("new", "expected"), [("return 2", {"made"}), ("return 1", set())])
def test_generated_code_of_no_file_counts_by_content(tmp_path: Path, new: str, expected: set[str]) -> None:
    """As cattrs makes it. It looks names up, and a file that differs is no name."""
    code = """
import os
os.chdir(os.path.dirname(__file__))
def bench_made():
    names = {}
    exec(compile("def made():\\n    globals()\\n    return 1\\nmade()", "", "exec"), names)
    return names
def bench_nothing(): pass
"""
    sides = [write(tmp_path / name, {"bench.py": code}) for name in ("base", "head")]
    (sides[1] / "bench.py").write_text(code.replace("return 1", new))
    base, head = ([run(side, watched="HISTORY")["recording"]] for side in sides)
    assert touched(compare(base, head, ["HISTORY"])) == expected


MAKES = {
    "in its globals": "exec(f'def made(): return {os.getpid()}', vars(wave))\n    wave.made()",
    "in a module": "made = Path(tempfile.mkdtemp(), f'made{os.getpid()}.py')\n    made.write_text('x = 1')\n"
    "    sys.path.append(str(made.parent))\n    __import__(made.stem)\n    sys.path.pop()",
}


@pytest.mark.parametrize("makes", MAKES)
def test_code_that_a_library_makes_does_not_count_by_its_name(tmp_path: Path, makes: str) -> None:
    """What a library makes of what it is given differs only if that differs, which is seen by itself."""
    code = "import os, sys, tempfile, wave\nfrom pathlib import Path\n\n"
    files = {"bench.py": f"{code}def bench_made():\n    {MAKES[makes]}\n"}
    assert not touched(touches(tmp_path, files, files))


MOVES = {
    "made": "types.FunctionType(work.run.__code__, vars(wave))()",
    "set": "wave.open.__code__ = work.run.__code__\n    wave.open()",
    "run": "exec(work.run.__code__, vars(wave))",
    "loaded": "spec_from_file_location('wave', work.__file__).loader.exec_module(wave)\n    wave.run()",
}


@pytest.mark.parametrize("moves", MOVES)
def test_code_of_the_tree_among_the_globals_of_a_library(tmp_path: Path, moves: str) -> None:
    code = "from importlib.util import spec_from_file_location\nimport types, wave, work\n"
    code += "def bench_nothing(): pass\n"
    files = {"bench.py": f"{code}def bench_moved():\n    {MOVES[moves]}\n", "work.py": "def run(): return 1\n"}
    assert touched(touch(tmp_path, files, "return 1", "return 2")) == {"moved"}


ENTRY_POINTS = "from importlib.metadata import distributions\n\n\ndef read():\n"
ENTRY_POINTS += "    return [list(each.entry_points) for each in distributions()]\n"


@pytest.mark.parametrize(("reader", "expected"), [("_pytest", set()), ("work", {"reads"})])
def test_entry_points_that_pytest_reads_do_not_count(tmp_path: Path, reader: str, expected: set[str]) -> None:
    """The name of their folder holds a version, often made of the commit."""
    library = {"_pytest/__init__.py": "from pluggy import _manager\n\n\ndef read(): return _manager.read()\n"}
    write(tmp_path / "library", {**library, "pluggy/__init__.py": "", "pluggy/_manager.py": ENTRY_POINTS})
    code = f"import sys\nsys.path.insert(0, {str(tmp_path / 'library')!r})\nimport {reader} as reader\n"
    base = {"bench.py": f"{code}\n\ndef bench_reads(): reader.read()\n", "work.py": ENTRY_POINTS}
    base |= {"thing-1.dist-info/METADATA": "Name: thing\n", "thing-1.dist-info/entry_points.txt": "[a]\nb = c\n"}
    head = {name.replace("-1.", "-2."): text for name, text in base.items()}
    assert touched(touches(tmp_path, base, head)) == expected


PLUGIN = """
import json, os, pytest
from paceline.gate.touch.recording import TouchRecorder
recorder = TouchRecorder([os.environ["ROOT"]])
recorder.start()

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    recorder.begin(item.nodeid)
    try:
        return (yield)
    finally:
        recorder.end()

def pytest_sessionfinish(session):
    with open(os.environ["OUT"], "w") as file:
        json.dump(recorder.stop(), file)
"""


@pytest.mark.slow
def test_fixtures_of_a_conftest(tmp_path: Path) -> None:
    """A fixture counts for the tests that use it."""
    files = {
        "conftest.py": "import pytest\nfrom work import one, two\n\n@pytest.fixture\ndef a():\n    yield one()\n\n"
        "@pytest.fixture(scope='session')\ndef wide(): return two()\n",
        "work.py": "def one(): return 1\n\ndef two(): return 2\n",
        "test_a.py": "def test_a(a): assert a\n\ndef test_b(wide): 1\ndef test_c(wide): 1\ndef test_d(): 1\n",
    }
    write(tmp_path, {"plugin/recording_plugin.py": PLUGIN})

    def of(side: str, old: str, new: str) -> list[dict[str, object]]:
        write(tmp_path / side, {name: text.replace(old, new) for name, text in files.items()})
        path = os.pathsep.join([str(SOURCE), str(tmp_path / "plugin")])
        environment = {**os.environ, "PYTHONPATH": path, "ROOT": str(tmp_path / side), "OUT": str(tmp_path / "out")}
        found = []
        for items in ("abcd", "dcba"):
            names = [f"test_a.py::test_{item}" for item in items]
            command = [sys.executable, "-m", "pytest", "-q", "-p", "recording_plugin", "-p", "no:cacheprovider", "-c"]
            command += [os.devnull, "--rootdir", ".", *names]
            subprocess.run(command, cwd=tmp_path / side, env=environment, check=True, capture_output=True)
            found.append(json.loads((tmp_path / "out").read_text()))
        return found

    base = of("base", "", "")
    assert touched(compare(base, of("head", "return 1", "return 3"))) == {"test_a.py::test_a"}
    wide = {"test_a.py::test_b", "test_a.py::test_c"}
    assert touched(compare(base, of("head", "return 2", "return 3"))) == wide
