"""Finds the benchmarks that a change cannot touch: each runs on both sides, and what ran is compared.

Each side records twice, in two orders, so that what runs by chance is noticed. A benchmark is touched unless all of
its runs passed and the recordings prove that it ran the same.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.pair import PASSED, End
from paceline.gate.touch.comparison import Touch, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from paceline.gate.proof import Proof
    from paceline.gate.sides.launcher import Launcher
    from paceline.gate.sides.selection import Selection
    from paceline.gate.sides.trees import Trees
    from paceline.gate.touch.recording import Recording
    from paceline.gate.trial import Trial

ATTEMPTS = 3  # of a pass: a benchmark that ends its process is left out of the next
ONE_OF_ALL = 0.25  # of the time left for recording: most for one benchmark
SPARE = 5.0  # times what a benchmark usually takes: less time for one, and recording stops
CALLS_FOR = 0.005  # seconds: what runs only once a cache is full, or a counter high, is seen too
NAMED = 5  # reasons
PYTHON = {".py", ".pyi", ".pyc"}


class Touching:
    """Records what both sides run, and compares it."""

    def __init__(self, trial: Trial, selection: Selection, trees: Trees, launcher: Launcher, proof: Proof) -> None:
        self._trial = trial
        self._selection = selection
        self._trees = trees
        self._launcher = launcher
        self._proof = proof
        self._failed: dict[str, str] = {}

    def find(self, names: Sequence[str], until: float) -> dict[str, Touch]:
        """Return for each benchmark whether the change can touch it; nothing if none could be recorded.

        If the time is too short for all, it finds what it can. Raises PacelineError if a side ran code of another
        tree.
        """
        words, order = self._words(), list(names)
        passes: list[dict[str, Recording]] = []
        for end in (until - (until - time.monotonic()) / 2, until):
            found = self._recorded(order, words, end)
            if found is None:
                return {}
            passes.append(found)
            recorded = {each["name"] for each in found[SIDES[0]]["benchmarks"]}
            order = [name for name in reversed(order) if name in recorded]
            if not order:
                return {}
        self._proof.show(names)
        base, head = ([each[side] for each in passes] for side in SIDES)
        try:
            touches = compare(base, head, words)
        except (ValueError, IndexError, TypeError, KeyError):  # the project's code can send anything
            return {}
        left_out = Touch(untouched=False, reason="it was not recorded in time")
        in_all = {name: touches.get(name, left_out) for name in order}  # one recording shows nothing of chance
        touches = {name: in_all.get(name, left_out) for name in names}
        return touches | {name: Touch(untouched=False, reason=reason) for name, reason in self._failed.items()}

    def _words(self) -> list[str]:
        """Return the words by which code would name a file that differs, other than Python's."""
        paths = [path for path in map(PurePosixPath, self._trees.differing()) if path.suffix not in PYTHON]
        words = {word for path in paths for word in (path.name, path.stem, path.suffix[1:])}
        return sorted(word for word in words if word and not word[0].isspace() and len(word.split()) == 1)

    def _recorded(self, names: Sequence[str], words: Sequence[str], until: float) -> dict[str, Recording] | None:
        """Return both sides' recordings of one pass, as far as it came; None if that was not possible."""
        for _ in range(ATTEMPTS):
            left = [name for name in names if name not in self._failed]
            launches = {side: self._launcher.recording(side, self._selection, left, words) for side in SIDES}
            with self._trial.pair(self._trees.folder) as pair:
                pair.start(launches, SIDES[0])
                if any(isinstance(found, End) for found in pair.collected(until).values()):
                    return None
                started = time.monotonic()
                for number, name in enumerate(left):
                    usual = (time.monotonic() - started) / max(1, number)
                    if pair.lost or _its_part(until) <= time.monotonic() + SPARE * usual:
                        break  # one that is cut would cost what was recorded before it
                    self._note(name, pair.rehearse(name, CALLS_FOR, _its_part(until)))
                if not pair.lost:
                    return _of_both(pair.recordings())
        return None

    def _note(self, name: str, ends: Mapping[str, End]) -> None:
        """Note how a benchmark ended. Raises PacelineError if a side ran code of another tree."""
        for side in SIDES:
            end = ends.get(side)
            if end is not None:
                self._proof.add(side, name, end)
            if end is None or end.outcome not in PASSED:
                self._failed.setdefault(name, f"{side}: {end.outcome if end else 'it did not end'}")


def _its_part(until: float) -> float:
    """Return when one benchmark is cut: one that hangs must leave time to record the others."""
    now = time.monotonic()
    return now + ONE_OF_ALL * max(0.0, until - now)


def _of_both(found: Mapping[str, Recording | End]) -> dict[str, Recording] | None:
    recordings = {side: each for side, each in found.items() if not isinstance(each, End)}
    return recordings if len(recordings) == len(found) else None


def summary(touches: Mapping[str, Touch]) -> Iterator[str]:
    """Yield what the change is: how many benchmarks it can touch, and why."""
    touched = [touch for touch in touches.values() if not touch.untouched]
    of = f"{len(touches)} benchmark{'s'[: len(touches) != 1]}"
    yield f"{len(touched)} of {of} run code that differs; {len(touches) - len(touched)} untouched"
    yield from _reasons(touch.reason for touch in touched)


def _reasons(reasons: Iterable[str]) -> Iterator[str]:
    counts = Counter(reasons).most_common()
    for reason, count in counts[:NAMED]:
        yield f"  {count} touched: {reason}"
    if len(counts) > NAMED:
        yield f"  {sum(count for _, count in counts[NAMED:])} touched for {len(counts) - NAMED} other reasons"


def report(touches: Mapping[str, Touch], say: Callable[[str], None]) -> None:
    """Say it, if it was found."""
    for line in summary(touches) if touches else ["what benchmarks run could not be recorded, so all are timed"]:
        say(line)
