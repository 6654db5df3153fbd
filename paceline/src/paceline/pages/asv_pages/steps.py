"""asv's step detection, which reuses the last build's work on series that only grew.

asv fits a piecewise constant function. It tunes the penalty of a jump, gamma, by fitting the whole series about ten
times. Here a series that only grew keeps its gamma and its older pieces, and asv's functions fit only the tail again.
To keep gamma and old jumps right, a series is fitted in full if its tail has other jumps than before, or if it grew
by a twentieth. In addition, every build fits a few series in full, in turn. A new jump may be shown a few commits
later than by asv.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import multiprocessing
import signal
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from asv import step_detect

from paceline.pages.asv_pages import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

FILE = "steps-1.npz"
TAIL = 60  # points; three times the longest piece that asv's exact fit looks at
GROWTH = 20  # a series is fitted in full when it has grown by 1/GROWTH since the last full fit
TURNS = 50  # builds, in which every growing series is fitted in full once
WORTH_A_POOL = 12  # full fits; fewer take less time than starting processes
AT_ONCE = 2000  # points per task of a worker, about 0.2 s of work; Ctrl-C waits for running tasks
LONGEST_PIECE = 20  # asv's own limit in its approximate solver
LARGEST = 1e150  # sum of a series; far above any time or memory

#: As in asv: first point, end (exclusive), level, minimum, mean deviation.
Step: TypeAlias = "tuple[int, int, float, float, float]"


@dataclass(frozen=True)
class Fit:
    """Jumps of one series: the (exclusive) ends of its pieces, in points that are not missing."""

    seen: bytes  #: digest of the points that were fitted
    points: int  #: how many, missing ones included
    full: int  #: how many there were at the last full fit
    builds: int  #: since the last full fit
    gamma: float  #: cost of a jump at the last full fit
    ends: tuple[int, ...]


def detect(
    series: Mapping[str, tuple[Floats, Floats]], cache: Path, progress: Callable[[str], None], *, refit: bool = False
) -> dict[str, list[Step]]:
    """Return the steps of each series, by its name.

    A series is values and weights, NaN if missing. `refit` fits all series in full.
    """
    known = {} if refit else _load(cache / FILE)
    kept: dict[str, Fit] = {}
    for name, (values, weights) in series.items():
        if (fit := known.get(name)) is not None and (found := _grown(fit, values, weights)) is not None:
            kept[name] = found
    pending = [name for name in series if name not in kept]
    grown = sorted(
        (name for name, fit in kept.items() if fit is not known[name]), key=lambda name: -kept[name].builds
    )
    pending += grown[: math.ceil(len(grown) / TURNS)] if not refit else []
    with contextlib.closing(_in_full([series[name] for name in pending])) as fitted:
        for place, (name, fit) in enumerate(zip(pending, fitted, strict=True)):
            progress(f"detecting steps: {place + 1} of {len(pending)} series")
            kept[name] = fit
    fits = {name: kept[name] for name in series}
    if fits != known:
        _save(fits, cache / FILE)
    return {name: _steps(fits[name].ends, *series[name]) for name in series}


def _grown(fit: Fit, values: Floats, weights: Floats) -> Fit | None:
    """Return the fit of a series that is equal or only longer; None if it must be fitted in full."""
    if fit.points > len(values) or fit.seen != _digest(values[: fit.points], weights[: fit.points]):
        return None
    if fit.points == len(values):
        return fit
    if len(values) - fit.full > max(1, fit.full // GROWTH):
        return None
    y, w, _ = _there(values, weights)
    ends = _tail(y, w, fit.gamma, fit.ends)
    if ends[:-1] != fit.ends[:-1]:
        return None
    return Fit(_digest(values, weights), len(values), fit.full, fit.builds + 1, fit.gamma, ends)


def _tail(y: list[float], w: list[float], gamma: float, ends: Sequence[int]) -> tuple[int, ...]:
    """Return the ends of pieces after fitting the last points again, from the last jump before the tail."""
    if len(y) <= TAIL:
        return tuple(step_detect.solve_potts_approx(y, w, gamma)[0]) if y else ()
    begin = len(y) - TAIL
    settled = [end for end in ends if end <= begin]
    start = settled[-1] if settled else 0
    y, w = y[start:], w[start:]
    costs = step_detect.get_mu_dist(y, w)
    known = [begin - start] if begin > start else []
    right, values, dists = step_detect.solve_potts(
        y, w, gamma, max_size=LONGEST_PIECE, min_pos=begin - start, mu_dist=costs
    )
    merged, _, _ = step_detect.merge_pieces(
        gamma, known + right, values, dists, costs, max_size=LONGEST_PIECE
    )  # fmt: skip
    return (*settled, *(start + end for end in merged))


def _in_full(series: Sequence[tuple[Floats, Floats]]) -> Generator[Fit]:
    if len(series) <= WORTH_A_POOL:
        yield from map(_full, series)
        return
    context = multiprocessing.get_context("spawn")
    workers = min(multiprocessing.cpu_count(), len(series))
    longest = max(len(values) for values, _ in series)
    chunk = min(len(series) // (8 * workers), AT_ONCE // max(1, longest))
    pool = ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        with _interrupts_held():  # workers ignore Ctrl-C only after their imports
            fits = pool.map(_full, series, chunksize=max(1, chunk))
        yield from fits
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C inside the block, if the system can; processes that start in the block never get it.

    A terminal sends Ctrl-C to all processes, but only the first must clean up. The pool must exist before: it starts
    multiprocessing's resource tracker, which unblocks interrupts.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _full(series: tuple[Floats, Floats]) -> Fit:
    values, weights = series
    y, w, _ = _there(values, weights)
    ends, gamma = tuned(y, w)
    count = len(values)
    return Fit(_digest(values, weights), count, count, 0, gamma, tuple(ends))


def tuned(y: list[float], w: list[float]) -> tuple[list[int], float]:
    """Return the ends of pieces, and gamma: exactly as asv.step_detect.solve_potts_autogamma, in half the time.

    NumPy adds up the residuals, which is half of asv's time, in the same order as asv.
    """
    if not y:
        return [], 0.0
    costs = step_detect.get_mu_dist(y, w)
    beta = 4 * math.log(len(y)) / len(y)
    largest = costs.dist(0, len(y) - 1) or 1.0
    points, weights = np.array(y), np.array(w)
    best: tuple[float, list[int], float] = (math.inf, [], 0.0)

    def objective(x: float) -> float:
        nonlocal best
        gamma = largest * math.exp(x)
        right, levels, _ = step_detect.solve_potts_approx(y, w, gamma=gamma, mu_dist=costs)
        residuals = points - np.repeat(levels, np.diff(right, prepend=0))
        first = abs(residuals[0]) * weights[0]

        def cost(rho: float) -> float:
            changes = np.abs(residuals[1:] - rho * residuals[:-1]) * weights[1:]
            return float(np.cumsum(np.concatenate([[first], changes]))[-1])

        correlation = step_detect.golden_search(cost, -1, 1, xatol=0.05, expand_bounds=True)
        gaps = [abs(after - before) for before, after in itertools.pairwise(levels)]
        floor = 0.1 * min(gaps) if len(gaps) > 1 else 0.001 * min(map(abs, levels))
        found = beta * len(right) + math.log(max(1e-300, floor) + cost(correlation))
        if found < best[0]:
            best = found, right, gamma
        return found

    lowest = math.log(0.1 / len(y))
    step_detect.golden_search(objective, lowest, 0.0, xatol=abs(lowest) * 0.1, ftol=0, expand_bounds=True)
    return best[1], best[2]


def _there(values: Floats, weights: Floats) -> tuple[list[float], list[float], NDArray[np.int64]]:
    """Return values, weights and positions without missing points, as asv.step_detect.detect_steps does."""
    where = np.flatnonzero(~np.isnan(values) & ~(weights <= 0))
    if np.abs(values[where] / LARGEST).sum() > 1:
        where = where[:0]  # their distances overflow, and with infinite ones asv's solver would use all memory
    given = weights[~np.isnan(weights)].tolist()
    unit = (median(given) or 1.0) if given else 1.0
    relative = weights[where] / unit
    relative[np.isnan(relative)] = 1.0
    return values[where].tolist(), relative.tolist(), where


def _steps(ends: Sequence[int], values: Floats, weights: Floats) -> list[Step]:
    """Return the pieces as asv's steps, from their ends."""
    y, w, where = _there(values, weights)
    if not y:
        return []
    costs = step_detect.get_mu_dist(y, w)
    steps: list[Step] = []
    start = 0
    for end in ends:
        level, cost = costs.mu(start, end - 1), costs.dist(start, end - 1)
        piece = int(where[start]), int(where[end - 1]) + 1
        steps.append((*piece, level, min(y[start:end]), abs(cost / (end - start))))
        start = end
    return steps


