"""Whatever [tool.paceline] and the command line hold, it is used or one line names it."""

import tomllib
from pathlib import Path

import pytest
from paceline.config.settings import combine, read_table
from paceline.errors import PacelineError

HUGE = "1" + "0" * 400
UNWRITABLE = "0x" + "f" * 5000  # Python reads such a number, and refuses to write it


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        *(
            ("budget = " + value, "budget: ")
            for value in (HUGE, UNWRITABLE, "nan", "inf", "-1", "true", "[]", "1e300")
        ),
        *(("timeout = " + value, "timeout: ") for value in (HUGE, UNWRITABLE, "1e300", "false")),
        *(("alpha = " + value, "alpha: ") for value in (UNWRITABLE, "nan", "0", "5e-324", "true", '"nan%"', '"%"')),
        ("tolerance = 1979-05-27", "tolerance: "),
        ("tolerances = { a = " + UNWRITABLE + " }", "tolerances: 'a': expected a fraction"),
        ('overlay = "prod"', "overlay: expected a list of paths such as [\"benchmarks\"], got 'prod'"),
        ("overlay = 1", "overlay: expected a list of paths"),
        ("overlay = [1]", "overlay: expected a list of paths"),
        ('overlay = ["a\\u0000b"]', "overlay: expected a list of paths"),
        ('install = ["\\u0000"]', "install: expected yes, no, auto or a list of folders"),
        ("install = 5", "install: expected yes, no, auto or a list of folders"),
        ('critical = ["a", ' + UNWRITABLE + "]", "critical: expected a list of patterns"),
        ('unsure = ["fail"]', "unsure: expected pass or suspects or fail"),
        ("new = true", "new: expected show or judge"),
    ],
)
def test_absurd_settings_are_one_line_that_names_them(setting: str, said: str) -> None:
    with pytest.raises(PacelineError) as error:
        combine({"against": "HEAD"}, tomllib.loads(setting))
    assert str(error.value).startswith(f"[tool.paceline] {said}")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "a/../../victim", "..", ".", ""])
def test_base_gets_nothing_from_outside_of_the_project(name: str) -> None:
    """What has such a name in base is removed first."""
    with pytest.raises(PacelineError, match="overlay: expected paths of files and folders inside the project"):
        combine({"against": "HEAD"}, {"overlay": ["benchmarks", name]})


def test_a_mistake_on_the_command_line_names_its_option() -> None:
    with pytest.raises(
        PacelineError, match=r"^--benchmark-budget: expected a positive number of seconds, at most a year, got 'nan'"
    ):
        combine({"against": "HEAD", "budget": "nan"}, {"budget": 5})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((f"{name} = true", f"no setting '{name}'") for name in ("control", "wheels", "accept")),
        ('json = "a\\u0000b"', "json: expected a string, got 'a"),
        ("python = " + UNWRITABLE, "python: expected a string, got a number of thousands of digits"),
        ('"' + "x" * 500 + '" = 1', "no setting 'xxx"),
    ],
)
def test_what_the_table_cannot_hold_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Judging base against base, comparing wheels and accepting are asked for, and never a project's habit."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.paceline]\n{text}\n", encoding="utf-8")
    with pytest.raises(PacelineError) as error:
        read_table(tmp_path)
    assert said in str(error.value)
    assert len(str(error.value).replace(str(tmp_path), "")) < 350
