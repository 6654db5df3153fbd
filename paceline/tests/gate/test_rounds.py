"""Where the time goes, shown without processes: pairs that only move a clock of their own."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from paceline.config.options import SIDES
from paceline.config.settings import Settings
from paceline.gate import sequential
from paceline.gate.budget import Budget, duration
from paceline.gate.rounds import Rounds
from paceline.gate.screening import kept
from paceline.gate.verdict import Benchmark
from paceline.gate.visit import End, Recipe, Timing, Visit, choose_clock
from paceline.report.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paceline.gate.sides.schedule import Draw

PAIR = 0.8  # seconds
QUIET = 0.005


@dataclass
class Subject:
    """A benchmark without code. `cost`: seconds of a visit; `slowdown` and `noise` of its log-ratio."""

    cost: float
    slowdown: float = 0.0
    noise: Callable[[Machine], float] = lambda machine: machine.coins.gauss(0, QUIET)
    hangs: bool = False
    ends: Callable[[Machine], Mapping[str, End]] = lambda machine: {side: End("passed") for side in machine.sides}


@dataclass
class Machine:
    """A pair's stand-in and the clock that it moves. `order` notes who was timed, `rounds` who was timed together."""

    subjects: Mapping[str, Subject]
    coins: random.Random
    now: float = 0.0
    lost: bool = False
    order: list[str] = field(default_factory=list)
    rounds: list[tuple[str, ...]] = field(default_factory=list)
    sides: Sequence[str] = SIDES
    imports: Mapping[str, float] = field(default_factory=dict)  # seconds, by file
    files: dict[str, float] = field(default_factory=dict)
    _names: Sequence[str] = ()

    def __call__(self, names: Sequence[str], draw: Draw, sides: Sequence[str]) -> Self:
        """Start a pair."""
        del draw
        self._names, self.sides, self.lost = names, sides, False
        self.rounds.append(tuple(names))
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def collected(self, until: float) -> dict[str, Any]:
        """Collect, which takes time."""
        needed = {name.partition("::")[0] for name in self._names}
        self.files = {file: seconds for file, seconds in self.imports.items() if file in needed}
        self.now += PAIR + sum(self.files.values())
        if self.now > until:
            self.now, self.lost = until, True
            return {side: End("cut") for side in self.sides}
        return {side: {"items": list(self._names), "errors": {}} for side in self.sides}

    def visit(self, name: str, recipe: Recipe | None, cpus: Sequence[int], until: float) -> Visit:
        """Time one benchmark."""
        del cpus
        subject = self.subjects[name]
        self.order.append(name)
        cost = subject.cost * self.coins.uniform(0.95, 1.05)
        if subject.hangs or self.now + cost > until:
            self.now, self.lost = until, True
            return Visit({side: End("cut") for side in self.sides})
        self.now += cost
        ends = dict(subject.ends(self))
        self.lost = any(end.outcome == "crashed" for end in ends.values())
        sizes = {"base": 1e7, "head": 1e7 * math.exp(subject.slowdown + subject.noise(self))}
        bursts = [{side: burst(round(wall)) for side, wall in sizes.items()}]
        return Visit(ends, recipe or Recipe(1, 1, "cpu", cold=False), bursts)


def burst(wall: int) -> Timing:
    return Timing(wall=wall, process=wall, thread=wall, queued=0, waits=0, children=False, iterations=1)


@dataclass
class Simulated:
    """The part of a trial that rounds use."""

    settings: Settings
    benchmarks: dict[str, Benchmark]
    coins: random.Random
    said: list[str] = field(default_factory=list)

    @property
    def alpha(self) -> float:
        """That of the settings."""
        return self.settings.alpha

    def undecided(self) -> dict[str, Benchmark]:
        """Return who still needs rounds."""
        return {name: each for name, each in self.benchmarks.items() if each.verdict is None}

    def say(self, text: str) -> None:
        """Note what a user would read."""
        self.said.append(text)


class Unquestioned:
    """Stands for the proof of origin, which simulated benchmarks have not."""

    def add(self, *_: Any) -> None:
        """Take what a side says."""

    def show(self, undecided: object) -> None:
        """Say nothing."""


