"""Verdicts on memory, by pairs that take no time, and by a real gate."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from paceline.config.options import SIDES
from paceline.config.settings import Settings, combine
from paceline.gate.memory.judging import TOO_SHORT, MemoryTrial
from paceline.gate.memory.weighing import Scales
from paceline.gate.visit import End, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.config.tolerances import Allowance
    from paceline.gate.sides.schedule import Draw
    from paceline.report.memory import Memory
    from projects import Project


def settings(**given: Any) -> Settings:
    """Return a gate's settings."""
    found = combine({"against": "HEAD", "memory": "show", **given}, {})
    assert found is not None
    return found


@dataclass
class Trial:
    """What judging reads of a trial, and writes to it, with pairs whose benchmarks need what `needs` says."""

    needs: dict[str, Callable[[str, random.Random], tuple[int, int | None]]]
    settings: Settings = field(default_factory=settings)
    outside: set[str] = field(default_factory=set)  # benchmarks that load tensorflow
    outcomes: dict[str, str] = field(default_factory=dict)
    visit_seconds: float = 0.01
    memory: dict[str, Memory] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    coins: random.Random = field(default_factory=lambda: random.Random(1))
    now: float = 0.0
    lost: bool = False
    loaded: set[str] = field(default_factory=set)
    pairs: list[tuple[str, ...]] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)  # slot of base in each pair

    @property
    def alpha(self) -> float:
        """The false-alarm rate."""
        return self.settings.alpha

    @property
    def allowances(self) -> dict[str, Allowance]:
        """The same for all."""
        return dict.fromkeys(self.needs, self.settings.allowance)

    def say(self, text: str) -> None:
        """Say nothing."""

    def __call__(self, names: Sequence[str], draw: Draw, sides: Sequence[str]) -> Self:
        """Start a pair."""
        assert list(sides) == list(SIDES)
        self.lost, self.loaded = False, set()
        self.pairs.append(tuple(names))
        self.bases.append(draw.base_at)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def collected(self, until: float) -> dict[str, Any]:
        """Collect everything."""
        assert self.now < until
        self.now += 1
        return {side: {"items": list(self.needs)} for side in SIDES}

    def weigh(self, name: str, gauge: str | None, until: float) -> Visit:
        """Measure."""
        assert self.now < until
        self.now += self.visit_seconds
        outcome = self.outcomes.get(name, "passed")
        self.lost = outcome == "crashed"
        self.loaded |= {"tensorflow"} if name in self.outside else set()
        gauge = gauge or ("high-water" if self.loaded else "peak")
        visit = Visit(dict.fromkeys(SIDES, End(outcome)))
        for side in SIDES if outcome == "passed" else ():
            size, allocations = self.needs[name](side, self.coins)
            about = {"bytes": size, "allocations": allocations, "outside": sorted(self.loaded), "gauge": gauge}
            visit.memory[side] = about
        return visit

    def judge(self) -> dict[str, Memory]:
        """Judge, and return the verdicts."""
        MemoryTrial(self, Scales(self.coins, self, SIDES, lambda: self.now), self.needs).run()  # type: ignore[arg-type]
        return self.memory


def fixed(base: tuple[int, int | None], head: tuple[int, int | None]) -> Any:
    """Return what a benchmark needs in every process."""
    return lambda side, _: head if side == "head" else base


def noisy(ratio: float, spread: float = 0.02, centre: int = 1 << 20) -> Any:
    """Return what a benchmark needs that differs from process to process."""

    def needs(side: str, coins: random.Random) -> tuple[int, int | None]:
        return round(centre * (ratio if side == "head" else 1) * coins.gauss(1, spread)), None

    return needs


