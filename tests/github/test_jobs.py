"""The jobs' own lines, run one after the other in a small project with a planted slowdown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest
from hub import check_findings, gate_findings

from tests.github.fakehub import REPOSITORY, packed
from tests.github.workflows import ROOT, Runner, Workflow, workflows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.fakehub import Hub

LABEL = "slowdown-accepted"
WORK = """
def total(count):
    result = 0
    for value in range(count + {more}):
        result += value * value
    return result
"""
TEST = """
import work


def test_total_python(benchmark):
    assert benchmark(work.total, 1000) > 0
"""
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "tiny"
version = "1"

[tool.setuptools]
py-modules = ["work"]

[tool.pytest.ini_options]
testpaths = ["benchmarks"]
pythonpath = ["."]

[tool.paceline]
tolerance = "50%"  # which no busy machine reaches, so that few rounds are enough
alpha = 0.5
explain = 0
"""


@dataclass
class Tiny:
    """A project on GitHub: `main`, and a pull request's merge commit checked out."""

    root: Path
    python: Path

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, more: int) -> str:
        """Commit a change that adds so many calls to 1000."""
        (self.root / "work.py").write_text(WORK.format(more=more), encoding="utf-8")
        self.git("commit", "--quiet", "--allow-empty", "--all", "--message=change")
        return self.git("rev-parse", "HEAD")

    def propose(self, more: int) -> str:
        """Check out the merge of a change with main, as GitHub does; returns the change's own commit."""
        self.git("checkout", "--quiet", "-B", "topic", "main")
        head = self.commit(more)
        self.git("checkout", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--message=Merge", "topic")
        return head

    def job(self, name: str, job: str) -> dict[str, Any]:
        """Return a job of a workflow of this repository."""
        (flow,) = (flow for flow in workflows() if flow.name == name)
        found: dict[str, Any] = flow.jobs[job]
        return found

    def runner(self, event: dict[str, Any], event_name: str = "pull_request", **variables: str) -> Runner:
        """Return a runner that has this checkout, and finds this project's Python first.

        What the project's first runner installs is there for the next, and is not installed again.
        """
        folder = self.root.parent / "runner"
        judge = folder / "paceline"
        kept = folder.with_name("kept")
        if judge.exists():
            judge.rename(kept)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if kept.exists():
            kept.rename(judge)
        path = folder / "event.json"
        path.write_text(json.dumps(event), encoding="utf-8")
        sha = self.git("rev-parse", "HEAD")
        github = {"event": event, "event_name": event_name, "token": "t0ken", "run_id": 1, "sha": sha}
        given = {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_EVENT_NAME": event_name,
            "GITHUB_SHA": sha,
            "PIP_NO_INDEX": "1",  # what would be fetched is there already
            "PIP_NO_BUILD_ISOLATION": "false",  # pip's way to say: no isolation
            "PIP_NO_DEPS": "1",
            "PYTHONPATH": os.pathsep.join(seen()),  # what the judge's environment would fetch
        }
        skipped = "Install" if judge.exists() else None
        return Runner(self.root, github, given | variables, folder, skipped)


def seen() -> list[str]:
    """Where this environment's packages are."""
    return [path for path in sys.path if path.endswith("site-packages")]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that jobs may install into, and that sees all that this one has."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "seen.pth").write_text("\n".join(seen()), encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture
def tiny(tmp_path: Path, python: Path) -> Tiny:
    """The project, with this repository's workflows, actions, scripts and paceline in it."""
    root = tmp_path / "tiny"
    leave_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
    shutil.copytree(ROOT / ".github", root / ".github", ignore=leave_out)
    shutil.copytree(ROOT / "paceline", root / "paceline", ignore=leave_out)
    files = {"pyproject.toml": PROJECT, "benchmarks/test_speed.py": TEST, "requirements.txt": "# nothing\n"}
    files[".gitignore"] = "__pycache__/\n*.egg-info/\nbuild/\n.asv/\n"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tiny = Tiny(root, python)
    tiny.git("init", "--quiet", "--initial-branch=main")
    (root / "work.py").write_text(WORK.format(more=0), encoding="utf-8")
    tiny.git("add", "--all")
    tiny.git("commit", "--quiet", "--message=first")
    return tiny


def pull_request(head: str, action: str = "synchronize", labels: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A `pull_request` event."""
    told = {"number": 7, "head": {"sha": head}, "labels": [{"name": label} for label in labels]}
    return {"action": action, "number": 7, "pull_request": told, "sender": {"login": "alice"}, **more}


Shards = tuple[dict[PurePath, bytes], str]  # what artifacts hold, each below its name, and the log


def shards_of(tiny: Tiny, event: dict[str, Any], job: dict[str, Any], only: str = "") -> Shards:
    """Run a workflow's shards, or only one; returns what each uploaded, and their log."""
    log, found = "", dict[PurePath, bytes]()
    for shard in [only] if only else job["strategy"]["matrix"]["shard"]:
        runner = tiny.runner(event)
        runner.run(job, shard)
        log += runner.log
        for name, files in runner.uploads.items():
            found |= {PurePath(name, inner): path.read_bytes() for inner, path in files.items()}
    return found, log


def joined(tiny: Tiny, event: dict[str, Any], job: dict[str, Any], shards: Shards) -> tuple[Runner, str]:
    """Run the job that joins shards; returns its runner and status."""
    runner = tiny.runner(event)
    for name, content in shards[0].items():
        path = runner.folder / "shards" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    status = runner.run(job)
    runner.log = shards[1] + runner.log
    return runner, status


def judged(runner: Runner) -> str:
    """Read the uploaded findings as the comment's job does; returns the verdict."""
    findings = gate_findings.read(runner.uploads["gate"]["gate.json"].read_bytes()).findings
    assert [finding.name.rpartition("::")[2] for finding in findings] == ["test_total_python"]
    return findings[0].verdict


@pytest.mark.slow
def test_a_slowdown_is_red_unless_the_label_was_given_for_this_commit(tiny: Tiny) -> None:
    shard, join = (tiny.job("bench-pr.yml", name) for name in ("shard", "judge"))
    head = tiny.propose(2000)
    stale = pull_request(head, "synchronize", (LABEL,))  # given before this push, so it lets nothing through
    shards = shards_of(tiny, stale, shard)
    runner, status = joined(tiny, stale, join, shards)
    assert status == "failure", runner.log
    assert judged(runner) == "slower", runner.log
    assert "**slower**" in runner.summary
    assert "::error title=paceline::benchmarks/test_speed.py::test_total_python: slower: " in runner.log
    assert "take it off and give it again" in runner.log
    graphs = [name for name in runner.uploads["flamegraphs"] if name.endswith(".html")]
    (finding,) = gate_findings.read(runner.uploads["gate"]["gate.json"].read_bytes()).findings
    assert len(graphs) == (finding.why is not None), "a busy machine may have no time for it"

    given = pull_request(head, "labeled", (LABEL,), label={"name": LABEL})
    documents = {path.parent.name: content for path, content in shards[0].items() if path.name == "gate.json"}
    (one,) = (name for name, content in documents.items() if json.loads(content)["benchmarks"])
    anew, log = shards_of(tiny, given, shard, only=f"{one[-1]}/4")
    runner, status = joined(tiny, given, join, (shards[0] | anew, log))
    assert status == "success", runner.log
    assert judged(runner) == "slower"
    assert f"label {LABEL}, given by alice for {head[:12]}" in runner.summary.replace("\\", "")
    assert "**slower**" in runner.summary
    assert "::warning title=paceline::" in runner.log


BASE_CHANGED = {"changes": {"base": {"ref": {"from": "old"}, "sha": {"from": "2e" * 20}}}}
TITLE_CHANGED = {"changes": {"title": {"from": "old"}}}


@pytest.mark.parametrize(
    ("name", "job", "event", "counts"),
    [
        ("bench-pr.yml", "judge", {"action": "labeled", "label": {"name": "documentation"}}, False),
        ("bench-pr.yml", "judge", {"action": "unlabeled", "label": {"name": "documentation"}}, False),
        ("bench-pr.yml", "judge", {"action": "labeled", "label": {"name": LABEL}}, True),
        ("bench-pr.yml", "judge", {"action": "unlabeled", "label": {"name": LABEL}}, True),
        ("bench-pr.yml", "judge", {"action": "edited", **TITLE_CHANGED}, False),
        ("bench-pr.yml", "judge", {"action": "edited", **BASE_CHANGED}, True),
        ("bench-pr.yml", "judge", {"action": "opened"}, True),
        ("ci.yml", "test", {"action": "edited", **TITLE_CHANGED}, False),
        ("ci.yml", "test", {"action": "edited", **BASE_CHANGED}, True),
        ("ci.yml", "test", {"action": "synchronize"}, True),
        ("ci.yml", "test", {}, True),  # a push
    ],
)
def test_only_what_changes_the_verdict_makes_a_required_check(
    name: str, job: str, event: dict[str, Any], *, counts: bool
) -> None:
    (flow,) = (flow for flow in workflows() if flow.name == name)
    assert event.get("action", "opened") in flow.triggers["pull_request"]["types"]
    more = {"number": 7, "pull_request": {"number": 7}} if event else {}
    runner = Runner(ROOT, {"event": event | more, "run_id": 1, "sha": "5f"}, {}, ROOT)
    assert runner.text(flow.jobs[job]["name"]).startswith("nothing to ") is not counts
    group = runner.text(flow.document["concurrency"]["group"])
    assert group.endswith("-1") is not counts, "what makes no check must not stop a run that does"
    if not counts:
        assert runner.run(flow.jobs[job]) == "success"
        assert (runner.log, runner.uploads) == ("", {})


@pytest.mark.slow
def test_the_gate_against_itself(tiny: Tiny) -> None:
    runner = tiny.runner({}, "schedule")
    job = tiny.job("bench-aa.yml", "judge")
    assert runner.run(job) == "success", runner.log
    assert gate_findings.read(runner.uploads["aa"]["gate.json"].read_bytes()).findings[0].verdict != "slower"


@pytest.mark.slow
def test_the_readmes_workflow_judges_a_project_of_others(tiny: Tiny) -> None:
    flow = readme_workflow()
    (job,) = flow.jobs.values()
    for step in job["steps"]:
        if "/.github/actions/gate@" in step["uses"]:
            step["uses"] = "$/.github/actions/gate"
            step["with"] = step["with"] | {"arguments": "-k total_python", "install": "-e ."}
    runner = tiny.runner(pull_request(tiny.propose(2000)))
    assert runner.run(job) == "failure", runner.log
    assert "**slower**" in runner.summary


@pytest.mark.slow
def test_the_workflow_for_several_machines_judges_a_project_of_others(tiny: Tiny) -> None:
    flow = shown_workflow("docs/how-to/several-machines.md", "On GitHub")
    for step in flow.jobs["shard"]["steps"]:
        if "/.github/actions/gate@" in step["uses"]:
            step["uses"] = "$/.github/actions/gate"
            step["with"] |= {"arguments": "-k total_python", "install": "-e ."}
    steps = flow.jobs["gate"]["steps"]
    steps[:] = [step for step in steps if not step.get("run", "").startswith("pip install")]
    steps[-1]["run"] = steps[-1]["run"].replace("paceline", f"{sys.executable} -m paceline.cli")
    event = pull_request(tiny.propose(2000))
    runner, status = joined(tiny, event, flow.jobs["gate"], shards_of(tiny, event, flow.jobs["shard"]))
    assert status == "failure", runner.log
    assert "**slower**" in runner.summary


@pytest.mark.slow
def test_a_push_is_recorded_stored_fetched_checked_and_shown(tiny: Tiny, hub: Hub, tmp_path: Path) -> None:
    remote = tmp_path / "server" / f"{REPOSITORY}.git"
    remote.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    subprocess.run(["git", "-C", str(remote), "config", "uploadpack.allowFilter", "true"], check=True)
    tiny.git("remote", "add", "origin", f"file://{remote}")
    tiny.git("push", "--quiet", "origin", "main")
    event = {"repository": {"default_branch": "main"}}
    here = hub.environment(GITHUB_SERVER_URL=f"file://{tmp_path / 'server'}", GITHUB_RUN_ID="5")

    measuring = tiny.runner(event, "push", **here)
    assert measuring.run(tiny.job("bench-main.yml", "measure")) == "success", measuring.log
    files = measuring.uploads["results"]
    assert any(re.fullmatch(rf".+/{tiny.git('rev-parse', 'HEAD')[:8]}-.+\.json", name) for name in files)
    hub.add_artifact(5, "results", packed({name: path.read_bytes() for name, path in files.items()}))
    shutil.rmtree(tiny.root / ".asv")

    storing = tiny.runner(event, "push", **here)
    assert storing.run(tiny.job("bench-main.yml", "store")) == "success", storing.log

    building = tiny.runner(event, "workflow_run", **here)
    assert building.run(tiny.job("bench-pages.yml", "build")) == "success", building.log
    assert "index.html" in building.uploads["github-pages"]

    checking = tiny.runner(event, "schedule", **here)
    assert checking.run(tiny.job("bench-check.yml", "check")) == "success", checking.log
    found = checking.uploads["check"]["check.json"].read_bytes()
    assert check_findings.read(found) == []
    hub.add_artifact(5, "check", packed({"check.json": found}))
    settling = tiny.runner(event, "schedule", **here)
    assert settling.run(tiny.job("bench-check.yml", "issues")) == "success", settling.log
    assert hub.issues == []


def shown_workflow(page: str, title: str) -> Workflow:
    """Return the workflow that a section of a page tells others to copy."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.partition(f"## {title}")[2].partition("\n## ")[0]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found, f"{page}: the section `{title}` shows no workflow"
    return Workflow(page, found[1])


def readme_workflow() -> Workflow:
    """Return the workflow that the README tells others to copy."""
    return shown_workflow("README.md", "Gate your own project")


def test_the_readmes_workflow_is_ten_lines_that_keep_the_rules() -> None:
    flow = readme_workflow()
    assert len(flow.text.strip().splitlines()) <= 10
    assert "pull_request" in flow.triggers
    assert flow.document["permissions"] == {"contents": "read"}
    (job,) = flow.jobs.values()
    checkout, gate = job["steps"]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    document = Workflow("", (ROOT / ".github/actions/gate/action.yml").read_text(encoding="utf-8")).document
    assert set(gate["with"]) <= set(document["inputs"])
    assert {"against", "python-version", "arguments", "tolerance", "budget"} <= set(document["inputs"])
