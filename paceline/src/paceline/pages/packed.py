"""Writes data for the pages as scripts, as a page that is opened from disk can load nothing else.

The data are JSON, deflated and in base64: a tenth of plain JSON, also on hosts that do not compress.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path

LEVEL = 4  # of deflate; the default is four times as slow, and its files are a thirteenth smaller


def write(folder: Path, name: str, document: Any) -> None:
    """Write `document`, which may have arrays in it, as `name`.js; NaN and infinity become null."""
    path = folder / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = base64.b64encode(zlib.compress(_json(document), LEVEL)).decode()
    path.write_text(f'pacelineData("{name}","{packed}");\n', encoding="ascii")


def read(folder: Path, name: str) -> Any:
    """Return a document that was written."""
    packed = (folder / f"{name}.js").read_text(encoding="ascii").split('"')[3]
    return orjson.loads(zlib.decompress(base64.b64decode(packed)))


def _json(document: Any) -> bytes:
    try:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:  # half of a character, in a name that others wrote
        return orjson.dumps(_in_unicode(document), option=orjson.OPT_SERIALIZE_NUMPY)


def _in_unicode(value: Any) -> Any:
    """Return a copy in which halves of characters are question marks."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_in_unicode(name): _in_unicode(each) for name, each in value.items()}
    return [_in_unicode(each) for each in value] if isinstance(value, (list, tuple)) else value
