"""Estimates how long a run still takes, from what each benchmark took the last time and from this run's pace."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Seconds for a benchmark or first call that was never measured here: setup, warm-up and one second of runs.
USUAL = 1.5

#: Those that take much longer, in seconds, measured on the machine of the README's table.
LONG = {
    "gradient_descent-article_python-article": 21.0,
    "gradient_descent-pure_python-article": 16.0,
    "gradient_descent-with_tensorflow_eager-article": 10.0,
    "gradient_descent-article_tensorflow-article": 6.0,
}

#: This run's pace is believed as soon as this many expected seconds are over; before, only in part.
BELIEVED = 10.0


class TimeLeft:
    """What is still to be measured, by name, and how long that takes."""

    def __init__(self, names: Iterable[str], known: Mapping[str, float]) -> None:
        """Expect ``names``, each of them once, to take the ``known`` seconds, or what is usual."""
        expected = LONG | dict(known)
        self.rest = {name: expected.get(name, USUAL) for name in names}
        self.took: dict[str, float] = {}
        self._expected = 0.0
        self._since = perf_counter()

    def done(self, name: str) -> None:
        """Note that ``name`` is done. It took the time since the last one was."""
        now = perf_counter()
        self.took[name] = now - self._since
        self._expected += self.rest.pop(name, 0.0)
        self._since = now

    def expect_only(self, names: Iterable[str]) -> None:
        """Forget what is still expected, except ``names``: the others will not come."""
        wanted = set(names)
        self.rest = {name: seconds for name, seconds in self.rest.items() if name in wanted}

    def seconds(self) -> float:
        """Return the expected seconds of the rest, 0 if nothing is left, at the pace of this run so far."""
        pace = (sum(self.took.values()) + BELIEVED) / (self._expected + BELIEVED)
        return sum(self.rest.values()) * pace

    def __str__(self) -> str:
        """Write the time left, rounded as roughly as it is known; nothing if nothing is left."""
        seconds = self.seconds()
        if not self.rest:
            return ""
        if seconds < 100:  # noqa: PLR2004 - up to here seconds read better than minutes
            return f"about {max(5, 5 * round(seconds / 5))} s left"
        return f"about {round(seconds / 60)} min left"
