"""Finds the benchmarks that a change cannot touch: each runs on both sides, and what ran is compared.

Each side records twice, in two orders, so that what runs by chance is noticed. A benchmark is touched unless all of
its runs passed and the recordings prove that it ran the same.

If no Python file differs, one run on one side may do: both sides run the same until one uses a file that differs.
"""

from __future__ import annotations

import bisect
import contextlib
import time
from collections import Counter
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.touch.comparison import Touch, compare
from paceline.gate.touch.reads import folder_content
from paceline.gate.touch.recording import GENERATED
from paceline.gate.visit import PASSED, End
from paceline.system import copying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from paceline.gate.pair import Pair
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
        differing = [PurePosixPath(name) for name in self._trees.differing()]
        data = [path for path in differing if path.suffix not in PYTHON]
        words = _words(data)
        middle = until - (until - time.monotonic()) / 2
        touches = self._find_by_halves(names, words, middle) if data and data == differing else {}
        touches = touches or self._find_on_both(names, words, until)
        if touches:
            self._proof.show(names)
        return touches

    def _find_by_halves(self, names: Sequence[str], words: Sequence[str], until: float) -> dict[str, Touch]:
        """Return that nothing is touched, shown by one half of the benchmarks on each side; nothing if it is not."""
        half = (len(names) + 1) // 2
        parts = dict(zip(SIDES, (names[:half], names[half:] or names), strict=True))
        ran_own = set[str]()
        with self._recording(parts, words, until) as pair:
            timely = {side: takewhile(lambda _: time.monotonic() <= until, part) for side, part in parts.items()}
            for side, name, end in pair.rehearse_apart(timely, CALLS_FOR, lambda: _its_part(until)) if pair else ():
                self._note(side, name, end)
                ran_own |= {side} if end.origin and end.origin["code"] else set()
            found = None if pair is None or pair.lost else _of_both(pair.recordings())
        failed, self._failed = self._failed, {}
        if found is None or len(ran_own) < len(SIDES) or not self._uses_same_files(found):
            return {}
        touches = {name: touch for each in found.values() for name, touch in _compared([each], [each], words).items()}
        touches = {name: touch for name, touch in touches.items() if name not in failed}
        if touches.keys() | failed.keys() != {*names} or not all(each.untouched for each in touches.values()):
            return {}
        return touches | {name: Touch(untouched=False, reason=reason) for name, reason in failed.items()}

    def _find_on_both(self, names: Sequence[str], words: Sequence[str], until: float) -> dict[str, Touch]:
        """Return for each benchmark whether the change can touch it, by two recordings of each side."""
        order = list(names)
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
        base, head = ([each[side] for each in passes] for side in SIDES)
        touches = _compared(base, head, words)
        if not touches:
            return {}
        left_out = Touch(untouched=False, reason="it was not recorded in time")
        in_all = {name: touches.get(name, left_out) for name in order}  # one recording shows nothing of chance
        touches = {name: in_all.get(name, left_out) for name in names}
        return touches | {name: Touch(untouched=False, reason=reason) for name, reason in self._failed.items()}

    def _uses_same_files(self, found: Mapping[str, Recording]) -> bool:
        """Whether all files and folders that were used are equal on both sides."""
        used = {(item[0] == "folder", item[1]) for each in found.values() for item in each["items"]}
        return all(self._is_same(place, is_folder=is_folder) for is_folder, place in used if place)

    def _is_same(self, place: str, *, is_folder: bool) -> bool:
        """Whether a file is equal on both sides, by its place as recorded, such as `0/package/module.py`."""
        number, _, name = place.partition("/")
        if place == GENERATED or number not in {"0", "1"}:
            return place == GENERATED  # others are in an environment
        base, head = ((self._trees.slots.path if int(number) else self._trees.tree)(side) for side in SIDES)
        if is_folder:
            return folder_content(str(base / name)) == folder_content(str(head / name))
        return not copying.differs(name, base, head) and not copying.differs(name, head, base)

    def _recorded(self, names: Sequence[str], words: Sequence[str], until: float) -> dict[str, Recording] | None:
        """Return both sides' recordings of one pass, as far as it came; None if that was not possible."""
        for _ in range(ATTEMPTS):
            left = [name for name in names if name not in self._failed]
            with self._recording(dict.fromkeys(SIDES, left), words, until) as pair:
                if pair is None:
                    return None
                took: list[float] = []  # seconds, sorted
                for name in left:
                    started = time.monotonic()
                    usual = took[len(took) // 4] if len(took) > 1 else 0.0  # few import a framework
                    if pair.lost or _its_part(until) <= started + SPARE * usual:
                        break  # one that is cut would cost what was recorded before it
                    ends = pair.rehearse(name, CALLS_FOR, _its_part(until))
                    bisect.insort(took, time.monotonic() - started)
                    for side in SIDES:
                        self._note(side, name, ends.get(side))
                if not pair.lost:
                    return _of_both(pair.recordings())
        return None

    @contextlib.contextmanager
    def _recording(
        self, parts: Mapping[str, Sequence[str]], words: Sequence[str], until: float
    ) -> Iterator[Pair | None]:
        """Start both sides, each to record these benchmarks; None if that fails."""
        launches = {
            side: self._launcher.recording(side, self._selection, part, words) for side, part in parts.items()
        }
        with self._trial.pair(self._trees.folder) as pair:
            pair.start(launches, SIDES[0])
            yield None if any(isinstance(found, End) for found in pair.collected(until).values()) else pair

    def _note(self, side: str, name: str, end: End | None) -> None:
        """Note how a benchmark ended. Raises PacelineError if a side ran code of another tree."""
        if end is not None:
            self._proof.add(side, name, end)
        if end is None or end.outcome not in PASSED:
            self._failed.setdefault(name, f"{side}: {end.outcome if end else 'it did not end'}")


def _compared(base: Iterable[Recording], head: Iterable[Recording], words: Sequence[str]) -> dict[str, Touch]:
    """Return what recordings show; nothing if they cannot be read, as the project's code can send anything."""
    try:
        return compare(base, head, words)
    except (ValueError, IndexError, TypeError, KeyError):
        return {}


def _words(differing: Iterable[PurePosixPath]) -> list[str]:
    """Return the words by which code would name a file that differs, other than Python's."""
    words = {word for path in differing for word in (path.name, path.stem, path.suffix[1:])}
    return sorted(word for word in words if word and not word[0].isspace() and len(word.split()) == 1)


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
