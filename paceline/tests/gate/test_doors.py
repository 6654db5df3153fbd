"""What head does to be called green although it is slower, each by code of the project alone."""

import contextlib
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paceline.config.request import Request
from paceline.config.settings import Settings, of_head_alone, read_table
from paceline.errors import PacelineError
from paceline.gate import execution
from paceline.gate.sequential import plan
from paceline.gate.sides import schedule
from paceline.gate.sides.launcher import Launcher
from paceline.gate.sides.selection import read_selection
from paceline.gate.sides.trees import Trees
from paceline.gate.sides.workspace import Workspace
from paceline.gate.trial import Trial
from paceline.gate.verdict import Benchmark
from paceline.gate.visit import End, Recipe, Timing, Visit
from paceline.report import annotations
from paceline.report.closing import Closing
from paceline.report.verdicts import Finding
from projects import TEST, WORK, Project

SLOWER = WORK.replace("range(count)", "range(3 * count)")
WRONG_USE = 4

BENCHMARK = """
import {name}

def test_{name}(benchmark):
    {name}.prepare()
    assert benchmark({name}.total, 300) > 0
"""
HONEST = WORK + "\ndef prepare():\n    pass\n"
ATTACKS = {
    "versioned": """
import sys
def prepare():
    sys._getframe(1).f_locals["benchmark"].extra_info["version"] = "2"
""",
    "skipped": """
import pytest
def prepare():
    pytest.skip("not today")
""",
    "clocked": """
import os
from paceline.gate.worker import fixture
def slow(clock):
    return lambda: clock() // (3 if "test_clocked" in os.environ.get("PYTEST_CURRENT_TEST", "") else 1)
fixture._CLOCKS = tuple(map(slow, fixture._CLOCKS))
def prepare():
    pass
""",
    "unread": """
import pytest
pytest.skip("not at all", allow_module_level=True)
""",
}
DOUBTED = {
    "test_versioned": ("changed", "extra_info[\"version\"] differs: base none, head '2'"),
    "test_skipped": ("unavailable", "head skipped: not today"),
    "test_clocked": ("unsure", "by the gate's own clock head takes "),
    "test_unread": ("unavailable", "head skipped: not at all"),
}


@pytest.mark.slow
def test_what_head_alone_declares_skips_or_counts_is_red_if_proof_is_asked_for(
    make_project: Callable[..., Project],
) -> None:
    files = {f"test_{name}.py": BENCHMARK.format(name=name) for name in ATTACKS}
    files |= {f"{name}.py": HONEST for name in ATTACKS}
    project = make_project(files=files | {"work.py": WORK, "test_speed.py": TEST})
    project.write({f"{name}.py": SLOWER + attack for name, attack in ATTACKS.items()})
    project.write({"pyproject.toml": "[tool.paceline]\ntimeout = 60\n"})
    run = project.gate("HEAD", "--benchmark-unsure=fail", environment={"GITHUB_ACTIONS": "true"})
    assert run.status == 1, run.output
    assert run.verdicts == {name: verdict for name, (verdict, _) in DOUBTED.items()} | {"test_total": "same"}
    for name, (_, reason) in DOUBTED.items():
        finding = run.findings[name]
        assert reason in finding["reason"]
        assert finding["red"]
        assert finding["unproven"]
        assert any(line.startswith("::error") and name in line for line in run.output.splitlines())
    assert "note: [tool.paceline] timeout differs: 60 in head (used), not set in base" in run.output


def test_code_that_rewrites_the_other_side_ends_the_gate(project: Project) -> None:
    """At its import head finds base's tree beside its own."""
    attack = """
from pathlib import Path
for other in Path(__file__).resolve().parents[2].glob("*/*/work.py"):
    other.write_text("raise SystemExit('rewritten')")
"""
    project.write({"work.py": SLOWER + attack})
    run = project.gate("HEAD")
    assert run.status == WRONG_USE, run.output
    assert "base: project/work.py changed while the gate ran" in run.error
    assert project.leftovers == []