def _digest(values: Floats, weights: Floats) -> bytes:
    return hashlib.blake2b(values.tobytes() + weights.tobytes(), digest_size=16).hexdigest().encode()


def _load(path: Path) -> dict[str, Fit]:
    try:
        with np.load(path, allow_pickle=False) as kept:
            names = json.loads(kept["names"].tobytes())
            seen, whole, gamma, ends = (kept[name].tolist() for name in ("seen", "whole", "gamma", "ends"))
        fits: dict[str, Fit] = {}
        at = 0
        for name, digest, (points, full, builds, pieces), cost in zip(names, seen, whole, gamma, strict=True):
            fits[name] = Fit(digest, points, full, builds, cost, tuple(ends[at : at + pieces]))
            at += pieces
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
        return {}  # missing or broken: all series are fitted in full
    return fits


def _save(fits: Mapping[str, Fit], path: Path) -> None:
    whole = [(fit.points, fit.full, fit.builds, len(fit.ends)) for fit in fits.values()]
    stored.write(
        path,
        {
            "names": np.frombuffer(json.dumps(list(fits)).encode(), dtype=np.uint8),
            "seen": np.array([fit.seen for fit in fits.values()], dtype="S32"),
            "whole": np.array(whole, dtype=np.int64).reshape(-1, 4),
            "gamma": np.array([fit.gamma for fit in fits.values()], dtype=np.float64),
            "ends": np.array([end for fit in fits.values() for end in fit.ends], dtype=np.int64),
        },
    )
