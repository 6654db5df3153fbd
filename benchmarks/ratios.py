"""Checks every speed that the project claims, as ratios within one run: ``python -m benchmarks.ratios``.

A machine's speed drifts by tens of percent within minutes and jumps between machines, so no time is claimed, only
how often one contender fits into another's time. Both sides of a ratio run in turns, in random order, a fraction
of a second each; the median of the paired ratios is what counts.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import catalog, environment, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Not a contender: the fused loop as a C compiler makes it, the yardstick for what compiles to machine code.
C_LOOP = "a fused loop in C"


class Claim(NamedTuple):
    """``faster`` is ``low`` to ``high`` times as fast as ``slower`` per epoch, at the article's size.

    A range, as a single run of the suite times contenders one after another while the machine drifts. What the README
    publishes of such a run lies in it as well.
    """

    faster: str
    slower: str
    low: float
    high: float

    def holds(self, ratio: float) -> bool:
        """Return whether ``ratio`` lies in the range."""
        return self.low <= ratio <= self.high

    def __str__(self) -> str:
        """Write the range."""
        return f"{summary.ratio(self.low)} to {summary.ratio(self.high)}"


CLAIMS = (
    Claim("pure_python", "article_python", 1.5, 2.3),
    Claim("with_numpy", "article_numpy", 1.3, 2.2),
    Claim("with_tensorflow", "article_tensorflow", 12, 60),
    Claim("moments_python", "article_python", 4000, 16_000),
    Claim("moments_python", "article_numpy", 60, 240),
    Claim("with_numba", C_LOOP, 0.667, 1.5),
)

POINTS, EPOCHS = catalog.problem_module("gradient_descent").SIZES["article"]

#: How long one side of a pair should run, in seconds. Slow contenders do fewer epochs for it, never fewer than this.
BURST = 0.2
FEWEST_EPOCHS = 50

SOURCE = """
void descend(const double *restrict x, const double *restrict y, long points, double step, long epochs, double *w)
{
    double w0 = 0, w1 = 0, scale = 2 * step / points;
    for (long k = 0; k < epochs; k++) {
        double sum_e = 0, sum_ex = 0;
        for (long i = 0; i < points; i++) {
            double e = y[i] - w0 - w1 * x[i];
            sum_e += e;
            sum_ex += e * x[i];
        }
        w0 += scale * sum_e;
        w1 += scale * sum_ex;
    }
    w[0] = w0;
    w[1] = w1;
}
"""


def c_loop() -> Callable[[Any], Callable[[], Any]]:
    """Compile the fused loop and return its ``prepare``; raises ``Unavailable`` without a C compiler."""
    import numpy as np

    compiler = shutil.which("cc")
    if compiler is None:
        raise catalog.Unavailable("no C compiler (cc) is installed")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        source.write_text(SOURCE, encoding="utf-8")
        command = [
            compiler,
            "-O3",
            "-march=native",
            "-ffast-math",
            "-shared",
            "-fPIC",
            "-o",
            str(library),
            str(source),
        ]
        subprocess.run(command, check=True)  # noqa: S603 - our own source
        descend = ctypes.CDLL(str(library)).descend
    array = np.ctypeslib.ndpointer(np.float64)
    descend.argtypes = [array, array, ctypes.c_long, ctypes.c_double, ctypes.c_long, array]

    def prepare(problem: Any) -> Callable[[], Any]:
        def run() -> Any:
            weights = np.empty(2)
            descend(problem.x, problem.y, len(problem.x), problem.step, problem.epochs, weights)
            return weights

        return run

    return prepare


class Timed(NamedTuple):
    """A warm run and the number of epochs that it does."""

    run: Callable[[], Any]
    epochs: int

    def per_epoch(self) -> float:
        """Run once; return the seconds that an epoch took."""
        start = perf_counter()
        self.run()
        return (perf_counter() - start) / self.epochs


def warmed(name: str, problem: Any) -> Timed:
    """Prepare ``name`` for as many epochs of ``problem`` as fill a burst, check its answer, warm it up."""
    prepare = c_loop() if name == C_LOOP else lambda problem: catalog.prepare("gradient_descent", name, problem)
    trial = Timed(prepare(dataclasses.replace(problem, epochs=FEWEST_EPOCHS)), FEWEST_EPOCHS)
    trial.run()
    seconds = trial.per_epoch()
    # Work that is done once a run, as the sums of moments_*, is to be shared out over all the epochs of the article.
    epochs = EPOCHS if seconds * EPOCHS < BURST else max(FEWEST_EPOCHS, int(BURST / seconds))
    chosen = dataclasses.replace(problem, epochs=epochs)
    run = prepare(chosen)
    catalog.problem_module("gradient_descent").check(chosen, run())
    return Timed(run, epochs)


def pairs(one: Timed, other: Timed, rounds: int, draw: random.Random) -> Iterator[float]:
    """Yield ``rounds`` ratios of times per epoch, ``one`` over ``other``, timed in turns and in random order."""
    for _ in range(rounds):
        if draw.random() < 0.5:  # noqa: PLR2004 - a fair coin
            first, second = one.per_epoch(), other.per_epoch()
        else:
            second, first = other.per_epoch(), one.per_epoch()
        yield first / second


def main() -> int:
    """Measure every claim and print it next to the measured ratio. Return 0 if all hold, or else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of runs for each claim (default: 15)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error(f"--rounds is {rounds}; give at least 1")
    say = sys.stdout.write
    say(
        f"gradient_descent, article, per epoch; {environment.threads()} thread(s); median and quartiles of {rounds}\n"
    )
    draw = random.Random(1)  # noqa: S311 - not for secrets
    problem = catalog.problem_module("gradient_descent").make((POINTS, EPOCHS))
    broken = 0
    for claim in CLAIMS:
        say(f"{claim.faster} against {claim.slower} ... ")
        sys.stdout.flush()
        try:
            found = sorted(pairs(warmed(claim.slower, problem), warmed(claim.faster, problem), rounds, draw))
        except catalog.Unavailable as reason:
            say(f"n/a: {reason}\n")
            continue
        median = statistics.median(found)
        low, high = found[len(found) // 4], found[-1 - len(found) // 4]
        holds = claim.holds(median)
        broken += not holds
        numbers = f"{summary.ratio(median)} [{summary.ratio(low)}, {summary.ratio(high)}]"
        say(f"{numbers}, claimed {claim}: {'holds' if holds else 'DOES NOT HOLD'}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
