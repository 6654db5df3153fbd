"""What gauges measure of single calls, in this process, and of each kind of benchmark, in a worker."""

import ast
import asyncio
import gc
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paceline.gate.worker.gauges import Allocations, Gauge, HighWater, Peak
from pairs import FILE, both, started

MANY, FEW = 1000, 100  # measurements of identical code, and of one more allocation
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    """Collect only what a test itself allocates, as in a worker."""
    gc.freeze()
    yield
    gc.unfreeze()


def found(gauge: Gauge, call: Callable[[], Any], calls: int = 3) -> dict[str, Any]:
    """Return what a gauge says of the last call."""
    with gauge.running():
        measured = gauge.around(call)
        for _ in range(calls):
            measured()
        return gauge.found()


def peak(call: Callable[[], Any]) -> int:
    """Return the peak of a call, in bytes."""
    return int(found(Peak(), call)["bytes"])


def parts(count: int) -> list[bytearray]:
    """Allocate."""
    return [bytearray(40) for _ in range(count)]


def test_one_more_allocation_is_always_found_and_none_on_identical_code() -> None:
    gauge = Peak()
    with gauge.running():
        calls = {count: gauge.around(lambda count=count: parts(count)) for count in (36, 37)}

        def sizes(*counts: int) -> list[int]:
            return [(calls[count](), gauge.found()["bytes"])[1] for count in counts]

        sizes(36, 37, 36, 37)
        assert {tuple(sizes(36, 36)) for _ in range(MANY)} == {(sizes(36)[0],) * 2}
        assert {after - before for before, after in (sizes(36, 37) for _ in range(FEW))} == {
            sys.getsizeof(bytearray(40))
        }


COUNTING = """
from paceline.gate.worker.gauges import Allocations
gauge = Allocations()
with gauge.running():
    calls = [gauge.around(lambda count=count: [object() for _ in range(count)]) for count in (36, 37)] * 102
    for call in calls:
        call()
    print(gauge._numbers[4:])
"""


def test_memray_counts_one_more_allocation_every_time() -> None:
    """In a process with few libraries, as memray looks at all of them whenever it starts to count."""
    pytest.importorskip("memray")
    done = subprocess.run([sys.executable, "-c", COUNTING], capture_output=True, text=True, check=True)
    numbers = ast.literal_eval(done.stdout)
    first, *_ = numbers
    assert numbers == [first, first + 1] * FEW


@pytest.mark.parametrize("size", [2, 1000, MIB])
def test_the_peak_is_that_of_the_call_alone(size: int) -> None:
    assert peak(lambda: "x" * size) == sys.getsizeof("x" * size)
    assert peak(lambda: None) == 0


def test_what_is_freed_again_and_what_was_there_before() -> None:
    size = MIB
    kept = ["x" * size]

    def one_after_the_other() -> None:
        assert "x" * size
        assert "x" * size

    def emptied_first() -> None:
        kept.clear()
        kept.append("x" * size)

    assert peak(one_after_the_other) == sys.getsizeof("x" * size)
    assert peak(emptied_first) < 1000  # what an earlier call has left is freed before


def test_buffers_of_numpy_threads_caches_and_generators() -> None:
    cache: dict[int, bytearray] = {}

    def in_thread() -> None:
        thread = threading.Thread(target=lambda: bytearray(MIB))
        thread.start()
        thread.join()

    assert MIB <= peak(lambda: np.ones(MIB // 8)) < MIB + 1000
    assert MIB <= peak(in_thread) < MIB + 10_000
    assert peak(lambda: cache.setdefault(1, bytearray(0))) < 200
    assert peak(lambda: sum(len(each) for each in map(bytearray, range(1000)))) < 3000
    assert peak(lambda: sum(len(each) for each in list(map(bytearray, range(1000))))) > 500_000


def test_garbage_is_collected_before_a_call_and_not_in_it() -> None:
    was_on = []

    def with_a_circle() -> None:
        was_on.append(gc.isenabled())
        own: list[object] = [bytearray(MIB)]
        own.append(own)

    first, again = peak(with_a_circle), peak(with_a_circle)
    assert first == again < MIB + 1000
    assert set(was_on) == {False}
    assert gc.isenabled()


def test_a_coroutine_is_measured_while_it_is_awaited() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        bytearray(MIB)

    gauge = Peak()
    with gauge.running():
        asyncio.run(gauge.around(work)())
        assert gauge.found()["bytes"] >= MIB


def test_a_benchmark_that_traces_memory_itself_has_no_peak() -> None:
    import tracemalloc

    assert found(Peak(), tracemalloc.stop)["bytes"] is None


def test_the_high_water_mark_includes_what_the_first_call_keeps() -> None:
    kept: list[bytes] = []

    def first_keeps() -> None:
        if not kept:
            kept.append(b"x" * (32 * MIB))

    assert found(HighWater(), first_keeps)["bytes"] >= 30 * MIB
    assert found(HighWater(), lambda: None)["bytes"] < 8 * MIB


def test_frameworks_that_allocate_outside_python_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorflow", "jax", "torch", "polars", "duckdb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert found(Peak(), lambda: None)["outside"] == []
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert found(Peak(), lambda: None)["outside"] == ["tensorflow"]


def test_without_memray_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "memray", None)
    assert found(Allocations(), lambda: None)["allocations"] is None


KINDS = """
import os
import pytest

SIDE = os.environ["SIDE"]
MORE = 1000 * (SIDE == "head")

def work(more=0):
    return bytearray(10_000 + MORE + more)

def test_plain(benchmark):
    assert benchmark(work)

def test_with_arguments(benchmark):
    assert benchmark(work, more=1)

def test_pedantic(benchmark):
    def setup():
        bytearray(100_000)
    benchmark.pedantic(work, setup=setup, rounds=9)

def test_once(benchmark):
    benchmark.pedantic(work, rounds=1)

@pytest.mark.benchmark
def test_whole():
    work()

def test_fails(benchmark):
    benchmark(lambda: 1 / 0)

def test_never(benchmark):
    pass

def test_last(benchmark):
    benchmark(work)
"""


def test_each_kind_of_benchmark_is_measured_alike(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(KINDS, encoding="utf-8")
    names = ("plain", "with_arguments", "pedantic", "once", "whole", "last")
    with started(tmp_path, both(tmp_path)) as pair:
        failed, never = (pair.weigh(f"{FILE}::test_{name}", "peak", math.inf) for name in ("fails", "never"))
        seen = {name: pair.weigh(f"{FILE}::test_{name}", "peak", math.inf) for name in names}
        found_out = pair.weigh(f"{FILE}::test_plain", None, math.inf)
    assert {end.outcome for end in failed.ends.values()} == {"failed"}
    assert {end.outcome for end in never.ends.values()} == {"unused"}
    for name, visit in seen.items():
        base, head = (visit.memory[side] for side in ("base", "head"))
        assert head["bytes"] - base["bytes"] == 1000, name
        assert 10_000 < base["bytes"] < 10_600, name
        assert (base["allocations"] is None) == (name == "once"), name
        assert base["allocations"] == head["allocations"], name
    assert found_out.memory == seen["plain"].memory
