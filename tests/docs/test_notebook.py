"""The notebook runs from its first cell to its last, and finds the frauds that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
PLOTS = 5


def outputs(notebook: Any) -> list[Any]:
    """Return what the cells printed and drew."""
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_and_finds_most_frauds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(ROOT / "docs" / "fraud.md")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    shown = outputs(notebook)
    assert [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in shown) == PLOTS
    text = "".join(output.get("text", "") for output in shown)
    (found, of), (mistaken,) = (
        [int(number) for number in numbers]
        for numbers in (
            re.findall(r"(\d+) of (\d+) frauds found", text)[0],
            re.findall(r"(\d+) false alerts", text),
        )
    )
    assert found > 0.6 * of
    assert mistaken < found
    assert "'wrong number of fields': 100, 'text in a number': 100" in text
