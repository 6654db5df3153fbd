"""The script that simulates rounds judges as the gate does; its tables are in docs/explanation/rounds.md."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scripts
from paceline.gate import screening, sequential
from paceline.gate.verdict import Benchmark
from paceline.report.verdicts import Verdict

JUDGED = {Verdict.SLOWER, Verdict.UNSURE}  # `same` may wait for `faster`, which the script leaves out
SCRIPT = Path(__file__).parents[1] / "simulate_rounds.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found: ModuleType = scripts.script("simulate_rounds")
    return found


def by_the_gate(values: list[list[float]], alpha: float) -> list[tuple[Verdict | None, int]]:
    plan = sequential.plan(screening.kept(alpha, len(values)))
    benchmarks = [Benchmark(str(number), plan, 0.03) for number in range(len(values))]
    pool = screening.Screening(alpha, benchmarks)
    for round_ in zip(*values, strict=True):
        for benchmark, value in zip(benchmarks, round_, strict=True):
            if benchmark.verdict is None:
                benchmark.take(value)
        pool.update()
    return [(each.verdict, len(each.values)) for each in benchmarks if each.verdict in JUDGED]


@pytest.mark.parametrize(("benchmarks", "spread"), [(12, 0.03), (60, 0.02), (60, 0.05)])
def test_it_judges_as_the_gate_does(script: ModuleType, benchmarks: int, spread: float) -> None:
    values = script.rounds_of(np.random.default_rng(4), benchmarks, spread)
    values[:10] += np.linspace(0.03, 0.2, 10)[:, None]
    (scheme,) = (scheme for scheme in script.SCHEMES if "the gate's" in scheme.name)
    gate = script.Gate(values, scheme, 0.01).run()
    names = {script.SAME: Verdict.SAME, script.SLOWER: Verdict.SLOWER, script.UNSURE: Verdict.UNSURE}
    found = [(names[verdict], rounds) for verdict, rounds in zip(gate.verdicts, gate.rounds, strict=True)]
    found = [each for each in found if each[0] in JUDGED]
    assert found == by_the_gate(values.tolist(), 0.01)
    assert Verdict.SLOWER in {verdict for verdict, _ in found}


@pytest.mark.parametrize("table", ["power --suite 60 --slowdown 1 --gates 1 --spread 0.02", "level --gates 2"])
def test_it_prints_a_line_for_each_scheme(script: ModuleType, table: str) -> None:
    done = subprocess.run([sys.executable, SCRIPT, *table.split()], capture_output=True, text=True, check=True)
    heading, *lines = done.stdout.splitlines()
    assert heading.startswith("scheme")
    assert [line[:42].strip() for line in lines[: len(script.SCHEMES)]] == [each.name for each in script.SCHEMES]


def test_shards_that_each_had_all_of_alpha_would_show(script: ModuleType) -> None:
    heading, *lines = script.shards(Namespace(benchmarks=40, alpha=0.2, gates=16, seed=1))
    assert [line.split()[0] for line in lines] == [change.__name__ for change in script.CHANGES]
    shared, unshared = (sum(float(line.split()[at].rstrip("%")) for line in lines) for at in (3, 6))
    assert shared < unshared
    assert heading.split()[3] == "false"


def test_nine_gates_in_ten_find_what_one_calls_detectable(script: ModuleType) -> None:
    _, *lines = script.promise(Namespace(suite=[10, 60], spread=[0.03], gates=40, seed=1))
    assert [int(line.split()[0]) for line in lines] == [10, 60]
    assert all(float(line.split()[5].rstrip("%")) >= 76 for line in lines)  # 90 % less three standard errors
