"""What is drawn for a round. Every draw is a coin of its own; none is balanced over rounds.

Balancing would make one round's draws depend on another's, and the sign-flip tests need them independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.config.options import SIDES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

HASH_SEEDS = 2**32 - 1
MOST_PADDING = 4096  # bytes of environment: one page shifts the stack over every alignment


@dataclass(frozen=True)
class Draw:
    """A round's draws. `padding` is in bytes, by side."""

    base_at: str
    first: str
    padding: dict[str, int]
    hash_seed: int
    order: tuple[str, ...]


def draw(coins: random.Random, benchmarks: Sequence[str]) -> Draw:
    """Draw a round over these benchmarks."""
    order = list(benchmarks)
    coins.shuffle(order)
    return Draw(
        base_at=coins.choice("ab"),
        first=coins.choice(SIDES),
        padding={side: coins.randrange(MOST_PADDING) for side in SIDES},
        hash_seed=coins.randrange(1, HASH_SEEDS),
        order=tuple(order),
    )
