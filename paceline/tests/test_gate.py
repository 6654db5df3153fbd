"""What a gate says of changes, in real repositories."""

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import QUICK, TEST, WORK, Project

SLOWER = WORK.replace("range(count)", "range(3 * count)")
MakeProject = Callable[..., Project]


def test_identical_code_is_the_same_and_leaves_nothing(project: Project) -> None:
    run = project.run(*QUICK, "--benchmark-against=HEAD")
    assert run.status == 0, run.output
    finding = run.findings["test_total"]
    assert finding["verdict"] == "same"
    assert finding["rounds"] >= 5
    assert finding["clock"] == "cpu"
    assert finding["high"] < 1.5
    assert finding["head_seconds"] == pytest.approx(finding["base_seconds"] * finding["ratio"])
    assert project.leftovers == []
    assert project.git("worktree", "list").count("\n") == 1
    assert "every slowdown found is a false alarm" in run.output


def test_schema_of_the_json(project: Project) -> None:
    project.write({"work.py": WORK + "# edited\n"})
    document = project.judge().document
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == [
        "schema",
        "base",
        "head",
        "machine",
        "alpha",
        "tolerance",
        "seconds",
        "benchmarks",
        "values",
        "notices",
    ]
    assert (document["schema"], document["alpha"], document["tolerance"]) == (2, 0.5, 0.5)
    assert document["head"]["dirty"] is True
    assert document["base"]["commit"] == project.git("rev-parse", "HEAD").strip()
    assert list(document["benchmarks"][0]) == [
        *("name", "verdict", "ratio", "low", "high", "rounds", "clock"),
        *("base_seconds", "head_seconds", "detectable", "reason"),
        *("suspect", "tolerance", "critical", "red", "unproven", "touched", "why", "memory"),
    ]