def judge(
    subjects: Mapping[str, Subject],
    budget: float,
    seed: int = 1,
    spent: float = 0.0,
    alpha: float = 0.01,
    tolerance: float = 0.03,
    imports: Mapping[str, float] | None = None,
) -> tuple[Simulated, Machine]:
    """Judge these in simulated time, of which the preparation has `spent` some; `imports` take so long by file."""
    coins = random.Random(seed)
    plan = sequential.plan(kept(alpha, len(subjects)))
    benchmarks = {name: Benchmark(name, plan, tolerance) for name in subjects}
    trial = Simulated(Settings("HEAD", budget=budget, alpha=alpha), benchmarks, coins)
    machine = Machine(subjects, coins, now=spent, imports=imports or {})
    rounds: Any = Rounds
    time = Budget(budget, lambda: machine.now)
    time.costs.add_files(machine.imports)
    rounds(trial, machine, time, Unquestioned()).run()
    assert not trial.undecided()
    return trial, machine


def verdicts(trial: Simulated) -> Counter[str]:
    return Counter(benchmark.finding().verdict for benchmark in trial.benchmarks.values())


def cheap(count: int, cost: float = 0.3, **more: Any) -> dict[str, Subject]:
    return {f"t.py::test_{number}": Subject(cost, **more) for number in range(count)}


@pytest.mark.parametrize("seed", range(10))
def test_a_dear_benchmark_keeps_no_other_from_its_verdict(seed: int) -> None:
    """The one that sleeps 100 s on either side: nobody else may notice."""
    trial, machine = judge({"t.py::test_sleeps": Subject(200.0), **cheap(30)}, 600, seed)
    sleeps = trial.benchmarks["t.py::test_sleeps"].finding()
    assert verdicts(trial) == {"same": 30, "unsure": 1}
    assert machine.now <= 600
    assert sleeps.verdict == "unsure"
    assert "--benchmark-budget=" in str(sleeps.reason)
    assert "a round of it takes" in str(sleeps.reason)


def test_nobody_is_taken_to_be_as_dear_as_the_first_that_was_cut() -> None:
    for seed in range(10):
        trial, _ = judge({"t.py::test_sleeps": Subject(1e6), **cheap(1)}, 60, seed)
        assert verdicts(trial) == {"same": 1, "unsure": 1}


def test_the_advised_budget_is_enough() -> None:
    subjects = {"t.py::test_sleeps": Subject(200.0), **cheap(30)}
    trial, _ = judge(subjects, 600)
    reason = str(trial.benchmarks["t.py::test_sleeps"].finding().reason)
    advised = float(reason.partition("--benchmark-budget=")[2].partition(")")[0])
    trial, machine = judge(subjects, advised)
    assert verdicts(trial) == {"same": 31}
    assert machine.now <= advised


def test_what_is_dear_waits_until_the_cheap_are_decided() -> None:
    _, machine = judge({"t.py::test_sleeps": Subject(15.0), **cheap(30)}, 600)
    timed = [names for names in machine.rounds if len(names) > 1]
    assert "t.py::test_sleeps" in timed[0]
    assert all("t.py::test_sleeps" not in names for names in timed[1:])
    assert machine.order.count("t.py::test_sleeps") == 5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", [3, 10, 40, 100, 300])
@pytest.mark.parametrize("costs", [[0.3] * 60, [0.1] * 30 + [1.0] * 10 + [5.0] * 5 + [60.0], [8.0] * 50])
def test_the_budget_is_kept(seed: int, budget: float, costs: list[float]) -> None:
    """Preparation counts, a round that cannot end is not begun, and a visit that exceeds is cut."""
    subjects = {f"t.py::test_{place}": Subject(cost) for place, cost in enumerate(costs)}
    _, machine = judge(subjects, budget, seed, spent=2.0)
    assert machine.now <= budget


def test_many_dear_ones_are_brought_to_a_verdict_one_after_the_other() -> None:
    """A round of all takes 800 s: some are left out from the start, as one round each would be worth nothing."""
    trial, _ = judge(cheap(100, 8.0), 600)
    assert verdicts(trial)["same"] >= 10


