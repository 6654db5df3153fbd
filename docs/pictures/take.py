"""Takes the pictures of the README: `make pictures`. Both show what paceline really says, of a project made for this.

The project has three benchmarks and a commit that makes one of its functions slower. `gate.svg` is what the gate says
of that commit; `pages.png` is a page of its history, whose every run is recorded. Needs Chromium, and some minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
COLUMNS, COMMITS, SLOW_COMMIT = 100, 24, 16
GATE = ("pytest", "--benchmark-only", "--benchmark-against=HEAD~1")
RECORD = ("pytest", "--benchmark-only", "--benchmark-record", "--benchmark-max-time=0.3")

FAST = "    return Counter(words)\n"
SLOW = "    return Counter(filter(None, words))\n"
FILES = {
    "words.py": f'''"""Finds the words that a text uses most."""

import re
from collections import Counter

WORD = re.compile(r"[a-z]+")


def split(text):
    return WORD.findall(text.lower())


def count(words):
{FAST}

def total(counts):
    return sum(counts.values())
''',
    "test_words.py": """import words

TEXT = "the quick brown fox jumps over the lazy dog and " * 200
WORDS = words.split(TEXT)
COUNTS = {f"word{number}": number for number in range(5000)}


def test_split(benchmark):
    benchmark(words.split, TEXT)


def test_count(benchmark):
    benchmark(words.count, WORDS)


def test_total(benchmark):
    benchmark(words.total, COUNTS)
""",
}


def run(folder: Path, *command: str, **variables: str) -> str:
    """Run a tool of this environment in ``folder``; return what it prints. A gate that is red ends with status 1."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MAKE"))}
    environment = outside | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": str(COLUMNS)} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout


def commit(folder: Path, number: int) -> None:
    """Commit everything, a day after commit ``number - 1``."""
    date = (datetime.now(UTC) + timedelta(days=number - COMMITS)).isoformat()
    identity = (
        "-c",
        "user.name=A. Developer",
        "-c",
        "user.email=developer@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    run(folder, "git", "add", "--all")
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    run(folder, "git", *identity, "commit", "--quiet", f"--message=Change {number}", **dates)


def make_history(folder: Path) -> str:
    """Commit and record ``COMMITS`` versions of the project; return what the gate says of the slow one."""
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text(".asv/\n.benchmarks/\n__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    said = ""
    for number in range(1, COMMITS + 1):
        body = FILES["words.py"].replace(FAST, SLOW) if number >= SLOW_COMMIT else FILES["words.py"]
        (folder / "words.py").write_text(f"{body}\n\nVERSION = {number}\n", encoding="utf-8")
        (folder / "test_words.py").write_text(FILES["test_words.py"], encoding="utf-8")
        commit(folder, number)
        if number == SLOW_COMMIT:
            said = run(folder, *GATE, "--color=yes", "-rN")
        run(folder, *RECORD)
    return said


def draw_terminal(said: str) -> str:
    """Return the SVG of a terminal with the gate's command and what it ``said``, from the failures on."""
    lines = said.rstrip().splitlines()
    start = next(at for at, line in enumerate(lines) if " FAILURES " in line)
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join([f"$ {' '.join(GATE)}", "...", *lines[start:]])))
    # Without the web font: a picture loads nothing from elsewhere.
    shape = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    shape = shape.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return console.export_svg(title="a pull request that makes count() slower", code_format=shape)


def photograph(page: Path, picture: Path) -> None:
    """Write a PNG of ``page`` in Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 900, "height": 770})
        view.goto(page.as_uri(), wait_until="networkidle")
        view.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Make the project, and take both pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "words")
        folder.mkdir()
        said = make_history(folder)
        (HERE / "gate.svg").write_text(draw_terminal(said), encoding="utf-8")
        run(folder, "paceline", "pages")
        photograph(folder / ".asv" / "html" / "benchmark.html", HERE / "pages.png")


if __name__ == "__main__":
    main()
