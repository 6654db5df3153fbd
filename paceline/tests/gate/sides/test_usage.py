"""Which distributions benchmarks use, and which of them must be installed."""

from pathlib import Path

import pytest
from paceline.errors import PacelineError
from paceline.gate.sides.distributions import Distribution
from paceline.gate.sides.sources import Project, Sources
from paceline.gate.sides.usage import Survey, chosen, imported, must_be_installed, used

TREE = Path("/slot/tree")


def distribution(name: str, *needs: str, compiles: bool = False) -> Distribution:
    names, folder = frozenset({name.replace("-", ".")}), f"packages/{name}"
    project = Project(folder, name, (folder,), names, frozenset(needs), compiles, apart=False)
    return Distribution(name, {"base": project, "head": project})


def survey(
    loaded: dict[str, str] | None = None, origins: dict[str, str | None] | None = None, names: str = ""
) -> Survey:
    return Survey(TREE, loaded or {}, origins or {}, frozenset(names.split()))


def test_used_is_what_is_loaded_or_imported_and_what_that_needs() -> None:
    known = [distribution("family-a", "b"), distribution("b", "c"), distribution("c"), distribution("d")]
    assert [each.name for each in used(known, survey({"family.a.inner": "/x.py"}))] == ["family-a", "b", "c"]
    assert [each.name for each in used(known, survey(names="d.inner os"))] == ["d"]
    assert used(known, survey(names="family")) == []


@pytest.mark.parametrize(
    ("loaded", "origins", "names", "expected"),
    [
        ({"work": "/slot/tree/work.py"}, {"work": "/slot/tree/work.py"}, "work", False),
        ({"work": "/env/work.py"}, {"work": "/env/work.py"}, "work", True),
        ({"work": "/slot/tree/work.py", "work.more": "/env/more.py"}, {"work": "/slot/tree/work.py"}, "", True),
        ({}, {"work": "/slot/tree/work.py"}, "work", False),
        ({}, {"work": "/slot/tree2/work.py"}, "work", True),
        ({}, {"work": None}, "work", True),
        ({}, {}, "", True),
    ],
)
def test_code_that_is_not_simply_the_trees_is_installed(
    loaded: dict[str, str], origins: dict[str, str | None], names: str, *, expected: bool
) -> None:
    assert must_be_installed(distribution("work"), survey(loaded, origins, names)) is expected


def test_compiled_code_is_always_installed() -> None:
    in_place = survey({"work": "/slot/tree/work.py"}, {"work": "/slot/tree/work.py"})
    assert must_be_installed(distribution("work", compiles=True), in_place)


def test_imports_are_seen_inside_functions_and_by_name(tmp_path: Path) -> None:
    text = """
import a.b
from c import d
from . import e
def test():
    import f
    pytest.importorskip("g")
"""
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def", encoding="utf-8")
    found = imported([tmp_path / "test_it.py", tmp_path / "broken.py", tmp_path / "missing.py"])
    assert found == {"a.b", "c", "c.d", "f", "g"}


@pytest.mark.parametrize("folder", ["/x", "../x", "packages/none"])
def test_folders_to_install_must_be_projects_inside(tmp_path: Path, folder: str) -> None:
    with pytest.raises(PacelineError, match="install"):
        chosen([folder], [distribution("a")], Sources(tmp_path))


def test_folders_to_install_are_projects(tmp_path: Path) -> None:
    known = [distribution("a"), distribution("b")]
    assert chosen(["packages/b/", "./packages/a"], known, Sources(tmp_path)) == [known[1], known[0]]
