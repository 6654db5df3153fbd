"""The shared history, brought from a real remote."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.cli import main
from projects import Project
from trees import ours, row

RESULT = json.dumps({"commit_hash": "1" * 40})


def benchmarks(*names: str, unit: str = "seconds") -> str:
    """Return a `benchmarks.json` as it is written here."""
    entries = {name: {"name": name, "params": [], "param_names": [], "unit": unit} for name in names}
    return json.dumps({**entries, "version": 2}, indent=1) + "\n"


FILES = {
    "README.md": "not ours",
    "results/lab/machine.json": json.dumps({"machine": "lab", "version": 1}),
    "results/lab/11111111-a.json": RESULT,
    "results/lab/22222222-b.json": RESULT,
    "results/benchmarks.json": benchmarks("one", "two"),
    "aa/run-1.json": json.dumps({"schema": 1}),
}


@pytest.fixture
def writer(make_project: Callable[..., Project]) -> Project:
    """Return a clone that shares results, whose remote is bare."""
    project = make_project("writer", FILES)
    bare = project.root.parent / "bare.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(bare)], check=True)
    project.git("remote", "add", "origin", str(bare))
    project.git("push", "--quiet", "origin", "main:benchmark-results", "main:main")
    return project


@pytest.fixture
def reader(writer: Project, make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    project = make_project("reader", {"code.py": ""})
    project.git("remote", "add", "origin", str(writer.root.parent / "bare.git"))
    monkeypatch.chdir(project.root)
    return project


def local(project: Project) -> dict[str, str]:
    folder = project.root / ".asv"
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix == ".json")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_everything_comes_and_nothing_comes_twice(reader: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch"]) == 0
    assert local(reader) == {name: text for name, text in FILES.items() if name != "README.md"}
    assert main(["fetch"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        ".asv/results: 5 files added, 0 already there",
        ".asv/results: 0 files added, 5 already there",
    ]
    assert reader.git("status", "--porcelain") == "?? .asv/\n", "no file of the working tree was touched"
    assert reader.git("rev-parse", "--is-shallow-repository") == "false\n"


def test_from_a_folder_below_it_comes_to_the_same_place(reader: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    below = reader.root / "docs" / "more"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert main(["fetch"]) == 0
    assert local(reader) == {name: text for name, text in FILES.items() if name != "README.md"}
    assert list(below.iterdir()) == []


def test_what_is_here_stays_and_what_is_new_comes(writer: Project, reader: Project) -> None:
    mine = {"results/lab/11111111-a.json": "mine", "results/lab/99999999-z.json": "mine too"}
    mine |= {"results/benchmarks.json": benchmarks("one", "three", unit="bytes")}
    reader.write({f".asv/{name}": text for name, text in mine.items()})
    writer.commit({"results/lab/33333333-c.json": RESULT})
    writer.git("push", "--quiet", "origin", "main:benchmark-results")
    assert main(["fetch"]) == 0
    found = local(reader)
    assert found["results/lab/11111111-a.json"] == "mine"
    assert found["results/lab/99999999-z.json"] == "mine too"
    assert found["results/lab/33333333-c.json"] == RESULT
    union = json.loads(found["results/benchmarks.json"])
    del union["version"]
    assert {name: entry["unit"] for name, entry in union.items()} == {
        "one": "bytes",
        "two": "seconds",
        "three": "bytes",
    }


@pytest.mark.parametrize(("mine", "shared"), [(1, 2), (2, 1)])
def test_the_newest_commit_says_which_version_is_shown(
    writer: Project, reader: Project, mine: int, shared: int
) -> None:
    def files(number: int) -> dict[str, str]:
        said = f"v{number}"
        listed = benchmarks("one").replace('"params"', f'"version": "{said}", "params"')
        result = json.dumps(ours(number, {"one": row(version=said)}))
        return {"results/benchmarks.json": listed, f"results/lab/{number}.json": result}

    reader.write({f".asv/{name}": text for name, text in files(mine).items()})
    writer.commit(files(shared))
    writer.git("push", "--quiet", "origin", "main:benchmark-results")
    assert main(["fetch"]) == 0
    assert json.loads(local(reader)["results/benchmarks.json"])["one"]["version"] == "v2"


def test_what_is_malformed_is_left_out(writer: Project, reader: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the two files that are merged; a result is quarantined by whoever reads it."""
    reader.write({".asv/results/benchmarks.json": benchmarks("one")})
    writer.commit({"results/benchmarks.json": "[" * 100_000, "results/lab/machine.json": "null"})
    writer.git("push", "--quiet", "origin", "main:benchmark-results")
    assert main(["fetch"]) == 0
    assert local(reader)["results/benchmarks.json"] == benchmarks("one")
    assert "results/lab/machine.json" not in local(reader)
    assert capsys.readouterr().err.count("left out") == 2


