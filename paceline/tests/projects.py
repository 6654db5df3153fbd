"""Real projects in real repositories, judged by real pytest processes."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Container, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# A tolerance that no busy machine reaches, so that many false alarms may be allowed for few rounds.
#: All benchmarks are timed, and none is explained: most tests are about that, and change little.
QUICK = (
    "--benchmark-tolerance=50%",
    "--benchmark-alpha=50%",
    "--benchmark-touched=no",
    "--benchmark-explain=0",
)

EARLY = str(Path(__file__).with_name("early.py"))
#: Plugins that a pytest within a pytest does without: they hook into the interpreter, or collect all of its garbage.
ALONE = ("-p", "no:faulthandler", "-p", "no:unraisableexception", "-p", "no:threadexception")

REVISIONS = ("--benchmark-against", "--benchmark-against-python")  # say what base is

WORK = """
def total(count):
    result = 0
    for value in range(count):
        result += value * value
    return result
"""

TEST = """
import work

def test_total(benchmark):
    assert benchmark(work.total, 300) > 0
"""


#: A conftest.py with which an explanation takes few samples: tests slow a function down so much that they are enough.
FEW_SAMPLES = """
from paceline.gate.explain import explaining

explaining.ROUNDS, explaining.LONGEST = 8, explaining.LEAST
"""


@dataclass
class Run:
    """What one pytest run left: exit status, output, and the findings by name."""

    status: int
    output: str
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        """Findings by the last part of their names."""
        return {each["name"].split("::")[-1]: each for each in self.document.get("benchmarks", [])}

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdicts by the last part of the benchmarks' names."""
        return {name: str(each["verdict"]) for name, each in self.findings.items()}

    @property
    def error(self) -> str:
        """The one line of a wrong use."""
        lines = [line for line in self.output.splitlines() if line.startswith("ERROR: ")]
        assert len(lines) == 1, self.output
        assert "Traceback" not in self.output, self.output
        return lines[0]


@dataclass
class Project:
    """A project in a git repository of its own."""

    root: Path
    temporary: Path

    def git(self, *arguments: str) -> str:
        """Run git in the project."""
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "protocol.file.allow=always",
                *arguments,
            ],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def write(self, files: dict[str, str]) -> None:
        """Write files, by their paths."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self, files: dict[str, str] | None = None, message: str = "change") -> str:
        """Commit everything and return the hash."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def start(
        self, *arguments: str, environment: dict[str, str] | None = None, early: bool = False
    ) -> subprocess.Popen[str]:
        """Start pytest in the project, in a process group of its own that heeds Ctrl-C."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
        return subprocess.Popen(
            [sys.executable, EARLY if early else "-m", "pytest", "--benchmark-only", *arguments],
            cwd=self.root,
            env=self.environment() | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def gate(self, *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Run `paceline gate`, quick, by this environment's paceline, for this environment."""
        findings = self.root.parent / "findings.json"
        findings.unlink(missing_ok=True)
        done = subprocess.run(
            [
                sys.executable,
                EARLY,
                "paceline.cli",
                "gate",
                *arguments,
                *QUICK,
                f"--benchmark-against-json={findings}",
            ],
            cwd=self.root,
            env=self.environment() | {"VIRTUAL_ENV": sys.prefix} | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        document = json.loads(findings.read_text(encoding="utf-8")) if findings.exists() else {}
        return Run(done.returncode, done.stdout + done.stderr, document)

    def environment(self) -> dict[str, str]:
        """Return an environment without what this test run itself has set."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "COV", "GITHUB"))}
        without = "-p no:hypothesispytest"  # which imports all of Hypothesis, for a line of pytest's heading
        return kept | {"TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "", "PYTEST_ADDOPTS": without}

    def run(self, *arguments: str, environment: dict[str, str] | None = None, early: bool = False) -> Run:
        """Run pytest in the project to its end."""
        findings = self.root.parent / "findings.json"
        findings.unlink(missing_ok=True)
        process = self.start(*arguments, f"--benchmark-against-json={findings}", environment=environment, early=early)
        output, _ = process.communicate(timeout=280)
        document = json.loads(findings.read_text(encoding="utf-8")) if findings.exists() else {}
        return Run(process.returncode, output, document)

    def run_here(self, *arguments: str) -> Run:
        """Run pytest in the project, in this process: for tests that leave it as it was, and are many."""
        own = {path.stem for path in (*self.root.iterdir(), *self.root.rglob("*.py"))}
        output = io.StringIO()
        others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
            patch.chdir(self.root)
            given = self.environment()
            for name in os.environ.keys() - given:
                patch.delenv(name)
            for name, text in given.items():
                patch.setenv(name, text)
            patch.setattr(sys, "path", [str(self.root), *sys.path])
            patch.setattr(sys, "meta_path", [*sys.meta_path])
            forget(own)
            try:
                status = pytest.main(["--benchmark-only", "--capture=sys", *ALONE, *arguments])
            finally:
                forget(own)
                sys.modules.update(others)
        return Run(int(status), output.getvalue())

    def judge(self, *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Run a quick gate that decides early, against HEAD unless another revision is named."""
        return self.run(*QUICK, *against(arguments), *arguments, environment=environment, early=True)

    def judge_here(self, *arguments: str) -> Run:
        """Run a gate that ends before it starts a process, in this process."""
        return self.run_here(*QUICK, *against(arguments), *arguments)

    def paceline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of paceline in the project to its end."""
        return subprocess.run(
            [sys.executable, "-m", "paceline.cli", *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    @property
    def leftovers(self) -> list[Path]:
        """Temporary folders that a gate left behind."""
        return list(self.temporary.glob("paceline-*"))


def against(arguments: Sequence[str]) -> list[str]:
    """Say that HEAD is base, unless these arguments name another revision."""
    return [] if any(word.partition("=")[0] in REVISIONS for word in arguments) else ["--benchmark-against=HEAD"]


def forget(packages: Container[str]) -> None:
    """Forget that these packages and modules were imported, so that the next import runs them again."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def processes() -> str:
    """Command lines of all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)
