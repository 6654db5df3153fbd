"""The script that measures the detector, in small; its full table is in docs/explanation/history-evidence.md."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from paceline.history.detect import scan
from scipy import stats
from scripts import script

SCRIPT = Path(__file__).parents[1] / "detection.py"
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "history-evidence.md"


@pytest.fixture(scope="module")
def detection() -> ModuleType:
    found: ModuleType = script("detection")
    return found


def test_help_is_enough() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "measure" in done.stdout
    assert "table" in done.stdout


@pytest.mark.parametrize("n", [16, 100, 280])
def test_the_shipped_table_is_what_the_script_makes(detection: ModuleType, n: int) -> None:
    """Anew, from fewer draws of another seed."""
    lengths, levels, table = scan.null_law()
    sample = detection.maxima(np.random.default_rng(99), n, 30_000)
    row = table[list(lengths).index(n)]
    for level, statistic in zip(levels, row, strict=True):
        if level >= 0.001:
            assert (sample >= statistic).mean() <= level + 4 * np.sqrt(level / 30_000)
            smaller = (sample >= statistic - 0.12).mean()
            assert smaller >= level - 4 * np.sqrt(level / 30_000)


def test_asv_is_asked_as_it_asks_itself(detection: ModuleType) -> None:
    """It finds a slowdown by half where it is."""
    values = np.random.default_rng(1).normal(0, 0.01, 100) + np.log(1.5) * (np.arange(100) >= 60)
    assert detection.by_asv(scan.one_class(values)) == [60]
    assert detection.by_asv(scan.one_class(values[:60])) == []


def test_it_measures(detection: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "YEAR", 15)
    printed = list(detection.measure(series=12, asv_series=3, suites=1))
    rows = [line for line in printed if line.startswith("| ")]
    assert len(rows) == 2 + 4 * len(detection.FAMILIES) + 2
    assert any(line.startswith("| Gaussian 2 % | rank scan | 12 | 0.00 % (0.00 .. 26.46) |") for line in rows)


def test_the_published_figures_are_those_of_the_detector(detection: ModuleType) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for family in detection.FAMILIES:
        (row,) = re.findall(rf"\| {family} \| rank scan \| \d+ \| ([\d.]+) % \(.*?\) \| ([\d.]+) %", text)
        for published, measured in zip(row, detection.single_look(family, "rank scan", 200), strict=True):
            hits = round(2 * float(measured.partition(" ")[0]))
            assert stats.binomtest(hits, 200, float(published) / 100).pvalue > 0.001, (family, measured, published)
