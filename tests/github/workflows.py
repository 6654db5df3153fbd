"""Workflows, read and run without GitHub: their text, their expressions, and their steps one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
ACTIONS = ROOT / ".github" / "actions"


@dataclass(frozen=True)
class Workflow:
    """A workflow or an action: what it is called, its text, and the text parsed as YAML 1.2."""

    name: str
    text: str

    @property
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


def workflows() -> list[Workflow]:
    """Return all workflows of the repository."""
    return [Workflow(path.name, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))]


def actions() -> list[Workflow]:
    """Return all composite actions of the repository."""
    paths = sorted(ACTIONS.glob("*/action.yml"))
    return [Workflow(f"{path.parent.name}/action.yml", path.read_text(encoding="utf-8")) for path in paths]


TOKEN = re.compile(r"\s*('[^']*'|&&|\|\||==|!=|[!(),]|[A-Za-z_][\w.-]*)")


class Expression:
    """The part of GitHub's expressions that these workflows use: `||`, `&&`, `==`, `!=`, `!`, calls and names."""

    def __init__(  # noqa: D107  # the class's docstring says it
        self, text: str, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self._tokens = [found.group().strip() for found in TOKEN.finditer(text)]
        assert "".join(self._tokens).replace(" ", "") == re.sub(r"\s", "", text), f"cannot read {text!r}"
        self._names, self._functions = names, functions

    def value(self) -> Any:
        """Evaluate it."""
        value = self._either()
        assert not self._tokens, f"cannot read {self._tokens}"
        return value

    def _take(self, *marks: str) -> str | None:
        return self._tokens.pop(0) if self._tokens and self._tokens[0] in marks else None

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._comparison()
        while self._take("&&"):
            other = self._comparison()
            value = value and other
        return value

    def _comparison(self) -> Any:
        value = self._single()
        if mark := self._take("==", "!="):
            value = (value == self._single()) == (mark == "==")
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not self._single()
        if self._take("("):
            value = self._either()
            assert self._take(")")
            return value
        word = self._tokens.pop(0)
        if word.startswith("'"):
            return word[1:-1]
        if self._take("("):
            given = []
            while not self._take(")"):
                given.append(self._either())
                self._take(",")
            return self._functions[word](*given)
        return self._look_up(word)

    def _look_up(self, name: str) -> Any:
        value: Any = self._names
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def outside() -> dict[str, str]:
    """Return the environment without what this test run, or a job that it is in, has set."""
    theirs = ("GITHUB_", "PYTEST_", "COV_")
    return {name: text for name, text in os.environ.items() if not name.startswith(theirs)}


@dataclass
class Runner:
    """Runs jobs' steps in a checkout, as a runner would; actions of others do nothing but leave what they were given.

    `uploads` are what artifacts hold: paths by their names in it. `log` is what the steps printed.
    """

    checkout: Path
    event_name: str
    event: dict[str, Any]
    variables: dict[str, str]
    folder: Path
    ref: str = "refs/heads/main"
    uploads: dict[str, dict[str, Path]] = field(default_factory=dict)
    log: str = ""
    status: str = "success"
    _steps: dict[str, Any] = field(default_factory=dict)
    _environment: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What the job wrote to the page of its run."""
        path = self.folder / "summary"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def github(self) -> dict[str, Any]:
        """The context of that name."""
        told = {
            "event": self.event,
            "event_name": self.event_name,
            "token": "t0ken",
            "run_id": 1,
            "ref": self.ref,
        }
        return told | {"sha": self.variables.get("GITHUB_SHA", "")}

    def run(self, job: Mapping[str, Any]) -> str:
        """Run a job; returns `success`, `failure` or `skipped`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._holds(job.get("if")):
            self.status = "skipped"
            return self.status
        self._environment = {name: self.text(value) for name, value in job.get("env", {}).items()}
        self._run_steps(job["steps"], {})
        return self.status

    def name(self, job: Mapping[str, Any]) -> str:
        """The name under which the job's check is shown: of one that is skipped, GitHub does not evaluate it."""
        return self.text(job["name"]) if self._holds(job.get("if")) else str(job["name"])

    def text(self, written: str) -> str:
        """What a text of the workflow becomes, with its expressions evaluated."""
        return self._fill(written, {})

    def _holds(self, condition: str | None, inputs: Mapping[str, Any] | None = None) -> bool:
        if condition is None:
            return self.status == "success"
        asks_for_status = re.search(r"\b(always|cancelled|failure|success)\(", condition)
        text = condition.removeprefix("${{").removesuffix("}}")
        return bool(self._evaluate(text, inputs or {})) and (self.status == "success" or asks_for_status is not None)

    def _evaluate(self, text: str, inputs: Mapping[str, Any]) -> Any:
        functions: dict[str, Callable[..., Any]] = {
            "endsWith": lambda whole, end: str(whole or "").endswith(end),
            "cancelled": lambda: False,
        }
        names = {"github": self.github(), "inputs": inputs, "steps": self._steps, "matrix": {}}
        names["env"], names["runner"] = self._environment, {"temp": str(self.folder)}
        return Expression(text, names, functions).value()

    def _fill(self, text: Any, inputs: Mapping[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            result = self._evaluate(found[1], inputs)
            return "" if result is None else str(result)

        return re.sub(r"\$\{\{(.*?)\}\}", value, str(text))

    def _run_steps(self, steps: list[dict[str, Any]], inputs: Mapping[str, Any], action: Path | None = None) -> None:
        for step in steps:
            if not self._holds(step.get("if"), inputs):
                continue
            given = {name: self._fill(value, inputs) for name, value in step.get("with", {}).items()}
            if "run" in step:
                self._run_line(step, inputs, action)
            elif step["uses"].startswith("$/"):
                self._run_action(self.checkout / step["uses"].removeprefix("$/"), given)
            elif step["uses"].startswith("actions/upload-"):
                self._upload(given)

    def _run_action(self, folder: Path, given: Mapping[str, str]) -> None:
        document = Workflow(folder.name, (folder / "action.yml").read_text(encoding="utf-8")).document
        inputs = {name: given.get(name, told["default"]) for name, told in document.get("inputs", {}).items()}
        assert set(given) <= set(inputs), f"{folder.name} has no such inputs: {given}"
        self._run_steps(document["runs"]["steps"], inputs, folder)

    def _upload(self, given: Mapping[str, str]) -> None:
        # As the action does it: a name in the artifact begins after the last folder before any wildcard.
        plain, wildcard, rest = given["path"].partition("/**/")
        root = self.checkout / plain
        paths = [root] if root.is_file() else sorted(root.rglob(rest if wildcard else "*"))
        root = root.parent if root.is_file() else root
        found = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
        if found:
            self.uploads[given.get("name", "github-pages")] = found

    def _run_line(self, step: Mapping[str, Any], inputs: Mapping[str, Any], action: Path | None) -> None:
        output = self.folder / "output"
        output.write_text("", encoding="utf-8")
        own = {name: self._fill(value, inputs) for name, value in step.get("env", {}).items()}
        files = {"ENV": "env", "OUTPUT": "output", "PATH": "path", "STEP_SUMMARY": "summary"}
        given = {f"GITHUB_{name}": str(self.folder / file) for name, file in files.items()}
        given |= {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(self.folder)} | (
            {"GITHUB_ACTION_PATH": str(action)} if action else {}
        )
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.checkout,
            env=outside() | given | self.variables | self._environment | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=280,
            check=False,
        )
        self.log += f"$ {step['run']}\n{done.stdout}"
        if done.returncode:
            self.status = "failure"
        lines = output.read_text(encoding="utf-8").splitlines()
        if "id" in step:
            self._steps[step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}
