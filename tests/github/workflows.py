"""Workflows, read and run without GitHub: their text, their expressions, and their steps one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
ACTIONS = ROOT / ".github" / "actions"


@dataclass(frozen=True)
class Workflow:
    """A workflow or an action: what it is called, its text, and the text parsed as YAML 1.2."""

    name: str
    text: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """The parsed text; `on` is a word in it, not a truth value."""
        parsed: dict[str, Any] = YAML(typ="safe", pure=True).load(self.text)
        return parsed

    @property
    def triggers(self) -> dict[str, Any]:
        """Events that start it."""
        told = self.document.get("on", {})
        return {told: None} if isinstance(told, str) else dict.fromkeys(told) if isinstance(told, list) else told

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """Jobs by id; a composite action is like one job."""
        jobs: dict[str, dict[str, Any]] = self.document.get("jobs") or {"action": self.document["runs"]}
        return jobs

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every step with the id of its job."""
        for name, job in self.jobs.items():
            for step in job.get("steps", []):
                yield name, step


@cache
def workflows() -> list[Workflow]:
    """Return all workflows of the repository."""
    return [Workflow(path.name, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))]


@cache
def actions() -> list[Workflow]:
    """Return all composite actions of the repository."""
    paths = sorted(ACTIONS.glob("*/action.yml"))
    return [Workflow(f"{path.parent.name}/action.yml", path.read_text(encoding="utf-8")) for path in paths]


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """Evaluate an expression of GitHub's, of the few kinds that these workflows use, as one of Python's."""

    def known(found: re.Match[str]) -> str:
        value: Any = names
        for part in found[0].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return repr(value)

    parts = re.split("('[^']*')", text.strip().removeprefix("${{").removesuffix("}}").replace("!=", "<>"))
    for place, part in enumerate(parts):
        if not part.startswith("'"):
            plain = re.sub(r"[A-Za-z_][\w.-]*(?![\w.(-])", known, part)
            for theirs, ours in (("&&", " and "), ("||", " or "), ("!", " not "), ("<>", "!=")):
                plain = plain.replace(theirs, ours)
            parts[place] = plain
    functions = {"endsWith": lambda whole, end: str(whole or "").endswith(end), "cancelled": lambda: False}
    return eval("".join(parts).strip(), functions)  # noqa: S307  # of our own workflows


def outside() -> dict[str, str]:
    """Return the environment without what this test run, or a job that it is in, has set."""
    theirs = ("GITHUB_", "PYTEST_", "COV_")
    return {name: text for name, text in os.environ.items() if not name.startswith(theirs)}


@dataclass
class Runner:
    """Runs jobs' steps in a checkout, as a runner would; actions of others do nothing but leave what they were given.

    Steps whose names begin with `skipped` are left out. `uploads` are what artifacts hold: paths by their names in
    it. `log` is what the steps printed.
    """

    checkout: Path
    github: dict[str, Any]
    variables: dict[str, str]
    folder: Path
    skipped: str | None = None
    uploads: dict[str, dict[str, Path]] = field(default_factory=dict)
    log: str = ""
    status: str = "success"
    _names: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What the job wrote to the page of its run."""
        return (self.folder / "summary").read_text(encoding="utf-8")

    def run(self, job: Mapping[str, Any], shard: str = "") -> str:
        """Run a job's steps; returns `success` or `failure`. `shard` is that of its matrix, if it has one."""
        self._names = {"github": self.github, "steps": {}, "runner": {"temp": str(self.folder)}}
        self._names |= {"matrix": {"shard": shard}, "strategy": {"job-index": shard[:1]}}
        self._names["env"] = {name: self.text(value) for name, value in job.get("env", {}).items()}
        self._run_steps(job["steps"])
        return self.status

    def text(self, written: object) -> str:
        """What a text of the workflow becomes, with its expressions evaluated."""
        names = self._names or {"github": self.github}
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], names) or ""), str(written))

    def _run_steps(self, steps: list[dict[str, Any]], action: Path | None = None) -> None:
        for step in steps:
            condition = step.get("if", "")
            if self.status != "success" and "cancelled()" not in condition:
                continue
            if condition and not evaluate(condition, self._names):
                continue
            if self.skipped is not None and step.get("name", "").startswith(self.skipped):
                continue
            given = {name: self.text(value) for name, value in step.get("with", {}).items()}
            if "run" in step:
                self._run_line(step, action)
            elif step["uses"].startswith("$/"):
                self._run_action(self.checkout / step["uses"].removeprefix("$/"), given)
            elif step["uses"].startswith("actions/upload-"):
                self._upload(given)

    def _run_action(self, folder: Path, given: Mapping[str, str]) -> None:
        document = Workflow(folder.name, (folder / "action.yml").read_text(encoding="utf-8")).document
        inputs = {name: given.get(name, told["default"]) for name, told in document.get("inputs", {}).items()}
        assert set(given) <= set(inputs), f"{folder.name} has no such inputs: {given}"
        self._names["inputs"] = inputs
        self._run_steps(document["runs"]["steps"], folder)

    def _upload(self, given: Mapping[str, str]) -> None:
        # As the action does it: a name in the artifact begins after the last folder before any wildcard.
        plain, _, rest = given["path"].partition("/**/")
        root = self.checkout / plain
        paths = [root] if root.is_file() else sorted(root.rglob(rest or "*"))
        root = root.parent if root.is_file() else root
        found = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
        self.uploads[given.get("name", "github-pages")] = found

    def _run_line(self, step: Mapping[str, Any], action: Path | None) -> None:
        output = self.folder / "output"
        output.write_text("", encoding="utf-8")
        files = {f"GITHUB_{name}": str(self.folder / name.lower()) for name in ("ENV", "OUTPUT", "PATH")}
        files |= {"GITHUB_STEP_SUMMARY": str(self.folder / "summary"), "RUNNER_TEMP": str(self.folder)}
        own = {name: self.text(value) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.checkout,
            env=outside() | {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(action)} | files | self.variables
            | self._names["env"] | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
            check=False,
        )  # fmt: skip
        self.log += f"$ {step['run']}\n{done.stdout}"
        if done.returncode:
            self.status = "failure"
        lines = output.read_text(encoding="utf-8").splitlines()
        self._names["steps"][step.get("id")] = {"outputs": dict(line.split("=", 1) for line in lines)}
