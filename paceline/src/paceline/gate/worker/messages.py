"""Defines and checks the messages from a worker to the gate, field by field.

A worker runs the project's code, which can write to the channel too. So a message is checked before it is used.
Standard library only: workers load this.
"""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]

COUNT, PLACE, NANOSECONDS = range(1, 2**63), range(2**31), range(-(2**63), 2**63)
SIZE = range(2**63)
TEXT = (str, None)
LOCATION = {"id": str, "path": str, "line": PLACE, "mark": ({str: (bool, NANOSECONDS, float, str)}, None)}
FUNCTION = {"place": str, "name": str, "contents": [str]}
COLLECTED = {
    "errors": {str: str},
    "set_aside": [str],
    "benchmarks": [LOCATION],
    "items": [str],
    "nanoseconds": {str: NANOSECONDS},
}

#: By event. A shape is a type, several of them, a list of one, or an object with any keys (`{str: ...}`) or these.
EVENTS: dict[str, dict[Any, Any]] = {
    "hello": {},
    "collected": COLLECTED,
    "surveyed": {
        **COLLECTED,
        "values": [LOCATION],
        "memory": [str],
        "asv": TEXT,
        "notes": [str],
        "root": str,
        "ini": TEXT,
        "paths": [str],
        "modules": [str],
        "loaded": {str: str},
        "origins": {str: TEXT},
    },
    "at": {"most": (COUNT, None)},
    "pinned": {},
    "burst": {
        "iterations": COUNT,
        "wall": NANOSECONDS,
        "process": NANOSECONDS,
        "thread": NANOSECONDS,
        "queued": NANOSECONDS,
        "waits": (NANOSECONDS, None),
        "children": bool,
    },
    "sampled": {
        "iterations": COUNT,
        "functions": [FUNCTION],
        "stacks": [{"frames": [PLACE], "nanoseconds": NANOSECONDS, "samples": COUNT}],
    },
    "counted": {
        "iterations": COUNT,
        "functions": [FUNCTION],
        "counts": [[PLACE]],
        "callers": [[PLACE]],
    },
    "gauged": {"bytes": (SIZE, None), "allocations": (NANOSECONDS, None), "outside": [str]},
    "done": {
        "outcome": str,
        "reason": TEXT,
        "version": TEXT,
        "foreign": [[str]],
        "origin": {"code": [str], "native": [str], "lacking": [str], "elsewhere": [str]},
        "value": (float, NANOSECONDS, None),
        "unit": TEXT,
        "spoilt": bool,
    },
    "ran": {"name": str, "ran": [PLACE]},
    "recorded": {
        "environment": {str: str},
        "libraries": {str: str},
        "items": [[(str, [PLACE])]],
        "modules": [[(str, [[(str, bool, PLACE, [PLACE])]])]],
        "named": {str: str},
        "common": [PLACE],
        "names": [str],
    },
}


def is_message(found: object) -> bool:
    """Whether this is an event with its fields."""
    if not isinstance(found, dict):
        return False
    fields = {name: value for name, value in found.items() if name != "event"}
    shape = EVENTS.get(found["event"]) if isinstance(found.get("event"), str) else None
    return shape is not None and fits(fields, shape)


def fits(value: object, shape: object) -> bool:
    """Whether a value has this shape; a range is the shape of the integers in it."""
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and _are_all(value, shape[0])
    if isinstance(shape, dict):
        return isinstance(value, dict) and _has_fields(value, shape)
    if isinstance(shape, range):
        return type(value) is int and value in shape
    return value is None if shape is None else type(value) is shape


def _are_all(values: list[Any], shape: object) -> bool:
    if isinstance(shape, range):  # at once, as there may be millions
        return not values or (set(map(type, values)) == {int} and min(values) in shape and max(values) in shape)
    return all(fits(each, shape) for each in values)


def _has_fields(found: dict[str, Any], shape: dict[Any, Any]) -> bool:
    if str in shape:
        return all(fits(each, shape[str]) for each in found.values())
    return found.keys() == shape.keys() and all(fits(found[name], each) for name, each in shape.items())
