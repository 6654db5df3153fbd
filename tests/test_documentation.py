"""Every command that README and docs show is run, or stands where it is run; what they name exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from paceline.cli import COMMANDS
from paceline.config.options import TABLE
from paceline.pages import packed

from benchmarks import catalog, ratios
from tests.conftest import copied

if TYPE_CHECKING:
    from tests.conftest import Git

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "paceline" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

#: Run in this order by a test of its own.
HISTORY = (
    ".venv/bin/pytest --benchmark-only --benchmark-record",
    ".venv/bin/paceline check",
    ".venv/bin/paceline pages",
)

#: Run elsewhere, in full: by test_suite, by test_ratios, by hand and by .ci/run.
ELSEWHERE = (
    ".venv/bin/asv ",
    ".venv/bin/python -m benchmarks.ratios",
    ".venv/bin/python -m benchmarks.first_call gradient_descent with_dask huge",
    ".venv/bin/python -m benchmarks.latency",
    "sh benchmarks/on_gpu.sh",
    "DEVICE=gpu ",
    ".venv/bin/jupytext --to notebook docs/fraud.md",
    ".venv/bin/jupyter execute --inplace docs/fraud.ipynb",
    "KAFKA_BOOTSTRAP_SERVERS=broker:9092 ",
    ".venv/bin/pre-commit install",
    "make lint",
    "make evidence",
    *HISTORY,
)

#: Stands for all the tests, where a command would run them all.
TEST = "tests/benchmarks/test_summary.py"


def commands() -> list[str]:
    """Return every command that the pages show, without comments, once."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        text = re.sub(r"<!--.*?-->|```(python|sql|text|yaml)\n.*?```", "", text, flags=re.DOTALL)
        shown = re.findall(r"^    ([^ ].*)$", text, re.MULTILINE)
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            shown += block.splitlines()
        found |= dict.fromkeys(command.partition("  #")[0].strip() for command in shown)
    return list(found)


SET_UP = [command for command in commands() if " -m venv " in command or " -m pip " in command]
TO_RUN = [command for command in commands() if command not in SET_UP and not command.startswith(ELSEWHERE)]


def test_the_pages_show_the_two_commands() -> None:
    assert {"make bench", "make test"} <= set(commands())
    assert len(SET_UP) == 3
    assert len(TO_RUN) >= 8


@pytest.fixture(scope="module")
def ready_tree(tmp_path_factory: pytest.TempPathFactory, git: Git) -> Path:
    """A committed copy of the tree, with the environment that runs the tests: make finds nothing to set up."""
    tree = copied(tmp_path_factory.mktemp("ready"))
    (tree / ".venv").mkdir()
    (tree / ".venv" / "bin").symlink_to(Path(sys.prefix, "bin"))
    (tree / ".venv" / "ready").touch()
    (tree / "impl" / "least_squares" / "with_hypermath.py").write_text(
        "from impl.least_squares.sums_python import prepare as prepare\n", encoding="utf-8"
    )
    shutil.copy2(ROOT / ".gitignore", tree)
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=Begin")
    return tree


def shortened(words: list[str]) -> list[str]:
    """Return the command with options added that make it short and take nothing of it away."""
    measures = "--benchmark-only" in words or words[1].startswith("bench")
    options = TEST
    if measures:
        options = "--size=tiny --benchmark-max-time=0.01"
        if "--contender" not in " ".join(words):
            options += " --workload=least_squares --contender=sums_python"
    elif any(word.startswith("tests/") for word in words):
        options = ""
    if words[0] != "make":
        return words + options.split()
    given = words[2].removeprefix("ARGS=") if len(words) > 2 else ""
    alone = "-n 0 " if "test" in words else ""  # workers take longer to start than these tests to run
    return [*words[:2], f"ARGS={alone}{given} {options}"]


