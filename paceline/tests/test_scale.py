"""The script that measures long histories measures real ones."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scale.py"


@pytest.mark.slow
def test_small_history_is_measured() -> None:
    command = [sys.executable, str(SCRIPT), "--commits=5", "--benchmarks=2", "--no-growth", "--samples=9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    headings, _, row = done.stdout.splitlines()[-3:]
    assert headings.startswith(
        "| commits | MiB of results | read, cold: seconds | of CPU | MiB | read, warm: seconds"
    )
    cells = [float(cell) for cell in row.strip("| ").split(" | ")]
    assert len(cells) == headings.count("|") - 1
    assert cells[0] == 5
    assert 10 < cells[4] < 2000
