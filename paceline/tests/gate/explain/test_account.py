"""The test behind an explanation: exact on every choice of signs, and simulated with planted slowdowns."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from statistics import fmean

import pytest
from paceline.gate.explain import account
from paceline.gate.explain.account import ROUNDS, SampledRound, adjusted, explain

FUNCTIONS = 25
PLANTED = ("f.py", "5")


def simulated(coins: random.Random, planted: float, samples: int) -> list[SampledRound]:
    """Draw rounds of functions whose shares fall off; rounds, sides and functions are noisy, and samples are few."""
    shares = [1 / place for place in range(1, FUNCTIONS + 1)]
    return [
        SampledRound(*(_times(coins, shares, planted * is_head, samples) for is_head in (False, True)))
        for _ in range(ROUNDS)
    ]


def _times(coins: random.Random, shares: list[float], planted: float, samples: int) -> dict[tuple[str, str], float]:
    speed = coins.gauss(1, 0.02)
    found = {}
    for number, share in enumerate(shares):
        function = ("f.py", str(number))
        mean = speed * coins.gauss(1, 0.01) * share / sum(shares) + planted * (function == PLANTED)
        found[function] = max(0.0, coins.gauss(mean, (mean / samples) ** 0.5))
    return found


@pytest.mark.parametrize("level", [1 / 2**7, 0.05, 0.2])
def test_every_choice_of_signs_is_rejected_as_often_as_the_level_says(level: float) -> None:
    """Of all signs of these rounds no more are rejected: this is exact, and holds for columns that hang together."""
    coins = random.Random(1)
    first = [coins.gauss(0, 1) for _ in range(8)]
    columns = [first, [2 * value + coins.gauss(0, 1) for value in first], [coins.gauss(0, 9) for _ in first]]
    columns.append([5, *[0] * 7])
    rejected = 0
    for signs in product((-1, 1), repeat=8):
        turned = {(str(place), ""): [a * b for a, b in zip(signs, c, strict=True)] for place, c in enumerate(columns)}
        rejected += min(adjusted(turned).values()) <= level
    assert 0 < rejected <= level * 2**8


def test_p_values_are_stepped_down() -> None:
    """The second is compared with itself and those below it, not with the first."""
    coins = random.Random(2)
    large, small = ([coins.gauss(mean, 1) for _ in range(10)] for mean in (9, 2))
    others = {(str(place), ""): [coins.gauss(0, 1) for _ in range(10)] for place in range(5)}
    both = adjusted({("large", ""): large, ("small", ""): small, **others})
    alone = adjusted({("small", ""): small, **others})
    assert both["large", ""] == 1 / 2**9
    assert both["large", ""] < both["small", ""] == alone["small", ""] < 0.1
    assert min(both, key=lambda each: both[each]) == ("large", "")


def test_planted_slowdowns_are_named_and_nothing_else() -> None:
    coins, found = random.Random(3), Counter[str]()
    count = 40
    for _ in range(count):
        why = explain(simulated(coins, 0.08, 900), 0, {PLANTED: "changed"})
        named = [each for each in why.functions if each.named]
        found["right"] += [(each.file, each.function) for each in named] == [PLANTED]
        found["total"] += why.total.low <= 0.08 <= why.total.high
        found["rest"] += why.rest.low <= 0 <= why.rest.high
        truths = {
            (each.file, each.function): 0.08 * ((each.file, each.function) == PLANTED) for each in why.functions
        }
        held = (
            each.difference.low <= truths[each.file, each.function] <= each.difference.high for each in why.functions
        )
        found["all"] += all(held)
    assert min(found.values()) >= 0.9 * count, found


def test_nothing_is_named_on_identical_code() -> None:
    coins = random.Random(4)
    for _ in range(40):
        why = explain(simulated(coins, 0.0, 300), 0, {})
        assert not any(each.named for each in why.functions)
        assert str(why).startswith("not attributable: no function clearly differs; in all ")


def test_the_account_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "SMALLEST", 0.0)
    rounds = simulated(random.Random(5), 0.1, 900)
    why = explain(rounds, 7, {})
    assert sum(each.difference.change for each in why.functions) == pytest.approx(why.total.change)
    assert why.rest.change + sum(each.difference.change for each in why.shown) == pytest.approx(why.total.change)
    truth = fmean(sum(each.head.values()) / sum(each.base.values()) - 1 for each in rounds)
    assert why.total.change == pytest.approx(truth, rel=0.02)
    assert (why.rounds, why.samples) == (ROUNDS, 7)


def test_swapped_sides_turn_every_sign_and_choose_the_same_functions() -> None:
    rounds = simulated(random.Random(6), 0.1, 900)
    turned = [SampledRound(base=each.head, head=each.base) for each in rounds]
    before, after = (explain(each, 0, {}) for each in (rounds, turned))
    p = {(each.file, each.function): each.p for each in before.functions}
    assert {(each.file, each.function): each.p for each in after.functions} == p
    assert account.large(rounds) == account.large(turned)


def test_what_has_little_time_is_part_of_the_rest() -> None:
    times = [({("a", "a"): 999.0, ("b", "b"): 1.0}, {("a", "a"): 999.0 + x, ("b", "b"): 1.0}) for x in range(ROUNDS)]
    why = explain([SampledRound(*each) for each in times], 0, {})
    assert [each.function for each in why.functions] == ["a"]