@pytest.mark.parametrize("seed", range(5))
def test_a_short_budget_goes_to_the_most_suspicious(seed: int) -> None:
    """Time for 7 rounds of all, where `slower` needs 16: the slow one gets there all the same."""
    subjects = cheap(100) | {"t.py::test_slow": Subject(0.3, slowdown=0.1)}
    subjects |= {f"t.py::test_wild_{number}": Subject(0.3, noise=wild) for number in range(20)}
    trial, machine = judge(subjects, 7 * (PAIR + 121 * 0.3), seed)
    found = {name: each.finding() for name, each in trial.benchmarks.items()}
    assert found["t.py::test_slow"].verdict == "slower"
    assert not any(each.verdict == "slower" for name, each in found.items() if name != "t.py::test_slow")
    given_up = [each for each in found.values() if "went to more suspicious" in str(each.reason)]
    assert all((each.ratio or 0) < 1.1 for each in given_up)
    assert machine.now <= 7 * (PAIR + 121 * 0.3)


@pytest.mark.parametrize("seed", range(5))
def test_a_file_that_takes_long_to_import_waits(seed: int) -> None:
    """As one that makes its graphs when it is imported: other files' benchmarks must not pay for it in each round."""
    subjects = {f"graphs.py::test_{number}": Subject(0.3) for number in range(250)} | cheap(18)
    subjects |= {f"t.py::test_slow_{number}": Subject(0.3, slowdown=0.1) for number in range(2)}
    trial, machine = judge(subjects, 500, seed, imports={"graphs.py": 40.0, "t.py": 0.1})
    found = Counter(each.finding().verdict for name, each in trial.benchmarks.items() if name.startswith("t.py"))
    assert found == {"same": 18, "slower": 2}
    assert verdicts(trial)["same"] > 18, "what is left goes to the others"
    assert machine.now <= 500


def test_no_file_waits_where_there_is_time() -> None:
    subjects = {"graphs.py::test_graph": Subject(0.3), **cheap(2)}
    trial, machine = judge(subjects, 600, imports={"graphs.py": 10.0})
    assert verdicts(trial) == {"same": 3}
    assert set(machine.rounds[0]) == set(subjects)


@pytest.mark.parametrize("seed", range(5))
def test_what_can_be_decided_is_not_left_a_round_short(seed: int) -> None:
    """Time for eight rounds of the cheap, some of them noisy, where `same` needs five."""
    noisy = cheap(60) | {f"t.py::test_noisy_{number}": Subject(0.3, noise=noisy_by_3_percent) for number in range(40)}
    subjects = noisy | {f"t.py::test_dear_{number}": Subject(3.0) for number in range(10)}
    trial, _ = judge(subjects, 8 * (PAIR + 100 * 0.3), seed)
    assert verdicts(trial)["same"] > 80


def noisy_by_3_percent(machine: Machine) -> float:
    return machine.coins.gauss(0, 0.03)


def wild(machine: Machine) -> float:
    """One round in ten is grossly off."""
    return machine.coins.gauss(0, 0.03) + 0.5 * machine.coins.choice([-1, 1] + [0] * 18)


def test_a_suspect_is_told_what_would_settle_it_and_that_is_enough() -> None:
    subjects = {"t.py::test_slow": Subject(4.0, slowdown=0.1)}
    trial, _ = judge(subjects, 45, alpha=0.001)
    finding = trial.benchmarks["t.py::test_slow"].finding()
    assert (finding.verdict, finding.suspect) == ("unsure", True)
    assert "would settle it (--benchmark-budget=" in str(finding.reason)
    advised = float(str(finding.reason).partition("--benchmark-budget=")[2].partition(")")[0])
    assert advised < 150
    trial, machine = judge(subjects, advised, alpha=0.001)
    assert verdicts(trial) == {"slower": 1}
    assert machine.now <= advised


def test_a_gate_that_stops_early_says_why_and_tries_what_may_just_fit() -> None:
    """After two rounds some 8 s are left, and three more take 10 s if they take as long as those so far."""
    trial, machine = judge({"t.py::test_it": Subject(2.8)}, 30, spent=14.6)
    reason = str(trial.benchmarks["t.py::test_it"].finding().reason)
    assert len(machine.rounds) == 3
    assert " s of the budget of 30 s are left: a round of it takes some 3.7 s, and it needs 2 more" in reason
    advised = float(reason.partition("--benchmark-budget=")[2].partition(")")[0])
    trial, machine = judge({"t.py::test_it": Subject(2.8)}, advised, spent=14.6)
    assert verdicts(trial) == {"same": 1}


