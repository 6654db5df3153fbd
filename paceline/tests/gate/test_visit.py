"""The parts of a round that need no process: clock, round value and draws."""

import itertools
import math
import random
from collections import Counter

import pytest
from paceline.config.options import SIDES
from paceline.gate import sequential
from paceline.gate.sides import schedule
from paceline.gate.verdict import Benchmark
from paceline.gate.visit import End, Recipe, Timing, Visit, choose_clock

CALM = Timing(wall=9_000_000, process=8_990_000, thread=8_980_000, queued=0, waits=0, children=False, iterations=10)


def changed(**fields: int | bool | None) -> Timing:
    return Timing(**{**CALM.__dict__, **fields})


@pytest.mark.parametrize(
    ("timing", "clock"),
    [
        (CALM, "cpu"),
        (changed(process=4_500_000, thread=4_500_000), "cpu"),  # preempted half of the time, or its CPU was stolen
        (changed(process=4_500_000, thread=4_500_000, queued=4_500_000, waits=None), "cpu"),  # the same, not counted
        (changed(process=8_500_000, thread=8_500_000, waits=1), "wall"),  # waits
        (changed(process=8_500_000, thread=8_500_000, waits=None), "wall"),  # may wait
        (changed(waits=40), "cpu"),  # gives up its CPU, for no time
        (changed(process=17_000_000), "wall"),  # has helpers
        (changed(children=True), "wall"),
        (changed(thread=0), "wall"),  # a clock that stands still
    ],
)
def test_clock_is_cpu_time_only_where_that_misses_nothing(timing: Timing, clock: str) -> None:
    assert choose_clock([{"base": CALM, "head": timing}] * 3) == clock
    assert choose_clock([{"base": timing, "head": CALM}] * 3) == clock, "the sides are treated alike"


def visit(*pairs: tuple[int, int]) -> Visit:
    bursts = [{"base": changed(wall=base), "head": changed(wall=head)} for base, head in pairs]
    passed = {side: End("passed") for side in SIDES}
    return Visit(passed, Recipe(calls=10, pairs=len(bursts), clock="wall", cold=False), bursts)


def test_round_value_is_the_median_of_the_log_ratios() -> None:
    assert visit((100, 110), (100, 120), (100, 900)).log_ratio("wall") == pytest.approx(math.log(1.2))
    assert visit((100, 110)).base_seconds("wall") == pytest.approx(100 / 10 / 1e9)


def test_bursts_on_which_a_clock_stood_still_are_left_out() -> None:
    assert visit((100, 110), (0, 120), (100, -5)).log_ratio("wall") == pytest.approx(math.log(1.1))
    assert visit((0, 0)).log_ratio("wall") is None


def test_round_is_complete_only_if_both_sides_came_to_their_end() -> None:
    whole = visit((100, 110))
    assert whole.is_complete
    whole.ends["head"] = End("failed", "an assertion after the benchmark")
    assert not whole.is_complete
    del whole.ends["head"]
    assert not whole.is_complete


RATIOS = [0.01, -0.02, 0.03, 0.0, -0.01, 0.02, 0.05, -0.03]  # their median absolute deviation: 0.02


def spread(by: float, *, pairs: int = 8, mirrored: bool = False) -> Visit:
    times = [(9_000_000, round(9_000_000 * math.exp(by * ratio))) for ratio in RATIOS[:pairs]]
    return visit(*((head, base) if mirrored else (base, head) for base, head in times))


def pairs_after(*visits: Visit, tolerance: float = 0.03) -> int:
    benchmark = Benchmark("test_it", sequential.plan(0.01), tolerance)
    for each in visits:
        benchmark.add(each)
    assert benchmark.recipe is not None
    return benchmark.recipe.pairs


def test_a_round_has_as_many_bursts_as_the_tolerance_needs() -> None:
    assert pairs_after(spread(0.001)) == 3
    assert pairs_after(spread(0.5)) == 7  # 1.2533 * 1.4826 * 0.02 * 0.5 / 7**0.5 is about a quarter of log(1.03)
    assert pairs_after(spread(1.0)) == 8, "as in the first"
    assert pairs_after(spread(1.0), tolerance=0.3) == 3
    needed = [pairs_after(spread(by / 50)) for by in range(50)]
    assert needed == sorted(needed)


def test_later_rounds_count_too() -> None:
    assert (
        pairs_after(spread(0.001)) < pairs_after(spread(0.001), spread(1.0), spread(1.0)) < pairs_after(spread(1.0))
    )
    assert pairs_after(spread(1.0), spread(0.001), spread(0.001)) < pairs_after(spread(1.0))


def test_long_or_numbered_calls_get_no_more_bursts_than_in_the_first_round() -> None:
    assert pairs_after(spread(1.0, pairs=6)) == 6
    assert pairs_after(spread(0.001, pairs=4)) == 4, "too few to say"
    assert pairs_after(spread(0.001, pairs=4), spread(0.001, pairs=4)) == 3
    assert pairs_after(*[spread(1.0, pairs=1)] * 6) == 1


@pytest.mark.parametrize("swapped", list(itertools.product([False, True], repeat=3)))
def test_bursts_are_as_many_whichever_rounds_have_their_sides_swapped(swapped: tuple[bool, ...]) -> None:
    for scale in (0.2, 0.5, 0.8):
        visits = [spread(scale * (place + 1) / 2, mirrored=turned) for place, turned in enumerate(swapped)]
        plain = [spread(scale * (place + 1) / 2) for place in range(len(swapped))]
        assert pairs_after(*visits) == pairs_after(*plain)


def test_every_draw_is_a_fair_coin_of_its_own() -> None:
    coins = random.Random(1)
    draws = [schedule.draw(coins, ["a", "b", "c"]) for _ in range(2000)]
    for coin in (
        [draw.base_at == "a" for draw in draws],
        [draw.first == "base" for draw in draws],
        [draw.padding["base"] > draw.padding["head"] for draw in draws],
        [draw.hash_seed % 2 == 0 for draw in draws],
    ):
        assert 880 < sum(coin) < 1120  # five standard deviations
    together = Counter((draw.base_at, draw.first) for draw in draws)
    assert all(380 < count < 620 for count in together.values())
    assert len({draw.order for draw in draws}) == math.factorial(3)
