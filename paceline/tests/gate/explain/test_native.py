"""py-spy says which functions in C run below Python's, and where it cannot, nothing else is lost."""

import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from paceline.gate.explain import native
from paceline.gate.visit import Recipe, Sampling, Visit
from pairs import FILE, both, started

STACKS = """\
0x7f86 (libc.so.6);<module> (t.py:12);work (t.py:5);array_sort (numpy/_core/_multiarray_umath.so);qsort (libc.so.6) 40
<module> (t.py:12);work (t.py:5);PyObject_Call (libpython3.11.so.1.0);array_sort (numpy/_core/_multiarray_umath.so) 30
<module> (t.py:12);work (t.py:6) 9
<module> (t.py:12);other.<locals>.<genexpr> (<string>:6);clock_nanosleep (libc.so.6) 5
no python (libc.so.6) 3
broken
"""
#: In place of py-spy, which may not be installed, nor permitted.
SPY = f"""#!{sys.executable}
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
process, file = (sys.argv[sys.argv.index(each) + 1] for each in ("--pid", "--output"))
try:
    print("py-spy> Sampling process 200 times a second", flush=True)
    signal.pause()
except KeyboardInterrupt:
    open(file, "w").write("work (t.py:1);in_c (x.so) " + process)
"""


def test_samples_in_c_belong_to_the_function_in_python_that_calls_them() -> None:
    found = native.below(STACKS)
    assert found == {"work": {"array_sort": 70, "": 9}, "other.<locals>.<genexpr>": {"": 5}}
    assert {name: native.most_of(samples) for name, samples in found.items()} == {
        "work": "array_sort",
        "other.<locals>.<genexpr>": "",
    }
    assert native.most_of(Counter(a=2, b=2, c=1)) == native.most_of(Counter()) == ""


@pytest.mark.parametrize(
    ("spy", "unwatched"),
    [(SPY, ""), (f"#!{sys.executable}\nraise SystemExit('Permission denied')", "Permission denied")],
)
def test_a_burst_is_watched_on_each_side_or_left_out(tmp_path: Path, spy: str, unwatched: str) -> None:
    (tmp_path / FILE).write_text("def test_it(benchmark):\n    benchmark(sum, range(9))\n", encoding="utf-8")
    script = tmp_path / "py-spy"
    script.write_text(spy, encoding="utf-8")
    script.chmod(0o755)
    visit = _visit(tmp_path, str(script))
    assert {end.outcome for end in visit.ends.values()} == {"passed"}
    assert (len(visit.samples), visit.unwatched) == (1, unwatched)
    assert {*visit.stacks} == (set() if unwatched else {"base", "head"})
    assert len(set(visit.stacks.values())) == len(visit.stacks), "each names its own process"
    left = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    assert left == [], "they would keep the gate from ending"


def _visit(folder: Path, spy: str) -> Visit:
    sampling = Sampling(Recipe(5, 3, "cpu", cold=False), calls=40, bursts=1, spy=spy)
    with started(folder, both(folder)) as pair:
        return pair.sample(f"{FILE}::test_it", sampling, [], float("inf"))
