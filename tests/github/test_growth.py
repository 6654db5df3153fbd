"""A year of history stays cloneable: measured on runs as this suite would write them, appended to by the real code.

A tenth of a year, in which nothing grows faster than the number of runs; DAYS=365 measures all of it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hub import result_files
from hub.branch import Branch, immutable
from paceline.history.intake.document import KEPT

from tests.github import documents

if TYPE_CHECKING:
    from pathlib import Path

DAYS = int(os.environ.get("DAYS", "36"))
PUSHES = 10
RUNNERS = (
    "linux-x86_64-epyc-zen4-4c-avx512-16g",
    "linux-arm64-neoverse-n2-4c-16g",
    "macos-arm64-m1-3c-7g",
    "windows-x86_64",
)
BENCHMARKS = 65  # of the suite today
LARGEST_CLONE = 120e6 * DAYS / 365  # bytes
WITH_SAMPLES = ["result", "params", "version", "started_at", "duration", "stats_q_25", "stats_q_75", "samples"]


def record(draw: random.Random, commit: str, on: str) -> bytes:
    """One run with as many digits as a real one has: timings compress badly, and nothing here makes them easier."""
    results = {}
    for place in range(BENCHMARKS):
        level = 10.0 ** -(place % 6)
        samples = sorted(float(f"{level * draw.lognormvariate(0, 0.02):.4e}") for _ in range(KEPT))
        row = [
            [samples[KEPT // 2] * (1 + 1e-9 * draw.random())],
            [],
            "a" * 12,
            1795292336864 + draw.randrange(10**9),
            1.2,
        ]
        results[f"benchmarks.test_speed.test_speed[a_workload_{place}-some_contender-small]"] = [
            *row, [samples[KEPT // 4]], [samples[3 * KEPT // 4]], [samples],
        ]  # fmt: skip
    packages = {f"package-{place}": f"{place}.2.{draw.randrange(3)}" for place in range(120)}
    run = documents.run(commit, on, results=results, result_columns=WITH_SAMPLES, paceline={"packages": packages})
    return json.dumps(run).encode()


def year(folder: Path) -> int:
    """Write a year of runs into a repository, one commit each, as `store` would have; returns how many."""
    draw = random.Random(1)
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    writing = subprocess.Popen(["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert writing.stdin is not None
    runs = [(day, RUNNERS[0]) for day in range(DAYS) for _ in range(PUSHES)]
    runs += [(day, runner) for day in range(0, DAYS, 7) for runner in RUNNERS]
    for number, (day, runner) in enumerate(sorted(runs)):
        commit = f"{draw.getrandbits(160):040x}"
        content = record(draw, commit, runner)
        writing.stdin.write(
            b"commit refs/heads/benchmark-results\ncommitter a <a@example.org> %d +0000\ndata 4\nrun\n"
            b"M 100644 inline results/%s/%s-%d.json\ndata %d\n"
            % (1_790_000_000 + 86_400 * day, runner.encode(), commit[:8].encode(), number, len(content))
            + content
            + b"\n"
        )
    writing.stdin.close()
    assert writing.wait() == 0
    return len(runs)


def megabytes(folder: Path) -> float:
    """Size of what a clone transfers."""
    return sum(path.stat().st_size for path in folder.rglob("*.pack")) / 1e6


@pytest.mark.slow
def test_a_year_of_history_stays_cloneable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote = tmp_path / "remote.git"
    runs = year(remote)
    subprocess.run(["git", "-C", str(remote), "config", "uploadpack.allowFilter", "true"], check=True)
    subprocess.run(["git", "-C", str(remote), "repack", "-adfq"], check=True)
    lines = [f"{runs} runs of {BENCHMARKS} benchmarks: {megabytes(remote):.0f} MB packed"]
    sizes = {}
    for name, options in (("whole", []), ("depth 1, as `paceline fetch`", ["--depth=1"])):
        target = tmp_path / name
        started = time.monotonic()
        clone = ["git", "clone", "--quiet", "--bare", "--single-branch", "--branch=benchmark-results", *options]
        subprocess.run([*clone, f"file://{remote}", str(target)], check=True)
        sizes[name] = megabytes(target) * 1e6
        lines.append(f"clone, {name}: {megabytes(target):.0f} MB in {time.monotonic() - started:.1f} s")
    started = time.monotonic()
    with Branch.of(f"file://{remote}", "benchmark-results", None) as branch:
        path = f"results/{RUNNERS[0]}/00000000-new.json"
        assert branch.append({path: record(random.Random(2), "0" * 40, RUNNERS[0])}, "Add", immutable)
        held = megabytes(branch.folder)
    lines.append(f"one more run is appended in {time.monotonic() - started:.1f} s, holding {held:.1f} MB of it")
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201  # figures are what it is run for
    assert max(sizes.values()) < LARGEST_CLONE
    assert held < 2, "appending must not fetch the history"
    assert 4 * len(record(random.Random(3), "0" * 40, RUNNERS[0])) <= result_files.LARGEST
