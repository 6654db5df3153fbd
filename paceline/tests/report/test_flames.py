"""Flame graphs are complete files that need no network, and hostile names stay text."""

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from paceline.report import flames
from paceline.report.explanations import CallChange, Explanation, FunctionChange, ShareChange
from paceline.report.flames import Flames, Stack
from playwright.sync_api import sync_playwright
from sites import ARGUMENTS, CHROMIUM

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
ROOT, SLOW, OTHER = ("w.py", "handle"), ("w.py", HOSTILE), ("", "len")
SAME = ShareChange(0.001, -0.01, 0.012)
WHY = Explanation(
    (
        FunctionChange(*SLOW, ShareChange(0.2, 0.18, 0.22), 0.0005, named=True, code="changed"),
        FunctionChange(*OTHER, SAME, 1.0, named=False),
    ),
    ShareChange(0.2, 0.19, 0.21),
    SAME,
    12,
    900,
    (CallChange(*OTHER, 1, 3, None, HOSTILE),),
)
BASE = {(ROOT,): 1e-3, (ROOT, SLOW): 2e-3, (ROOT, SLOW, OTHER): 1e-3, (ROOT, OTHER): 1e-9}
FLAMES = Flames(f"t.py::test_a[{HOSTILE}\u2028\ud800]", BASE, BASE | {(ROOT, SLOW): 3e-3}, WHY)


def data(text: str) -> dict[str, object]:
    """Return the data in a page."""
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    read: dict[str, object] = json.loads(found[1])
    return read


def test_a_page_has_both_sides_as_one_tree() -> None:
    text = flames.page(FLAMES)
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", text)
    assert text.count("<script") == 2
    assert "alert(1)</" not in text
    found = data(text)
    assert found["name"] == FLAMES.name
    (handle,) = found["tree"]["c"]  # type: ignore[index]
    assert handle["t"] == pytest.approx([4e-3, 5e-3], rel=1e-3)
    (slow,) = handle["c"]
    assert (slow["n"], slow["o"]) == (HOSTILE, pytest.approx([2e-3, 3e-3]))
    assert found["why"]["functions"][0]["named"]  # type: ignore[index]


def test_a_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flames, "MOST", 50)
    stacks: dict[Stack, float] = {(ROOT, ("f.py", str(number))): 1e-3 * (number + 1) for number in range(400)}
    (handle,) = data(flames.page(Flames("a", stacks, stacks, WHY)))["tree"]["c"]  # type: ignore[index]
    assert 40 <= len(handle["c"]) <= 50


def test_both_files_are_written_and_speedscope_gets_both_profiles(tmp_path: Path) -> None:
    flames.write([FLAMES], tmp_path / "deep" / "folder")
    html, speedscope = sorted((tmp_path / "deep" / "folder").iterdir())
    assert re.fullmatch(r"[\w.-]+-[0-9a-f]{8}\.html", html.name)
    assert speedscope.name == html.name.removesuffix("html") + "speedscope.json"
    found = json.loads(speedscope.read_text(encoding="utf-8"))
    assert [each["name"] for each in found["profiles"]] == ["base", "head"]
    frames = [each["name"] for each in found["shared"]["frames"]]
    head = found["profiles"][1]
    weights = {
        tuple(frames[number] for number in stack): w
        for stack, w in zip(head["samples"], head["weights"], strict=True)
    }
    assert weights["handle", HOSTILE] == 3_000_000
    assert head["endValue"] == sum(head["weights"])


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: no pages are tried in it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_works_by_keys_from_disk_without_a_network(tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    flames.write([FLAMES], tmp_path)
    (file,) = tmp_path.glob("*.html")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(offline=True, color_scheme=scheme).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(file.as_uri())
        focused = "document.activeElement.node?.n"
        page.locator("#head .box").first.focus()
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
            page.keyboard.press(key)
        assert page.evaluate(focused) == HOSTILE
        assert "4 ms on head" in page.locator("#about").inner_text()
        page.keyboard.press("Enter")
        assert page.locator("#both .above").count() == 2
        assert page.evaluate(focused) == HOSTILE
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("LEN")
        assert page.locator("#base .match").all_inner_texts() == ["len"]
        assert {page.locator(f"#{side} .slower").count() for side in ("base", "head", "both")} == {1}
        assert page.locator("h1").inner_text().startswith("t.py::test_a[</script>")
        browser.close()
    assert errors == []
