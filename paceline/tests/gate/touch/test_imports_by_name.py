"""A suite that imports by computed names, as this repository's own does: one change each, and what it touches."""

from pathlib import Path

import pytest
from paceline.gate.touch.comparison import compare
from paceline.gate.touch.recording import Recording
from recorded import record, touches

CATALOG = """
import functools, importlib, importlib.util, sys
from pathlib import Path

HERE = Path(__file__).parent

@functools.cache
def problem(workload):
    name = f"impl.{workload}.problem"
    spec = importlib.util.spec_from_file_location(name, HERE / "impl" / workload / "problem.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

def contender(workload, name):
    return importlib.import_module(f"impl.{workload}.{name}")

def run(workload, name):
    module = contender(workload, name)
    assert "tensorflow" not in sys.modules
    answer = module.prepare(problem(workload).SIZES["small"])()
    return answer, getattr(contender(workload, name), "APPROACH", problem(workload).APPROACH)
"""
NAMES = [("a", "dense"), ("a", "plain"), ("b", "dense"), ("b", "plain")]
DENSE = """from impl._shared.layers import dense
APPROACH = "dense"
STEPS = 2

def prepare(size):
    def run():
        return dense(size) * STEPS
    return run
"""
PLAIN = """APPROACH = "plain"

def prepare(size):
    return lambda: size
"""
PROBLEM = "SIZES = {'small': 3}\nAPPROACH = 'any'\n"
SHARED = "FACTOR = 2\n\ndef dense(x):\n    return x * FACTOR\n\ndef relu(x):\n    return max(x, 0)\n"
SUITE = {
    "catalog.py": CATALOG,
    "impl/__init__.py": "",
    "impl/_shared/layers.py": SHARED,
    **{f"impl/{workload}/{name}.py": DENSE if name == "dense" else PLAIN for workload, name in NAMES},
    **{f"impl/{workload}/problem.py": PROBLEM for workload in "ab"},
    "bench.py": "from catalog import run\n"
    + "".join(f"def bench_{workload}_{name}(): run({workload!r}, {name!r})\n" for workload, name in NAMES),
}
CHANGES = {
    "a contender's constant": ("impl/a/dense.py", "STEPS = 2", "STEPS = 3", "a_dense"),
    "a contender's way to say what it is": ("impl/a/plain.py", '"plain"', '"plainer"', "a_plain"),
    "a contender's new import and helper": (
        "impl/a/dense.py",
        "STEPS = 2",
        "import math\ndef f(): ...\nSTEPS = 2",
        "a_dense",
    ),
    "a contender that acts": ("impl/b/plain.py", '"plain"', '"plain"\nprint(end="")', "b_plain"),
    "a contender's code": ("impl/b/dense.py", "(size) *", "(size) +", "b_dense"),
    "a problem": ("impl/a/problem.py", "3", "4", "a_dense a_plain"),
    "a helper that is used": ("impl/_shared/layers.py", "x * FACTOR", "FACTOR * x", "a_dense b_dense"),
    "a helper's constant": ("impl/_shared/layers.py", "FACTOR = 2", "FACTOR = 3", "a_dense b_dense"),
    "a helper that is not used": ("impl/_shared/layers.py", "max(x, 0)", "max(0, x)", ""),
    "a new helper": ("impl/_shared/layers.py", "def relu", "def elu(x): ...\n\ndef relu", ""),
    "the catalog": ("catalog.py", "SIZES[", "SIZES.get(", "a_dense a_plain b_dense b_plain"),
}