@pytest.mark.slow
def test_slowdown_fails_its_test_everywhere(project: Project, tmp_path: Path) -> None:
    """Exit status, -k, JUnit and the step summary all say it."""
    other = "def test_other(benchmark):\n    benchmark(sum, range(300))\n"
    project.commit({"test_other.py": other + other.replace("other", "left_out")})
    project.write({"work.py": SLOWER})
    summary = tmp_path / "summary.md"
    run = project.judge(
        "--benchmark-alpha=10%",
        "--junitxml=junit.xml",
        "-k",
        "not left_out",
        environment={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert run.status == 1, run.output
    assert run.verdicts == {"test_total": "slower", "test_other": "same"}
    finding = run.findings["test_total"]
    assert finding["low"] <= finding["ratio"] <= finding["high"]
    assert finding["ratio"] == pytest.approx(3, rel=0.3)
    assert "slower: head takes" in run.output
    suite = ET.parse(project.root / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert "**slower**" in summary.read_text(encoding="utf-8")


@pytest.mark.slow
def test_added_wait_is_seen_though_cpu_time_is_blind_to_it(make_project: MakeProject) -> None:
    waits = "import time\nimport work\n\ndef test_wait(benchmark):\n    benchmark(work.total, 300)\n"
    project = make_project(files={"work.py": WORK, "test_wait.py": waits})
    project.write({"work.py": WORK.replace("result = 0", "import time; time.sleep(0.001); result = 0")})
    run = project.judge()
    assert run.verdicts == {"test_wait": "slower"}, run.output
    assert run.findings["test_wait"]["clock"] == "wall"


@pytest.mark.slow
def test_speed_up_is_told_from_same(project: Project) -> None:
    project.commit({"work.py": SLOWER})
    project.write({"work.py": WORK})
    run = project.judge()
    assert run.status == 0
    assert run.verdicts == {"test_total": "faster"}


@pytest.mark.slow
def test_new_removed_and_changed_benchmarks(make_project: MakeProject) -> None:
    versioned = (
        "import work\n\ndef test_problem(benchmark):\n"
        "    benchmark.extra_info['version'] = work.VERSION\n    benchmark(work.total, 300)\n"
    )
    gone = "def test_gone(benchmark):\n    benchmark(len, 'a')\n"
    project = make_project(
        files={"work.py": WORK + "VERSION = 1\n", "test_speed.py": TEST + gone, "test_version.py": versioned}
    )
    added = "def test_added(benchmark):\n    benchmark(len, 'a')\n"
    project.write({"work.py": WORK + "VERSION = 2\n", "test_speed.py": TEST + added})
    run = project.judge()
    assert run.status == 0, run.output
    assert run.verdicts == {
        "test_total": "same",
        "test_added": "new",
        "test_problem": "changed",
        "test_gone": "removed",
    }
    assert "both sides ran head's" in run.findings["test_total"]["reason"]


def test_first_change_that_adds_benchmarks_is_green_with_a_notice(make_project: MakeProject) -> None:
    project = make_project(files={"work.py": WORK})
    project.write({"test_speed.py": TEST})
    run = project.judge()
    assert run.status == 0, run.output
    assert run.verdicts == {"test_total": "new"}
    assert "every benchmark is new" in run.output


@pytest.mark.slow
def test_new_benchmarks_that_base_can_run_are_judged_if_asked(make_project: MakeProject) -> None:
    project = make_project(files={"work.py": WORK})
    tests = TEST + "def test_other(benchmark):\n    benchmark(work.other)\n"
    project.write({"work.py": SLOWER + "def other():\n    pass\n", "test_speed.py": tests})
    shown = project.judge()
    assert shown.verdicts == {"test_total": "new", "test_other": "new"}
    assert "but can run it (--benchmark-new=judge)" in shown.findings["test_total"]["reason"]
    assert "cannot run it: failed: AttributeError" in shown.findings["test_other"]["reason"]
    judged = project.judge("--benchmark-new=judge")
    assert judged.status == 1, judged.output
    assert judged.verdicts == {"test_total": "slower", "test_other": "new"}


@pytest.mark.slow
def test_head_is_what_lies_in_the_working_tree(make_project: MakeProject) -> None:
    """Changed, untracked and removed files count; a path with spaces is a path."""
    files = {"work.py": "from old import total\n", "old.py": SLOWER, "test_speed.py": TEST}
    project = make_project(name="a project", files=files)
    (project.root / "old.py").unlink()
    project.write({"work.py": "from untracked import total\n", "untracked.py": WORK})
    run = project.judge()
    assert run.verdicts == {"test_total": "faster"}, run.output


@pytest.mark.slow
def test_failing_head_is_broken_and_failing_base_blinds_nobody(make_project: MakeProject) -> None:
    tests = TEST + "def test_two(benchmark):\n    benchmark(work.two)\n"
    tests += "def test_three(benchmark):\n    benchmark(work.three)\n"
    raises = "def two():\n    raise ValueError('two is wrong')\n"
    project = make_project(files={"work.py": WORK + raises + "def three():\n    pass\n", "test_speed.py": tests})
    project.write({"work.py": WORK + raises.replace("two", "three") + "def two():\n    pass\n"})
    run = project.judge()
    assert run.status == 1, run.output
    assert run.verdicts == {"test_total": "same", "test_two": "unavailable", "test_three": "broken"}
    assert "three is wrong" in run.findings["test_three"]["reason"]
    assert "base failed: ValueError: two is wrong" in run.findings["test_two"]["reason"]


@pytest.mark.slow
def test_base_that_cannot_be_imported_is_named(make_project: MakeProject) -> None:
    files = {"work.py": WORK, "test_speed.py": TEST, "lame.py": "syntax error\n"}
    lame = {"test_lame.py": "import lame\n\ndef test_lame(benchmark):\n    benchmark(lame.f)\n"}
    project = make_project(files={**files, **lame})
    project.write({"lame.py": "def f():\n    pass\n"})
    run = project.judge()
    assert run.status == 0, run.output
    assert run.verdicts == {"test_total": "same", "test_lame": "unavailable"}
    assert "SyntaxError" in run.findings["test_lame"]["reason"]


@pytest.mark.slow
def test_tests_beside_the_code_keep_each_side_its_own_code(make_project: MakeProject) -> None:
    """`pkg/tests/`: only test files are taken over, never the folder around them."""
    test = TEST.replace("import work", "from pkg import work")
    files = {
        "pkg/__init__.py": "",
        "pkg/work.py": WORK,
        "pkg/tests/__init__.py": "",
        "pkg/tests/test_speed.py": test,
    }
    project = make_project(files=files)
    project.write({"pkg/work.py": SLOWER})
    assert project.judge().verdicts == {"test_total": "slower"}


@pytest.mark.slow
def test_overlay_setting_takes_whole_folders(make_project: MakeProject) -> None:
    test = "from bench import helper\n\ndef test_helped(benchmark):\n    benchmark(helper.work)\n"
    files = {
        "bench/__init__.py": "",
        "bench/helper.py": SLOWER + "def work(): return total(300)\n",
        "bench/test_h.py": test,
    }
    project = make_project(files={**files, "pyproject.toml": '[tool.paceline]\noverlay = ["bench"]\n'})
    project.write({"bench/helper.py": WORK + "def work(): return total(300)\n"})
    assert project.judge().verdicts == {"test_helped": "same"}


@pytest.mark.slow
def test_project_settings_and_a_spent_budget_that_is_red_only_if_asked(project: Project) -> None:
    """A benchmark that takes too long is cut; it keeps no other from its verdict, and the gate in its budget."""
    sleeps = "import time\n\ndef test_sleeps(benchmark):\n    benchmark(time.sleep, 3600)\n"
    settings = '[tool.paceline]\ntolerance = "40%"\nalpha = 0.2\nbudget = 20\n'
    project.commit({"test_sleeps.py": sleeps, "pyproject.toml": settings})
    passed = project.run("--benchmark-against=HEAD", "--benchmark-touched=no", "--benchmark-alpha=10%", early=True)
    assert passed.status == 0, passed.output
    assert (passed.document["tolerance"], passed.document["alpha"]) == (0.4, 0.1)
    assert passed.verdicts == {"test_total": "same", "test_sleeps": "unsure"}
    assert "had not ended after" in passed.findings["test_sleeps"]["reason"]
    assert passed.document["seconds"] < 25
    assert "passed without proof" in passed.output
    failed = project.judge("--benchmark-unsure=fail", "--benchmark-budget=6")
    assert failed.status == 1, failed.output


@pytest.mark.slow
def test_control_judges_base_against_base(project: Project) -> None:
    project.write({"work.py": SLOWER})
    run = project.judge("--benchmark-against=HEAD", "--benchmark-against-control")
    assert run.verdicts == {"test_total": "same"}, run.output


@pytest.mark.slow
def test_without_a_value_the_merge_base_is_the_base(project: Project) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("switch", "--quiet", "-c", "topic")
    project.commit({"work.py": SLOWER})
    run = project.judge("--benchmark-against")
    assert run.verdicts == {"test_total": "slower"}, run.output
    assert run.document["base"]["commit"] == first


@pytest.mark.slow
def test_submodules_come_along(make_project: MakeProject) -> None:
    library = make_project(name="library", files={"inner.py": WORK})
    project = make_project(files={"work.py": "from lib.inner import total\n", "test_speed.py": TEST})
    project.git("submodule", "--quiet", "add", str(library.root), "lib")
    project.commit()
    (project.root / "lib" / "inner.py").write_text(SLOWER, encoding="utf-8")
    run = project.judge()
    assert run.verdicts == {"test_total": "slower"}, run.output


@pytest.mark.slow
def test_same_code_under_another_python_needs_no_git(make_project: MakeProject) -> None:
    project = make_project()
    shutil.rmtree(project.root / ".git")
    run = project.judge(f"--benchmark-against-python={sys.executable}")
    assert run.verdicts == {"test_total": "same"}, run.output
    assert run.document["base"]["revision"] is None


@pytest.mark.slow
def test_tolerances_of_single_benchmarks_and_what_may_be_red(make_project: MakeProject) -> None:
    """The marker is known where markers are strict; what is not critical is slower, shown, and not red."""
    tests = "import pytest\nimport work\n\n" + "".join(
        f"{mark}def test_{name}(benchmark):\n    benchmark(work.total, 300)\n"
        for name, mark in (("marked", "@pytest.mark.paceline(tolerance=0.9)\n"), ("patterned", ""), ("plain", ""))
    )
    settings = """
[tool.paceline]
critical = ["*::test_marked", "*::test_patterned"]
tolerances = {"*::test_patterned" = "90%", "*::test_nobody" = "90%"}
[tool.pytest.ini_options]
addopts = ["--strict-markers"]
"""
    project = make_project(files={"work.py": WORK, "test_speed.py": tests, "pyproject.toml": settings})
    project.write({"work.py": WORK.replace("range(count)", "range(round(1.6 * count))")})
    run = project.judge("--benchmark-tolerance=10%")
    assert run.verdicts == {"test_marked": "same", "test_patterned": "same", "test_plain": "slower"}, run.output
    assert run.status == 0, run.output
    assert [run.findings[f"test_{name}"]["tolerance"] for name in ("marked", "patterned", "plain")] == [0.9, 0.9, 0.1]
    assert "not red: no pattern of `critical` matches it" in run.output
    assert "'*::test_nobody' matches no selected benchmark" in run.output
