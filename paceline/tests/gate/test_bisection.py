"""Bisection of tiny projects whose slow commits are known, by real gates."""

import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paceline.cli import main
from paceline.commands.bisect import _lines
from paceline.errors import PacelineError
from paceline.gate import bisection, revisions
from paceline.gate.bisection import Culprit
from paceline.gate.revisions import FAILED
from paceline.history.intake.document import asv_name
from paceline.report.explanations import Explanation, ShareChange
from paceline.report.verdicts import Finding
from projects import Project, processes

TEST = """
import work

def test_total(benchmark):
    benchmark(work.total, {count})
"""
TOTAL = "test_speed.py::test_total"
ROUNDS_ARE_FEW = ("--alpha=30%", "--tolerance=0.2", "--explain=0")


def work(count: int, body: str = "") -> str:
    """Return a module whose work is proportional to `count`."""
    return f"def total(_):\n    {body or 'pass'}\n    return sum(i * i for i in range({count}))\n"


@pytest.fixture
def history(make_project: Callable[..., Project]) -> tuple[Project, list[str]]:
    """Return a project of four commits: the second is broken, and in the third the work doubles."""
    project = make_project(files={"work.py": work(2000), "bench/test_speed.py": TEST.format(count=1)})
    commits = [project.git("rev-parse", "HEAD").strip()]
    commits.append(project.commit({"work.py": work(2000, "raise ValueError('broken')")}, "Break it"))
    commits.append(project.commit({"work.py": work(4000)}, "Do the work twice"))
    commits.append(project.commit({"bench/test_speed.py": TEST.format(count=2)}, "Change the test"))
    return project, commits


