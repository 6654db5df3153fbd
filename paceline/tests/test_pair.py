"""The parts of a round that need no process: clock, round value, draws, and the channel."""

import math
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.gate import schedule
from paceline.gate.channel import DIALS_AGAIN_WITHIN, Callee, Caller, ChannelLostError
from paceline.gate.pair import End, Recipe, Timing, Visit, choose_clock

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
    passed = {side: End("passed") for side in schedule.SIDES}
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


@pytest.fixture
def call(tmp_path: Path) -> Callable[[str], tuple[Callee, Caller]]:
    """Return a maker of both ends of a channel, with the greeting heard."""

    def make(name: str = "0") -> tuple[Callee, Caller]:
        callee = Callee(tmp_path, name)
        callers: list[Caller] = []
        thread = threading.Thread(target=lambda: callers.append(Caller(callee.address)))
        thread.start()
        greeting = callee.receive(5)
        thread.join()
        assert greeting is not None
        assert greeting["event"] == "hello"
        return callee, callers[0]

    return make


Call = Callable[..., tuple[Callee, Caller]]


def test_messages_go_both_ways(call: Call) -> None:
    callee, caller = call()
    callee.send({"do": "burst", "calls": 3})
    assert caller.receive() == {"do": "burst", "calls": 3}
    caller.send({"event": "burst"})
    assert callee.receive(5) == {"event": "burst"}
    assert callee.receive(0.01) is None
    callee.close()
    with pytest.raises(ChannelLostError):
        caller.receive()
    caller.close()


def test_long_temporary_paths_fall_back_to_loopback(call: Call) -> None:
    callee, caller = call("x" * 120)
    assert callee.address.startswith("tcp:")
    caller.send({"event": "done"})
    assert callee.receive(5) == {"event": "done"}
    callee.close()
    caller.close()


def test_worker_dials_again_and_leaves_a_reused_descriptor_alone(call: Call, tmp_path: Path) -> None:
    callee, caller = call()
    number = caller.fileno()
    stolen = tmp_path / "file"
    file = os.open(stolen, os.O_CREAT | os.O_RDWR)
    os.dup2(file, number)  # closes the socket, and puts the user's file in its place
    thread = threading.Thread(target=caller.send, args=({"event": "burst"},))
    thread.start()
    heard = [message for _ in range(20) if (message := callee.receive(0.2)) is not None]
    thread.join()
    os.close(file)
    os.close(number)
    caller.close()
    assert [message["event"] for message in heard] == ["hello", "burst"]
    assert stolen.read_bytes() == b""
    callee.close()


def test_worker_that_is_gone_is_noticed(call: Call) -> None:
    callee, caller = call()
    caller.close()
    assert callee.receive(0.1) is None, "it may dial again"
    time.sleep(DIALS_AGAIN_WITHIN)
    with pytest.raises(ChannelLostError):
        callee.receive(0.1)
    callee.close()