@pytest.mark.parametrize(
    ("base", "head", "tolerance", "verdict", "text"),
    [
        ((1_258_291, 36), (1_468_006, 37), "1%", "more", "allocates 36 -> 37 blocks, peak 1.2 -> 1.4 MiB"),
        ((1000, 36), (1000, 37), "1%", "more", "allocates 36 -> 37 blocks, peak 1000 B"),
        ((1000, 36), (1000, 37), "5%", "same", "allocates 36 -> 37 blocks, peak 1000 B"),
        ((1000, 1000), (1001, 1001), "1%", "same", "allocates 1,000 -> 1,001 blocks, peak 1000 -> 1001 B"),
        ((1000, 1000), (1001, 1000), 0, "more", "allocates 1,000 blocks, peak 1000 -> 1001 B"),
        ((1000, 1000), (1001, 1001), "1B", "same", "allocates 1,000 -> 1,001 blocks, peak 1000 -> 1001 B"),
        ((1 << 20, None), ((1 << 20) + 1, None), 0, "more", "peak 1,048,576 -> 1,048,577 B"),
        ((2000, 40), (1000, 40), "1%", "less", "allocates 40 blocks, peak 1.95 -> 0.98 KiB"),
        ((2000, 40), (1000, 50), "1%", "more", "allocates 40 -> 50 blocks, peak 1.95 -> 0.98 KiB"),
        ((0, None), (100, None), "1%", "more", "peak 0 -> 100 B"),
        ((0, None), (0, None), "1%", "same", "peak 0 B"),
    ],
)
def test_where_passes_agree_the_difference_is_a_fact(
    base: tuple[int, int | None], head: tuple[int, int | None], tolerance: Any, verdict: str, text: str
) -> None:
    trial = Trial({"a": fixed(base, head)}, settings(memory_tolerance=tolerance))
    memory = trial.judge()["a"]
    assert (memory.verdict, memory.exact, memory.rounds, str(memory)) == (verdict, True, 0, text)
    assert len(trial.pairs) == 2
    assert set(trial.bases) == {"a", "b"}  # the slots are exchanged, so a difference by slot is no agreement


def test_where_they_do_not_rounds_decide() -> None:
    trial = Trial({f"b{ratio}": noisy(ratio) for ratio in (0.7, 1.0, 1.3)}, settings(memory_tolerance="10%"))
    found = trial.judge()
    assert {name: memory.verdict for name, memory in found.items()} == {
        "b0.7": "less",
        "b1.0": "same",
        "b1.3": "more",
    }
    assert not any(memory.exact for memory in found.values())
    more = found["b1.3"]
    assert more.ratio == pytest.approx(1.3, abs=0.05)
    assert (more.low or 9) < 1.3 < (more.high or 0)
    assert "varies (1." in str(more)
    assert more.rounds >= 8


def test_a_fact_of_allocations_stands_next_to_bytes_that_vary() -> None:
    def needs(side: str, coins: random.Random) -> tuple[int, int | None]:
        return 10_000 + coins.randrange(50), 12 if side == "head" else 10

    memory = Trial({"a": needs}).judge()["a"]
    assert (memory.verdict, memory.exact, memory.base_allocations, memory.head_allocations) == ("more", False, 10, 12)


def test_identical_code_is_rarely_more_however_it_varies() -> None:
    """At a rate of 20 % for all together, so that few gates show it."""
    verdicts: Counter[bool] = Counter()
    for seed in range(100):
        needs = {f"b{number}": noisy(1.0, 0.1, 10_000) for number in range(2)}
        trial = Trial(needs, settings(alpha=0.2, memory_tolerance=0), coins=random.Random(seed))
        verdicts["more" in {each.verdict for each in trial.judge().values()}] += 1
    assert verdicts[True] <= 20


def test_a_framework_gets_a_process_of_its_own_and_is_told() -> None:
    trial = Trial(
        {"a": fixed((10, 1), (10, 1)), "tf": noisy(2.0, 0.05), "z": fixed((10, 1), (10, 1))}, outside={"tf"}
    )
    found = trial.judge()
    assert (found["tf"].verdict, found["tf"].method) == ("more", "high-water mark")
    assert "tensorflow may allocate outside Python" in str(found["tf"])
    assert {found[name].method for name in "az"} == {"tracemalloc"}
    assert {found[name].exact for name in "az"} == {True}
    shared = [names for names in trial.pairs if len(names) > 1 and "tf" in names]
    assert len(shared) == 1  # then it is apart, and no other is measured in the processes that loaded it


