"""Histories in real repositories, whose sites are built by the real command and opened in a real browser."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trees
from projects import Project

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
BIRTH = 1_700_000_000


@dataclass
class History:
    """A project with commits, and a folder of results."""

    project: Project
    commits: list[str]

    @property
    def results(self) -> Path:
        """The folder of results."""
        return self.project.root / ".asv" / "results"

    @property
    def site(self) -> Path:
        """Where the site is built."""
        return self.project.root / ".asv" / "html"

    def grow(self, count: int, subject: str = "c") -> None:
        """Add commits, an hour apart."""
        stream: list[str] = []
        message = f"data {len(subject) + 1}\n{subject}\n"
        for number in range(len(self.commits), len(self.commits) + count):
            parent = f"from {self.commits[-1]}\n" if self.commits and not stream else ""
            when = f"t <t@example.org> {BIRTH + 3600 * number} +0000"
            stream.append(f"commit refs/heads/main\nauthor {when}\ncommitter {when}\n{message}{parent}")
        subprocess.run(
            ["git", "fast-import", "--quiet"], cwd=self.project.root, input="".join(stream).encode(), check=True
        )
        self.commits = self.project.git("rev-list", "--reverse", "main").split()

    def document(self, number: int, rows: Mapping[str, Any], *, ours: bool = False, **changed: Any) -> dict[str, Any]:
        """Return a result file of a commit."""
        make = trees.ours if ours else trees.result
        about = {"commit_hash": self.commits[number], "date": 1000 * (BIRTH + 3600 * number)}
        return make(number, rows, **changed) | about if ours else make(number, rows, **about | changed)

    def write(self, documents: Mapping[str, Any], machine: str = trees.MACHINE) -> None:
        """Write result files."""
        trees.write(self.results, documents, machine)

    def describe(self, *names: str, params: Mapping[str, Sequence[Sequence[str]]] | None = None, **more: Any) -> None:
        """Write `benchmarks.json`."""
        entries: dict[str, Any] = {"version": 2}
        for name in names:
            values = list((params or {}).get(name, ()))
            entries[name] = {
                "name": name,
                "type": "time",
                "unit": "seconds",
                "version": "v1",
                "params": values,
                "param_names": [f"n{place}" for place in range(len(values))],
                "code": f"def {name}(self): pass",
            } | more
        (self.results / "benchmarks.json").write_text(json.dumps(entries), encoding="utf-8")

    def pages(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `paceline pages`."""
        return subprocess.run(
            [sys.executable, "-m", "paceline.cli", "pages", *arguments],
            cwd=self.project.root,
            env=self.project.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def built(self, *arguments: str) -> str:
        """Run `paceline pages`, and return what it said; it must succeed."""
        done = self.pages(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


def simple(history: History) -> None:
    """Fill a history with one benchmark."""
    history.describe("suite.time_it")
    rows = {"suite.time_it": trees.row(1.0)}
    history.write({f"{commit[:8]}-env.json": history.document(at, rows) for at, commit in enumerate(history.commits)})


def error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a wrong use."""
    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = (each for each in done.stderr.splitlines() if not each.startswith("note: "))
    assert line.startswith("ERROR: ")
    return line
