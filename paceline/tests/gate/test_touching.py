"""Only what a change can touch is timed: by real gates of small projects, and what is reported of it."""

from collections.abc import Callable

import pytest
from paceline.gate.touch.comparison import Touch
from paceline.gate.touching import summary
from projects import Project, Run

WORK = """
def total(count):
    return sum(value * value for value in range(count))

def other(count):
    return sum(range(count))
"""
TEST = """
import pytest
import work

def test_total(benchmark):
    benchmark(work.total, 300)

@pytest.mark.parametrize("count", [200, 300])
def test_other(benchmark, count):
    benchmark(work.other, count)
"""
ALL = ["--benchmark-tolerance=50%", "--benchmark-alpha=50%", "--benchmark-explain=0", "--benchmark-against=HEAD"]
NAMES = ["test_total", "test_other[200]", "test_other[300]"]
EVIDENCE = "ran 3 functions in 2 files, none differs"


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """A project with three benchmarks of two functions."""
    return make_project(files={"work.py": WORK, "test_work.py": TEST})


def judge(project: Project, *arguments: str, environment: dict[str, str] | None = None) -> Run:
    return project.run(*ALL, *arguments, environment=environment, early=True)


def test_a_change_of_one_function_times_its_benchmark_alone(project: Project) -> None:
    project.write({"work.py": WORK.replace("value * value", "value * value * value * value * value * value")})
    run = judge(project)
    assert run.verdicts == {"test_total": "slower", "test_other[200]": "untouched", "test_other[300]": "untouched"}
    assert "1 of 3 benchmarks run code that differs; 2 untouched" in run.output
    assert "1 touched: total (work.py) differs" in run.output
    assert run.findings["test_total"]["touched"].startswith("total (")
    untouched = run.findings["test_other[200]"]
    assert (untouched["touched"], untouched["rounds"], untouched["red"]) == (None, 0, False)
    assert untouched["reason"] == "ran 2 functions in 2 files, none differs"
    assert project.leftovers == []


def test_a_change_of_text_alone_times_nothing(project: Project) -> None:
    project.write({"README.md": "# Work\n", "work.py": "# a comment\n" + WORK})
    run = judge(project)
    assert (run.status, run.verdicts) == (0, dict.fromkeys(NAMES, "untouched"))
    assert "0 of 3 benchmarks run code that differs; 3 untouched" in run.output
    assert "round 1" not in run.output


@pytest.mark.slow
def test_everything_is_timed_on_request_and_against_itself(project: Project) -> None:
    for option in ("--benchmark-touched=no", "--benchmark-against-control"):
        run = judge(project, option)
        assert "untouched" not in run.verdicts.values(), run.output
        assert {each["touched"] for each in run.findings.values()} == {None}


@pytest.mark.slow
def test_a_setting_of_the_project(project: Project) -> None:
    project.write({"pyproject.toml": "[tool.paceline]\ntouched = false\n"})
    assert "untouched" not in judge(project, "-k", "total").verdicts.values()


@pytest.mark.slow
def test_a_benchmark_that_fails_or_ends_its_process_is_timed_and_the_others_are_not(project: Project) -> None:
    ends = "\n\ndef test_ends(benchmark):\n    import os\n    benchmark(lambda: None)\n    os._exit(3)\n"
    fails = "\n\ndef test_fails(benchmark):\n    benchmark(lambda: None)\n    raise ValueError\n"
    project.commit({"test_work.py": TEST + ends + fails})
    run = judge(project, "--benchmark-unsure=pass")
    assert {name: run.verdicts[name] for name in NAMES} == dict.fromkeys(NAMES, "untouched")
    assert run.verdicts["test_ends"] != "untouched"
    assert run.verdicts["test_fails"] != "untouched"
    assert run.findings["test_ends"]["touched"] == "base: crashed"
    assert run.findings["test_fails"]["touched"] == "base: failed"


@pytest.mark.slow
def test_an_installed_copy_is_not_taken_for_the_code_of_both_sides(project: Project) -> None:
    """Both sides run the same code then, but it is not theirs."""
    site = project.temporary / "site"
    site.mkdir()
    (site / "elsewhere.py").write_text(WORK, encoding="utf-8")
    project.commit({"elsewhere.py": WORK, "test_work.py": TEST.replace("import work", "import elsewhere as work")})
    project.write({"elsewhere.py": WORK.replace("range(count))", "range(9 * count))")})
    run = judge(project, environment={"PYTHONPATH": str(site)})
    assert "untouched" not in run.verdicts.values(), run.output


@pytest.mark.slow
def test_what_cannot_be_followed_is_touched(project: Project) -> None:
    child = "\n\ndef test_child(benchmark):\n    import subprocess, sys\n"
    child += "    benchmark.pedantic(subprocess.check_call, ([sys.executable, '-c', ''],), rounds=1)\n"
    project.commit({"test_work.py": TEST + child})
    run = judge(project, "-k", "child or total")
    assert run.verdicts["test_total"] == "untouched"
    assert run.findings["test_child"]["touched"].startswith("starts another process")


@pytest.mark.slow
def test_code_that_runs_only_after_many_calls_is_seen(project: Project) -> None:
    counts = "\n\nseen = []\n\ndef often(n):\n    seen.append(n)\n    return late() if len(seen) > 50 else 0\n"
    late = "\n\ndef late():\n    return 1\n"
    test = "\n\ndef test_often(benchmark):\n    benchmark(work.often, 1)\n"
    project.commit({"work.py": WORK + counts + late, "test_work.py": TEST + test})
    project.write({"work.py": WORK + counts + late.replace("return 1", "return 2")})
    run = judge(project, "-k", "often or total")
    assert run.findings["test_often"]["touched"] == "late (work.py) differs"
    assert run.verdicts["test_total"] == "untouched"


def test_the_reasons_are_counted() -> None:
    touches = {str(number): Touch(untouched=False, reason=f"reason {number % 7}") for number in range(16)}
    touches |= {"a": Touch(untouched=True, reason=EVIDENCE)}
    lines = list(summary(touches))
    assert lines[0] == "16 of 17 benchmarks run code that differs; 1 untouched"
    assert lines[1] == "  3 touched: reason 0"
    assert lines[-1] == "  4 touched for 2 other reasons"
    assert list(summary({"a": touches["a"]})) == ["0 of 1 benchmark run code that differs; 1 untouched"]


@pytest.mark.slow
def test_a_benchmark_that_hangs_leaves_time_for_the_others(project: Project) -> None:
    hangs = "\n\ndef test_hangs(benchmark):\n    import time\n    benchmark(time.sleep, 3600)\n"
    project.commit({"test_work.py": TEST + hangs})
    run = judge(project, "-k", "hangs or total", "--benchmark-budget=20", "--benchmark-timeout=60")
    assert run.verdicts["test_total"] == "untouched"
    assert run.findings["test_hangs"]["touched"] == "base: cut"