@pytest.mark.slow
def test_a_file_that_was_written_to_during_the_rounds_ends_the_gate(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content and its time are as they were: the time of the change tells."""
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))

    def say(text: str) -> None:
        if text.startswith("round 1:"):
            (folder,) = project.leftovers
            (path,) = (path.with_name("work.py") for path in folder.glob("?/project/is_base"))
            rewrite(path)

    project.commit({"is_base": ""})
    (project.root / "is_base").unlink()
    settings = Settings("HEAD", tolerance=0.9, alpha=0.1, explain=0.0, touched=False)
    with pytest.raises(PacelineError, match=r"^base: project/work\.py changed while the gate ran"):
        execution.run(Trial(Request(settings, (), project.root), say))
    assert project.leftovers == []


def rewrite(path: Path) -> None:
    times = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("base", "head", "named"),
    [
        (["project/work.py"], [], "base: project/work.py"),
        (["project/work.py"], ["project/work.py"], "base: project/work.py"),
        (["site/pack/core.py"], [], "base: site/pack/core.py"),
        ([], ["project/inner/deep.py"], "head: project/inner/deep.py"),
        (["project/data.json"], [], "base: project/data.json"),
        (["project/data.json"], ["project/data.json"], None),  # the suite's own doing
        (["project/made.txt", "project/__pycache__/work.pyc", "project/made.py"], [], None),
    ],
)
def test_files_that_count(
    project: Project, base: list[str], head: list[str], named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))
    inner = Project(project.root / "inner", project.temporary)
    inner.write({"deep.py": ""})
    inner.git("init", "--quiet")
    inner.commit()
    project.git("submodule", "--quiet", "add", "./inner")
    project.commit({"data.json": "{}"})
    with Workspace.create() as workspace:
        trees = Trees(Request(Settings("HEAD"), (), project.root), workspace, print, [])
        trees.make(math.inf)
        for side in ("base", "head"):
            (trees.site(side) / "pack").mkdir(parents=True)
            (trees.site(side) / "pack" / "core.py").touch()
        trees.seal()
        trees.slots.arrange("b")
        trees.insist_on_seal()
        for side, names in (("base", base), ("head", head)):
            for name in names:
                path = trees.slots.path(side) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text("1", encoding="utf-8")
        with pytest.raises(PacelineError, match=f"^{named} changed") if named else contextlib.nullcontext():
            trees.insist_on_seal()


def test_the_other_side_and_paceline_are_read_only_in_a_round_where_the_system_can(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to mount, nothing happens and nothing fails."""
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))
    code = """
import sys, paceline.gate.worker.process
for folder in sys.argv[1:]:
    try:
        open(folder + "/made", "w").close()
    except OSError as error:
        print(error.strerror)
    else:
        print("written")
"""
    message: dict[str, Any] = dict.fromkeys(
        ("benchmarks", "modules", "values", "memory", "paths", "errors", "set_aside", "notes"), ()
    ) | {"nanoseconds": {}}
    with Workspace.create() as workspace:
        request = Request(Settings("HEAD"), (), project.root)
        trees = Trees(request, workspace, print, [])
        trees.make(math.inf)
        launcher = Launcher(request, trees, workspace.folder)
        launcher.copy_plugin()
        tree = trees.tree("head")
        selection = read_selection(message | {"root": str(tree), "ini": None, "asv": None}, tree, (), ())
        launch = launcher.round("head", selection, schedule.draw(random.Random(1), ["a"]), ["a"])
        folders = [tree, workspace.folder / "logs", trees.tree("base"), trees.slots.path("base"), launcher.plugin]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, folders)],
            env=launch.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        can_mount = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
        others = "Read-only file system" if can_mount else "written"
        assert done.stdout.splitlines() == ["written"] * 2 + [others] * 3
    assert project.leftovers == [], "for the judge all is as it was"


def ended(side: str, outcome: str, version: str | None = None) -> dict[str, End]:
    return {"base": End("passed", version="'1'"), "head": End("passed", version="'1'")} | {
        side: End(outcome, version=version)
    }


@pytest.mark.parametrize("outcome", ["crashed", "hung", "failed"])
def test_failure_of_head_is_broken_whatever_version_it_had_to_declare(outcome: str) -> None:
    benchmark = Benchmark("a", plan(0.01), 0.03)
    for _ in range(2):
        benchmark.add(Visit(ended("head", outcome)))
    assert benchmark.finding().verdict == "broken"


