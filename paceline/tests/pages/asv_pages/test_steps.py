"""Steps are asv's; a series that grew gives the regressions that a full fit gives."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from asv import step_detect
from numpy.typing import NDArray
from paceline.pages.asv_pages import steps
from sites import History
from trees import row

Floats = NDArray[np.float64]


def series(rng: np.random.Generator, count: int, noise: float = 0.03) -> tuple[Floats, Floats]:
    """Return values with up to three jumps, and weights as of intervals of a few per cent."""
    values = np.exp(rng.normal(0, noise, count))
    for _ in range(rng.integers(0, 4)):
        values[rng.integers(0, count) :] *= rng.choice([0.8, 1.1, 1.15, 1.3])
    return values, 2 / (values * rng.uniform(0.05, 0.1, count))


def asv_steps(values: Floats, weights: Floats) -> list[steps.Step]:
    """Return what asv finds; it has None for what is missing."""
    gaps = [[None if np.isnan(each) else each for each in column.tolist()] for column in (values, weights)]
    found: list[steps.Step] = step_detect.detect_steps(*gaps)
    return found


def quiet(_: str) -> None:
    pass


@pytest.mark.parametrize("seed", range(30))
def test_full_fit_is_asv_s_to_the_last_bit(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    values, weights = series(rng, int(rng.integers(1, 250)))
    if seed % 3 == 0:
        values[rng.random(len(values)) < 0.1] = np.nan
    if seed % 3 == 1:
        weights[rng.random(len(values)) < 0.5] = np.nan
    if seed % 4 == 0:
        values = np.round(values, 1)
    found = steps.detect({"a": (values, weights)}, tmp_path, quiet)
    assert found["a"] == asv_steps(values, weights)


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [0.0, 0.0], [1e308] * 4 + [1.0] * 4], ids=str)
def test_odd_series(values: list[float], tmp_path: Path) -> None:
    given = np.array(values)
    found = steps.detect({"a": (given, np.full(len(given), np.nan))}, tmp_path, quiet)["a"]
    assert found == ([] if len(given) == 8 else asv_steps(given, np.full(len(given), np.nan)))


def test_many_empty_series(tmp_path: Path) -> None:
    nothing = np.array([]), np.array([])
    found = steps.detect({str(number): nothing for number in range(20)}, tmp_path, quiet)
    assert list(found.values()) == [[]] * 20


def regressions(found: list[steps.Step]) -> list[tuple[int, int]]:
    """Return where asv shows a regression."""
    _, _, jumps = step_detect.detect_regressions(found, threshold=0.05)
    return [(jump[0], jump[1]) for jump in jumps or ()]


def test_grown_series_shows_the_regressions_of_a_full_fit(tmp_path: Path) -> None:
    """Each series has a +20 % step. Full fits of asv differ from one commit to the next in 1 to 5 of 100 series."""
    rng = np.random.default_rng(11)
    whole, begins = {}, {}
    for number in range(100):
        values, weights = series(rng, 160, noise=0.02)
        begins[str(number)] = int(rng.integers(110, 150))
        values[begins[str(number)] :] *= 1.2
        whole[str(number)] = values, weights
    for count in range(154, 161):
        part = {name: (values[:count], weights[:count]) for name, (values, weights) in whole.items()}
        found = steps.detect(part, tmp_path, quiet)
    grown = sum(fit.builds > 0 for fit in steps._load(tmp_path / steps.FILE).values())  # noqa: SLF001
    assert grown >= 75, "little was left to the tail"
    full = {name: regressions(steps._steps(steps._full(each).ends, *each)) for name, each in whole.items()}  # noqa: SLF001
    ours = {name: regressions(each) for name, each in found.items()}
    assert sum(ours[name] == full[name] for name in whole) >= 90
    seen = [
        sum(any(abs(jump - begins[name]) <= 2 for _, jump in each[name]) for name in whole) for each in (ours, full)
    ]
    assert abs(seen[0] - seen[1]) <= 2, seen


def test_new_jump_is_asv_s(tmp_path: Path) -> None:
    """A step that comes after the last full fit is seen, and by a full fit."""
    rng = np.random.default_rng(12)
    values, weights = series(rng, 210, noise=0.02)
    values[202:] *= 1.5
    for count in range(200, 211):
        found = steps.detect({"a": (values[:count], weights[:count])}, tmp_path, quiet)
    assert regressions(found["a"])[-1][1] == 202
    (fit,) = steps._load(tmp_path / steps.FILE).values()  # noqa: SLF001
    assert fit.full > 202


def test_series_that_differ_in_the_past_are_fitted_in_full(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values, weights = series(rng, 200)
    steps.detect({"a": (values, weights)}, tmp_path, quiet)
    changed = np.concatenate([values, values[-1:]])
    changed[20] *= 1.5
    longer = np.concatenate([weights, weights[-1:]])
    assert steps.detect({"a": (changed, longer)}, tmp_path, quiet)["a"] == asv_steps(changed, longer)


def test_refit_forgets(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    values, weights = series(rng, 200)
    steps.detect({"a": (values[:199], weights[:199])}, tmp_path, quiet)
    assert steps.detect({"a": (values, weights)}, tmp_path, quiet, refit=True)["a"] == asv_steps(values, weights)


def test_each_series_has_its_turn(tmp_path: Path) -> None:
    """By turns, every series is fitted in full once in as many builds."""
    rng = np.random.default_rng(3)
    whole = {str(number): series(rng, 2000 + steps.TURNS) for number in range(4)}
    begin = {name: (values[:2000], weights[:2000]) for name, (values, weights) in whole.items()}
    steps.detect(begin, tmp_path, quiet)
    for count in range(2001, 2006):
        steps.detect({name: (v[:count], w[:count]) for name, (v, w) in whole.items()}, tmp_path, quiet)
    fulls = {name: fit.full for name, fit in steps._load(tmp_path / steps.FILE).items()}  # noqa: SLF001
    assert sorted(fulls.values()) == [2002, 2003, 2004, 2005]


def shown_until(terminal: int, word: bytes) -> bytes:
    """Return what a terminal shows until a word comes, or all if it does not."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux's way to say that nobody has it open any more
        while more := os.read(terminal, 1000):
            shown += more
            if word and word in shown:
                break
    return shown


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # git's have little to do
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("moment", ["workers start", "steps are fitted"])
def test_ctrl_c_is_quiet_and_leaves_nothing(history: History, moment: str) -> None:
    """It reaches the whole process group, as at a terminal."""
    rng = np.random.default_rng(4)
    history.grow(600)
    cells = row(params=[[str(number) for number in range(40)]])
    for number in range(len(history.commits)):
        cells[0] = rng.normal(1, 0.01, 40).tolist()
        history.write({f"{number}.json": history.document(number, {"suite.time_it": cells})})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it ignored
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "paceline.cli", "pages"]
    process = subprocess.Popen(
        command, cwd=history.project.root, stdout=subprocess.DEVNULL, stderr=end, start_new_session=True
    )
    os.close(end)
    shown = shown_until(terminal, b"detecting steps" if moment == "steps are fitted" else b"reading")
    while not (started := workers(process)):
        assert process.poll() is None
        time.sleep(0.005)
    if moment == "workers start":
        time.sleep(0.2)  # into what they import
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert b"\n" not in shown + shown_until(terminal, b""), "nothing but progress, which stays in its line"
    os.close(terminal)
    assert psutil.wait_procs(started, timeout=10)[1] == []
    assert not history.site.exists()
