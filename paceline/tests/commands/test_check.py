"""`paceline check`, as a user runs it on files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paceline.cli import main
from paceline.history.asv import order
from projects import Project
from trees import MACHINE, commit, ours, row, write

NASTY = "test_speed.test_it[\x1b[31m%0A::error::a\nb,c:d]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project without a repository, in which test_it becomes slower by a quarter."""
    rng = np.random.default_rng(1)
    documents = {}
    for number in range(40):
        rows = {
            name: row(0.001 * ratio * float(np.exp(rng.normal(0, 0.01))))
            for name, ratio in {NASTY: 1.25 if number >= 30 else 1.0, "test_speed.test_other": 1.0}.items()
        }
        packages = {"numpy": "2.1" if number < 30 else "2.2"}
        documents[f"{commit(number)[:8]}-run.json"] = ours(number, rows, packages=packages)
    write(tmp_path / ".asv" / "results", documents)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"SLOWER  {commit(30)[:8]} of ")
    assert "\n    test_speed.test_it[" in printed
    assert re.search(r"slower \+2[3-7]\.\d % \(95 %: \+2\d\.\d % \.\. \+2\d\.\d %\)  id [0-9a-f]{12}", printed)
    assert "machine: lab" in printed
    assert f"commits: {commit(29)[:8]}..{commit(30)[:8]} (1 measured commit)" in printed
    assert "changed too: numpy 2.1 -> 2.2" in printed
    assert printed.endswith("1 new slowdown, no improvements\n")
    assert "\x1b" not in printed
    assert "::error" not in [line[:7] for line in printed.splitlines()]


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".asv/results/lab/broken.json").write_text("{", encoding="utf-8")
    assert main(["check", "--json"]) == 1
    found = document(capsys)
    assert set(found) == {"schema", "places", "findings", "quarantined", "notices"}
    assert [each["findings"] for each in found["places"]] == [[found["findings"][0]["id"]]]
    assert found["schema"] == 2
    one = found["findings"][0]
    expected = "id kind benchmark parameters machines elsewhere engine ratio low high before after commits date"
    assert set(one) >= {*expected.split(), "dependencies", "facts", "accepted", "evidence"}
    assert (one["kind"], one["benchmark"], one["machines"], one["accepted"]) == ("slower", NASTY, ["lab"], None)
    assert one["dependencies"] == [{"name": "numpy", "before": "2.1", "after": "2.2"}]
    assert one["low"] < 1.25 < one["high"]
    assert (one["before"], one["after"], one["commits"]) == (commit(29), commit(30), [commit(30)])
    assert "broken.json" in found["quarantined"][0]["path"]


def test_json_to_a_file_beside_the_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "found.json"]) == 1
    assert "1 new slowdown" in capsys.readouterr().out
    assert len(json.loads((folder / "found.json").read_text(encoding="utf-8"))["findings"]) == 1
    assert main(["check", "--json", "no/such/folder.json"]) == 4


def test_json_to_a_file_without_a_name_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--json", ""])
    assert ended.value.code == 4
    assert (
        capsys.readouterr().err
        == "ERROR: argument --json: expected a file name, got ''. Run `paceline check --help` for usage.\n"
    )