def both(root: Path, files: dict[str, str]) -> list[Recording]:
    """Record in both orders."""
    return [record(root, files, order) for order in ("forward", "backward")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """What was recorded before the change."""
    return both(tmp_path_factory.mktemp("suite") / "base", SUITE)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_suite(name: str, base: list[Recording], tmp_path: Path) -> None:
    file, old, new, expected = CHANGES[name]
    assert old in SUITE[file]
    head = SUITE | {file: SUITE[file].replace(old, new).replace('.get("small"]', '.get("small")')}
    found = compare(base, both(tmp_path / "head", head))
    touched = {name.removeprefix("bench_") for name, touch in found.items() if not touch.untouched}
    assert touched == set(expected.split()), {name: touch.reason for name, touch in found.items()}


REGISTRY = {
    "registry.py": "import importlib\nHANDLERS = {}\nfor name in ('red', 'blue'): importlib.import_module(name)\n"
    "def handle(name): return HANDLERS[name]()\n",
    **{
        f"{name}.py": f"import registry\nSIZE = 1\ndef run(): return SIZE\ndef other(): return SIZE\n"
        f"registry.HANDLERS[{name!r}] = run\n"
        for name in ("red", "blue")
    },
    "bench.py": "import registry\ndef bench_red(): registry.handle('red')\n"
    "def bench_blue(): registry.handle('blue')\ndef bench_none(): pass\n",
}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("run(): return SIZE", "run(): return 1", {"red"}),
        ("['red'] = run", "['red'] = other", {"red", "blue", "none"}),
        ("SIZE = 1", "SIZE = 2", {"red", "blue", "none"}),  # the loop gave the module out, to whom is not known
    ],
)
def test_a_registry_that_modules_imported_by_name_fill(
    tmp_path: Path, old: str, new: str, expected: set[str]
) -> None:
    head = REGISTRY | {"red.py": REGISTRY["red.py"].replace(old, new)}
    found = touches(tmp_path, REGISTRY, head)
    assert {name.removeprefix("bench_") for name, touch in found.items() if not touch.untouched} == expected


WAYS = {
    "direct": "from pkg.m import LIMIT\ndef f():\n    return LIMIT",
    "alias": "import pkg.m as q\ndef f():\n    return q.LIMIT",
    "inside": "def f():\n    from pkg import m as z\n    return z.LIMIT",
    "star": "from pkg.m import *\ndef f():\n    return LIMIT",
    "exported": "from pkg.api import BOUND\ndef f():\n    return BOUND",
    "hidden": "from pkg.api import hidden\ndef f():\n    return hidden.LIMIT",
    "chain": "import pkg.api\ndef f():\n    return pkg.api.hidden.LIMIT",
    "package": "import pkg\ndef f():\n    return pkg.m.LIMIT",
    "stars": "from pkg import everything\ndef f():\n    return everything.LIMIT",
    "lazy": "from pkg import lazy\ndef f():\n    return lazy.LIMIT",
    "value": "import pkg.m\nfrom pkg.takes import takes\ndef f():\n    return takes(pkg.m)",
    "text": "import pkg.m\ndef f():\n    return eval('pkg.m.LIMIT')",
    "made": "def f():\n    space = {}\n    exec('from pkg import m\\nx = m.LIMIT', space)\n    return space",
    "given": "import importlib\ndef f():\n    return importlib.import_module('.m', 'pkg').LIMIT",
    "pickled": "import pickle, pkg.m\ndef f():\n    return pickle.loads(b'cpkg.m\\nLIMIT\\n.')",
    "through a library": "import pkgutil\ndef f():\n    return pkgutil.resolve_name('pkg.m:LIMIT')",
}
OTHERS = {
    "own": "LIMIT = 5\ndef f():\n    return LIMIT",
    "attribute": "class K:\n    def __init__(self): self.LIMIT = 5\ndef f():\n    return K().LIMIT",
    "neighbour": "from pkg.api import NEAR\nLIMIT = 5\ndef f():\n    return NEAR, LIMIT",
    "relative": "from pkg.near import near\ndef f():\n    return near().LIMIT",
}
SCOPED = {
    "pkg/__init__.py": "",
    "pkg/m.py": "LIMIT = 1\n",
    "pkg/api.py": "from pkg import m as hidden\nfrom .m import LIMIT as BOUND\nNEAR = 1\n",
    "pkg/everything.py": "from pkg.m import *\n",
    "pkg/lazy.py": "def __getattr__(name):\n    from pkg import m\n    return getattr(m, name)\n",
    "pkg/takes.py": "def takes(module): return module.LIMIT\n",
    "pkg/near.py": "class Near:\n    def __init__(self): self.LIMIT = 1\ndef near(): return Near()\n",
}


def test_names_count_where_the_module_can_be_meant(tmp_path: Path) -> None:
    """All of them write `LIMIT`."""
    ways = {name.replace(" ", "_"): text for name, text in {**WAYS, **OTHERS}.items()}
    bench = "".join(f"import way_{name}\ndef bench_{name}(): way_{name}.f()\n" for name in ways)
    base = SCOPED | {f"way_{name}.py": text + "\n" for name, text in ways.items()} | {"bench.py": bench}
    head = base | {"pkg/m.py": SCOPED["pkg/m.py"].replace("LIMIT = 1", "LIMIT = 2")}
    found = touches(tmp_path, base, head)
    untouched = {name.removeprefix("bench_") for name, touch in found.items() if touch.untouched}
    assert untouched == OTHERS.keys(), {name: touch.reason for name, touch in found.items()}
