"""Says early that a benchmark seems slower: after three runs, where the scan needs six to nine.

It is a notice and never an alarm, as the chance of a false one is not controlled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import scan

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from paceline.history.detect.segments import ChangePoint
    from paceline.history.detect.tracks import Track
    from paceline.history.model import Run

RUNS = 3
LEAST = math.log(1.05)
SPREADS = 8  # robust standard deviations of the values before
LEAST_VALUES = 18  # values at least, the last ones included
USUAL = 30  # values that define the usual level, at most
NAMED = 3  # benchmarks in the notice


@dataclass(frozen=True)
class Word:
    """A benchmark whose last runs on a machine are all slower; `size` is the log of the median ratio."""

    track: Track
    size: float
    run: int  #: index of the first of them

    @property
    def as_measured(self) -> float:
        """Return the size as the values show it."""
        return -self.size if self.track.more_is_better else self.size


def words(track: Track, changes: Sequence[ChangePoint], gone: Collection[int]) -> list[Word]:
    """Return the machines on which the last three runs are all slower than usual since the last change there."""
    starts = {stratum: change.at for change in changes for stratum in change.strata}  # the last one stays
    found = []
    for stratum in scan.classes(track.panel.strata).tolist():
        mine = track.panel.of([stratum])
        mine = mine[mine >= starts.get(stratum, 0)]
        if stratum in gone or mine.size < LEAST_VALUES or any(change.at > mine[-2 * RUNS] for change in changes):
            continue  # the last: another machine proves it
        usual, last = track.panel.values[mine[:-RUNS]][-USUAL:], track.panel.values[mine[-RUNS:]]
        level = scan.median(usual)
        spread = 1.4826 * scan.median(np.abs(usual - level))
        if last.min() - level > max(LEAST, SPREADS * spread):
            found.append(Word(track, scan.median(last) - level, int(track.runs[mine[-RUNS]])))
    return found


def notices(found: Sequence[Word], runs: Sequence[Run]) -> tuple[str, ...]:
    """Return one notice that names the worst, or none."""
    if not found:
        return ()
    worst = sorted(found, key=lambda word: -word.size)
    named = ", ".join(
        f"{word.track.full_name} {100 * math.expm1(word.as_measured):+.1f} % since {runs[word.run].commit[:8]}"
        for word in worst[:NAMED]
    )
    more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
    return (f"slower in the last {RUNS} runs, not proved yet: {named}{more}",)