def run(project: Project, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return project.paceline("bisect", *arguments, *ROUNDS_ARE_FEW)


@pytest.mark.slow
def test_the_commit_is_found(history: tuple[Project, list[str]]) -> None:
    """The name is the one that check prints; the broken commit before the culprit cannot be judged."""
    project, commits = history
    project.write({"work.py": "import none_such\n", "untracked": "mine"})
    before = project.git("status", "--porcelain", "--ignored")
    done = run(project, ["bench.test_speed.test_total", commits[0], "HEAD"])
    assert done.returncode == 1, done.stdout + done.stderr
    found = done.stdout[done.stdout.index("one of these 2") :]
    assert [commit for commit in commits if commit in found] == commits[1:3]
    assert "\n  Do the work twice\n  t, " in found, "the author and the date"
    assert re.search(r"slower \+\d+\.\d %", found)
    assert project.git("status", "--porcelain", "--ignored") == before
    assert project.leftovers == []


WHY = Explanation((), ShareChange(0.4, 0.3, 0.5), ShareChange(0.4, 0.3, 0.5), 12, 900)


@dataclass
class Gates:
    """Gates that take no time, in place of a `Target`. `slower`: how much slower each commit is than its parent."""

    slower: dict[str, float] = field(default_factory=lambda: {"3": 1.4})
    broken: str = ""  # commits that cannot be judged
    asked: list[tuple[str, str, float]] = field(default_factory=list)  # commit, base, seconds to explain

    def judge(self, commit: str, against: str, options: Sequence[str]) -> Finding:
        """Return a verdict, and its explanation if there is time for that."""
        given = dict(each.removeprefix("--benchmark-").split("=") for each in options)
        seconds = float(given["explain"])
        self.asked.append((commit, against, seconds))
        if commit in self.broken:
            return Finding(TOTAL, FAILED, reason="it is broken")
        ratio = math.prod(factor for each, factor in self.slower.items() if against < each <= commit)
        is_slower = ratio > 1 + float(given["tolerance"])
        return Finding(TOTAL, "slower" if is_slower else "same", ratio, why=WHY if seconds and is_slower else None)

    def finding(self, judged: Finding) -> Finding:
        """Return it."""
        return judged

    def bisect(self, commits: str, explain: float = 60.0) -> Culprit:
        """Bisect these, each a digit, against "0"."""
        settings = bisection.Search(self, 0.03, 0.01, 300.0, explain)  # type: ignore[arg-type]
        return bisection.find(list(commits), "0", settings, lambda *_: None)


def test_only_the_last_comparison_is_explained() -> None:
    for commits, asked in {"12345": [("5", "0", 0), ("3", "2", 60)], "3": [("3", "0", 60)]}.items():
        gates = Gates()
        culprit = gates.bisect(commits)
        assert culprit.suspects == ("3",)
        assert (gates.asked[0], gates.asked[-1]) == (asked[0], asked[-1])
        assert sum(bool(seconds) for *_, seconds in gates.asked) == 1
        assert _lines(culprit, ["3"], TOTAL)[-1] == f"why: {WHY}"


def test_the_right_commit_of_many_takes_few_gates() -> None:
    for place in "123456789":
        gates = Gates({place: 1.6})
        culprit = gates.bisect("123456789", explain=0)
        assert culprit.suspects == (place,)
        assert len(gates.asked) <= 6, "BAD, four steps and the last comparison"
    command = f"paceline explain {TOTAL} 8 9"
    assert _lines(culprit, ["9"], TOTAL)[1:] == [
        "first slow commit:",
        "9",
        "against the last fast commit: slower +60.0 % (? .. ?); BAD against GOOD: slower +60.0 % (? .. ?)",
        f"not explained: the time was too short, or --explain=0. Run `{command}`.",
    ]


def test_slowdowns_that_add_up_are_said_to() -> None:
    culprit = Gates({"2": 1.5, "4": 1.5}).bisect("12345")
    assert culprit.suspects == ("4",)
    assert _lines(culprit, ["4"], TOTAL)[-1].startswith("This explains only part of the slowdown")


def test_commits_that_cannot_be_judged_are_suspects_or_end_it() -> None:
    gates = Gates(broken="12")
    assert gates.bisect("12345", explain=0).suspects == ("1", "2", "3")
    assert len(set(gates.asked)) == len(gates.asked), "no two commits are compared twice"
    with pytest.raises(PacelineError, match=r"^BAD cannot be judged: 5 against 0 is failed \(it is broken\)"):
        Gates(broken="5").bisect("12345")
    with pytest.raises(PacelineError, match=r"^BAD is not slower than GOOD on this machine: 2 against 0 is same"):
        Gates().bisect("12")


def test_interrupted(history: tuple[Project, list[str]]) -> None:
    project, commits = history
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
    process = subprocess.Popen(
        [sys.executable, "-m", "paceline.cli", "bisect", "bench/test_speed.py::test_total", commits[0], "HEAD"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + 60
    while not any(
        "paceline.gate.worker.process" in each and str(project.temporary) in each for each in processes().split("\n")
    ):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(project.leftovers) == 2, "ours and the gate's"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert project.leftovers == []
    assert str(project.temporary) not in processes()
    assert project.git("worktree", "list").count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench/test_speed.py::test_total", "HEAD", "HEAD~2"], "is not an ancestor of BAD"),
        (["bench/test_speed.py::test_total", "HEAD", "HEAD"], "the same commit"),
        (["bench/test_speed.py::test_total", "v9", "HEAD"], "unknown revision 'v9'"),
        (["suite.TimeIt.time_it", "HEAD~2", "HEAD"], "no test file for 'suite.TimeIt.time_it'"),
        (["bench/test_speed.py::test_total", "work.py", "HEAD"], "GOOD: expected a revision, got the path 'work.py'"),
    ],
)
def test_wrong_use_is_one_line(
    history: tuple[Project, list[str]],
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(history[0].root)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["bisect", *arguments]) == 4
    signal.signal(signal.SIGTERM, before)
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize(
    "option",
    [
        ["--tolerance", "200"],
        ["--tolerance", "3"],
        ["--tolerance=x"],
        ["--alpha", "0"],
        ["--budget=-1"],
        ["--budget", "nan"],
    ],
)
def test_impossible_options_are_one_line(
    history: tuple[Project, list[str]],
    option: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(history[0].root)
    with pytest.raises(SystemExit) as ended:
        main(["bisect", "bench/test_speed.py::test_total", "HEAD~1", "HEAD", *option])
    error = capsys.readouterr().err
    assert ended.value.code == 4
    assert error.count("\n") == 1
    assert repr(option[-1].split("=")[-1]) in error


def test_no_repository_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["bisect", "test_speed.py::test_it", "HEAD~1", "HEAD"]) == 4
    signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == (
        f"ERROR: {tmp_path} is not in a git repository, so there are no commits to judge. Run from a clone of the"
        " project.\n"
    )


def test_an_unknown_test_is_named_as_in_the_checkout(history: tuple[Project, list[str]]) -> None:
    done = run(history[0], ["bench/test_speed.py::test_nope", "HEAD~1", "HEAD"])
    assert done.returncode == 4
    assert " not found: bench/test_speed.py::test_nope." in done.stderr
    assert "paceline-" not in done.stdout + done.stderr


def test_names_in_the_history_become_node_ids(tmp_path: Path) -> None:
    """From every folder of the project."""
    (tmp_path / ".git").mkdir()
    for path in ("bench/test_speed.py", "bench.v2/é e/test_speed.py", "bench/deeper/test_speed.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for test in (
        "bench/test_speed.py::test_it",
        "bench/test_speed.py::TestX::test_it[a.b-c::d]",
        "bench/deeper/test_speed.py::test_it[x]",
        "bench.v2/é e/test_speed.py::test_it",
    ):
        assert revisions.node_id(test, tmp_path) == test
        assert revisions.node_id(asv_name(test), tmp_path) == test
        assert revisions.node_id(asv_name(test), tmp_path / "bench.v2") == f"../{test}".replace("../bench.v2/", "")
    with pytest.raises(PacelineError):
        revisions.node_id("bench.other.test_it", tmp_path)
