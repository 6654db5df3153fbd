"""Decides which tests follow pytest-codspeed's rules: its `pedantic` differs from pytest-benchmark's."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WHOLE: pytest.StashKey[bool] = pytest.StashKey()  # whether a marker makes the whole test the benchmark


def is_whole_test(item: pytest.Item) -> bool:
    """Whether a marker makes the whole test the benchmark."""
    return item.stash.get(WHOLE, False)


def is_written_for_codspeed(item: pytest.Item) -> bool:
    """Whether CodSpeed's rules apply to a test: by its marker or fixture, or because its file mentions CodSpeed."""
    return (
        is_whole_test(item)
        or "codspeed_benchmark" in getattr(item, "fixturenames", ())
        or item.get_closest_marker("codspeed_benchmark") is not None
        or _names_codspeed(item.path)
    )


@functools.cache
def _names_codspeed(path: Path) -> bool:
    try:
        return "codspeed" in path.read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        return False


def setup_gets_arguments(
    setup: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, written_for_codspeed: bool
) -> bool:
    """Whether the `setup` of `pedantic` is called with the target's arguments.

    pytest-benchmark calls it without them, pytest-codspeed with them. The signature decides if it allows only one of
    the two, else `written_for_codspeed`.
    """
    with_them, without = _can_call(setup, *args, **kwargs), _can_call(setup)
    return written_for_codspeed if with_them == without else with_them


def _can_call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
