"""An empty selection is explained by what the tree holds."""

from pathlib import Path

import pytest
from paceline.gate.hints import no_benchmark
from paceline.gate.sides.selection import Selection

FIXTURE = "def test_it(tmp_path, benchmark):\n    benchmark(sum, [])\n"
MARKED = "import pytest\n\n@pytest.mark.benchmark\ndef test_it():\n    pass\n"


def selection(errors: dict[str, str] | None = None) -> Selection:
    return Selection({}, (), (), (), root=Path(), ini=None, errors=errors or {}, set_aside=())


@pytest.mark.parametrize(
    ("files", "errors", "words"),
    [
        ({}, {}, "Name tests that use the `benchmark` fixture, or loosen -k and -m."),
        ({"testing/benchmark.py": FIXTURE}, {}, "fixture is used in testing/benchmark.py: name these files"),
        ({"bench/test_a.py": MARKED}, {}, "Tests are marked as benchmarks in bench/test_a.py"),
        ({"asv/asv.conf.json": "{}"}, {}, "Add --benchmark-asv to judge the asv suite (asv/asv.conf.json)."),
        (
            {},
            {"tests/test_b.py": "skipped: needs --codspeed"},
            "Skipped by pytest: tests/test_b.py (needs --codspeed).",
        ),
        ({f"b{i}.py": FIXTURE for i in range(5)}, {}, "b0.py, b1.py, b2.py and 2 more"),
    ],
)
def test_what_is_there_is_named(tmp_path: Path, files: dict[str, str], errors: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert words in no_benchmark(selection(errors), tmp_path)
