"""Many writers, one branch: nothing is lost, nothing that was written ever changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hub import branch

from tests.github.documents import HEAD, benchmarks, finding, gate, machine, run
from tests.github.fakehub import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.github.conftest import Script
    from tests.github.fakehub import Hub

    Store = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[2]
M = "linux-x86_64-2c"
WRITERS = 10


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """An empty repository to push to."""
    folder = tmp_path / "remote.git"
    folder.mkdir()
    git(folder, "init", "--quiet", "--bare")
    git(folder, "config", "uploadpack.allowFilter", "true")  # as GitHub does
    return folder


@pytest.fixture
def store(script: Script, remote: Path) -> Store:
    """Run `store` for a run and a commit."""

    def start(*arguments: str, number: int = 1, commit: str = HEAD) -> subprocess.CompletedProcess[str]:
        address = f"--remote=file://{remote}"
        return script("store", *arguments, address, GITHUB_RUN_ID=str(number), GITHUB_SHA=commit)

    return start


def record(
    commit: str = HEAD, name: str = "a", on: str = M, names: tuple[str, ...] = ("t.a",), **more: Any
) -> dict[str, str]:
    """Files of one recorded run."""
    results = {each: [[1.5e-5], []] for each in names}
    return {
        f"{on}/machine.json": json.dumps(machine(on)),
        f"{on}/{commit[:8]}-{name}.json": json.dumps(run(commit, on, results=results, **more)),
        "benchmarks.json": json.dumps(benchmarks(*names)),
    }


def stored(remote: Path) -> dict[str, Any]:
    """All files on the branch, parsed."""
    names = git(remote, "ls-tree", "-r", "--name-only", "benchmark-results").split()
    return {name: json.loads(git(remote, "show", f"benchmark-results:{name}")) for name in names}


def test_the_first_run_begins_the_branch(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(1, "results", packed(record()))
    done = store("results")
    assert done.returncode == 0, done.stderr
    assert set(stored(remote)) == {
        "results/benchmarks.json",
        f"results/{M}/machine.json",
        f"results/{M}/{HEAD[:8]}-a.json",
    }
    assert git(remote, "log", "--format=%an|%s", "benchmark-results") == (
        f"github-actions[bot]|Add {HEAD[:12]} on {M}\n"
    )


def test_a_repeated_job_adds_nothing(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(1, "results", packed(record()))
    store("results")
    done = store("results")
    assert "nothing new" in done.stdout
    assert git(remote, "rev-list", "--count", "benchmark-results").strip() == "1"


def test_what_was_recorded_never_changes(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(1, "results", packed(record()))
    hub.add_artifact(2, "results", packed(record(python="3.14")))
    store("results")
    done = store("results", number=2)
    assert done.returncode == 4
    assert "never changes" in done.stderr
    assert stored(remote)[f"results/{M}/{HEAD[:8]}-a.json"]["python"] == "3.13"


def test_lists_of_benchmarks_are_joined_and_machines_completed(hub: Hub, store: Store, remote: Path) -> None:
    second = record(name="b", names=("t.b",))
    second[f"{M}/machine.json"] = json.dumps({"machine": M, "version": 1, "os": "", "cpu": "y"})
    first = record()
    first[f"{M}/machine.json"] = json.dumps({"machine": M, "version": 1, "os": "Linux"})
    hub.add_artifact(1, "results", packed(first))
    hub.add_artifact(2, "results", packed(second))
    store("results")
    store("results", number=2)
    files = stored(remote)
    assert set(files["results/benchmarks.json"]) == {"t.a", "t.b", "version"}
    assert files[f"results/{M}/machine.json"] == {"machine": M, "version": 1, "os": "Linux", "cpu": "y"}


def test_a_list_follows_the_newest_commit_and_not_the_last_job(hub: Hub, store: Store, remote: Path) -> None:
    listed = []
    for number, (date, version) in enumerate([(5, "5"), (9, "9"), (7, "7")], 1):
        files = record(name=str(number), date=date)
        row = {"t.a": [[1.5e-5], [], version]}
        files[f"{M}/{HEAD[:8]}-{number}.json"] = json.dumps(run(HEAD, M, results=row, date=date))
        entry = {**benchmarks("t.a")["t.a"], "version": version}
        files["benchmarks.json"] = json.dumps({"version": 2, "t.a": entry})
        hub.add_artifact(number, "results", packed(files))
        assert store("results", number=number).returncode == 0
        listed.append(stored(remote)["results/benchmarks.json"]["t.a"]["version"])
    assert listed == ["5", "9", "9"]


def test_machines_of_a_matrix_come_in_one_commit_and_a_missing_one_is_named(
    hub: Hub, store: Store, remote: Path
) -> None:
    hub.add_artifact(1, "results-x", packed(record(on="x")))
    hub.add_artifact(1, "results-y", packed(record(on="y", names=("t.b",))))
    done = store("results-x", "results-lost", "results-y")
    assert done.returncode == 0
    assert "::warning title=paceline::no artifact results-lost" in done.stdout
    assert {"results/x/machine.json", "results/y/machine.json"} <= set(stored(remote))
    assert set(stored(remote)["results/benchmarks.json"]) == {"t.a", "t.b", "version"}


def test_nothing_at_all_is_an_error(store: Store) -> None:
    done = store("results")
    assert done.returncode == 4
    assert "nothing to store" in done.stderr


def test_results_of_another_commit_are_refused(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(1, "results", packed(record(commit="3d" * 20)))
    done = store("results")
    assert done.returncode == 4
    assert "but this job ran for" in done.stderr
    assert git(remote, "branch", "--list") == ""


def test_an_unreadable_list_of_benchmarks_does_not_stop_the_history(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(1, "results", packed(record()))
    store("results")
    work = remote.parent / "work"
    git(remote.parent, "clone", "--quiet", "--branch=benchmark-results", str(remote), str(work))
    (work / "results" / "benchmarks.json").write_text("{", encoding="utf-8")
    git(work, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-am", "spoil")
    git(work, "push", "--quiet")
    hub.add_artifact(2, "results", packed(record(name="b")))
    done = store("results", number=2)
    assert done.returncode == 0, done.stderr
    assert "and is replaced" in done.stdout
    assert "t.a" in stored(remote)["results/benchmarks.json"]


def test_gates_against_themselves_lie_beside_the_results(hub: Hub, store: Store, remote: Path) -> None:
    hub.add_artifact(9, "aa", packed({"gate.json": json.dumps(gate(finding()))}))
    done = store("--aa", "aa", number=9)
    assert done.returncode == 0, done.stderr
    (name,) = stored(remote)
    assert re.fullmatch(r"aa/2026-11-20-9-[0-9a-f]{8}\.json", name)


def test_a_repeated_gate_against_itself_is_one_more_and_a_repeated_job_is_not(
    hub: Hub, script: Script, remote: Path
) -> None:
    for attempt, ratio in (("1", 1.0), ("2", 1.1), ("3", 1.1)):
        hub.add_artifact(9, "aa", packed({"gate.json": json.dumps(gate(finding(ratio=ratio)))}))
        here = {"GITHUB_RUN_ID": "9", "GITHUB_SHA": HEAD, "GITHUB_RUN_ATTEMPT": attempt}
        assert script("store", "--aa", "aa", f"--remote=file://{remote}", **here).returncode == 0
    assert sorted(each["benchmarks"][0]["ratio"] for each in stored(remote).values()) == [1.0, 1.1]


def hook(remote: Path, text: str) -> None:
    path = remote / "hooks" / "pre-receive"
    path.write_text(f"#!/bin/sh\necho >>pushes\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize("why", ["the branch is protected", "The requested URL returned error: 403"])
def test_a_refused_push_is_one_line_and_not_repeated(why: str, remote: Path) -> None:
    hook(remote, f"echo '{why}' >&2; exit 1")
    with (
        branch.Branch.of(f"file://{remote}", "benchmark-results", None) as opened,
        pytest.raises(branch.GitError, match=why) as caught,
    ):
        opened.append({"a.json": b"{}"}, "Add", branch.immutable)
    assert "\n" not in str(caught.value)
    assert (remote / "pushes").read_text(encoding="utf-8").count("\n") == 1


def test_a_lost_line_is_tried_again(remote: Path) -> None:
    hook(remote, "[ $(wc -l <pushes) -gt 2 ] || { echo 'the remote end hung up unexpectedly' >&2; exit 1; }")
    with branch.Branch.of(f"file://{remote}", "benchmark-results", None) as opened:
        opened.append({"a.json": b"{}"}, "Add", branch.immutable)
    assert set(stored(remote)) == {"a.json"}
    assert (remote / "pushes").read_text(encoding="utf-8").count("\n") == 3


def test_who_was_not_first_looks_again(remote: Path) -> None:
    address = (f"file://{remote}", "benchmark-results", None)
    with branch.Branch.of(*address) as first, branch.Branch.of(*address) as second:
        first.append({"a.json": b"1"}, "Add", branch.immutable)
        others = iter([b"2", b"3"])

        def meanwhile(path: str, old: bytes | None, new: bytes) -> bytes:
            """Let the other be first, twice."""
            for content in others:
                first.append({f"other{content.decode()}.json": content}, "Add", branch.immutable)
                break
            return branch.immutable(path, old, new)

        second.append({"b.json": b"4"}, "Add", meanwhile)
    assert stored(remote) == {"a.json": 1, "other2.json": 2, "other3.json": 3, "b.json": 4}


def test_the_token_is_on_no_command_line_and_on_no_disk(tmp_path: Path) -> None:
    with branch.Branch.of("https://github.com/o/r.git", "benchmark-results", "s3cret") as opened:
        config = (opened.folder / "config").read_text(encoding="utf-8")
        shown = opened.git("config", "--get", "http.extraHeader").decode()
    assert "s3cret" not in config
    assert shown.startswith("Authorization: Basic ")


@pytest.mark.slow
def test_ten_writers_at_once_lose_nothing(hub: Hub, remote: Path) -> None:
    runs = {number: f"{number:02x}" * 20 for number in range(10, 10 + 2 * WRITERS)}
    processes = []
    for number, commit in runs.items():
        files = record(commit, name=str(number), on=f"m{number % 3}", names=("t.a", f"t.only_{number}"))
        hub.add_artifact(number, "results", packed(files))
    for first in range(10, 10 + WRITERS):
        # Two runs each, one after the other, so that writers meet again and again.
        command = " && ".join(
            f"GITHUB_RUN_ID={number} GITHUB_SHA={runs[number]}"
            f" {sys.executable} -I {ROOT}/.github/scripts store results --remote=file://{remote}"
            for number in (first, first + WRITERS)
        )
        environment = {**os.environ, **hub.environment()}
        processes.append(
            subprocess.Popen(command, shell=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S602
        )
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    there = stored(remote)
    for number, commit in runs.items():
        assert there[f"results/m{number % 3}/{commit[:8]}-{number}.json"]["commit_hash"] == commit
    assert set(there["results/benchmarks.json"]) == {"version", "t.a"} | {f"t.only_{number}" for number in runs}
    assert git(remote, "rev-list", "--count", "benchmark-results").strip() == str(len(runs))
    git(remote, "fsck", "--strict", "--no-dangling")
