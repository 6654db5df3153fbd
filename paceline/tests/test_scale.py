"""The script that measures long histories measures real ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from paceline.system.pool import CLUSTER
from scripts import script
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


@pytest.mark.slow
def test_a_small_fleet_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLUSTER, raising=False)
    scale = script("scale")
    monkeypatch.setattr(scale, "SETTLED", 0.0)
    row = scale.fleet_row(tmp_path, 12, 9, (4, 1, 3))
    results, shape, of_json, _, cold, warm = row.strip("| ").split(" | ")
    assert (results, shape) == ("12", "1 x 4 x 3")
    assert int(of_json) > 300
    for cell in (cold, warm):
        seconds, cpu, memory = map(float, re.fullmatch(r"([\d.]+) \(([\d.]+)\), (\d+)", cell).groups())  # type: ignore[union-attr]
        assert seconds > 0
        assert cpu > 0
        assert memory > 60  # MiB: two of the processes have NumPy
    assert len(list(tmp_path.glob("project-*/.asv/results/*/*-*.json"))) == 4
