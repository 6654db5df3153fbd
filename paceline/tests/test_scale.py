"""The script that measures long histories measures real ones."""

import subprocess
import sys
from pathlib import Path

import pytest
from sites import CHROMIUM

SCRIPT = Path(__file__).parents[1] / "scale.py"


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: no pages are opened in it")
def test_small_history_is_measured() -> None:
    command = [sys.executable, str(SCRIPT), "--commits=5", "--benchmarks=2", "--no-growth", "--samples=9"]
    done = subprocess.run([*command, "--browser"], capture_output=True, text=True, check=True)
    headings, _, row, *seen = done.stdout.splitlines()[2:]
    assert [line.partition(":")[0] for line in seen] == [
        "site",
        "first page",
        "a benchmark's page",
        "slowdowns",
        "compare",
    ]
    assert headings.startswith(
        "| commits | MiB of results | read, cold: seconds | of CPU | MiB | read, warm: seconds"
    )
    cells = [float(cell) for cell in row.strip("| ").split(" | ")]
    assert len(cells) == headings.count("|") - 1
    assert cells[0] == 5
    assert 10 < cells[4] < 2000