def test_entries_that_are_malformed_are_left_out(
    writer: Project, reader: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """At depths that some parsers and writers take."""
    for depth in (300, 990, 1010):
        deep = f'"more": {"[" * depth + "]" * depth}, "name": "one"'
        writer.commit({"results/benchmarks.json": benchmarks("one", "two").replace('"name": "one"', deep)})
        writer.git("push", "--quiet", "origin", "main:benchmark-results")
        assert main(["fetch"]) == 0
        assert capsys.readouterr().err.count("'one': is nested too deeply\n") == 1
        assert local(reader)["results/benchmarks.json"] == benchmarks("two")


def test_only_regular_json_files_of_a_history_are_taken(
    writer: Project, reader: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a tree that git's own commands would never write."""
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=writer.root,
        input="evil",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    def tree(*entries: str) -> str:
        done = subprocess.run(
            ["git", "mktree", "--missing"],
            cwd=writer.root,
            input="\n".join(entries),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    evil = tree(f"100644 blob {blob}\tevil.json")
    long = tree(f"100644 blob {blob}\t{'x' * 250}.json")
    lists = tree(f"100644 blob {blob}\tbenchmarks.json")
    results = tree(
        f"120000 blob {blob}\tlink.json",
        f"160000 commit {'1' * 40}\tmodule",
        f"100644 blob {blob}\tscript.sh",
        f"040000 tree {evil}\t..",
        f"040000 tree {evil}\t.git",
        f"040000 tree {evil}\ta\\b",
        f"040000 tree {evil}\tgood",
        f"040000 tree {long}\tlong",
        f"040000 tree {lists}\tlists",
        f"040000 tree {evil}\tbenchmarks.json",
        f"040000 tree {evil}\tBenchmarks.json",
        f"040000 tree {evil}\tNUL",
        f"040000 tree {evil}\t-rf",
        f"040000 tree {evil}\tdotted.",
    )
    root = tree(f"040000 tree {results}\tresults", f"040000 tree {evil}\t.github", f"040000 tree {evil}\t..")
    commit = writer.git("commit-tree", root, "-m", "evil").strip()
    writer.git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/benchmark-results")
    before = {
        path for path in reader.root.parent.rglob("*") if ".git" not in path.parts and "bare.git" not in path.parts
    }
    assert main(["fetch"]) == 0
    assert set(local(reader)) == {"results/good/evil.json"}
    after = {
        path for path in reader.root.parent.rglob("*") if ".git" not in path.parts and "bare.git" not in path.parts
    }
    assert {path.relative_to(reader.root).parts[0] for path in after - before} == {".asv"}
    refused = capsys.readouterr().err
    for name in ("link.json", "module", "script.sh", "results/../evil.json", "results/.git/evil.json"):
        assert name in refused
    for name in (
        "long/xxx",
        "lists/benchmarks.json",
        "benchmarks.json/",
        "Benchmarks.json/",
        "NUL/",
        "-rf/",
        "dotted./",
    ):
        assert f"'results/{name}" in refused


def test_a_shallow_and_partial_clone_will_do(writer: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.commit(message="second")
    writer.git("push", "--quiet", "origin", "main")
    bare = writer.root.parent / "bare.git"
    subprocess.run(["git", "-C", str(bare), "config", "uploadpack.allowFilter", "true"], check=True)
    clone = writer.root.parent / "clone"
    options = ["--quiet", "--depth=1", "--filter=blob:none", "--branch=main"]
    subprocess.run(["git", "clone", *options, f"file://{bare}", str(clone)], check=True)
    monkeypatch.chdir(clone)
    assert main(["fetch"]) == 0
    assert (clone / ".asv/results/lab/11111111-a.json").read_text() == RESULT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--remote=upstream"], "no remote 'upstream'. Choose from: origin"),
        (["--branch=nothing"], "origin has no branch 'nothing'"),
        (["--branch=a..b"], "expected a name of a branch"),
    ],
)
def test_wrong_use_is_one_line(
    reader: Project, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", *arguments]) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert error.count("\n") == 1
    assert said in error


def test_a_branch_without_results_is_one_line(
    reader: Project, writer: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    writer.git("rm", "-r", "--quiet", "results", "aa")
    writer.commit(message="keep nothing")
    writer.git("push", "--quiet", "origin", "HEAD:empty")
    assert main(["fetch", "--branch", "empty"]) == 4
    error = capsys.readouterr().err
    assert "'empty' of origin has no folder results/" in error
    assert error.count("\n") == 1


def test_no_network_is_one_line(reader: Project, capsys: pytest.CaptureFixture[str]) -> None:
    reader.git("remote", "set-url", "origin", str(reader.root / "gone"))
    assert main(["fetch"]) == 4
    assert "cannot fetch from origin" in capsys.readouterr().err


def test_no_repository_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fetch"]) == 4
    assert "is not in a git repository" in capsys.readouterr().err


def test_two_at_once_lose_nothing(reader: Project) -> None:
    command = [sys.executable, "-m", "paceline.cli", "fetch"]
    both = [
        subprocess.Popen(command, cwd=reader.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    assert [process.communicate() and process.returncode for process in both].count(0) >= 1
    assert main(["fetch"]) == 0
    assert set(local(reader)) == set(FILES) - {"README.md"}
