"""Where an asv suite is found, and what is said of one that is not."""

from pathlib import Path

import pytest
from paceline.config import asv_conf
from paceline.errors import PacelineError


def suite(folder: Path, settings: str = "{}", place: str = "benchmarks") -> Path:
    """Write a configuration and its suite."""
    (folder / place).mkdir(parents=True)
    (folder / place / "__init__.py").touch()
    (folder / "asv.conf.json").write_text(settings, encoding="utf-8")
    return folder / place


def test_found_beside_above_and_below(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = suite(tmp_path / "asv_bench", '{"matrix": {"x": []}, "pythons": [] /* none */, // more\n}')
    (tmp_path / "src" / "a").mkdir(parents=True)
    for start in (tmp_path, tmp_path / "asv_bench", tmp_path / "src" / "a"):
        found = asv_conf.find(start)
        assert (found.folder, found.file) == (folder, tmp_path / "asv_bench" / "asv.conf.json")
        assert found.ignored() == ["matrix"]


def test_never_beyond_the_repository(tmp_path: Path) -> None:
    suite(tmp_path)
    (tmp_path / "inner" / ".git").mkdir(parents=True)
    with pytest.raises(PacelineError, match=r"no asv\.conf\.json in"):
        asv_conf.find(tmp_path / "inner")


def test_named_by_its_folder_or_that_of_its_configuration(tmp_path: Path) -> None:
    folder = suite(tmp_path / "bench", '{"benchmark_dir": "suite"}', "suite")
    assert asv_conf.find(tmp_path, "bench/suite").file == tmp_path / "bench" / "asv.conf.json"
    assert asv_conf.find(tmp_path, "bench").folder == folder
    (tmp_path / "bench" / "asv.conf.json").unlink()
    assert asv_conf.find(tmp_path, "bench/../bench/suite") == asv_conf.AsvSuite(folder)


@pytest.mark.parametrize(
    ("settings", "given", "why"),
    [
        ("{", None, "cannot read"),
        ("[]", None, "expected a JSON object, got list"),
        ('{"benchmark_dir": 3}', None, "benchmark_dir: expected a string, got 3"),
        ('{"benchmark_dir": "a\\u0000b"}', None, "benchmark_dir: expected a string, got 'a\\x00b'"),
        ('{"benchmark_dir": "none"}', None, "benchmark_dir: no folder"),
        ('{"benchmark_dir": "bare"}', None, "has no __init__.py"),
        ('{"build_command": [1]}', None, "build_command: expected a list of commands, got [1]"),
        ("{}", "none", "--benchmark-asv: no folder"),
        ("{}", "bare", "has no __init__.py"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, settings: str, given: str | None, why: str) -> None:
    suite(tmp_path, settings)
    (tmp_path / "bare").mkdir()
    with pytest.raises(PacelineError) as error:
        asv_conf.find(tmp_path, given)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_several_below_must_be_told_apart(tmp_path: Path) -> None:
    suite(tmp_path / "a")
    suite(tmp_path / "b")
    with pytest.raises(PacelineError, match=r"a, b\. Choose one: --benchmark-asv=DIR"):
        asv_conf.find(tmp_path)
