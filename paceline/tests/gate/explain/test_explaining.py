"""What gets explained in the time that there is: by pairs that take no time, and by real gates."""

from __future__ import annotations

import json
import random
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from paceline.config.options import SIDES
from paceline.gate.budget import Costs
from paceline.gate.explain.account import ROUNDS
from paceline.gate.explain.explaining import Explainer
from paceline.gate.sequential import plan
from paceline.gate.verdict import Benchmark
from paceline.gate.visit import End, Recipe, Visit
from paceline.report import json_file, markdown, terminal
from paceline.report.explanations import AllocationChange, CallChange, Explanation, FunctionChange, ShareChange
from paceline.report.verdicts import Finding, Verdict
from projects import FEW_SAMPLES, WORK, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.gate.sides.schedule import Draw
    from paceline.gate.visit import Sampling
    from paceline.report.flames import Flames

CALL = 1000.0  # nanoseconds of a call on base
PAIR = 1.0  # seconds to start one


@dataclass
class Settings:
    """What an explainer reads of the settings."""

    explain: float = 60.0


@dataclass
class Trial:
    """What an explainer reads of a trial, and writes to it. `load`: how much longer all takes than planned."""

    slower: dict[str, float]
    settings: Settings = field(default_factory=Settings)
    why: dict[str, Explanation] = field(default_factory=dict)
    flames: list[Flames] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    coins: random.Random = field(default_factory=lambda: random.Random(1))
    load: float = 1.0
    now: float = 0.0
    outcomes: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    planned: list[float] = field(default_factory=list)  # seconds per side of each visit

    def say(self, text: str) -> None:
        """Note a line."""
        self.said.append(text)

    def to_explain(self) -> dict[str, Benchmark]:
        """Return benchmarks that are slower by these factors."""
        return {name: self._benchmark(name, ratio) for name, ratio in self.slower.items()}

    def _benchmark(self, name: str, ratio: float) -> Benchmark:
        found = Benchmark(name, plan(0.01), 0.03, verdict=Verdict.SLOWER, recipe=Recipe(9, 3, "cpu", cold=False))
        found.values = [ratio - 1] * 9
        return found

    # Its pairs

    def __call__(self, names: Sequence[str], draw: Draw, sides: Sequence[str]) -> Self:
        """Start a pair."""
        del names, draw
        assert list(sides) == list(SIDES)
        self.lost = False
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def collected(self, until: float) -> dict[str, Any]:
        """Collect, which takes time."""
        self.now += PAIR * self.load
        return dict.fromkeys(SIDES, End("cut") if self.now > until else {})

    def sample(self, name: str, sampling: Sampling, cpus: Sequence[int], until: float) -> Visit:
        """Sample two functions, of which `slow` takes all of the difference."""
        del cpus
        seconds = sampling.calls * sampling.bursts * 1e-9
        self.planned.append(seconds)
        self.now += self.load * len(SIDES) * seconds
        outcome = "cut" if self.now > until else self.outcomes.get(name, "passed")
        self.lost = outcome in {"cut", "crashed"}
        return Visit(dict.fromkeys(SIDES, End(outcome)), samples=[{side: self._found(name, side) for side in SIDES}])

    def _found(self, name: str, side: str) -> dict[str, Any]:
        """Return samples of 1000 calls."""
        speed, more = self.coins.gauss(1, 0.01), (self.slower[name] - 1) * (side == "head")
        times = {"slow": 0.3 * speed + more, "other": 0.7 * speed + self.coins.gauss(0, 0.005)}
        functions = [
            {"place": "work.py", "name": each, "contents": [each + side * (each == "slow")]} for each in times
        ]
        spent = (round(1000 * CALL * time) for time in times.values())
        stacks = [
            {"frames": [*range(place + 1)], "nanoseconds": time, "samples": 50} for place, time in enumerate(spent)
        ]
        return {"iterations": 1000, "functions": functions, "stacks": stacks}

    def explain(self) -> Self:
        """Explain, and return this."""
        costs = Costs()
        costs.add_pair(PAIR, {})
        Explainer(self, self, costs, lambda: self.now).run()  # type: ignore[arg-type]
        return self


def test_the_function_is_named_with_what_became_of_its_code() -> None:
    trial = Trial({"a": 1.1}).explain()
    why = trial.why["a"]
    assert [(each.file, each.function, each.code) for each in why.shown] == [("work.py", "slow", "changed")]
    assert why.shown[0].difference.low < 0.1 < why.shown[0].difference.high
    assert {each.function: each.code for each in why.functions} == {"slow": "changed", "other": "same"}
    assert (why.rounds, why.samples, trial.notices) == (ROUNDS, ROUNDS * 4 * 50, [])
    assert trial.said == ["explaining 1 benchmark: at most 60 s"]
    (flames,) = trial.flames
    slow = ("work.py", "slow")
    assert set(flames.head) == {(slow,), (slow, ("work.py", "other"))}
    assert sum(flames.base.values()) == pytest.approx(CALL * 1e-9, rel=0.05)
    assert trial.now <= trial.settings.explain


@pytest.mark.parametrize("load", [0.5, 1.0, 2.5])
def test_the_time_is_used_and_kept_on_a_busy_machine(load: float) -> None:
    trial = Trial({"a": 1.1, "b": 1.2}, load=load).explain()
    assert set(trial.why) == {"a", "b"}
    assert trial.now <= trial.settings.explain
    assert trial.now >= 0.6 * trial.settings.explain or max(trial.planned) == pytest.approx(1.0, rel=0.1)


