"""Real workers say which functions their bursts ran, by file and name, and for how long."""

from pathlib import Path
from typing import Any

import pytest
from paceline.gate.explain.other_threads import HAS_CLOCKS
from paceline.gate.visit import Recipe, Sampling, Visit
from pairs import FILE, both, started

PARTS = """
import json

TEXT = json.dumps(list(range(2000)))

def quick(count):
    total = 0
    for value in range(count):
        total += value
    return total

class Parser:
    def slow(self, count):
        total = 0
        for value in range(count):
            total += value * value
        return total

def work():
    quick(5000)
    Parser().slow(20000)
"""


def sampled(folder: Path, text: str, clock: str = "cpu", calls: int = 60) -> Visit:
    """Sample the benchmark `test_it` once on both sides."""
    (folder / FILE).write_text(text, encoding="utf-8")
    sampling = Sampling(Recipe(5, 3, clock, cold=False), calls=calls, bursts=2)
    with started(folder, both(folder)) as pair:
        return pair.sample(f"{FILE}::test_it", sampling, [], float("inf"))


def shares(visit: Visit, side: str = "head") -> dict[str, float]:
    """Return each function's share of the time, by name."""
    stacks = [(names(burst[side], each), each) for burst in visit.samples for each in burst[side]["stacks"]]
    total = sum(each["nanoseconds"] for _, each in stacks)
    found: dict[str, float] = {}
    for stack, each in stacks:
        found[stack[-1]] = found.get(stack[-1], 0) + each["nanoseconds"] / total
    return found


