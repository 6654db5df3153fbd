"""Where a project keeps its history, by asv's configuration or without one."""

from pathlib import Path

import pytest
from paceline.history import project

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
    assert project.configuration(tmp_path)["repo"] == "https://example.org/a//b.git"
    assert project.branches(tmp_path) == ("devel", "main")
    assert project.results_folder(tmp_path) == tmp_path / "kept/results"
    assert project.results_folder(tmp_path, "elsewhere") == tmp_path / "elsewhere"
    (tmp_path / "pyproject.toml").write_text("[tool.paceline]\nresults = 'ours'\n", encoding="utf-8")
    assert project.results_folder(tmp_path) == tmp_path / "ours"


@pytest.mark.parametrize("text", ["", "{", "[]", "\udcff", '{"results_dir": [1]', "[" * 100_000])
def test_configuration_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "asv.conf.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert project.configuration(tmp_path) == {}
    assert project.results_folder(tmp_path) == tmp_path / ".asv/results"


def test_configuration_without_a_folder_has_that_of_asv(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text('{"branches": "main"}', encoding="utf-8")
    assert project.results_folder(tmp_path) == tmp_path / "results"
    assert project.branches(tmp_path) == ()


@pytest.mark.parametrize("mark", ["asv.conf.json", ".git", "pyproject.toml"])
def test_project_of_a_folder_of_results(tmp_path: Path, mark: str) -> None:
    results = tmp_path / "a" / ".asv" / "results"
    results.mkdir(parents=True)
    (tmp_path / "a" / mark).write_text("", encoding="utf-8")
    assert project.root_of(results) == tmp_path / "a"
