"""What a tree provides, read from its files alone."""

from pathlib import Path

import pytest
from paceline.gate.sides.sources import Project, Sources, loose_names

NAMED = '[project]\nname = "Work.Piece"\nversion = "1"\n'


def sources(folder: Path, files: dict[str, str]) -> Sources:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Sources(folder)


def only(folder: Path, files: dict[str, str]) -> Project:
    (project,) = sources(folder, files).projects
    return project


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": NAMED},
        {"pyproject.toml": '[tool.poetry]\nname = "work_piece"\n'},
        {"pyproject.toml": '[tool.flit.metadata]\nmodule = "work_piece"\n[build-system]\nrequires = []\n'},
        {"setup.cfg": "[metadata]\nname = work-piece\n"},
        {"setup.py": "from setuptools import setup\nNAME = 'work-piece'\nsetup(name=NAME)\n"},
    ],
)
def test_name_is_read_from_any_of_the_project_files(tmp_path: Path, files: dict[str, str]) -> None:
    assert only(tmp_path, files).name == "work-piece"


def test_name_that_only_code_knows_stays_unknown(tmp_path: Path) -> None:
    assert only(tmp_path, {"setup.py": "import setuptools\nsetuptools.setup(name=make())\n"}).name is None


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
        {"pyproject.toml": f"{NAMED}[tool.uv]\npackage = false\n"},
        {"setup.cfg": "[flake8]\nmax-line-length = 100\n"},
        {"setup.py": "print('no setup')\n"},
    ],
)
def test_files_of_tools_are_not_projects(tmp_path: Path, files: dict[str, str]) -> None:
    assert sources(tmp_path, files).projects == ()


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"src/work/__init__.py": "", "tests/__init__.py": ""}, {"work"}),
        ({"work/__init__.py": "", "tests/__init__.py": "", "setup.py": "", "noxfile.py": ""}, {"work"}),
        ({"work.py": "", "test_work.py": "", "conftest.py": ""}, {"work"}),
        ({"src/family/member/__init__.py": "", "src/family/elder.py": ""}, {"family.member", "family.elder"}),
        ({"family/member/__init__.py": "", "docs/conf.py": ""}, {"family.member"}),
        (
            {
                "family/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
                "family/a.py": "",
            },
            {"family.a"},
        ),
        ({"lib/work/__init__.py": "", "scripts/tool.py": ""}, {"work"}),
    ],
)
def test_import_names_come_from_the_layout(tmp_path: Path, files: dict[str, str], names: set[str]) -> None:
    assert only(tmp_path, files | {"pyproject.toml": NAMED}).names == names


@pytest.mark.parametrize(
    "setting",
    [
        '[tool.setuptools.package-dir]\n"" = "code"\n',
        '[tool.setuptools.package-dir]\nwork = "code/work"\n',
        '[tool.setuptools.packages.find]\nwhere = ["code"]\n',
        '[tool.poetry]\npackages = [{ include = "work", from = "code" }]\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["code/work"]\n',
        '[tool.maturin]\npython-source = "code"\n',
        '[tool.pdm.build]\npackage-dir = "code"\n',
        '[tool.uv.build-backend]\nmodule-root = "code"\n',
    ],
)
def test_folder_of_code_is_read_from_the_settings_of_a_backend(tmp_path: Path, setting: str) -> None:
    project = only(
        tmp_path, {"pyproject.toml": NAMED + setting, "code/work/__init__.py": "", "other/__init__.py": ""}
    )
    assert project.roots[0] == "code"
    assert project.names == {"work"}


def test_folder_of_code_is_read_from_setup_cfg(tmp_path: Path) -> None:
    settings = "[metadata]\nname = work\n[options]\npackage_dir =\n    = code\n"
    assert only(tmp_path, {"setup.cfg": settings, "code/work/__init__.py": ""}).names == {"work"}


@pytest.mark.parametrize(
    ("files", "compiles"),
    [
        ({}, False),
        ({"setup.py": "from setuptools import setup\nsetup(ext_modules=[])\n"}, True),
        ({"pyproject.toml": f"{NAMED}[build-system]\nrequires = []\nbuild-backend = 'mesonpy'\n"}, True),
        ({"pyproject.toml": f"{NAMED}[build-system]\nrequires = ['setuptools', 'Cython>=3']\n"}, True),
        ({"pyproject.toml": f"{NAMED}[tool.hatch.build.hooks.mypyc]\n"}, True),
        ({"pyproject.toml": f"{NAMED}[build-system]\nrequires = []\nbackend-path = ['building']\n"}, True),
        ({"work/_fast.pyx": ""}, True),
        ({"work/inner/_fast.c": ""}, True),
        ({"work/tests/_fast.c": ""}, False),
        ({"tests/_fast.pyx": ""}, False),
    ],
)
def test_build_that_compiles_is_recognised(tmp_path: Path, files: dict[str, str], *, compiles: bool) -> None:
    project = only(tmp_path, {"pyproject.toml": NAMED, "work/__init__.py": ""} | files)
    assert project.compiles is compiles


def test_monorepo_has_a_project_per_folder_and_apart_what_is_no_product(tmp_path: Path) -> None:
    files = {
        "packages/a/pyproject.toml": NAMED.replace("Work.Piece", "a")
        + "dependencies = [\"B>=2; os_name == 'nt'\"]\n",
        "packages/b/pyproject.toml": NAMED.replace("Work.Piece", "b"),
        "tests/fixtures/c/pyproject.toml": NAMED,
        "vendor/d/setup.py": "from setuptools import setup\nsetup()\n",
        "module/e/pyproject.toml": NAMED,
        "module/.git": "gitdir: elsewhere\n",
        ".venv/pyvenv.cfg": "",
        ".venv/f/pyproject.toml": NAMED,
    }
    projects = {project.folder: project for project in sources(tmp_path, files).projects}
    assert projects["packages/a"].needs == {"b"}
    assert [folder for folder, project in projects.items() if not project.apart] == ["packages/a", "packages/b"]
    assert {"tests/fixtures/c", "vendor/d", "module/e"} <= set(projects)
    assert ".venv/f" not in projects


def test_code_without_a_project_has_names_too(tmp_path: Path) -> None:
    found = sources(tmp_path, {"work.py": "", "src/deep/er.py": "", "types.py": "", "test_work.py": ""})
    assert loose_names(found, ["", "src"]) == {"work", "deep.er"}


def test_roots_of_a_name_leave_out_copies_in_packages(tmp_path: Path) -> None:
    files = {"lib/work/__init__.py": "", "other/__init__.py": "", "other/_vendor/__init__.py": ""}
    found = sources(tmp_path, files | {"other/_vendor/work/__init__.py": "", "single.py": ""})
    assert list(found.roots_of("work")) == ["lib"]
    assert list(found.roots_of("single")) == [""]
