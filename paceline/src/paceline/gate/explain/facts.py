"""What one call of a benchmark does on each side, where two passes agree: differences are facts and need no test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from paceline.config.options import SIDES
from paceline.report.explanations import AllocationChange, CallChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.gate.explain.account import Function
    from paceline.gate.worker.messages import Message

    Key = TypeVar("Key")
    Value = TypeVar("Value")

MOST = 100  # functions whose calls differ, and as many whose memory does
NOTHING = (0, 0)  # bytes and blocks


@dataclass(frozen=True)
class _Pass:
    """What one side did in one call. `callers`: how often a function calls another."""

    calls: dict[Function, int] = field(default_factory=dict)
    memory: dict[Function, tuple[int, int]] = field(default_factory=dict)
    callers: dict[tuple[Function, Function], int] = field(default_factory=dict)

    @classmethod
    def of(cls, message: Message) -> _Pass:
        names = [(each["place"], each["name"]) for each in message["functions"]]
        found = cls()
        for number, calls, size, blocks in message["counts"]:
            found.calls[names[number]] = calls
            found.memory[names[number]] = size, blocks
        for caller, called, calls in message["callers"]:
            found.callers[names[caller], names[called]] = calls
        return found


@dataclass(frozen=True)
class Facts:
    """The facts of a benchmark. `unsteady`: functions on which the passes of a side do not agree."""

    calls: tuple[CallChange, ...] = ()
    allocations: tuple[AllocationChange, ...] = ()
    unsteady: int = 0
    by: Mapping[Function, str] = field(default_factory=dict)  #: see CallChange, for each function in `calls`


def find(passes: Sequence[Mapping[str, Message]], code: Mapping[Function, str]) -> Facts:
    """Return how the sides differ. `code`: whether a function's own code is the same or changed."""
    if not passes or any(each[side]["iterations"] != 1 for each in passes for side in SIDES):
        return Facts()
    sides = {side: [_Pass.of(each[side]) for each in passes] for side in SIDES}
    calls, unsteady = _compared({side: [each.calls for each in found] for side, found in sides.items()}, 0)
    memory, unsteady_too = _compared(
        {side: [each.memory for each in found] for side, found in sides.items()}, NOTHING
    )
    callers, _ = _compared({side: [each.callers for each in found] for side, found in sides.items()}, 0)
    by = {function: _cause(function, callers, code) for function in calls}
    return Facts(
        _largest_first([CallChange(*each, *pair, code.get(each), by[each]) for each, pair in calls.items()]),
        _most_bytes_first([AllocationChange(*each, *base, *head) for each, (base, head) in memory.items()]),
        len(unsteady | unsteady_too),
        by,
    )


def _compared(
    sides: Mapping[str, Sequence[Mapping[Key, Value]]], nothing: Value
) -> tuple[dict[Key, tuple[Value, Value]], set[Key]]:
    """Return what differs between the sides, as base and head have it, and on what the passes of a side disagree."""
    differ, unsteady = {}, set()
    for key in dict.fromkeys(key for found in sides.values() for each in found for key in each):
        seen = {side: {each.get(key, nothing) for each in found} for side, found in sides.items()}
        if any(len(values) > 1 for values in seen.values()):
            unsteady.add(key)
        elif seen["base"] != seen["head"]:
            differ[key] = seen["base"].pop(), seen["head"].pop()
    return differ, unsteady


def _cause(
    function: Function,
    callers: Mapping[tuple[Function, Function], tuple[int, int]],
    code: Mapping[Function, str],
) -> str:
    """Return the function with changed code that calls this one more or less often, itself or by way of others."""
    seen = set[tuple[str, str]]()
    while function not in seen:
        seen.add(function)
        more = {
            caller: abs(head - base)
            for (caller, called), (base, head) in callers.items()
            if called == function and caller not in seen
        }
        if not more:
            break
        function = max(more, key=lambda each: (code.get(each) == "changed", more[each]))
        if code.get(function) == "changed":
            return function[1]
    return ""


def _largest_first(found: list[CallChange]) -> tuple[CallChange, ...]:
    """Sort calls: those with the largest difference first, of functions in C last."""
    return tuple(sorted(found, key=lambda each: (not each.file, -abs(each.head - each.base), each.file))[:MOST])


def _most_bytes_first(found: list[AllocationChange]) -> tuple[AllocationChange, ...]:
    return tuple(sorted(found, key=lambda each: (-abs(each.head_bytes - each.base_bytes), each.file))[:MOST])
