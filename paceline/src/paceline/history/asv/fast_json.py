"""Parses result files with orjson, which is four times as fast as the standard library, with equal results."""

from __future__ import annotations

import json
from typing import Any

import orjson

from paceline.system.strict import TOO_DEEP, MalformedError, any_json, as_object, need


def json_object(raw: bytes) -> dict[str, Any]:
    """Return a parsed object; all its strings can be written. Raises MalformedError."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:  # broken, or with asv's NaN and Infinity
        document = any_json(raw)
        need(
            b"\\ud" not in raw.lower() or _is_text(document),
            "a string holds half a surrogate pair, which is not a character",
        )
    return as_object(document)


def _is_text(document: Any) -> bool:
    """Whether a document can be written to a file or a terminal. Raises MalformedError."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except RecursionError:  # writing takes a few more levels than parsing
        raise MalformedError(TOO_DEEP) from None
    return True
