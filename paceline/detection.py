"""How good the detector is, beside asv's own: `paceline/detection.py`. Not part of the distribution: it needs asv.

`table` simulates the law of the scan's maximum, which the package ships as `null.csv`.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from paceline.history import detect
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Noise = Callable[[np.random.Generator, int], detect.Panel]

# ---- the law of the maximum

NULL = Path(detect.__file__).with_name("null.csv")
LENGTHS = (
    *range(2 * detect.MIN_SEGMENT, 33),
    *(36, 40, 45, 50, 57, 64, 72, 80, 90, 100, 115, 130, 150, 175, 200, 240, 280, 340, 400, 500, 640, 800, 1000),
    *(1300, 1700, 2400, 3600, 5500, 10_000),
)
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0003, 0.0002, 0.0001)
BATCH = 2_000_000  # values simulated at once


def maxima(rng: np.random.Generator, n: int, draws: int) -> Floats:
    """T of `draws` series of `n` values that are exchangeable, `(draws,)`."""
    k = np.arange(1, n)[detect.MIN_SEGMENT - 1 : n - detect.MIN_SEGMENT]
    scale = 1 / np.sqrt(k * (n - k) * (n + 1) / 12).astype(np.float32)
    found = []
    for start in range(0, draws, batch := max(1, BATCH // n)):
        ranks = rng.random((min(batch, draws - start), n), dtype=np.float32).argsort(axis=1).astype(np.float32)
        sums = np.cumsum(ranks - np.float32((n - 1) / 2), axis=1)[:, k - 1]
        found.append(np.abs(sums * scale).max(axis=1))
    return np.concatenate(found).astype(np.float64)


def quantiles(sample: Floats) -> list[float]:
    """Return the smallest T of each level that at most this share of the sample reaches; inf if the law has none."""
    ordered = np.sort(sample)
    wanted = []
    for level in LEVELS:
        candidate = ordered[min(ordered.size - 1, math.ceil((1 - level) * ordered.size))]
        above = np.searchsorted(ordered, candidate - 1e-4)  # an atom belongs to the level as a whole or not at all
        if ordered.size - above > 1.05 * level * ordered.size:
            next_atom = np.searchsorted(ordered, candidate + 1e-4, side="right")
            candidate = ordered[next_atom] if next_atom < ordered.size else math.inf
        wanted.append(float(candidate) - (1e-4 if math.isfinite(candidate) else 0.0))
    return wanted


def draws_of(n: int) -> int:
    """Return how many series of this length to draw: more of short ones, whose laws have atoms."""
    return max(100_000, min(2_000_000, 80_000_000 // n))


def table() -> Iterator[str]:
    """Lines of `null.csv`."""
    yield "# The smallest T of each level, by length; made by `paceline/detection.py table`"
    yield ",".join(["length", *map(str, LEVELS)])
    for n in LENGTHS:
        if sys.stderr.isatty():
            print(f"\r{n} values", end="", file=sys.stderr)
        yield ",".join([str(n), *(f"{each:.4f}" for each in quantiles(maxima(np.random.default_rng(n), n, draws_of(n))))])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("command", nargs="?")
    a = p.parse_args()
    if a.command == "table":
        NULL.write_text("\n".join(table()) + "\n")


if __name__ == "__main__":
    main()
