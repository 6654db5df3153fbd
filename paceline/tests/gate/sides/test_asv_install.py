"""asv's commands, pointed at a side's own folder."""

from pathlib import Path
from typing import Any

import pytest
from paceline.errors import PacelineError
from paceline.gate.sides.asv_install import InstallCommand, Places, commands, has_commands


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "tree", tmp_path / "conf", tmp_path / "work", tmp_path / "site")


def read(settings: dict[str, Any], places: Places) -> list[InstallCommand]:
    """Commands of a configuration, as if its build had made a wheel."""
    found = []
    for command in commands(settings, places, "PYTHON", "1f0c"):
        found.append(command)
        (places.work / "build_cache" / "a-1-py3-none-any.whl").touch()
    return found


def test_pip_installs_into_the_sides_folder(places: Places) -> None:
    """As numpy, networkx and this repository write it."""
    settings = {
        "build_command": ["FLAGS=-O2 python -mpip wheel -w {build_cache_dir} {build_dir}"],
        "install_command": ["in-dir={env_dir} python -mpip install {wheel_file} --force-reinstall"],
    }
    build, install = read(settings, places)
    cache = places.work / "build_cache"
    assert build.words == ("PYTHON", "-m", "pip", "wheel", "-w", str(cache), str(places.tree))
    assert build.environment == {"FLAGS": "-O2"}
    assert (build.folder, build.statuses) == (places.tree, frozenset({0}))
    wheel = str(cache / "a-1-py3-none-any.whl")
    assert install.words == ("PYTHON", "-m", "pip", "install", wheel, "--no-deps", "--target", str(places.site))
    assert install.folder == places.work / "env"
    assert install.folder.is_dir()


def test_asvs_notation(places: Places) -> None:
    settings = {
        "build_command": "return-code=any make -C {conf_dir} {project} {commit}",
        "install_command": "return-code=0,3 in-dir=sub pip install .",
        "repo_subdir": "python",
        "project": "p",
    }
    build, install = read(settings, places)
    assert (build.words, build.statuses) == (("make", "-C", str(places.conf_dir), "p", "1f0c"), None)
    assert (install.words[:5], install.statuses) == (("PYTHON", "-m", "pip", "install", "."), frozenset({0, 3}))
    assert (build.folder, install.folder) == (places.tree / "python", places.tree / "python" / "sub")


def test_defaults_are_used_where_only_one_is_set(places: Places) -> None:
    build, install = read({"install_command": ["python -m pip install {wheel_file}"]}, places)
    assert build.words[1:4] == ("-m", "pip", "wheel")
    (only,) = read({"build_command": [], "install_command": ["python -m pip install {build_dir}"]}, places)
    assert only.words[4] == str(places.tree)
    assert install.words[-1] == str(places.site)
    assert has_commands({"build_command": []})
    assert not has_commands({"matrix": {}})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("python setup.py install", "cannot install into a folder of its own"),
        ("conda install x", "cannot install into a folder of its own"),
        ("python -m pip install -e {build_dir}", "says where to install (-e)"),
        ("python -m pip install --prefix=/usr {build_dir}", "says where to install (--prefix)"),
        ("make install PREFIX={env_dir}", "writes to asv's environment"),
        ("python -m pip install {unheard}", "unknown variable 'unheard'"),
        ("in-dir={env_dir}", "has no command"),
        ("python 'x", 'cannot read "python \'x": No closing quotation'),
    ],
)
def test_commands_that_cannot_be_used(places: Places, line: str, why: str) -> None:
    with pytest.raises(PacelineError) as error:
        read({"build_command": [], "install_command": [line]}, places)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_several_wheels_cannot_be_told_apart(places: Places) -> None:
    running = commands({"build_command": ["true"]}, places, "PYTHON")
    next(running)
    for name in ("a.whl", "b.whl"):
        (places.work / "build_cache" / name).touch()
    with pytest.raises(PacelineError, match="made 2 wheels"):
        next(running)