def names(sampled: dict[str, Any], stack: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a stack's functions."""
    return tuple(sampled["functions"][number]["name"] for number in stack["frames"])


@pytest.mark.parametrize("clock", ["cpu", "wall"])
def test_functions_get_their_share(tmp_path: Path, clock: str) -> None:
    text = PARTS + "\ndef deep(left):\n    return deep(left - 1) if left else Parser().slow(9000)\n"
    visit = sampled(tmp_path, text + "\ndef test_it(benchmark):\n    benchmark(lambda: (work(), deep(150)))\n", clock)
    assert {side: end.outcome for side, end in visit.ends.items()} == {"base": "passed", "head": "passed"}
    assert {len(visit.samples), *(each["head"]["iterations"] for each in visit.samples)} == {2, 60}
    found = shares(visit)
    assert found["Parser.slow"] > 2 * found["quick"] > 0
    stacks = {names(burst["head"], each) for burst in visit.samples for each in burst["head"]["stacks"]}
    assert ("test_it.<locals>.<lambda>", "work", "Parser.slow") in stacks
    assert ("outer calls, left out", *["deep"] * 99, "Parser.slow") in stacks


@pytest.mark.skipif(not HAS_CLOCKS, reason="threads have no clocks here")
def test_threads_get_their_share_and_those_that_wait_get_none(tmp_path: Path) -> None:
    """Also what they do between calls does not count; the shares add up to the time that passed."""
    text = f"""{PARTS}
import threading
from concurrent.futures import ThreadPoolExecutor

def idle(until):
    until.wait()

def between(pool):
    pool.submit(quick, 30000).result()

def test_it(benchmark):
    until = threading.Event()
    threading.Thread(target=idle, args=[until], daemon=True).start()
    with ThreadPoolExecutor(2) as pool:
        run = lambda: list(pool.map(Parser().slow, [200000] * 2))
        benchmark.pedantic(run, setup=lambda: between(pool), rounds=99)
    until.set()
"""
    visit = sampled(tmp_path, text, "wall", 10)
    assert visit.ends["head"].outcome == "passed"
    found = shares(visit)
    assert found["Parser.slow"] > 0.5, found
    assert not {"quick", "idle"} & {name for name, share in found.items() if share > 0.05}, found
    stacks = {names(burst["head"], each) for burst in visit.samples for each in burst["head"]["stacks"]}
    assert any(each[0] == "Thread._bootstrap" and each[-1] == "Parser.slow" for each in stacks)


def test_setups_do_not_count(tmp_path: Path) -> None:
    text = PARTS + "\ndef test_it(benchmark):\n"
    text += "    benchmark.pedantic(quick, setup=lambda: ((20000 + Parser().slow(20000) % 2,), {}), rounds=99)\n"
    assert set(shares(sampled(tmp_path, text, calls=40))) == {"quick"}


def test_time_between_short_calls_goes_to_no_function(tmp_path: Path) -> None:
    """Our clocks are read around each of them, and a busy machine stops the process there."""
    text = PARTS + "\ndef short():\n    Parser().slow(600)\n\ndef test_it(benchmark):\n"
    text += "    benchmark.pedantic(short, setup=lambda: None, rounds=9999)\n"
    assert shares(sampled(tmp_path, text, calls=3000))["Parser.slow"] > 0.7


def test_coroutines_and_functions_in_c(tmp_path: Path) -> None:
    text = PARTS + "\ndef test_it(benchmark):\n    benchmark(sorted, list(range(50000)))\n"
    assert set(shares(sampled(tmp_path, text))) == {"sorted"}
    text = PARTS + "\nasync def later():\n    return quick(20000)\n\ndef test_it(benchmark):\n"
    text += "    import asyncio\n    async def run():\n        await benchmark(later)\n    asyncio.run(run())\n"
    assert shares(sampled(tmp_path, text))["quick"] > 0.9


def test_a_test_that_uses_the_timer_itself_is_left_in_peace(tmp_path: Path) -> None:
    text = PARTS + "\ndef test_it(benchmark):\n    import signal\n    signal.setitimer(signal.ITIMER_REAL, 1000)\n"
    text += "    benchmark(work)\n    assert signal.setitimer(signal.ITIMER_REAL, 0)[0] > 900\n"
    visit = sampled(tmp_path, text)
    assert visit.ends["head"].outcome == "passed"
    assert shares(visit)["Parser.slow"] > 0.5


def test_a_benchmark_in_another_thread_has_no_samples(tmp_path: Path) -> None:
    text = PARTS + "\ndef test_it(benchmark):\n    import threading\n"
    text += "    thread = threading.Thread(target=benchmark, args=(work,))\n    thread.start()\n    thread.join()\n"
    visit = sampled(tmp_path, text)
    assert visit.ends["head"].outcome == "passed"
    assert shares(visit) == {}


def test_the_content_of_own_code_is_told_and_that_of_libraries_is_not(tmp_path: Path) -> None:
    text = PARTS + "\ndef test_it(benchmark):\n    import textwrap\n"
    text += "    benchmark(lambda: (work(), textwrap.wrap('word ' * 3000)))\n"
    launches = both(tmp_path)
    for launch in launches.values():
        launch.task["own"] = [str(tmp_path)]
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    sampling = Sampling(Recipe(5, 3, "cpu", cold=False), calls=40, bursts=1)
    with started(tmp_path, launches) as pair:
        visit = pair.sample(f"{FILE}::test_it", sampling, [], float("inf"))
    found = {(each["place"], each["name"]): each["contents"] for each in visit.samples[0]["head"]["functions"]}
    assert len(found[FILE, "Parser.slow"]) == 1
    assert {len(contents) for (place, _), contents in found.items() if place == "textwrap.py"} == {0}


KEEPS = """
def kept(count):
    return [bytes(1000) for _ in range(count)]

def once():
    kept(500)
    assert [work() for _ in range(3)] and sorted([2, 1])
    return kept(7)
"""
PLAIN = "benchmark(once)"
LIMITED = "benchmark.pedantic(once, setup=lambda: quick(9) and None, rounds={rounds})"


@pytest.mark.parametrize(
    ("use", "passes"), [(PLAIN, 2), (LIMITED.format(rounds=99), 2), (LIMITED.format(rounds=9), 0)]
)
def test_calls_are_counted_twice_and_agree(tmp_path: Path, use: str, passes: int) -> None:
    """Without those of a setup; a benchmark that may be called a few times only is not counted. So is memory."""
    text = PARTS + KEEPS
    text += f"\ndef test_it(benchmark):\n    {use}\n"
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    sampling = Sampling(Recipe(5, 3, "cpu", cold=False), calls=20, bursts=1, counted=True)
    with started(tmp_path, both(tmp_path)) as pair:
        visit = pair.sample(f"{FILE}::test_it", sampling, [], float("inf"))
    assert visit.ends["head"].outcome == "passed"
    counted = [_counted(each[side]) for each in visit.counts for side in ("base", "head")]
    found = [tuple(one[name][0] for name in ("quick", "Parser.slow", "work", "sorted")) for one, _ in counted]
    assert found == [(3, 3, 3, 1)] * 2 * passes
    assert [callers["work", "quick"] for _, callers in counted] == [3] * 2 * passes
    for one, _ in counted:
        size, blocks = (sum(one[name][place] for name in one if name.startswith("kept")) for place in (1, 2))
        assert 7 * 1000 < size < 8 * 1100
        assert blocks == 8, "seven texts and the list; of the first call everything is gone"
        assert one["once"][1] == 0


def _counted(message: dict[str, Any]) -> tuple[dict[str, list[int]], dict[tuple[str, str], int]]:
    """Return calls, bytes and blocks of each function by its name, and calls by caller."""
    functions = [each["name"] for each in message["functions"]]
    counts = {functions[number]: counts for number, *counts in message["counts"]}
    return counts, {(functions[caller], functions[called]): calls for caller, called, calls in message["callers"]}
