"""What the docs show of the commands is what these take and write."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from histories import Maker, step
from paceline.cli import COMMANDS, parser
from paceline.history.detect import accepted, judgement

DOCS = Path(__file__).parents[3] / "docs"
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md")))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks("shell") for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("paceline ") and not line.startswith("paceline gate")})


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    parser().parse_args(shlex.split(command)[1:])


def test_the_entry_is_one_that_is_written(tmp_path: Path) -> None:
    (example,) = (block for block in blocks("toml") if block.startswith("[[accepted]]"))
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    assert len(accepted.read(tmp_path / "example.toml")) == 1
    found = judgement.check(Maker(factor=step(3, 40, 1.2)).history()).changes
    accepted.accept(tmp_path / "written.toml", found, "why")
    written = tomllib.loads((tmp_path / "written.toml").read_text(encoding="utf-8"))
    assert list(tomllib.loads(example)["accepted"][0]) == list(written["accepted"][0])


def test_options_that_are_named_exist(capsys: pytest.CaptureFixture[str]) -> None:
    listed = re.findall(r"^\| `paceline [a-z]+` \| (.*) \|$", TEXT, re.MULTILINE)
    options = set(re.findall(r"`(--[a-z]+)", "".join(listed)))
    assert len(options) >= 10
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            parser().parse_args([command, "--help"])
    helps = capsys.readouterr().out
    assert {option for option in options if option not in helps} == set()
