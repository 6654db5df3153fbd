"""The picture of a terminal holds what was said, and nothing that is loaded from elsewhere."""

from __future__ import annotations

import importlib.util
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SAID = """\
paceline: round 1: 3 timed
===== FAILURES =====
\x1b[31mslower\x1b[0m: <head> takes 2.0 times as long
"""


@pytest.fixture(scope="module")
def take(root: Path) -> Any:
    """The script that takes the pictures."""
    pytest.importorskip("rich", reason="comes with TensorFlow")
    spec = importlib.util.spec_from_file_location("take", root / "docs" / "pictures" / "take.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_terminal_shows_the_command_and_what_was_said_from_the_failures_on(take: Any) -> None:
    picture = unescape(take.draw_terminal(SAID)).replace("\xa0", " ")
    assert "$ pytest --benchmark-only --benchmark-against=HEAD~1" in picture
    assert ": <head> takes 2.0 times as long" in picture
    assert "round 1" not in picture
    assert "\x1b" not in picture


def test_a_terminal_is_the_same_whenever_it_is_drawn_and_loads_nothing(take: Any) -> None:
    picture = take.draw_terminal(SAID)
    assert picture == take.draw_terminal(SAID)
    assert "@font-face" not in picture
    assert "cdnjs" not in picture


def test_a_failure_quotes_the_tool(take: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not a git repository"):
        take.run(tmp_path, "git", "status", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
