"""What docs/history.md shows is what the commands take and write."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from histories import Maker, step
from paceline.cli import COMMANDS, parser
from paceline.history.detect import accepted, judgement

PAGE = Path(__file__).parents[3] / "docs" / "history.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks("shell") for line in block.splitlines()]
    return [line for line in lines if line.startswith("paceline ")]


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    parser().parse_args(shlex.split(command)[1:])


def test_the_entry_is_one_that_is_written(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    assert len(accepted.read(tmp_path / "example.toml")) == 1
    found = judgement.check(Maker(factor=step(3, 40, 1.2)).history()).changes
    accepted.accept(tmp_path / "written.toml", found, "why")
    written = tomllib.loads((tmp_path / "written.toml").read_text(encoding="utf-8"))
    assert list(tomllib.loads(example)["accepted"][0]) == list(written["accepted"][0])


def test_options_that_are_named_exist(capsys: pytest.CaptureFixture[str]) -> None:
    options = set(re.findall(r"`(--[a-z]+)", PAGE.read_text(encoding="utf-8")))
    assert len(options) >= 10
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            parser().parse_args([command, "--help"])
    vendor = [sys.executable, "-m", "paceline.pages.vendor", "--help"]
    helps = capsys.readouterr().out + subprocess.run(vendor, capture_output=True, text=True, check=True).stdout
    assert {option for option in options if option not in helps} == set()