def test_resident_memory_is_never_a_fact() -> None:
    """Two pages may differ, and agree in both passes, by chance."""
    trial = Trial({"tf": fixed((0, None), (0, None))}, outside={"tf"})
    memory = trial.judge()["tf"]
    assert (memory.verdict, memory.exact, memory.rounds) == ("same", False, 5)


def test_a_failure_is_tried_again_apart_and_leaves_the_others() -> None:
    trial = Trial({name: fixed((10, None), (10, None)) for name in "abc"}, outcomes={"b": "crashed"})
    found = trial.judge()
    assert {name: memory.verdict for name, memory in found.items()} == {"a": "same", "b": "unavailable", "c": "same"}
    assert found["b"].reason == "base crashed: no value"
    assert ("b",) in trial.pairs
    assert trial.notices == ["allocations were not counted: memray is not installed (paceline[memory])"]


def test_what_the_time_is_too_short_for_is_unsure() -> None:
    trial = Trial({"a": noisy(1.0, 0.3)}, settings(budget=40))
    memory = trial.judge()["a"]
    assert memory.verdict == "unsure"
    assert TOO_SHORT in str(memory.reason)
    assert trial.now < 12
    trial = Trial({"a": fixed((10, 1), (10, 1))}, settings(budget=2))
    assert (trial.judge()["a"].verdict, trial.memory["a"].reason) == ("unsure", TOO_SHORT)


@pytest.mark.parametrize(
    ("given", "red"),
    [
        ({"memory": "show"}, ""),
        ({"memory": "fail"}, "more"),
        ({"memory": "fail", "unsure": "fail"}, "more unsure"),
        ({"memory": "fail", "accept": "reviewed"}, ""),
    ],
)
def test_only_fail_reddens(given: dict[str, Any], red: str) -> None:
    more, same, unsure = fixed((10, 1), (20, 1)), fixed((10, 1), (10, 1)), noisy(1.0, 0.5)
    trial = Trial({"more": more, "same": same, "unsure": unsure}, settings(**given, budget=40))
    assert " ".join(name for name, memory in trial.judge().items() if memory.red) == red


WORK = "def parts():\n    return [bytearray(100) for _ in range({})]\n"
SPEED = """
import work

def test_parts(benchmark):
    assert benchmark.pedantic(work.parts, rounds=30)

def test_other(benchmark):
    benchmark(len, work.__name__)
"""
SUITE = """
import work

class Kept:
    def setup(self):
        self.before = bytearray(1 << 20)
    def peakmem_parts(self):
        work.parts()
    def mem_parts(self):
        return work.parts()
    def track_parts(self):
        return len(work.parts())
"""


@pytest.mark.slow
def test_a_gate_goes_red_by_memory_and_leaves_the_verdicts_on_time(make_project: Callable[..., Project]) -> None:
    suite = {"asv.conf.json": '{"version": 1}', "benchmarks/__init__.py": "", "benchmarks/kept.py": SUITE}
    project = make_project(files={"work.py": WORK.format(100), "test_speed.py": SPEED, **suite})
    project.write({"work.py": WORK.format(120), "pyproject.toml": "[tool.paceline]\nasv = 'benchmarks'\n"})
    run = project.gate("HEAD", "--benchmark-memory=fail", "--benchmark-tolerance=95%")
    assert run.status == 1, run.output
    assert run.verdicts["test_parts"] in {"same", "unsure"}
    parts, peak, size = (run.findings[name] for name in ("test_parts", "peakmem_parts", "mem_parts"))
    for each in (parts, peak, size):
        assert (each["red"], each["memory"]["verdict"], each["memory"]["exact"]) == (True, "more", True)
        assert 1.15 < each["memory"]["ratio"] < 1.25
        assert each["memory"]["base_bytes"] < 1 << 16
    assert (peak["verdict"], size["verdict"], peak["rounds"]) == ("more", "more", 0)
    assert [each["name"].split("::")[-1] for each in run.document["values"]] == ["track_parts"]
    assert run.findings["test_other"]["memory"]["verdict"] == "same"
    assert not run.findings["test_other"]["red"]
    assert "test_parts: memory more: allocates" in run.output
    assert "memory more" in run.output.split("test_parts")[1].partition("\n")[0]
    assert "peakmem_parts: memory more: " in run.output
