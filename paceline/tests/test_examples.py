"""The commands that the docs show of the gate are run as they are written."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import QUICK, TEST, WORK, Project

ASV = {
    "asv.conf.json": "{}",
    "benchmarks/__init__.py": "",
    "benchmarks/bench_a.py": (
        "import work\nclass TimeA:\n    params = ([100, 300], ['x'])\n    def time_b(self, n, _): work.total(n)\n"
    ),
}
DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = ("pytest --benchmark-only --benchmark-a", "paceline gate")


def blocks(language: str) -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md")))
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    lines = {line.partition("  #")[0].strip() for block in blocks("shell") for line in block.splitlines()}
    return sorted(line for line in lines if line.startswith(PROGRAMS))


def test_pages_show_commands() -> None:
    assert len(commands()) == 11


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_command(command: str, make_project: Callable[..., Project]) -> None:
    tests = TEST + TEST.replace("test_total", "test_numpy")
    project = make_project(files={"work.py": WORK, "test_speed.py": tests, **ASV})
    project.git("tag", "v1.2")
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    program, how, *arguments = shlex.split(command)
    assert (program, how) in {("pytest", "--benchmark-only"), ("paceline", "gate")}
    if program == "pytest":  # nothing is touched, so nothing is timed: one has a small tolerance, which takes long
        run = project.run(*QUICK, *arguments, "--benchmark-touched=yes", early=True)
    else:
        run = project.gate(*arguments)
    assert run.status == 0, run.output
    if any(word.startswith("--benchmark-asv") for word in arguments):
        assert " passed" in run.output
        assert "test_total" not in run.output, "the suite alone"
        return
    assert run.verdicts.keys() == ({"test_numpy"} if "-k" in arguments else {"test_numpy", "test_total"})


@pytest.mark.slow
def test_json_example_has_the_fields_that_are_written(project: Project) -> None:
    example = json.loads(blocks("json")[0])
    written = project.judge().document
    assert list(example) == list(written)
    assert list(example["benchmarks"][0]) == list(written["benchmarks"][0])
    assert list(example["base"]) == list(written["base"])