def test_a_benchmark_that_hangs_is_waited_for_when_nobody_else_is() -> None:
    """Only then is it known that it hangs; here the gate's own time limit never ends it."""
    trial, machine = judge({"t.py::test_hangs": Subject(1.0, hangs=True), **cheap(10)}, 100)
    assert verdicts(trial) == {"same": 10, "unsure": 1}
    assert machine.order.count("t.py::test_hangs") >= 2
    assert machine.order[-1] == "t.py::test_hangs"
    assert "had not ended after" in str(trial.benchmarks["t.py::test_hangs"].finding().reason)


def test_after_the_first_round_the_gate_says_what_it_will_take() -> None:
    trial, _ = judge(cheap(101, 0.68), 600)
    (said,) = [text for text in trial.said if text.startswith("a round takes")]
    assert "101 benchmarks need 5 for `same` and 13 for `slower`" in said
    assert said.endswith("budget 10 min (--benchmark-budget)")
    trial, _ = judge({"t.py::test_sleeps": Subject(20.0), **cheap(30)}, 600)
    assert "; 1 more wait, at " in trial.said[1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.1 s"), (4.26, "4.3 s"), (47.8, "48 s"), (119.0, "119 s"), (780.0, "13 min")]
)
def test_durations_have_the_digits_that_anybody_needs(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# Failures

KILLED, PASSED = End("crashed", "killed by SIGKILL"), End("passed")


def test_one_kill_is_tried_again() -> None:
    kills = iter([{"base": PASSED, "head": KILLED}])
    subject = Subject(0.3, ends=lambda _: next(kills, dict.fromkeys(SIDES, PASSED)))
    trial, _ = judge({"t.py::test_killed": subject, **cheap(3)}, 600)
    assert verdicts(trial) == {"same": 4}


def test_head_that_fails_alone_too_is_broken() -> None:
    worn = End("failed", "RuntimeError: worn out")
    subject = Subject(0.3, ends=lambda machine: {side: worn if side == "head" else PASSED for side in machine.sides})
    trial, _ = judge({"t.py::test_fails": subject, **cheap(3)}, 600)
    assert verdicts(trial) == {"same": 3, "broken": 1}


def test_head_that_runs_alone_is_not_broken() -> None:
    busy = End("failed", "OSError: [Errno 98] Address already in use")
    subject = Subject(0.3, ends=lambda machine: {"base": PASSED, "head": busy if len(machine.sides) > 1 else PASSED})
    trial, _ = judge({"t.py::test_port": subject, **cheap(3)}, 600)
    finding = trial.benchmarks["t.py::test_port"].finding()
    assert finding.verdict == "unavailable"
    assert str(finding.reason).startswith("works only when one side runs: head failed: OSError")


def test_without_time_for_head_alone_it_is_unsure() -> None:
    hung = Subject(4.0, ends=lambda _: {"base": PASSED, "head": End("hung", "no answer for 4 s")})
    trial, machine = judge({"t.py::test_hangs": hung}, 5.5)
    finding = trial.benchmarks["t.py::test_hangs"].finding()
    assert (finding.verdict, machine.now) == ("unsure", 5.5)
    assert "the budget was spent before head had run alone" in str(finding.reason)


def test_what_has_failed_beside_others_gets_processes_of_its_own() -> None:
    """Another test may have spoilt them: it must not do so in every round."""

    def spoilt(machine: Machine) -> Mapping[str, End]:
        alone = len(machine.rounds[-1]) == 1
        return dict.fromkeys(machine.sides, PASSED if alone else KILLED)

    trial, machine = judge({"t.py::test_victim": Subject(0.3, ends=spoilt), **cheap(3)}, 600)
    assert verdicts(trial) == {"same": 4}
    assert machine.rounds.count(("t.py::test_victim",)) == 5


# Exactness


def drifting(machine: Machine) -> float:
    """Noise that grows with the load of the day, differs with the company in a round, and has heavy tails."""
    level = 0.01 * math.exp(math.sin(machine.now / 40)) * (1 + len(machine.rounds[-1]) / 10)
    size = level * abs(machine.coins.gauss(0, 1) / max(0.05, abs(machine.coins.gauss(0, 1))))
    return machine.coins.choice([-1, 1]) * size


@pytest.mark.slow
@pytest.mark.parametrize("budget", [60, 20])
def test_concentrating_keeps_the_rate_of_false_alarms(budget: float) -> None:
    """At a tolerance of next to nothing, so that no estimate below it hides what the tests find."""
    gates, alpha = 40, 0.3
    subjects = {f"t.py::test_{number}": Subject(0.1 if number else 1.0, noise=drifting) for number in range(6)}
    found = [judge(subjects, budget, seed, alpha=alpha, tolerance=1e-6)[0] for seed in range(gates)]
    red = sum("slower" in verdicts(trial) for trial in found)
    assert red <= gates * alpha + 3 * math.sqrt(gates * alpha * (1 - alpha))


def test_clock_is_chosen_from_the_first_rounds_and_all_values_are_of_it() -> None:
    benchmark = Benchmark("t.py::test_x", sequential.plan(0.01), 0.03)
    for place, busy in enumerate([False, False, True, False]):
        benchmark.add(loaded(wall=0.2, cpu=0.01 * (place + 1), busy=busy, recipe=benchmark.recipe))
    assert benchmark.clock == "cpu"
    assert benchmark.values == pytest.approx([0.01, 0.02, 0.03, 0.04], abs=1e-6)
    assert benchmark.finding().clock == "cpu"


def test_clock_stays_after_the_first_rounds() -> None:
    benchmark = Benchmark("t.py::test_x", sequential.plan(0.01), 0.03)
    for busy in (False, False, False, True):
        benchmark.add(loaded(wall=0.2, cpu=0.01, busy=busy, recipe=benchmark.recipe))
    assert benchmark.clock == "wall"
    assert benchmark.values == pytest.approx([0.2] * 4, abs=1e-6)


def loaded(*, wall: float, cpu: float, busy: bool, recipe: Recipe | None) -> Visit:
    """Return a visit with these log-ratios on either clock, in which the benchmark seemed busy or to wait."""
    times = {"base": (2e9, 1e9), "head": (2e9 * math.exp(wall), 1e9 * math.exp(cpu))}
    bursts = [
        {
            side: Timing(round(wall), round(cpu), round(cpu), 0, waits=0 if busy else 1, children=False, iterations=1)
            for side, (wall, cpu) in times.items()
        }
    ]
    clock = choose_clock(bursts)
    return Visit({s: End("passed") for s in SIDES}, recipe or Recipe(1, 1, clock, cold=False), bursts, clock)


@pytest.mark.slow
def test_choosing_the_clock_again_keeps_the_rate_of_false_alarms() -> None:
    """Clocks disagree, load comes and goes, and what the clock is chosen by is bound to the sizes of the values."""
    gates, alarms, level = 400, 0, 0.2
    coins = random.Random(5)
    plan = sequential.plan(level)
    for _ in range(gates):
        benchmark = Benchmark("t.py::test_x", plan, 1e-6)
        while benchmark.verdict is None:
            size = abs(coins.gauss(0, 1)) ** 3 * 0.02
            sign = coins.choice([-1, 1])
            value, other = sign * size, sign * coins.choice([-3, 0.5, 1]) * size
            busy = size < 0.004 and coins.random() < 0.7
            benchmark.add(loaded(wall=value, cpu=other, busy=busy, recipe=benchmark.recipe))
        alarms += benchmark.verdict is Verdict.SLOWER
    assert alarms <= gates * level + 3 * math.sqrt(gates * level * (1 - level))


# Many benchmarks


def rounds_to_red(count: int, slowdown: float = math.log(2)) -> int:
    trial, _ = judge({"t.py::test_slow": Subject(0.1, slowdown=slowdown), **cheap(count - 1, 0.1)}, 1e9)
    finding = trial.benchmarks["t.py::test_slow"].finding()
    assert verdicts(trial) == {"same": count - 1, "slower": 1}
    return finding.rounds


def test_rounds_to_red_do_not_grow_with_the_suite() -> None:
    assert rounds_to_red(10) == 12
    assert rounds_to_red(100) == rounds_to_red(1000) == 13