def outside() -> dict[str, str]:
    """Return the environment without what tells of the pytest that runs this test, nor Hypothesis's plugin."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return inherited | {"PYTEST_ADDOPTS": "-p no:hypothesispytest"}


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=pytest.mark.slow) if "--benchmark-against" in each else each for each in TO_RUN],
)
def test_commands_run(command: str, ready_tree: Path) -> None:
    words = shlex.split(command)
    variables = [words.pop(0)] if "=" in words[0] else []
    done = subprocess.run(
        shortened(words),
        cwd=ready_tree,
        env=outside() | dict(variable.split("=", 1) for variable in variables),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_a_run_joins_the_history_and_is_published(ready_tree: Path) -> None:
    assert set(HISTORY) <= set(commands())
    for command in HISTORY:
        words = shlex.split(command)
        done = subprocess.run(
            shortened(words) if "--benchmark-only" in words else words,
            cwd=ready_tree,
            env=outside(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    data = ready_tree / ".asv" / "html" / "data"
    assert "sums_python" in json.dumps([packed.read(data, path.stem) for path in data.glob("b*.js")])


@pytest.mark.slow
def test_the_script_for_a_gpu_tests_measures_and_records(ready_tree: Path) -> None:
    chosen = ("--size=tiny", "--contender=with_numpy,with_cupy,with_jax,backprop_numpy,descent_numpy")
    done = subprocess.run(
        ["sh", "benchmarks/on_gpu.sh", *chosen],
        cwd=ready_tree,
        env=outside() | {"DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^with_cupy +n/a runs on a GPU only", done.stdout, re.MULTILINE)
    recorded = "".join(path.read_text("utf-8") for path in (ready_tree / ".asv" / "results").glob("*/*-*.json"))
    assert "backprop_numpy" in recorded
    assert "tensorflow==" in (ready_tree / "build" / "pins.txt").read_text("utf-8")


def test_the_set_up_by_hand_is_what_make_does() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split(".venv/ready: ")[1]
    made = [
        line.strip() for line in recipe.splitlines() if line.startswith(("\t$(PYTHON) -m", "\t$(BIN)/python -m pip"))
    ]
    for noise in ("--disable-pip-version-check ", "--no-compile ", "--quiet "):
        made = [line.replace(noise, "") for line in made]
    assert [line.replace("$(PYTHON)", "python3").replace("$(BIN)", ".venv/bin") for line in made] == SET_UP


def test_the_reference_has_every_command_and_every_option_and_setting_of_the_gate() -> None:
    page = (ROOT / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\| (?:`([a-z-]+)[^|]*`)? ?\| (?:`(\w+)`)? ?\|", page.replace("\\|", "/"), re.MULTILINE))
    assert all(f"| `paceline {command}" in page for command in COMMANDS)
    flags = {flag for flag, _ in shown if flag.startswith("--benchmark")}
    assert flags == {option.flag for option in TABLE if option.flag}
    for option in TABLE:
        assert (option.flag, "" if option.by_hand else option.setting) in shown, option.setting


def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target, fragment in re.findall(r"\]\((?!https://)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page}: {target}"
            assert not fragment or fragment in anchors(linked), f"{page}: {target}#{fragment}"


def test_the_index_links_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)", index.read_text("utf-8"))}
    assert linked == {page for page in PAGES if (ROOT / "docs") in page.parents} - {index}


def test_the_workflow_to_copy_is_the_same_everywhere() -> None:
    shown = [re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL) for page in PAGES]
    copies = [block for blocks in shown for block in blocks if "matrix:" not in block]
    assert len(copies) >= 2
    assert len(set(copies)) == 1


@pytest.fixture(scope="module")
def published() -> dict[str, tuple[str, str]]:
    """The time and the ratio to A of every contender in the README's table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"```text\n(gradient_descent, article.*?)```", readme, re.DOTALL)
    rows = re.findall(r"^([a-z_\d]+)\*? +([\d.,]+ (?:n|u|m)?s)(?: +\d+%)? +([\d.,]+x) ", table, re.MULTILINE)
    return {contender: (time, to_a) for contender, time, to_a in rows}


def test_the_answer_is_of_contenders_that_exist(published: dict[str, tuple[str, str]]) -> None:
    assert published.keys() == set(catalog.contenders("gradient_descent")) - {*catalog.ONLY_ON_GPUS}


def test_the_answer_and_the_claims_agree(published: dict[str, tuple[str, str]]) -> None:
    to_a = {contender: float(ratio.rstrip("x").replace(",", "")) for contender, (_, ratio) in published.items()}
    for claim in ratios.CLAIMS:
        if claim.slower != ratios.C_LOOP:
            assert claim.holds(to_a[claim.faster] / to_a[claim.slower]), claim


def test_the_chart_shows_the_table(published: dict[str, tuple[str, str]]) -> None:
    chart = (ROOT / "docs" / "pictures" / "answer.svg").read_text(encoding="utf-8")
    shown = re.findall(r">([a-z_\d]+)\*?</text>\n<rect .*\n<text .*>([\d.,]+x)</text>\n<text .*>(.*)</text>", chart)
    assert {contender: (time, ratio) for contender, ratio, time in shown} == published


@pytest.mark.parametrize("name", ["answer.svg", "gate.svg", "pages.png"])
def test_pictures_are_small_and_load_nothing(name: str) -> None:
    picture = (ROOT / "docs" / "pictures" / name).read_bytes()
    assert len(picture) < 150_000
    assert not re.search(rb"url\((?!#)|href=|@import|src=", picture) or name.endswith(".png")
