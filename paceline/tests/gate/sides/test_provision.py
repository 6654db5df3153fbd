"""Each side runs its own code, however the project is laid out, built and installed: a planted +100 % is `slower`.

Every project has a benchmark of code that stays the same, which must not be red.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import Environment, make_environment
from projects import Project, Run

WRONG_USE = 4
CODE = """
def total(count):
    result = 0
    for value in range(FACTOR * count):
        result += value * value
    return result

def other(count):
    return sum(value * value for value in range(count))
"""
TESTS = """
import pytest

def test_total(benchmark):
    from MODULE import total
    assert benchmark(total, 300) > 0

def test_other(benchmark):
    from MODULE import other
    assert benchmark(other, 300) > 0
"""
BUILD = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "NAME"
version = "1.0"
dependencies = DEPENDENCIES
"""
IN_TREE_BUILD = """
[build-system]
requires = ["setuptools"]
build-backend = "backend"
backend-path = ["building"]

[project]
name = "workpiece"
version = "1.0"

[tool.setuptools]
packages = ["workpiece"]
"""
BACKEND = """
import os
from setuptools import Extension
from setuptools.build_meta import *
from setuptools import build_meta

def build_wheel(*arguments, **more):
    extension = "ext_modules=[Extension('workpiece._fast', ['workpiece/_fast.c'])]"
    extension = "" if os.environ.get("WORKPIECE_NO_EXTENSIONS") else extension
    with open("setup.py", "w") as script:
        script.write(f"from setuptools import Extension, setup\\nsetup({extension})\\n")
    return build_meta.build_wheel(*arguments, **more)
"""
NATIVE = """
#include <Python.h>
static PyObject *total(PyObject *self, PyObject *argument) {
    volatile double sum = 0;
    for (long i = 0; i < FACTOR * PyLong_AsLong(argument); i++) sum += i;
    return PyFloat_FromDouble(sum);
}
static PyMethodDef methods[] = {{"total", total, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""
FALLBACK = """
from workpiece._slow import other
try:
    from workpiece._fast import total
except ImportError:
    from workpiece._slow import total
"""
MakeProject = Callable[..., Project]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return make_environment(tmp_path / "environment")


def code(factor: int = 1) -> str:
    return CODE.replace("FACTOR", str(factor))


def benchmarks_of(module: str) -> str:
    return TESTS.replace("MODULE", module)


def build(name: str, *dependencies: str) -> str:
    return BUILD.replace("NAME", name).replace("DEPENDENCIES", str(list(dependencies)))


def source_layout() -> dict[str, str]:
    return {
        "pyproject.toml": build("workpiece"),
        "src/workpiece/__init__.py": "",
        "src/workpiece/work.py": code(),
        "tests/test_speed.py": benchmarks_of("workpiece.work"),
    }


def with_fallback() -> dict[str, str]:
    return {
        "pyproject.toml": IN_TREE_BUILD,
        "building/backend.py": BACKEND,
        ".gitignore": "build/\nsetup.py\n*.egg-info/\n",
        "workpiece/__init__.py": FALLBACK,
        "workpiece/_slow.py": code(),
        "workpiece/_fast.c": NATIVE.replace("FACTOR", "100"),
        "tests/test_speed.py": benchmarks_of("workpiece"),
    }


def judge(project: Project, environment: Environment, *arguments: str, folder: str = "", **variables: str) -> Run:
    """Run the gate from a folder of the project."""
    inner = Project(project.root / folder, project.temporary)
    return inner.gate(*(arguments or ("HEAD",)), f"--python={environment.python}", environment=variables)


def insist_on_found(run: Run) -> None:
    """The planted slowdown is red, and what stays the same is not."""
    assert run.verdicts["test_total"] == "slower", run.output
    assert run.verdicts["test_other"] in {"same", "unsure", "faster"}, run.output


@pytest.mark.slow
def test_flat_layout_runs_in_place_before_an_installed_copy(
    make_project: MakeProject, environment: Environment
) -> None:
    files = {"pyproject.toml": build("workpiece"), "workpiece/__init__.py": "", "workpiece/work.py": code()}
    project = make_project(files=files | {"tests/test_speed.py": benchmarks_of("workpiece.work")})
    environment.install(project.root)
    project.write({"workpiece/work.py": code(2)})
    run = judge(project, environment)
    insist_on_found(run)
    assert "base: workpiece from its tree, in place" in run.output
    assert "installing" not in run.output


@pytest.mark.slow
def test_source_layout_that_is_not_installed_is_built_without_a_pip(
    make_project: MakeProject, environment: Environment
) -> None:
    project = make_project(files=source_layout())
    project.write({"src/workpiece/work.py": code(2)})
    run = judge(project, environment)
    insist_on_found(run)
    assert "head: workpiece from its tree, installed" in run.output


@pytest.mark.slow
def test_editable_installation_does_not_win(make_project: MakeProject, environment: Environment) -> None:
    project = make_project(files=source_layout() | {".gitignore": "*.egg-info/\n"})
    environment.install(project.root, "--editable")
    project.write({"src/workpiece/work.py": code(2)})
    insist_on_found(judge(project, environment))


@pytest.mark.slow
def test_installed_copy_of_another_version_does_not_win(make_project: MakeProject, environment: Environment) -> None:
    """It has the project's name and another module beside."""
    files = source_layout()
    project = make_project(files=files | {"src/workpiece/old.py": "", "src/workpiece/older.py": ""})
    environment.install(project.root)
    project.git("rm", "--quiet", "src/workpiece/old.py", "src/workpiece/older.py")
    project.commit()
    project.write({"src/workpiece/work.py": code(2)})
    insist_on_found(judge(project, environment))


