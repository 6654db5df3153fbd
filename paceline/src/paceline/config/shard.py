"""A part of a suite for one of several machines."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 1000


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    def part(self, names: Iterable[str]) -> set[str]:
        """Return every `count`-th name in the order of their hashes: parts of equal size, each a sample of all."""
        return set(sorted(names, key=_digest)[self.number - 1 :: self.count])

    def share(self, alpha: float) -> float:
        """Return the false-alarm rate of this part: those of all parts add up to `alpha`."""
        return alpha / self.count

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()


def digest(names: Iterable[str]) -> str:
    """Return what tells one set of names from any other."""
    return hashlib.sha256(b"".join(sorted(map(_digest, names)))).hexdigest()[:16]


def read(value: Any) -> Shard | None:
    """Read K/N as a shard, None as no shard. Raises ValueError."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", str(value))
    if not found or not 1 <= int(found[1]) <= int(found[2]) <= MOST:
        raise ValueError(f"expected K/N with 1 <= K <= N <= {MOST}, such as 2/4, got {shown(value)}")
    return Shard(int(found[1]), int(found[2]))
