"""Reads JSON that others wrote; a mistake in it becomes a one-line reason."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from paceline.errors import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMIT = re.compile(r"[0-9a-f]{40}")
TOO_DEEP = "is nested too deeply"


class MalformedError(Exception):
    """A file that cannot be used; the message is the reason, on one line."""


def need(condition: bool, reason: str, *values: Any) -> None:  # noqa: FBT001  # reads as a sentence
    """Raise MalformedError unless the condition holds; each {} of the reason shows one of the values."""
    if not condition:
        raise MalformedError(reason.format(*map(shown, values)))


def exact_object(raw: bytes) -> dict[str, Any]:
    """Return a parsed object; its integers may have any size, and its strings lone surrogates.

    Raises MalformedError.
    """
    return as_object(any_json(raw))


def as_object(document: Any) -> dict[str, Any]:
    """Return the document if it is an object. Raises MalformedError."""
    need(isinstance(document, dict), "expected a JSON object, got {}", document)
    checked: dict[str, Any] = document
    return checked


def any_json(raw: bytes) -> Any:
    """Return parsed JSON, as Python accepts it. Raises MalformedError with the reason."""
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(f"is not UTF-8: byte {error.start} is {raw[error.start]:#04x}") from None
    except RecursionError:
        raise MalformedError(TOO_DEEP) from None
    except ValueError as error:  # not only JSONDecodeError: Python refuses integers of thousands of digits
        raise MalformedError(f"is not JSON: {error}" if raw.strip() else "is empty") from None


def text(table: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a string."""
    need(name in table, "{} is missing", name)
    need(isinstance(table[name], str), "{}: expected a string, got {}", name, table[name])
    return str(table[name])


def commit_hash(table: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a full hash."""
    commit = text(table, name)
    need(COMMIT.fullmatch(commit) is not None, "{}: expected 40 hexadecimal digits, got {}", name, commit)
    return commit
