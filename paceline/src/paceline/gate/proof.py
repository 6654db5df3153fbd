"""Checks whose code the timed processes ran: one line per side, or the error that ends the gate.

A verdict on the wrong code is worse than none. So the gate ends if a side ran no code of its own, a module from
elsewhere, or the fallback of a compiled module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.errors import PacelineError
from paceline.gate.sides.usage import is_below
from paceline.gate.visit import PASSED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from paceline.config.settings import Settings
    from paceline.gate.sides.distributions import Distribution
    from paceline.gate.sides.provision import Provision
    from paceline.gate.visit import End

MOST_NAMED = 4
OUR_OWN = {"_pytest", "cpuinfo", "iniconfig", "packaging", "pluggy", "py", "pygments", "pytest", "pytest_benchmark"}


class Proof:
    """Collects which code the processes of both sides report, and raises PacelineError if it is the wrong one."""

    def __init__(self, settings: Settings, provision: Provision, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._provision = provision
        self._say = say
        self._code: dict[str, dict[str, None]] = {side: {} for side in SIDES}
        self._native: dict[str, dict[str, None]] = {side: {} for side in SIDES}
        self._elsewhere: dict[str, dict[str, None]] = {side: {} for side in SIDES}
        self._seen: set[str] = set()
        self._has_passed = dict.fromkeys(SIDES, False)
        self._shown: set[str] = set()

    def add(self, side: str, name: str, end: End) -> None:
        """Note which code one test loaded on one side. Raises PacelineError if that is not the side's own."""
        if end.foreign:
            self._raise_foreign(side, name, end)
        if not end.origin:
            return
        self._seen.add(name)
        self._has_passed[side] |= end.outcome in PASSED
        self._provision.judge_lacking(side, end.origin["lacking"])
        self._code[side].update(dict.fromkeys(end.origin["code"]))
        self._native[side].update(dict.fromkeys(end.origin["native"]))
        self._elsewhere[side].update(dict.fromkeys(end.origin["elsewhere"]))

    def show(self, undecided: Collection[str]) -> None:
        """Report once for each side, after a round, whose code ran.

        Raises PacelineError if a side ran no code of its own in any undecided benchmark.
        """
        for side in SIDES:
            if self._code[side] and side not in self._shown:
                self._shown.add(side)
                self._say(self._line(side))
            is_judged = self._settings.revision is not None or self._provision.installed
            has_none = self._has_passed[side] and not self._code[side]
            if has_none and is_judged and self._seen.issuperset(undecided):
                self._raise_no_code(side)

    def _line(self, side: str) -> str:
        provision, known = self._provision, self._provision.distributions_by_name()
        names = {_owner(name, known.values()) for name in self._code[side]}
        parts = []
        installed = sorted(names & {each.name for each in provision.installed})
        if installed:
            parts.append(f"{_listed(installed)} {provision.source_of_installed(side)}")
        in_place = sorted(names - set(installed))
        if in_place:
            parts.append(f"{_listed(in_place)} from its tree, in place")
        native = list(self._native[side])
        if native:
            parts.append(f"compiled: {_listed(native)}")
        return f"{side}: {', '.join(parts)}"

    def _raise_no_code(self, side: str) -> None:
        names = [name for name in self._elsewhere[side] if name not in OUR_OWN and not name.startswith("_")]
        raise PacelineError(
            f"{side} ran no code of this repository: its process loaded only test files and"
            f" {_listed(names) or 'the standard library'} (child processes are not checked)."
            f" {self._provision.remedy()}"
        )

    def _raise_foreign(self, side: str, name: str, end: End) -> None:
        module, file = end.foreign[0]
        more = f" and {len(end.foreign) - 1} more" if len(end.foreign) > 1 else ""
        raise PacelineError(
            f"{side} did not run its own code in {name}: module {module!r} came from {file}{more}."
            f" {self._provision.remedy(module)}"
        )


def _owner(name: str, distributions: Iterable[Distribution]) -> str:
    """Return the name of the distribution that a module belongs to, or the module's own name."""
    return next((each.name for each in distributions if is_below(name, each.names)), name)


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:MOST_NAMED])} and {more} more"
