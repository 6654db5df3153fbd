"""Shards are disjoint, complete, of equal size, and share the false-alarm rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paceline.config.shard import Shard, digest, read

NAMES = st.sets(st.text(max_size=5), max_size=40)


@given(names=NAMES, count=st.integers(1, 9))
def test_every_name_is_in_one_part(names: set[str], count: int) -> None:
    parts = [Shard(number, count).part(names) for number in range(1, count + 1)]
    assert sum(map(len, parts)) == len(names)
    assert set().union(*parts) == names
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_do_not_depend_on_the_order() -> None:
    names = [f"test_{number}" for number in range(30)]
    assert Shard(2, 3).part(names) == Shard(2, 3).part(reversed(names))
    assert digest(names) == digest(reversed(names)) != digest(names[1:])


def test_shares_add_up() -> None:
    assert sum(Shard(number, 4).share(0.01) for number in range(1, 5)) == pytest.approx(0.01)


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1", "1/2/3", "a/b", "-1/2", "1/1001", "1 / 2", "\u0661/\u0662"])
def test_what_is_not_a_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected K/N"):
        read(text)


def test_reading() -> None:
    assert read(None) is None
    assert read("2/4") == Shard(2, 4)
    assert str(read("2/4")) == "2/4"
