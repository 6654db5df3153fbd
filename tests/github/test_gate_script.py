"""Whom the label lets through, which benchmarks a change touches, and what the action's inputs become."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hub import gate, install

from tests.github.documents import BASE, HEAD, finding
from tests.github.documents import gate as document_of
from tests.github.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.github.conftest import Script


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def labeled(**more: Any) -> dict[str, Any]:
    """The event of giving the label to HEAD."""
    told = {"head": {"sha": HEAD}, "labels": [{"name": gate.LABEL}]}
    return {
        "action": "labeled",
        "label": {"name": gate.LABEL},
        "pull_request": told,
        "sender": {"login": "alice"},
        **more,
    }


@pytest.mark.parametrize(
    ("event", "tested", "giver"),
    [
        (labeled(), HEAD, "alice"),
        (labeled(sender={"login": "robot[bot]"}), HEAD, "robot[bot]"),
        (labeled(sender={"login": "<script>"}), HEAD, "someone"),
        (labeled(), BASE, None),  # given for another commit than the one that is checked out
        (labeled(action="unlabeled"), HEAD, None),
        (labeled(action="synchronize"), HEAD, None),  # a push after the label was given
        (labeled(action="opened"), HEAD, None),
        (labeled(label={"name": "slowdown"}), HEAD, None),
        (labeled(pull_request=None), HEAD, None),
        ({}, HEAD, None),
    ],
)
def test_the_label_counts_for_the_commit_that_it_was_given_for(event: Any, tested: str, giver: str | None) -> None:
    assert gate.accepted_by(event, tested) == giver


def judge(folder: Path, body: str) -> dict[str, str]:
    """Put a script in place of the judge's Python, and return the environment in which it is found."""
    path = folder / "paceline" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return {"RUNNER_TEMP": str(folder)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "gate --python={python} {files} --"),
        ({"PACELINE_AGAINST": ""}, "gate --python={python} {files} --"),
        (
            {"PACELINE_AGAINST": "HEAD^1", "PACELINE_JSON": "g.json", "PACELINE_BUDGET": "9"},
            "gate HEAD^1 --python={python} {files} --benchmark-budget=9 --",
        ),
        (
            {"PACELINE_ARGUMENTS": "bench -k 'a or b'", "PACELINE_JSON": "g.json"},
            "gate --python={python} {files} -- bench -k a or b",
        ),
    ],
)
def test_inputs_become_arguments_of_the_command(
    given: dict[str, str], words: str, command: Script, tmp_path: Path
) -> None:
    done = command("gate", **given, **judge(tmp_path, 'shift 2; echo "$@"; exit 3'))
    folder = "" if "PACELINE_JSON" in given else f"{tmp_path}/"
    document = given.get("PACELINE_JSON", "gate.json")
    files = f"--benchmark-against-json={folder}{document} --benchmark-flamegraph={folder}flamegraphs"
    assert done.stdout.splitlines()[-1] == words.format(python=sys.executable, files=files)
    assert done.returncode == 3, "the gate's own status"


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Path, str, str]:
    """A checkout of two commits, and these."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commits = []
    for _ in range(2):
        git(folder, "commit", "--quiet", "--allow-empty", "-mx")
        commits.append(subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip())
    return folder, commits[0], commits[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: None, "left no gate.json"),
        (lambda document: document | {"base": {"commit": HEAD}}, f"is of base '{HEAD}', not "),
        (lambda document: document | {"head": {"commit": BASE}}, f"is of head '{BASE}', not "),
        (lambda document: document | {"benchmarks": [finding(red=True)]}, "has red or unreadable benchmarks"),
        (lambda document: document | {"benchmarks": [finding(), {}]}, "has red or unreadable benchmarks"),
        (lambda document: document | {"benchmarks": {}}, "has red or unreadable benchmarks"),
        (lambda _: [], "is of base None"),
        (lambda _: "[", "not JSON"),
        (lambda document: document, None),
    ],
)
def test_green_is_believed_only_with_the_findings_of_these_commits(
    change: Callable[[Any], Any],
    told: str | None,
    checkout: tuple[Path, str, str],
    command: Script,
    tmp_path: Path,
) -> None:
    """The file of an earlier run, or one that the pull request brought along, is none."""
    folder, base, head = checkout
    document = change(document_of(finding()) | {"base": {"commit": base}, "head": {"commit": head}})
    (folder / "gate.json").write_text(json.dumps(document_of(finding())), encoding="utf-8")
    made = tmp_path / "made.json"
    if document is not None:
        made.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    given = judge(tmp_path, f"test ! -e gate.json && test -e {made} && cp {made} gate.json; exit 0")
    done = command("gate", cwd=folder, PACELINE_AGAINST="HEAD^1", PACELINE_JSON="gate.json", **given)
    assert done.returncode == (0 if told is None else 4), done.stderr
    assert (told or "") in done.stderr
    assert done.stderr.count("\n") == (told is not None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"PACELINE_AGAINST": "--benchmark-accept=trust-me"}, "the input `against` is '--benchmark-accept=trust-me'"),
        ({"PACELINE_JSON": "."}, "the input `json` is '.'"),
        ({"PACELINE_JSON": "file/gate.json"}, "the input `json` is 'file/gate.json'"),
        ({"GITHUB_EVENT_PATH": "deep.json"}, "cannot read GITHUB_EVENT_PATH 'deep.json'"),
    ],
)
def test_inputs_that_cannot_be_meant_are_one_line(
    given: dict[str, str], told: str, command: Script, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    done = command("gate", **given, **judge(tmp_path, "exit 0"))
    assert done.returncode == 4, done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_groups_need_a_pip_that_knows_them(tmp_path: Path) -> None:
    commands: list[list[str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(install, "_run", lambda command: commands.append(list(command)))
        for wanted in ("-e . --group test", "-e .[test]", ""):
            install.run(argparse.Namespace(), {"PACELINE_INSTALL": wanted, "RUNNER_TEMP": str(tmp_path)})
    assert {command[0] for command in commands} == {sys.executable}
    pip = [command[6:] for command in commands if command[2:4] == ["pip", "install"]]
    assert pip == [["pip>=25.1"], ["-e", ".", "--group", "test"], ["-e", ".[test]"]]
    judge = str(tmp_path / "paceline" / "bin" / "python")
    own = [command[2:5] for command in commands if command[-1] == str(ROOT / "paceline")]
    assert own == [["pip", "--python", judge]] * 3


@pytest.mark.parametrize("broken", ["-k 'open", '"'])
@pytest.mark.parametrize("name", ["gate", "install"])
def test_arguments_that_cannot_be_split_are_one_line(name: str, broken: str, command: Script) -> None:
    done = command(name, PACELINE_ARGUMENTS=broken, PACELINE_INSTALL=broken)
    assert done.returncode == 4
    called = "arguments" if name == "gate" else "install"
    assert done.stderr.startswith(f"ERROR: the input `{called}` is ")
    assert done.stderr.count("\n") == 1
