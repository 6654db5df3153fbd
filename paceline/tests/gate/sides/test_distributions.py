"""Which distributions a repository provides, by its projects, by links and by shared files."""

import json
from pathlib import Path

import pytest
from paceline.gate.sides import installed
from paceline.gate.sides.distributions import Distribution, provided
from paceline.gate.sides.installed import compiled_module
from paceline.gate.sides.sources import Sources

NAMED = '[project]\nname = "NAME"\nversion = "1"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return tmp_path / "packages"


def write(folder: Path, *files: str) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")


def project(folder: Path, name: str, *files: str) -> None:
    write(folder, "pyproject.toml", *files)
    (folder / "pyproject.toml").write_text(NAMED.replace("NAME", name), encoding="utf-8")


def install(packages: Path, name: str, *files: str, origin: Path | None = None, needs: str = "") -> None:
    write(packages, *files)
    metadata = packages / f"{name}-1.dist-info"
    metadata.mkdir()
    (metadata / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files), encoding="utf-8")
    (metadata / "METADATA").write_text(f"Name: {name}\n{needs}\n\nRequires-Dist: body\n", encoding="utf-8")
    if origin is not None:
        about = {"url": origin.as_uri(), "dir_info": {"editable": True}}
        (metadata / "direct_url.json").write_text(json.dumps(about), encoding="utf-8")


def find(checkout: Path, packages: Path) -> dict[str, Distribution]:
    tree, environment = Sources(checkout), installed.read([str(packages)])
    found = provided({"base": tree, "head": tree}, {"base": environment, "head": environment}, checkout)
    return {each.name: each for each in found}


def test_installed_distribution_has_names_compiled_modules_and_needs(packages: Path) -> None:
    needs = "Requires-Dist: Other.One>=2\nRequires-Dist: more; extra == 'all'"
    suffix = ".cpython-311-x86_64-linux-gnu.so"
    files = ["family/member/__init__.py", f"family/member/_fast{suffix}", "single.py", "../../bin/tool.py"]
    files += ["family.libs/libx.so", "0123abc__mypyc.abi3.so", "family/member/libz.so"]
    install(packages, "Family_Member", *files, needs=needs)
    (found,) = installed.read([str(packages)])
    assert found.name == "family-member"
    assert found.names == {"family.member", "single"}
    assert found.compiled == {"family.member._fast"}
    assert found.needs == {"other-one"}


def test_project_and_installed_copy_of_one_name_are_one(checkout: Path, packages: Path) -> None:
    """Whatever version is installed."""
    project(checkout, "work", "src/work/__init__.py")
    install(packages, "work", "work/__init__.py", "old_work.py")
    install(packages, "unrelated", "unrelated/__init__.py")
    found = find(checkout, packages)
    assert set(found) == {"work"}
    assert found["work"].names == {"work", "old_work"}
    assert found["work"].is_plain("head")


def test_link_into_the_checkout_gives_a_project_its_name(checkout: Path, packages: Path) -> None:
    write(checkout, "tests/helper/src/helper/__init__.py")
    (checkout / "tests/helper/setup.py").write_text("import setuptools\nsetuptools.setup(name=f())", encoding="utf-8")
    assert find(checkout, packages) == {}
    install(packages, "helper", "__editable___helper_finder.py", origin=checkout / "tests" / "helper")
    found = find(checkout, packages)
    assert found["helper"].projects["base"].folder == "tests/helper"
    assert not found["helper"].is_plain("head")


def test_files_in_common_tell_a_copy_of_another_name(checkout: Path, packages: Path) -> None:
    files = ["work/__init__.py", "work/a.py", "work/b.py"]
    project(checkout, "work", *files)
    install(packages, "work_fork", *files, "work_fork.py")
    (found,) = find(checkout, packages).values()
    assert found.names == {"work", "work_fork"}
    assert found.installed["head"].name == "work-fork"


def test_copy_of_code_without_a_project_is_the_repositorys_too(checkout: Path, packages: Path) -> None:
    files = ["work/__init__.py", "work/a.py", "work/b.py"]
    write(checkout, *(f"code/{file}" for file in files))
    install(packages, "work", *files)
    assert find(checkout, packages)["work"].projects == {}


@pytest.mark.parametrize("folder", ["work/_vendor", "third_party", "tests/data"])
def test_copies_of_other_projects_do_not_count(checkout: Path, packages: Path, folder: str) -> None:
    files = ["packaging/__init__.py", "packaging/version.py", "packaging/tags.py"]
    project(checkout, "work", "work/__init__.py", "work/_vendor/__init__.py", *(f"{folder}/{file}" for file in files))
    install(packages, "packaging", *files)
    assert set(find(checkout, packages)) == {"work"}


def test_file_that_happens_to_have_the_name_of_a_module_does_not_count(checkout: Path, packages: Path) -> None:
    project(checkout, "work", "work/__init__.py", "tools/six.py")
    install(packages, "six", "six.py")
    assert set(find(checkout, packages)) == {"work"}


def test_module_compiled_in_place_is_expected(checkout: Path, packages: Path) -> None:
    project(checkout, "work", "work/__init__.py", "work/inner/__init__.py")
    write(checkout, "work/inner/_fast.cpython-311-x86_64-linux-gnu.so")
    assert find(checkout, packages)["work"].compiled == {"work.inner._fast"}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("shapely/lib.cpython-313-x86_64-linux-gnu.so", "shapely.lib"),
        ("a/lib.so", "a.lib"),
        ("a/libnames.cp313-win_amd64.pyd", "a.libnames"),
        ("a/libnames.so", None),
        ("a/_x.abi3.so", "a._x"),
        ("a.libs/libgeos-1f0c.so.3", None),
    ],
)
def test_shared_libraries_are_no_modules(file: str, name: str | None) -> None:
    assert compiled_module(file) == name
