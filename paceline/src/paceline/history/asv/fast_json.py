"""Parses result files by orjson, four times as fast as the standard library, with the same result."""

from __future__ import annotations

import json
from typing import Any

import orjson

from paceline.system.strict import TOO_DEEP, MalformedError, any_json, as_object, need


def json_object(raw: bytes) -> dict[str, Any]:
    """Parse an object, all of whose texts can be written. Raises MalformedError."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:  # it is broken, or holds the NaN and Infinity that asv writes
        document = any_json(raw)
        need(b"\\ud" not in raw.lower() or _is_text(document), "holds half a surrogate pair, which is no character")
    return as_object(document)


def _is_text(document: Any) -> bool:
    """Whether all of it can be written to a file or a terminal. Raises MalformedError."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except RecursionError:  # to write takes a few levels more than to parse
        raise MalformedError(TOO_DEEP) from None
    return True
