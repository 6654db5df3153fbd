"""The content of a code object: what it does, without its lines, its file and its documentation.

Two code objects of one content do the same with the same globals. Standard library only: workers load this.
"""

from __future__ import annotations

import dis
import hashlib
import re
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 12  # bytes of a digest: no two of 10**9 contents meet
BEHAVIOUR = 0x3FF  # flags that say how a code object runs; the others are of its docstring and __future__ imports
LONGEST = 200  # characters of a string that may be a name, a path, or names joined by something
QUOTE = (
    "'"  #: what comes before a word of a string, which may be of a file's name, where it counts as no more than that
)
_WORD = re.compile(r"\w+")
_HAS_CONSTANT = frozenset(dis.hasconst)
_EXTENDED = dis.EXTENDED_ARG
_BYTE = 0xFF


def digest(*parts: str | bytes) -> str:
    """Return a short hash of these texts, in hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=SIZE)
    for part in parts:
        encoded = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        hashed.update(b"%d:" % len(encoded) + encoded)
    return hashed.hexdigest()


@dataclass(frozen=True)
class Content:
    """A code object's `digest`, and the `names` that it and its nested code refer to.

    Names are of globals and attributes, and the words of each string constant that could name one, with and without a
    quote before them.
    """

    digest: str
    names: frozenset[str]


def content(code: CodeType, clean: Callable[[str], str] = str) -> Content:
    """Return the content of a code object. `clean` makes equal what both sides' strings have by their folders."""
    names = set(code.co_names)
    instructions, constants = _taken_apart(code)
    hashes = [_constant(constant, clean, names) for constant in constants]
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & BEHAVIOUR)
    variables = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    found = digest(code.co_name, repr(shape), repr(variables), instructions, code.co_exceptiontable, *hashes)
    return Content(found, frozenset(names))


def _taken_apart(code: CodeType) -> tuple[bytes, list[object]]:
    """Return the instructions without the places of their constants, and the constants in the order of their use.

    A docstring is a constant that no instruction uses, and it moves the places of the others.
    """
    raw, constants, extended = bytearray(code.co_code), [], 0
    for place in range(0, len(raw), 2):
        operation, argument = raw[place], raw[place + 1] | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation in _HAS_CONSTANT:
            constants.append(code.co_consts[argument])
            raw[place + 1] = 0
            before = place - 2
            while argument > _BYTE and before >= 0 and raw[before] == _EXTENDED:
                raw[before + 1] = 0
                before -= 2
    return bytes(raw), constants


def _constant(value: object, clean: Callable[[str], str], names: set[str]) -> str:
    """Return the hash of a constant with its type; adds what it refers to."""
    if isinstance(value, CodeType):
        nested = content(value, clean)
        names |= nested.names
        return nested.digest
    if isinstance(value, tuple | frozenset):
        parts = [_constant(each, clean, names) for each in value]
        return digest(type(value).__name__, *(parts if isinstance(value, tuple) else sorted(parts)))
    if isinstance(value, str):
        names.update(names_in(value))
        return digest("str", clean(value))
    return digest(type(value).__name__, repr(value))


def names_in(text: str) -> list[str]:
    """Return the words of a short string that may be a name, a path or a format: it has a brace, or no space.

    Each also comes with a quote before it.
    """
    may = len(text) <= LONGEST and ("{" in text or not any(map(str.isspace, text)))
    words = _WORD.findall(text) if may else []
    return words + [QUOTE + word for word in words]