def test_the_status_is_what_was_found_whoever_reads_it(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "paceline.cli", "check", "--json", "found.json"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(json.loads((folder / "found.json").read_text(encoding="utf-8"))["findings"]) == 1
    wrong = subprocess.run([*command, "--machine=vax"], stdout=writer, stderr=writer, check=False)
    assert wrong.returncode == 4
    os.close(writer)


@pytest.mark.parametrize(("closed", "status"), [(">&-", 1), ("2>&-", 1), ("--machine=vax 2>&-", 4)])
def test_the_status_is_what_was_found_whatever_is_closed(folder: Path, closed: str, status: int) -> None:
    command = ["sh", "-c", f'"$0" -m paceline.cli check {closed}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, "")


def test_annotations(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["check"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(lines) == 1
    level, title, message = re.fullmatch(r"::(\w+) title=([^:,]*)::(.*)", lines[0]).groups()  # type: ignore[union-attr]
    assert level == "error"
    name = NASTY.replace("%", "%25").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    assert title == "slower%3A " + name.replace("\x1b", "\\u001b")
    assert "numpy 2.1 -> 2.2" in message
    assert main(["check", "--json", "-"]) == 1
    document(capsys)  # nothing but JSON


def test_accepting(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--json"])
    name = document(capsys)["findings"][0]["id"]
    assert main(["check", "--accept", name]) == 4
    assert "--reason" in capsys.readouterr().err
    assert main(["check", "--accept", name, "--reason", "the new check is worth it"]) == 0
    assert "accepted in" in capsys.readouterr().out
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    assert "Accepted:" in printed
    assert "the new check is worth it" in printed
    assert main(["check", "--json"]) == 0
    assert document(capsys)["findings"][0]["accepted"]["reason"] == "the new check is worth it"
    assert main(["check", "--accept", name, "--reason", "again"]) == 4
    assert "already accepted" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can mount")
def test_accepting_where_nothing_can_be_written_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk = folder / ".paceline"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        assert main(["check", "--accept", "all", "--reason", "x"]) == 4
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    error = capsys.readouterr().err
    assert "accepted.toml: Read-only file system. Nothing was accepted." in error
    assert error.count("\n") == 1


def test_accepting_into_a_folder_that_is_a_file_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "pyproject.toml" / "accepted.toml"
    assert main(["check", "--accept", "all", "--reason", "x", "--accepted", str(file)]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_accepting_writes_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--accept", "all", "--reason", "seen", "--json"]) == 0
    printed = capsys.readouterr()
    assert [each["accepted"]["reason"] for each in json.loads(printed.out)["findings"]] == ["seen"]
    assert printed.err.startswith("accepted in ")


def test_accepting_a_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--accept", commit(30)[:8], "--reason", "the new check is worth it"]) == 0
    assert main(["check"]) == 0
    assert "the new check is worth it" in capsys.readouterr().out


def test_accepting_all(folder: Path) -> None:
    assert main(["check", "--accept", "all", "--reason", "from before we looked"]) == 0
    assert main(["check"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--results", "nowhere"], "nowhere"),
        (["--benchmark", "nothing"], "matches none"),
        (["--machine", "vax"], "no machine 'vax'. Choose from: lab"),
        (["--since", "tomorrow"], "--since"),
        (["--accept", "abc", "--reason", "x"], "no change with this id"),
        (["--reason", "x"], "--reason was given without --accept. Add --accept ID"),
        (["--accepted", "TYPO.toml"], "TYPO.toml: no such file"),
    ],
)
def test_wrong_use_is_one_line(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes among files")
@pytest.mark.parametrize("content", ["{", "pipe"])
def test_a_history_of_which_nothing_can_be_used_says_why(
    folder: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sorted((folder / ".asv" / "results" / "lab").glob("*-run.json"))
    for path in paths:
        path.unlink()
        if content == "pipe":
            os.mkfifo(path)
        else:
            path.write_text(content, encoding="utf-8")
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: no result can be used, 40 quarantined: {paths[0].relative_to(folder)}: is not ")
    assert error.endswith(" (39 more). Restore the files, or record again.\n")


@pytest.mark.parametrize("pattern", ["a{99999999999}", "(" * 5000 + ")" * 5000])
def test_a_pattern_that_python_gives_up_on_is_one_line(
    folder: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--benchmark", pattern]) == 4
    assert "expected a regular expression, got" in capsys.readouterr().err


def test_a_malformed_file_of_accepted_changes_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".paceline").mkdir(exist_ok=True)
    (folder / ".paceline/accepted.toml").write_text("[[accepted]\n", encoding="utf-8")
    assert main(["check"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_in_a_repository_the_branch_makes_the_order(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dates say the opposite."""
    project = make_project(files={"code.py": ""})
    commits = [project.commit(message=str(number)) for number in range(20)]
    rng = np.random.default_rng(2)
    documents = {}
    for number, each in enumerate(commits):
        rows = {"test_speed.test_it": row(float(rng.normal(1, 0.01)) * (1.2 if number >= 10 else 1.0))}
        documents[f"{each[:8]}-run.json"] = ours(1, rows) | {"commit_hash": each, "date": 1_700_000_000_000 - number}
    write(project.root / ".asv" / "results", documents)
    monkeypatch.chdir(project.root)
    assert main(["check", "--json", "-"]) == 1
    found = document(capsys)["findings"][0]
    assert (found["kind"], found["before"], found["after"]) == ("slower", commits[9], commits[10])
    assert main(["check", "--branch", "nothing"]) == 4
    assert order.described(project.root, [(commits[3], commits[8], commits[5])]) == [("5", 5)]
    assert order.described(project.root, [(commits[3], commit(8), commits[5])]) == [("", None)]
    main(["check"])
    assert f"SLOWER  {commits[10][:8]} of 2023-11-14  10\n" in capsys.readouterr().out


def test_a_repository_that_git_refuses_is_told_in_its_words(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(files={"code.py": ""})
    write(project.root / ".asv" / "results", {"1.json": ours(1)})
    project.git("config", "core.repositoryFormatVersion", "99")
    monkeypatch.chdir(project.root)
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert f"git cannot read {project.root}: fatal: " in error
    assert "99" in error
    assert error.count("\n") == 1


def test_runs_of_other_commits_are_told(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(files={"code.py": ""})
    write(project.root / ".asv" / "results", {f"{number}.json": ours(number) for number in range(3)})
    monkeypatch.chdir(project.root)
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert "left out 3 runs whose commits are not on main" in error
    assert "--branch" in error
    assert error.count("\n") == 1


def test_uncommitted_changes_alone_are_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / ".asv" / "results", {"1.json": ours(dirty=True)})
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 4
    error = capsys.readouterr().err
    assert error.endswith(" with uncommitted changes. Commit the changes, and record again.\n")
    assert "fetch" not in error


def test_a_short_history_is_no_clean_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / ".asv" / "results", {f"{number}.json": ours(number) for number in range(5)})
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--json"]) == 0
    assert document(capsys)["notices"] == ["no series has 14 values yet, which the check needs to find a change"]


def test_scipy_is_not_imported(folder: Path) -> None:
    """It costs most of the second that a warm check may take."""
    code = "import sys; from paceline.cli import main; main(['check']); assert 'scipy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("arguments", [(), ("--machine=nowhere",)])
def test_progress_is_wiped_before_anything_else_is_said(folder: Path, arguments: tuple[str, ...]) -> None:
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "paceline.cli", "check", *arguments]
    done = subprocess.run(command, stdout=end, stderr=end, check=False)
    os.close(end)
    shown = os.read(terminal, 100_000).decode().replace("\r\n", "\n")
    os.close(terminal)
    assert "\r\x1b[Kreading 0 of 41 files\r\x1b[K" in shown
    lines = [line.rpartition("\r\x1b[K")[2] for line in shown.rstrip("\n").split("\n")]
    if arguments:
        assert done.returncode == 4
        assert lines == [f"ERROR: --machine: no machine 'nowhere'. Choose from: {MACHINE}"]
    else:
        assert lines[-1] == "1 new slowdown, no improvements"
        assert lines[0].startswith("SLOWER  ")
