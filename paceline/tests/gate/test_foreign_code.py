"""Each side must prove that it ran its own code, however the project is laid out or installed here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import TEST, WORK, Project

SLOWER = WORK.replace("range(count)", "range(3 * count)")
BUILD = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "workpiece"
version = "1.0"
"""
VERSION_FROM_GIT = """
import subprocess
from setuptools import setup

described = subprocess.run(["git", "describe", "--tags"], capture_output=True, text=True, check=True)
with open("src/workpiece/_version.py", "w") as file:
    file.write(f"version = {described.stdout.strip()!r}\\n")
setup()
"""
MakeProject = Callable[..., Project]


def source_layout(code: str, **more: str) -> dict[str, str]:
    test = TEST.replace("import work", "from workpiece import work")
    package = {"src/workpiece/__init__.py": "", "src/workpiece/work.py": code, "tests/test_speed.py": test}
    return {**package, "pyproject.toml": BUILD, **more}


def search_path(*folders: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


@pytest.mark.slow
def test_src_layout_is_installed_even_under_an_editable_installation(make_project: MakeProject) -> None:
    """A version that the build takes from git is built too."""
    files = source_layout(WORK)
    files["src/workpiece/work.py"] = "from workpiece._version import version\n" + WORK
    files["setup.py"] = VERSION_FROM_GIT
    files[".gitignore"] = "_version.py\n*.egg-info/\nbuild/\n"
    project = make_project(files=files)
    project.git("tag", "v1.0")
    editable = project.root / "src"
    (editable / "workpiece" / "_version.py").write_text("version = 'here'\n", encoding="utf-8")
    project.write({"src/workpiece/work.py": "from workpiece._version import version\n" + SLOWER})
    site = project.root.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(editable)!r})\n", encoding="utf-8")
    run = project.judge(environment=search_path(site))
    assert run.verdicts == {"test_total": "slower"}, run.output
    assert "installing base" in run.output


def test_module_from_the_users_checkout_is_an_error_that_names_it(make_project: MakeProject) -> None:
    project = make_project(files=source_layout(WORK))
    (project.root / "pyproject.toml").unlink()  # nothing to install, so nothing is
    project.commit()
    site = project.root.parent / "site"
    site.mkdir()
    source = project.root / "src"
    (site / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(source)!r})\n", encoding="utf-8")
    run = project.judge(environment=search_path(site))
    assert run.status == 4, run.output
    assert "did not run its own code" in run.error
    assert "'workpiece" in run.error
    assert str(source / "workpiece") in run.error
    assert project.leftovers == []


def test_installed_copy_that_shadows_both_sides_is_an_error(make_project: MakeProject) -> None:
    """Both sides would run the same code, and every verdict would be `same`."""
    project = make_project(files=source_layout(WORK))
    copy = project.root.parent / "copy"
    shutil.copytree(project.root / "src", copy)
    project.write({"src/workpiece/work.py": SLOWER})
    run = project.judge("--benchmark-against-install=no", environment=search_path(copy))
    assert run.status == 4, run.output
    assert "did not run its own code" in run.error
    assert "--benchmark-against-install" in run.error


@pytest.mark.slow
def test_search_path_into_the_checkout_is_led_to_each_sides_tree(make_project: MakeProject) -> None:
    project = make_project(files=source_layout(WORK))
    project.write({"src/workpiece/work.py": SLOWER})
    run = project.judge("--benchmark-against-install=no", environment=search_path(project.root / "src"))
    assert run.verdicts == {"test_total": "slower"}, run.output


@pytest.mark.slow
def test_checkout_behind_a_link_is_found_by_either_name(make_project: MakeProject) -> None:
    project = make_project(files=source_layout(WORK))
    project.write({"src/workpiece/work.py": SLOWER})
    link = project.root.parent / "link"
    link.symlink_to(project.root)
    linked = Project(link, project.temporary)
    run = linked.judge("--benchmark-against-install=no", str(link / "tests"), environment=search_path(link / "src"))
    assert run.verdicts == {"test_total": "slower"}, run.output


@pytest.mark.slow
def test_pythonpath_setting_needs_no_installation(make_project: MakeProject) -> None:
    setting = BUILD + "[tool.pytest.ini_options]\npythonpath = ['src']\n"
    project = make_project(files={**source_layout(WORK), "pyproject.toml": setting})
    project.write({"src/workpiece/work.py": SLOWER})
    run = project.judge()
    assert run.verdicts == {"test_total": "slower"}, run.output
    assert "installing" not in run.output


@pytest.mark.slow
def test_build_that_fails_is_told_with_its_reason(make_project: MakeProject) -> None:
    project = make_project(files=source_layout(WORK, **{"setup.py": "raise RuntimeError('no compiler')\n"}))
    run = project.judge()
    assert run.status == 4
    assert "base could not be installed" in run.error
    assert "no compiler" in run.error


@pytest.mark.slow
def test_compiled_parts_are_built_for_each_side(make_project: MakeProject) -> None:
    code = """
#include <Python.h>
static PyObject *total(PyObject *self, PyObject *argument) {
    volatile double sum = 0;
    for (long i = 0; i < FACTOR * PyLong_AsLong(argument); i++) sum += i;
    return PyFloat_FromDouble(sum);
}
static PyMethodDef methods[] = {{"total", total, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "work", NULL, -1, methods};
PyMODINIT_FUNC PyInit_work(void) { return PyModule_Create(&module); }
"""
    script = (
        "from setuptools import Extension, setup\n"
        "setup(ext_modules=[Extension('workpiece.work', ['src/workpiece/work.c'])])\n"
    )
    files = source_layout(WORK, **{"setup.py": script, "src/workpiece/work.c": code.replace("FACTOR", "1")})
    del files["src/workpiece/work.py"]
    project = make_project(files=files)
    site = project.root.parent / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(site), str(project.root)], check=True)
    shutil.rmtree(project.root / "build")
    shutil.rmtree(project.root / "src" / "workpiece.egg-info")
    project.write({"src/workpiece/work.c": code.replace("FACTOR", "3")})
    run = project.judge(environment=search_path(site))
    assert run.verdicts == {"test_total": "slower"}, run.output


@pytest.mark.slow
def test_base_runs_in_another_environment(project: Project, tmp_path: Path) -> None:
    """An environment without paceline, in which a dependency has another release."""
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    python = other / "bin" / "python"
    packages = subprocess.run(
        [str(python), "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    needed = (
        "pytest",
        "_pytest",
        "pluggy",
        "iniconfig",
        "packaging",
        "pygments",
        "pytest_benchmark",
        "cpuinfo",
    )
    ours = Path(pytest.__file__).parents[1]
    for name in ours.iterdir():
        if name.name.partition("-")[0].lower() in {*needed, "py.py"}:
            (Path(packages) / name.name).symlink_to(name)
    project.commit({"work.py": "from dependency import total\n"})
    site = tmp_path / "ours"
    site.mkdir()
    (Path(packages) / "dependency.py").write_text(WORK, encoding="utf-8")
    (site / "dependency.py").write_text(SLOWER, encoding="utf-8")
    (Path(packages) / "first.pth").write_text(
        f"import sys; sys.path.remove({str(site)!r}) if {str(site)!r} in sys.path else None\n",
        encoding="utf-8",
    )
    run = project.judge(f"--benchmark-against-python={python}", environment=search_path(site))
    assert run.verdicts == {"test_total": "slower"}, run.output
    assert run.document["base"]["python"] == sys.version.split()[0]