@pytest.mark.parametrize(
    ("head", "base", "unproven"),
    [
        ("skipped", "passed", True),
        ("unused", "passed", True),
        ("xfailed", "passed", True),
        ("passed", "crashed", True),  # head may have ended it
        ("passed", "hung", True),
        ("passed", "failed", False),
        ("skipped", "skipped", False),
        ("skipped", "failed", False),
    ],
)
def test_a_benchmark_that_only_one_side_kept_from_being_judged_is_doubted(
    head: str, base: str, *, unproven: bool
) -> None:
    benchmark = Benchmark("a", plan(0.01), 0.03)
    for _ in range(2):
        benchmark.add(Visit({"base": End(base, "why"), "head": End(head, "why")}))
    found = benchmark.finding()
    assert (found.verdict, found.unproven) == ("unavailable", unproven)
    assert found.judged("fail", None).red == unproven
    assert not found.judged("pass", None).red
    assert not found.judged("fail", "reviewed").red


def timed(own: float, gates: float, *, is_bare: bool = True) -> Visit:
    """A visit whose head takes `own` times as long by the benchmark's clock, and `gates` times by the gate's."""
    burst = {
        side: Timing(
            round(9e6 * ratio), round(9e6 * ratio), round(9e6 * ratio), 0, 0, False, 10, round(9.2e6 * by_gate)
        )
        for side, ratio, by_gate in (("base", 1.0, 1.0), ("head", own, gates))
    }
    passed = {side: End("passed") for side in ("base", "head")}
    return Visit(passed, Recipe(10, 1, "cpu", cold=False), [burst], "cpu", is_bare)


@pytest.mark.parametrize(
    ("own", "gates", "is_bare", "verdict"),
    [
        (1.0, 1.0, True, "same"),
        (1.0, 1.63, True, "unsure"),
        (0.6, 1.0, True, "unsure"),  # called faster, and is not
        (1.0, 1.02, True, "same"),
        (1.0, 1.63, False, "same"),  # set-ups take longer, which nobody asked to be timed
        (1.63, 1.0, True, "slower"),
        (0.6, 0.6, True, "faster"),
    ],
)
def test_a_clock_that_the_gates_own_contradicts_proves_nothing(
    own: float, gates: float, verdict: str, *, is_bare: bool
) -> None:
    benchmark = Benchmark("a", plan(0.01), 0.03)
    for place in range(40):
        if benchmark.verdict is None:
            wobble = 1 + 0.0001 * (place % 7)
            benchmark.add(timed(own * wobble, gates * wobble, is_bare=is_bare))
    found = benchmark.finding()
    assert found.verdict == verdict
    assert found.unproven == (verdict == "unsure")


def test_a_reason_to_accept_counts_only_from_the_user(project: Project) -> None:
    project.write({"pytest.ini": "[pytest]\naddopts = --benchmark-accept=trust-me --benchmark-against-control\n"})
    conftest = """
import pytest
def pytest_sessionstart(session):
    gate = session.config.pluginmanager.get_plugin("paceline-gate")
    settings, given = gate._trial.settings, str(session.config.invocation_params.args)
    assert settings.control == ("control" in given)
    pytest.exit(f"REASON {settings.accept}")
"""
    project.write({"conftest.py": conftest})

    def reason(*arguments: str, environment: dict[str, str] | None = None) -> str:
        process = project.start("--benchmark-against=HEAD", *arguments, environment=environment)
        output, _ = process.communicate(timeout=120)
        return output.partition("REASON ")[2].splitlines()[0].rstrip(" !")

    assert reason() == "None"
    assert reason("--benchmark-accept=reviewed", "--benchmark-against-control") == "reviewed"
    assert reason(environment={"PYTEST_ADDOPTS": "--benchmark-accept='by hand'"}) == "by hand"


def test_every_finding_that_was_not_proven_is_named(tmp_path: Path) -> None:
    trial = Trial(Request(Settings("HEAD"), (), tmp_path), print)
    trial._apart = [  # noqa: SLF001
        Finding("t.py::test_a", "changed", reason="it says so", unproven=True),
        Finding("t.py::test_b", "unavailable", reason="head skipped: why", unproven=True),
        Finding("t.py::test_c", "unavailable", reason="both sides skipped: why"),
        Finding("t.py::test_d", "removed", reason="head has no such benchmark"),
        Finding("t.py::test_e", "same"),
    ]
    warnings = [line for line in annotations.lines(trial.findings()) if line.startswith("::warning")]
    assert [line.partition("t.py::")[2][:6] for line in warnings] == ["test_a", "test_b", "test_d"]
    (notice,) = trial.outcome().notices
    assert notice.startswith("2 not judged because of one side: passed without proof (--benchmark-unsure=fail makes")
    assert notice.endswith(": t.py::test_a, t.py::test_b")
    assert not trial.outcome().is_red


