"""Recordings by way of real workers, and what a gate would make of them."""

from pathlib import Path

import pytest
from paceline.config.options import RECORDED
from paceline.gate.touch.comparison import compare
from paceline.gate.touch.recording import Recording
from paceline.gate.visit import End
from pairs import launch, started
from recorded import write

FILES = {
    "conftest.py": "import work\nimport pytest\n\n@pytest.fixture\ndef size(): return work.size()\n",
    "work.py": "def size():\n    return 3\n\ndef run(size):\n    return sum(range(size))\n\ndef other(): return 1\n",
    "test_it.py": "import work\n\ndef test_run(benchmark, size): benchmark(work.run, size)\n\n"
    "def test_other(benchmark): benchmark.pedantic(work.other, setup=lambda: None)\n\n"
    "def test_thread(benchmark):\n    import threading\n    thread = threading.Thread(target=work.other)\n"
    "    benchmark(lambda: None)\n    thread.start()\n    thread.join()\n",
}
NAMES = [f"test_it.py::test_{name}" for name in ("run", "other", "thread")]


def recordings(folder: Path, files: dict[str, str]) -> list[Recording]:
    """Record a side twice, the second time in another order."""
    write(folder, files)
    found = []
    for names in (NAMES, NAMES[::-1]):
        with started(folder, {"head": launch(folder, **{RECORDED: str(folder)})}) as pair:
            for name in names:
                assert pair.rehearse(name)["head"].outcome == "passed"
            told = pair.recordings()["head"]
            assert not isinstance(told, End), told
            found.append(told)
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return recordings(tmp_path_factory.mktemp("recorded") / "base", FILES)


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        ("", "", []),
        ("range(size)", "range(size + 1)", ["run"]),
        ("return 3", "return 4", ["run"]),
        ("return 1", "return 2", ["other", "thread"]),
        ("import pytest", "import pytest  # text", []),
    ],
)
def test_a_change(tmp_path: Path, base: list[Recording], old: str, new: str, touched: list[str]) -> None:
    changed = {name: text.replace(old, new) if old else text for name, text in FILES.items()}
    found = compare(base, recordings(tmp_path / "head", changed))
    assert [name.rpartition("_")[2] for name in NAMES if not found[name].untouched] == touched, found
