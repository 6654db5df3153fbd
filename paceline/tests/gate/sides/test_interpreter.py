"""What an interpreter lacks is lent; what answers like none is named."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paceline.errors import PacelineError
from paceline.gate.sides.interpreter import probe

ANSWER = {
    "executable": "/env/bin/python",
    "python": "3.12.1",
    "recent": True,
    "path": [],
    "prefixes": ["/env"],
    "pytest": "8.1.0",
    "pytest-benchmark": "4.0.0",
    "asv_runner": "0.3.2",
    "plugin": False,
}


def interpreter(folder: Path, **answer: Any) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(ANSWER | answer)}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("answer", "lacking", "outdated"),
    [
        ({}, (), None),
        ({"pytest": "9.2.0.dev1"}, (), None),
        ({"pytest": None}, ("pytest",), None),
        ({"pytest-benchmark": None, "asv_runner": None}, ("pytest-benchmark", "asv_runner"), None),
        ({"pytest": "7.4.4"}, ("pytest", "pytest-benchmark"), "7.4.4"),
        ({"pytest": "8.0"}, ("pytest", "pytest-benchmark"), "8.0"),
    ],
)
def test_what_is_missing_or_too_old_is_lent(
    tmp_path: Path, answer: dict[str, Any], lacking: tuple[str, ...], outdated: str | None
) -> None:
    found = probe(interpreter(tmp_path, **answer), tmp_path)
    assert (found.lacking, found.outdated) == (lacking, outdated)


def test_python_that_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=r"is Python 3\.10\.1: a side needs 3\.11 or newer"):
        probe(interpreter(tmp_path, python="3.10.1", recent=False), tmp_path)


def test_program_that_is_not_python(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match="does not answer like Python"):
        probe("/bin/echo", tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such programs")
@pytest.mark.parametrize("said", ["", "null", "[1]", "{}", '{"executable": 1}', "[" * 100_000, "\\377\\376"])
def test_whatever_a_program_says_is_one_line(tmp_path: Path, said: str) -> None:
    (tmp_path / "said").write_bytes(said.replace("\\377\\376", "\udcff\udcfe").encode(errors="surrogateescape"))
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\ncat '{tmp_path}/said'\n", encoding="utf-8")
    path.chmod(0o755)
    with pytest.raises(PacelineError, match=r"does not answer like Python: name a Python executable$"):
        probe(str(path), tmp_path)


#: Leaves a process this many descriptors, of which one is in use for each that the system gave it.
FEW = """
import resource, sys
from pathlib import Path
from paceline.errors import PacelineError
from paceline.gate.sides.interpreter import probe
resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
try:
    probe(sys.executable, Path("/"))
except PacelineError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
def test_without_descriptors_no_interpreter_is_to_blame() -> None:
    done = subprocess.run([sys.executable, "-c", FEW], capture_output=True, text=True, check=True)
    assert done.stdout == f"cannot run {sys.executable!r} (Too many open files. Raise the limit (`ulimit -n`))\n"