@pytest.mark.slow
def test_namespace_package_is_served_from_each_side_beside_others(
    make_project: MakeProject, environment: Environment
) -> None:
    files = {
        "pyproject.toml": build("family-member"),
        "src/family/member/__init__.py": "from family.elder import wisdom",
        "src/family/member/work.py": code(),
        "tests/test_speed.py": benchmarks_of("family.member.work"),
    }
    project = make_project(files=files)
    environment.install(project.root)
    (environment.packages / "family" / "elder.py").write_text("wisdom = 42\n", encoding="utf-8")
    project.write({"src/family/member/work.py": code(2)})
    run = judge(project, environment)
    insist_on_found(run)
    assert "head: family-member from its tree, installed" in run.output


@pytest.mark.slow
def test_monorepo_installs_what_the_benchmarks_use(make_project: MakeProject, environment: Environment) -> None:
    """The repository's root is no package, pytest's root lies below it, and the slowdown is in a dependency."""
    files = {
        "packages/a/pyproject.toml": build("alpha", "beta") + "[tool.pytest.ini_options]\nfilterwarnings = 'error'\n",
        "packages/a/src/alpha/__init__.py": "",
        "packages/a/src/alpha/work.py": "from beta import other, total",
        "packages/a/tests/test_speed.py": benchmarks_of("alpha.work"),
        "packages/b/pyproject.toml": build("beta"),
        "packages/b/src/beta/__init__.py": code(),
        "packages/c/pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'broken'\n",
        "packages/c/src/gamma/__init__.py": "",
        ".gitignore": "*.egg-info/\n",
    }
    project = make_project(files=files)
    for name in ("a", "b"):
        environment.install(project.root / "packages" / name, "--editable")
    project.write({"packages/b/src/beta/__init__.py": code(2)})
    run = judge(project, environment, folder="packages/a")
    insist_on_found(run)
    assert "base: alpha, beta from its tree, installed" in run.output


@pytest.mark.slow
def test_compiled_module_of_an_in_tree_backend_is_timed(make_project: MakeProject, environment: Environment) -> None:
    """The tree's own fallback, which Python would find first, stays out."""
    project = make_project(files=with_fallback())
    environment.install(project.root)
    project.write({"workpiece/_fast.c": NATIVE.replace("FACTOR", "200")})
    run = judge(project, environment)
    insist_on_found(run)
    assert "compiled: workpiece._fast" in run.output


@pytest.mark.slow
def test_tests_inside_a_compiled_package_are_timed(make_project: MakeProject, environment: Environment) -> None:
    """Base has other tests, and a wheel of the project has none."""
    files = with_fallback() | {"workpiece/tests/__init__.py": "", "workpiece/conftest.py": ""}
    files["workpiece/tests/test_speed.py"] = files.pop("tests/test_speed.py").replace("300", "200")
    project = make_project(files=files)
    changed = {
        "workpiece/_fast.c": NATIVE.replace("FACTOR", "200"),
        "workpiece/tests/test_speed.py": benchmarks_of("workpiece"),
    }
    project.write(changed)
    run = judge(project, environment)
    insist_on_found(run)
    assert "compiled: workpiece._fast" in run.output


@pytest.mark.slow
def test_fallback_of_a_compiled_module_ends_the_gate(make_project: MakeProject, environment: Environment) -> None:
    project = make_project(files=with_fallback())
    environment.install(project.root)
    project.write({"workpiece/_fast.c": NATIVE.replace("FACTOR", "200")})
    for arguments, variables in (([], {"WORKPIECE_NO_EXTENSIONS": "1"}), (["--benchmark-against-install=no"], {})):
        run = judge(project, environment, "HEAD", *arguments, **variables)
        assert run.status == WRONG_USE, run.output
        assert "workpiece._fast is compiled in your environment, but " in run.error
        assert "fallback" in run.error


