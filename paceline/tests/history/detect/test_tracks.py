"""What a check is asked to look at."""

from datetime import datetime

import pytest
from paceline.history.detect.tracks import of_interest


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2026-11-22", "2026-11-22T00:00Z"),
        ("2026-11-22T12:00", "2026-11-22T12:00Z"),
        ("2026-11-22T12:00Z", "2026-11-22T12:00Z"),
        ("2026-11-22T12:00+02:00", "2026-11-22T10:00Z"),
        ("2026-11-22T00:00-08:00", "2026-11-22T08:00Z"),
    ],
)
def test_a_day_is_utc_unless_it_names_a_zone(since: str, first: str) -> None:
    is_wanted = of_interest((), {}, since)
    moment = int(datetime.fromisoformat(first).timestamp() * 1000)
    assert is_wanted("", moment)
    assert not is_wanted("", moment - 1)
