"""Where a project keeps its history, by asv's configuration or without one."""

from pathlib import Path

import pytest
from paceline.cli import main
from paceline.config import asv_conf, project

COMMENTED = """{
    // "results_dir": "wrong",
    "repo": "https://example.org/a//b.git", /* a "comment"
    of two lines */
    "branches": ["devel", "main",],
    "results_dir": "kept/results",
}
"""


def test_configuration_with_comments(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text(COMMENTED, encoding="utf-8")
    assert asv_conf.read(tmp_path)["repo"] == "https://example.org/a//b.git"
    assert project.branches(tmp_path) == ("devel", "main")
    assert project.results(tmp_path).folder == tmp_path / "kept/results"
    assert project.results(tmp_path, "elsewhere").folder == tmp_path / "elsewhere"
    (tmp_path / "pyproject.toml").write_text("[tool.paceline]\nresults = 'ours'\n", encoding="utf-8")
    assert project.results(tmp_path).folder == tmp_path / "ours"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "\udcff", '{"results_dir": [1]', "[" * 100_000),
        *('{"branches": 7}', '{"branches": "main"}', '{"branches": [1]}', '{"results_dir": 3}', '{"html_dir": []}'),
    ],
)
def test_configuration_that_cannot_be_used_is_one_line(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asv.conf.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert "asv.conf.json" in error


@pytest.mark.parametrize(
    "text", ["[tool]\npaceline = 3\n", "[tool.paceline]\nresults = 3\n", "[tool", "\udcff", "x = " + "[" * 10_000]
)
def test_settings_that_cannot_be_used_are_one_line(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert "pyproject.toml" in error


def test_configuration_without_a_folder_has_that_of_asv(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text('{"branches": [null]}', encoding="utf-8")
    assert project.results(tmp_path).folder == tmp_path / "results"
    assert project.branches(tmp_path) == ()


@pytest.mark.parametrize(
    "mark", ["asv.conf.json", "asv.conf.jsonc", "pyproject.toml", ".asv/results/machine", ".git"]
)
def test_the_project_is_found_from_below(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest that has a history, and never one beyond the repository."""
    root, below = tmp_path / "a", tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    (below.parent / "pyproject.toml").write_text("[project]\nname = 'no-mark'\n", encoding="utf-8")
    (tmp_path / "asv.conf.json").write_text("{}", encoding="utf-8")
    path = root / mark
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[tool.paceline]\nalpha = 0.01\n" if mark == "pyproject.toml" else "{}", encoding="utf-8")
    assert project.find_root(below) == root
    monkeypatch.chdir(root)
    assert project.find_root(Path()) == Path(), "names that are printed stay short"
    monkeypatch.chdir(below)
    assert project.find_root(Path()) == root


def test_no_project_is_where_one_stands(tmp_path: Path) -> None:
    assert project.find_root(tmp_path) == tmp_path


@pytest.mark.parametrize("mark", ["asv.conf.json", ".git", "pyproject.toml"])
def test_project_of_a_folder_of_results(tmp_path: Path, mark: str) -> None:
    results = tmp_path / "a" / ".asv" / "results"
    results.mkdir(parents=True)
    (tmp_path / "a" / mark).write_text("", encoding="utf-8")
    assert project.root_of(results) == tmp_path / "a"