@pytest.mark.slow
def test_named_folders_that_leave_a_compiled_one_out_end_the_gate(
    make_project: MakeProject, environment: Environment
) -> None:
    setting = '[tool.paceline]\ninstall = ["helper"]\n'
    helper = {"helper/pyproject.toml": build("helper"), "helper/src/helper/__init__.py": ""}
    files = with_fallback() | helper | {"conftest.py": ""}
    project = make_project(files=files | {"pyproject.toml": IN_TREE_BUILD + setting})
    environment.install(project.root)
    run = judge(project, environment)
    assert run.status == WRONG_USE, run.output
    assert "workpiece" in run.error


@pytest.mark.slow
def test_extension_that_the_change_adds_is_a_notice(make_project: MakeProject, environment: Environment) -> None:
    files = with_fallback() | {"workpiece/_fast.c": NATIVE.replace("FACTOR", "1")}
    native = {name: files.pop(name) for name in ("building/backend.py", "workpiece/_fast.c", "pyproject.toml")}
    project = make_project(
        files=files | {"pyproject.toml": build("workpiece") + "[tool.setuptools]\npackages=['workpiece']"}
    )
    project.write(native)
    environment.install(project.root)
    run = judge(project, environment)
    assert run.verdicts["test_total"] == "faster", run.output
    assert "note: base has no source of the compiled module workpiece._fast" in run.output


@pytest.mark.slow
def test_tests_that_load_no_code_end_the_gate(make_project: MakeProject, environment: Environment) -> None:
    files = source_layout() | {"tests/test_speed.py": "def test_it(benchmark):\n    benchmark(sum, range(300))\n"}
    run = judge(make_project(files=files), environment)
    assert run.status == WRONG_USE, run.output
    assert "base ran no code of this repository" in run.error


@pytest.mark.slow
def test_two_ready_made_environments_each_have_their_own_copy(
    make_project: MakeProject, environment: Environment, tmp_path: Path
) -> None:
    """The flat tree, which has a third version, does not shadow them."""
    files = {"pyproject.toml": build("workpiece"), "workpiece/__init__.py": "", "workpiece/work.py": code()}
    project = make_project(files=files | {"test_speed.py": benchmarks_of("workpiece.work"), "conftest.py": ""})
    other = make_environment(tmp_path / "other")
    other.install(project.root)
    project.write({"workpiece/work.py": code(2)})
    environment.install(project.root)
    project.write({"workpiece/work.py": "raise RuntimeError\n"})
    run = judge(project, environment, f"--benchmark-against-python={other.python}")
    insist_on_found(run)
    assert f"base: workpiece from {other.packages}" in run.output


@pytest.mark.slow
def test_two_wheels_are_judged_by_the_working_trees_tests(
    make_project: MakeProject, environment: Environment, tmp_path: Path
) -> None:
    project = make_project(files=source_layout())
    wheels: list[str] = []
    for factor in (1, 2):
        project.write({"src/workpiece/work.py": code(factor)})
        folder = tmp_path / f"wheel{factor}"
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--wheel-dir", str(folder), str(project.root)], check=True)
        wheels += map(str, folder.iterdir())
    project.write({"src/workpiece/work.py": "raise RuntimeError\n"})
    run = judge(project, environment, f"--benchmark-against-wheel={','.join(wheels)}")
    insist_on_found(run)
    assert "head: workpiece from workpiece-1.0-py3-none-any.whl" in run.output


def test_wheels_are_two_and_stand_alone(make_project: MakeProject, environment: Environment) -> None:
    project = make_project()
    for arguments, expected in (
        (["--benchmark-against-wheel=a.whl"], "expected two wheels"),
        (["HEAD", "--benchmark-against-wheel=a.whl,b.whl"], "Leave out the base"),
        (["--benchmark-against-wheel=a.whl,b.whl"], "'a.whl' is not a wheel"),
    ):
        run = judge(project, environment, *arguments)
        assert run.status == WRONG_USE
        assert expected in run.error


@pytest.mark.slow
def test_folders_to_install_can_be_named(make_project: MakeProject, environment: Environment) -> None:
    setting = '\n[tool.paceline]\ninstall = ["FOLDER"]\n'
    files = source_layout()
    project = make_project(files=files | {"pyproject.toml": build("workpiece") + setting.replace("FOLDER", "../x")})
    assert "'../x' is not inside the project" in judge(project, environment).error
    project.write({"pyproject.toml": build("workpiece") + setting.replace("FOLDER", "packages/none")})
    assert "'packages/none' is not a project. Choose from: ." in judge(project, environment).error
    project.write({"pyproject.toml": build("workpiece") + setting.replace("FOLDER", ".")})
    project.write({"src/workpiece/work.py": code(2)})
    insist_on_found(judge(project, environment))