def test_settings_that_only_head_has_are_named(tmp_path: Path) -> None:
    long = "x" * 500
    for side, table in (("base", "budget = 9\nnew = 'judge'"), ("head", f"budget = 9\noverlay = ['{long}']")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "pyproject.toml").write_text(f"[tool.paceline]\n{table}\n", encoding="utf-8")
    new, overlay = of_head_alone(tmp_path / "base", tmp_path / "head")
    assert new == "[tool.paceline] new differs: not set in head (used), 'judge' in base"
    assert "overlay differs: ['xxx" in overlay
    assert len(overlay) < 200
    assert of_head_alone(tmp_path / "base", tmp_path / "base") == []
    (tmp_path / "base" / "pyproject.toml").write_text("[tool.paceline", encoding="utf-8")
    assert len(of_head_alone(tmp_path / "base", tmp_path / "head")) == 2


def test_base_against_base_is_no_setting(tmp_path: Path) -> None:
    """By it a change would be judged without being looked at."""
    (tmp_path / "pyproject.toml").write_text("[tool.paceline]\ncontrol = true\n", encoding="utf-8")
    with pytest.raises(PacelineError, match=r"no setting 'control'"):
        read_table(tmp_path)


def test_words_of_the_project_command_neither_terminal_nor_runner(project: Project) -> None:
    reason = "'\\x1b[2J\\n::stop-commands::x ##[error]y' + 'z' * 10 ** 6"
    project.commit({"test_evil.py": f"import pytest\ndef test_evil(benchmark):\n    pytest.skip({reason})\n"})
    run = project.judge("test_evil.py", environment={"GITHUB_ACTIONS": "true"})
    assert run.status == WRONG_USE
    assert "nothing was measured" in run.output
    assert "\x1b[2J" not in run.output
    assert "##[" not in run.output
    assert len(run.output) < 4000
    assert not any(line.lstrip().startswith("::stop") for line in run.output.splitlines())


@pytest.mark.parametrize("name", ["a.py::::stop-commands::x", "a.py:: ::add-mask::x"])
def test_a_row_of_the_table_begins_no_command(name: str, tmp_path: Path) -> None:
    trial = Trial(Request(Settings("HEAD"), (), tmp_path), print)
    trial._apart = [Finding(name, "new", reason="why")]  # noqa: SLF001
    assert not any(line.lstrip().startswith("::") for line in Closing(trial.outcome()).lines())


@pytest.mark.parametrize("key", ["root", "ini", "asv", "path"])
def test_a_worker_cannot_lead_the_judge_out_of_the_tree(key: str, tmp_path: Path) -> None:
    """The judge copies to base what a worker names, and replaces folders there."""
    tree = tmp_path / "tree"
    benchmark: dict[str, Any] = {"id": "t.py::test_a", "path": str(tree / "t.py"), "line": 1, "mark": None}
    empty = dict.fromkeys(("values", "memory", "paths", "errors", "set_aside", "notes"), ())
    message: dict[str, Any] = {**empty, "benchmarks": [benchmark], "root": str(tree), "ini": None, "asv": None}
    message["nanoseconds"] = {}
    message["modules"] = [str(tree / "t.py"), f"{tree}/../other/t.py", "/etc/passwd"]
    assert read_selection(message, tree, (), ()).modules == (Path("t.py"),)
    outside = f"{tree}/../other"
    if key == "path":
        message["benchmarks"] = [benchmark | {"path": f"{outside}/t.py"}]
    else:
        message[key] = outside
    if key == "ini":
        assert read_selection(message, tree, (), ()).ini == Path(outside), "as it is, and nowhere below a tree"
        return
    with pytest.raises(PacelineError, match="outside the repository"):
        read_selection(message, tree, (), ())