def test_what_differs_most_is_explained_if_the_time_is_short() -> None:
    trial = Trial({f"b{number}": 1.1 + number / 100 for number in range(9)}, Settings(20)).explain()
    assert list(trial.why) == ["b8", "b7"]
    assert trial.notices == ["not explained: b6 and 6 more: the time was too short (--benchmark-explain)"]
    trial = Trial({"a": 1.1, "b": 1.2}, load=3).explain()
    assert (list(trial.why), len(trial.notices)) == (["b"], 1)
    trial = Trial({"a": 1.1}, Settings(5)).explain()
    assert (trial.why, trial.said, trial.now) == ({}, [], 0.0)
    assert Trial({"a": 1.1}, Settings(0)).explain().notices == []
    assert Trial({"a": 1.1}, load=20).explain().notices == [
        "not explained: a: the time was too short (--benchmark-explain)"
    ]


@pytest.mark.parametrize("outcome", ["failed", "crashed"])
def test_what_fails_is_left_out_and_the_others_are_not(outcome: str) -> None:
    trial = Trial({"a": 1.1, "b": 1.1, "c": 1.1}, outcomes={"b": outcome}).explain()
    assert set(trial.why) == {"a", "c"}
    assert trial.notices == [f"not explained: b: base {outcome}: "]


WHY = Explanation(
    (
        FunctionChange("w.py", "parse_header", ShareChange(0.091, 0.07, 0.112), 0.0005, named=True, code="changed"),
        FunctionChange(
            "re/__init__.py",
            "compile",
            ShareChange(-0.02, -0.03, -0.01),
            0.002,
            named=True,
            by="parse_header",
            calls="sre_compile",
        ),
        FunctionChange("w.py", "other", ShareChange(0.001, -0.02, 0.02), 1.0, named=False, code="same"),
    ),
    ShareChange(0.08, 0.07, 0.09),
    ShareChange(0.009, -0.001, 0.024),
    12,
    20_000,
    (CallChange("re/__init__.py", "compile", 300, 600, None, "parse_header"),),
    (AllocationChange("w.py", "parse_header", 1200, 9, 2400, 18),),
)
LINE = (
    "parse_header +9.1 % of the total (7.0 .. 11.2; its code changed), re.compile -2.0 % (-3.0 .. -1.0; called more"
    " or less often by parse_header, mostly in sre_compile), 300 -> 600 calls of re.compile by parse_header,"
    " 1,200 -> 2,400 bytes kept by w.parse_header; all else within -0.1 .. +2.4 %"
)


def test_it_is_said_below_the_table_and_read_back() -> None:
    finding = Finding("t.py::test_a", "slower", 1.08, 1.07, 1.09, 9, "cpu", red=True, why=WHY)
    assert str(WHY) == LINE
    assert terminal.table([finding])[-1] == f"test_a: why: {LINE}"
    assert "why: parse\\_header +9.1 %" in markdown.page([finding], 1.0, [])
    row = json.loads(json.dumps(finding.as_json()))
    assert row["why"]["functions"][0]["function"] == "parse_header"
    assert json_file._why(row["why"], "why") == WHY  # noqa: SLF001


TEST = "import work\n\n\ndef test_handle(benchmark):\n    benchmark(work.handle, 500)\n"
GATE = ("--benchmark-against=HEAD", "--benchmark-tolerance=10%", "--benchmark-alpha=50%", "--benchmark-explain=90")


@pytest.fixture
def slower(make_project: Callable[..., Project]) -> Project:
    """Return a project in whose working tree one of two functions takes several times as long."""
    both = f"{WORK}{WORK.replace('total', 'squares')}\ndef handle(count):\n    total(count)\n    squares(count)\n"
    project = make_project(files={"work.py": both, "test_work.py": TEST, "conftest.py": FEW_SAMPLES})
    project.write({"work.py": both.replace("def squares(count):", "def squares(count):\n    count *= 3")})
    return project


@pytest.mark.slow
def test_a_real_gate_names_the_function_that_was_slowed_down(slower: Project) -> None:
    run = slower.run(*GATE)
    assert run.verdicts == {"test_handle": "slower"}
    first = run.findings["test_handle"]["why"]["functions"][0]
    assert (first["file"], first["function"], first["code"]) == ("project/work.py", "squares", "changed")
    assert first["named"]
    assert first["low"] > 0
    assert "test_handle: why: squares +" in run.output
    assert slower.leftovers == []


@pytest.mark.slow
def test_verdicts_are_kept_if_an_explanation_is_interrupted(slower: Project) -> None:
    document = slower.root.parent / "findings.json"
    process = slower.start(*GATE, "--benchmark-touched=no", f"--benchmark-against-json={document}")
    assert process.stdout is not None
    output = ""
    while "explaining 1 benchmark" not in output:
        output += (line := process.stdout.readline())
        assert line, output
    process.send_signal(signal.SIGINT)
    output += process.communicate(timeout=60)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert "the explanation was interrupted. The verdicts are complete" in output
    (found,) = json.loads(document.read_text(encoding="utf-8"))["benchmarks"]
    assert (found["verdict"], found["why"]) == ("slower", None)
    assert slower.leftovers == []
