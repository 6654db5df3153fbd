"""Memory in the reports: what is red, what is shown, and that files give it back."""

import json
from dataclasses import replace

import pytest
from paceline.report import annotations, json_file
from paceline.report.markdown import page
from paceline.report.memory import Memory, change
from paceline.report.outcome import Outcome
from paceline.report.terminal import MOST_SAME, claim, table
from paceline.report.verdicts import Finding
from paceline.system.strict import MalformedError

MORE = Memory("more", "tracemalloc", True, 1_258_291, 1_468_006, 36, 37, 1.167, tolerance=0.01)
SAME = Memory("same", "tracemalloc", True, 500, 500, tolerance=0.01)
VARIES = Memory("more", "high-water mark", False, 1 << 20, 2 << 20, ratio=2.01, low=1.9, high=2.1, rounds=9)
TIMED = Finding("t.py::test_a", "same", 1.002, None, 1.01, 5, "cpu", 1.2e-5, 1.2e-5, 0.021, tolerance=0.03)


@pytest.mark.parametrize(
    ("base", "head", "text"),
    [
        (0, 0, "0 B"),
        (500, 500, "500 B"),
        (1_047_552, 1_047_552, "1023 KiB"),
        (512, 513, "512 -> 513 B"),
        (1000, 2000, "0.98 -> 1.95 KiB"),
        (1_258_291, 1_468_006, "1.2 -> 1.4 MiB"),
        (1 << 20, (1 << 20) + 200, "1 -> 1.0002 MiB"),
        (1 << 30, (1 << 30) + 1, "1,073,741,824 -> 1,073,741,825 B"),
        (1, 5 << 30, "0 -> 5 GiB"),
    ],
)
def test_two_sizes_have_as_many_digits_as_tell_them_apart(base: int, head: int, text: str) -> None:
    assert change(base, head) == text


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        (MORE, "allocates 36 -> 37 blocks, peak 1.2 -> 1.4 MiB"),
        (replace(SAME, reason="accepted: why"), "peak 500 B; accepted: why"),
        (VARIES, "high-water mark 1 -> 2 MiB, varies (2.010 times base's; 95 % interval 1.900 to 2.100; 9 rounds)"),
        (Memory("unavailable", reason="head failed: no"), "head failed: no"),
    ],
)
def test_memory_is_one_line(memory: Memory, text: str) -> None:
    assert str(memory) == text


def test_red_memory_leaves_the_verdict_and_is_said_everywhere() -> None:
    red = replace(TIMED, memory=MORE.judged("pass", None, critical=True)).judged("pass", None)
    assert (red.verdict, red.red, red.urgency) == ("same", True, 0)
    assert claim(red).endswith("; memory more: allocates 36 -> 37 blocks, peak 1.2 -> 1.4 MiB")
    assert "same, memory more" in table([red])[1]
    assert table([red])[-1] == "test_a: memory more: allocates 36 -> 37 blocks, peak 1.2 -> 1.4 MiB"
    assert "**same, memory more**" in page([red], 1.0, [])
    assert next(annotations.lines([red])).startswith("::error")
    shown = replace(TIMED, memory=MORE).judged("fail", None)
    assert not shown.red
    assert "same, memory" not in table([shown])[1]
    assert not list(annotations.lines([shown]))


def test_a_benchmark_of_memory_alone_has_one_line() -> None:
    alone = Finding("b.py::peakmem_c", "more", red=True, memory=replace(MORE, red=True))
    assert claim(alone) == f"memory more: {MORE}"
    assert table([alone])[1:] == [
        f"peakmem_c  {'-     ' * 2}-          -              more     0       -      -",
        "",
        f"peakmem_c: {claim(alone)}",
    ]
    skipped = Memory("unavailable", reason="base skipped: not today")
    lines = table([Finding("b.py::mem_d", "unavailable", reason=skipped.reason, memory=skipped)])
    assert lines[-1] == "mem_d: memory unavailable: base skipped: not today"
    assert sum("not today" in line for line in lines) == 1


def test_many_with_the_same_memory_are_one_line() -> None:
    same = [replace(TIMED, name=f"t.py::test_{number}", memory=SAME) for number in range(MOST_SAME + 1)]
    lines = table([*same, replace(TIMED, name="t.py::test_more", memory=MORE)])
    assert lines[-2:] == [f"test_more: memory more: {MORE}", f"{MOST_SAME + 1} with the same memory, not listed"]
    assert sum(": memory same: " in line for line in table(same[1:])) == MOST_SAME


def test_a_file_gives_it_back_and_one_without_it_still_counts() -> None:
    found = [replace(TIMED, memory=VARIES), replace(TIMED, name="t.py::test_b", memory=MORE)]
    alone = Finding("b.py::peakmem_c", "more", memory=replace(MORE, red=True), red=True)
    text = json_file.text(Outcome({}, {}, {}, 0.01, 0.03, 1.0, [*found, alone], [], []))
    read = json_file.read(text.encode(), "f")
    assert list(read.findings) == [*found, alone]
    assert read.is_red
    document = json.loads(text)
    for each in document["benchmarks"]:
        del each["memory"]
    assert json_file.read(json.dumps(document).encode(), "f").findings[0].memory is None
    document["benchmarks"][0]["memory"] = {"verdict": "more"}
    with pytest.raises(MalformedError, match="memory"):
        json_file.read(json.dumps(document).encode(), "f")
