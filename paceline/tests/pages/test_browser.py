"""The pages in a real browser, with the network off: from disk, and below a path of a web server."""

import functools
import http.server
import json
import re
import shlex
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright
from projects import Project
from sites import ARGUMENTS, CHROMIUM, History
from trees import row

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: no pages are tried in it")

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
EVIL = "<img src=x onerror=\"document.title='owned'\">"
ESCAPE = "</script><script>document.title='owned'</script>"
HOSTILE = f"suite.test_ü'\"[{EVIL}{ESCAPE}&amp;100%]"
STEPS = "suite.time_step"
PARAMETERS = "suite.time_param"
CASES = [(who, size) for who in ("pure", "with_numpy", "with_polars") for size in ("small", "article")]
AXE = "axe-core@4.10.3"  # checks what can be checked of WCAG 2.1 AA by a program
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


def seconds(who: str, size: str) -> float:
    """Return what a case takes."""
    return {"pure": 3.0, "with_numpy": 0.03, "with_polars": 0.0123}[who] * (7 if size == "article" else 1)


def address_of(name: str) -> str:
    """Return the address of the page of a benchmark."""
    from urllib.parse import quote

    return f"benchmark.html#benchmark={quote(name, safe='')}"


BENCHMARKS = (STEPS, PARAMETERS, HOSTILE.partition("[")[0])
PAGES = ("index.html", *map(address_of, BENCHMARKS), "slowdowns.html", "compare.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a history with slowdowns, implementations to compare, and hostile names."""
    root = tmp_path_factory.mktemp("browser") / "project"
    (root / "t").mkdir(parents=True)
    history = History(Project(root, root / "t"), [])
    history.project.git("init", "--quiet", "-b", "main")
    history.grow(60, subject=EVIL)
    tests: dict[str, Any] = {
        f"t.test_speed[{who}-{size}]": {"axes": {"contender": who, "size": size}} for who, size in CASES
    }
    tests[HOSTILE] = {"group": EVIL, "axes": {EVIL: ESCAPE}}
    tests[HOSTILE + "2"] = {"group": EVIL, "axes": {EVIL: EVIL}}
    documents = {}
    for at in range(60):
        level = (1 if at < 45 else 1.3) * (1 + at % 5 / 500)
        rows = {f"t.test_speed[{who}-{size}]": row(seconds(who, size)) for who, size in CASES}
        rows |= {HOSTILE: row(level), HOSTILE + "2": row(1.0)}
        documents[f"{at}.json"] = history.document(at, rows, ours=True, benchmarks=tests)
        some = {STEPS: row(level), PARAMETERS: row(1.0, [["'a'", "'b'"], ["1", "2", "10"]])}
        documents[f"{at}-asv.json"] = history.document(at, some)
    history.write(documents)
    odd = history.document(3, {STEPS: row(2.0)}, params={"machine": EVIL, "cpu": ESCAPE, "os": EVIL})
    history.write({"a.json": odd}, "odd")
    machine = {"machine": EVIL, "cpu": EVIL, EVIL: EVIL, "version": 1}
    (history.results / "odd" / "machine.json").write_text(json.dumps(machine))
    params = {PARAMETERS: [["'a'", "'b'"], ["1", "2", "10"]]}
    history.describe(STEPS, PARAMETERS, params=params, code=ESCAPE + EVIL)
    history.project.git("tag", "v<b>1", history.commits[30])
    (history.results.parent / "aa").mkdir()
    gate = {"schema": 1, "benchmarks": [{"name": EVIL, "verdict": "slower"}]}
    (history.results.parent / "aa" / "week.json").write_text(json.dumps(gate))
    configuration = {"version": 1, "repo": ".", "branches": ["main"], "project": EVIL}
    configuration |= {"results_dir": ".asv/results", "html_dir": ".asv/html"}
    configuration |= {"show_commit_url": "javascript:alert(1)//"}
    history.project.write({"asv.conf.json": json.dumps(configuration)})
    assert "quarantined" not in history.built()
    return history.site


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of the site below a path of a server, as on GitHub Pages."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    above = site.parent.parent.parent / "web"
    shutil.copytree(site, above / "user" / "project")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(above))
    ) as server:  # fmt: skip
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/user/project"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a head."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@dataclass
class Visit:
    """A page that is open, what it asked for elsewhere, and what it complained of."""

    page: Page
    address: str
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, name: str) -> Page:
        """Open a page of the site in full, and wait until it is drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}/{name}")
        self.page.wait_for_selector("#find input")
        self.page.wait_for_selector("#content > * >> nth=0")
        if "benchmark=" in name:
            self.page.wait_for_selector(".uplot canvas")
        return self.page


def visiting(context: BrowserContext, address: str) -> Visit:
    visit = Visit(context.new_page(), address)

    def check(route: Route) -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            visit.foreign.append(route.request.url)
            route.abort()

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            visit.complaints.append(message.text)

    context.route("**/*", check)
    visit.page.on("console", complain)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("dialog", lambda dialog: visit.complaints.append(f"dialog: {dialog.message}"))
    return visit


@pytest.fixture(params=["disk", pytest.param("web", marks=pytest.mark.slow)])
def visit(request: pytest.FixtureRequest, browser: Browser, site: Path, served: str) -> Iterator[Visit]:
    """The site in a window, from disk and from a server; nothing may be wrong when the test is over."""
    address = site.as_uri() if request.param == "disk" else served
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]  # a TypedDict
    opened = visiting(context, address)
    yield opened
    title = opened.page.title()
    context.close()
    assert opened.foreign == []
    assert opened.complaints == []
    assert title != "owned"


def test_pages_show_hostile_texts_as_text(visit: Visit) -> None:
    for name in PAGES:
        page = visit.open(name)
        assert EVIL in page.inner_text("#project-name"), name
        assert len(page.inner_text("main").strip()) > 100, name
        assert page.locator("main img, main script, header img").count() == 0, name
        links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        assert [each for each in links if each.startswith("javascript:")] == []
    page = visit.open("index.html")
    assert EVIL in page.inner_text(".place h3")  # a subject
    page = visit.open(address_of(STEPS))
    assert EVIL in page.inner_text("#machine")
    page.get_by_text("Code", exact=True).click()
    assert page.inner_text("pre") == ESCAPE + EVIL
    page = visit.open("compare.html")
    page.fill("#benchmark", "test_ü")
    page.keyboard.press("Enter")
    assert ESCAPE in page.inner_text("#figures")


def test_a_change_has_the_command_that_explains_it(visit: Visit) -> None:
    page = visit.open(address_of(HOSTILE.partition("[")[0]))
    code = page.get_by_text(f"paceline explain {shlex.quote(HOSTILE)} ").first
    assert re.fullmatch(r"[0-9a-f]{10} [0-9a-f]{10}", code.inner_text()[-21:])


def test_overview_leads_to_what_changed(visit: Visit) -> None:
    page = visit.open("index.html")
    assert "new slowdowns since v<b>1" in page.inner_text(".tiles").replace("\n", " ")
    place = page.locator(".place.is-slower").first
    assert "2 slower" in place.inner_text()
    assert re.search(r"git log --oneline [0-9a-f]{10}\.\.[0-9a-f]{10}", place.inner_text())
    page.locator(".atlas svg polyline").first.wait_for()
    assert page.locator(".cell.is-slower").count() == 2
    page.get_by_label("Only changed ones").check()
    page.fill("#filter", "STEP suite")
    assert page.locator(".atlas .cell").count() == 1
    address = page.url
    page = visit.open(address.removeprefix(f"{visit.address}/"))
    assert page.locator(".atlas .cell").count() == 1
    place = page.locator(".place.is-slower").first
    place.get_by_role("link", name=STEPS).click()
    page.wait_for_selector(".uplot canvas")
    assert page.inner_text("h1") == STEPS
    page.wait_for_selector("tr.chosen")
    assert "from=" in page.url


def test_search_finds_a_benchmark_by_keyboard(visit: Visit) -> None:
    page = visit.open("slowdowns.html")
    page.keyboard.press("/")
    page.keyboard.type("param")
    assert page.get_attribute("#search", "aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".uplot canvas")
    assert page.inner_text("h1") == PARAMETERS


def test_benchmark_is_read_by_keyboard(visit: Visit) -> None:
    page = visit.open(address_of(STEPS) + "&machine=lab")
    page.wait_for_selector("td .subject")  # which is loaded last
    page.focus(".frame")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tip = page.inner_text(".tip")
    assert "1\u202fs" in tip
    assert EVIL in tip
    page.keyboard.press("+")
    page.wait_for_url(lambda address: "from=" in address)
    page.keyboard.press("Home")
    page.wait_for_url(lambda address: "from=" not in address)
    page.keyboard.press("Enter")
    assert "2023-11-14" in page.inner_text(".point")
    page.get_by_text("Values as a table").click()
    page.locator("details tbody tr").nth(59).wait_for()
    assert page.locator("details tbody tr").count() == 60


def test_benchmark_zooms_by_brush_and_keeps_it_in_the_address(visit: Visit) -> None:
    page = visit.open(address_of(STEPS) + "&machine=lab")
    box = page.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 60)
    page.mouse.up()
    page.wait_for_url(lambda address: "to=" in address)
    address = page.url
    page = visit.open(address.removeprefix(f"{visit.address}/"))
    page.focus(".frame")
    page.keyboard.press("ArrowRight")  # to the first value that is shown
    assert "2023-11-16" in page.inner_text(".tip")


def test_parameters_are_curves_or_the_axis(visit: Visit) -> None:
    page = visit.open(address_of(PARAMETERS))
    assert page.locator(".legend .swatch").count() == 6
    page.select_option("#p-n0", "b")
    assert page.locator(".legend .swatch").count() == 3
    page.select_option("#x", "p-n1")
    page.get_by_label("Logarithmic scale").check()
    assert page.locator(".legend .swatch").count() == 1
    page.focus(".frame")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert "n1 10" in page.inner_text(".tip")


def test_slowdowns_are_sorted_filtered_and_drawn_on_demand(visit: Visit) -> None:
    page = visit.open("slowdowns.html")
    assert page.locator("#changes tbody tr").count() == 2
    assert page.locator("canvas").count() == 0
    page.get_by_role("button", name="Benchmark", exact=True).click()
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Benchmark")
    page.fill("#filter", "step")
    assert page.locator("#changes tbody tr").count() == 1
    page.get_by_role("button", name=STEPS).click()
    page.wait_for_selector("#changes canvas")
    assert "paceline check --accept" in page.inner_text(".full")
    assert "1 of 1 gates of identical code were red. A red one is a false alarm." in page.inner_text("#content")
    page.select_option("#kind", "faster")
    assert page.locator("#changes tbody tr").count() == 0


def figures(page: Page) -> dict[str, list[float]]:
    """Return the numbers of the table of Compare, by row."""
    found: dict[str, list[float]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('#figures tbody tr')].map(row => [
            row.querySelector('th').innerText,
            [...row.querySelectorAll('[data-value]')].map(cell => Number(cell.dataset.value))]))"""
    )
    return found


def test_compare_shows_the_data(visit: Visit) -> None:
    page = visit.open("compare.html")
    for size in ("small", "article"):
        page.get_by_label("size").select_option(label=size)
        page.get_by_label("Baseline").select_option(label="with_numpy")
        shown = figures(page)
        assert list(shown) == ["pure", "with_numpy", "with_polars"]
        for who, (value, ratio, low, high) in shown.items():
            assert [value, low, high] == pytest.approx([seconds(who, size) * by for by in (1, 0.9, 1.1)])
            assert ratio == pytest.approx(seconds("with_numpy", size) / seconds(who, size))
    text = page.inner_text("#figures")
    assert "0.01\u00d7 as fast" in text
    assert "2.44\u00d7 as fast" in text
    assert page.locator(".dots circle").count() == 3
    cases = page.inner_text("#cases").split("\n")
    assert [line.split("\t") for line in cases if line.startswith(("small", "article"))] == [
        ["article", "0.01\u00d7", "210\u202fms", "2.44\u00d7"],
        ["small", "0.01\u00d7", "30\u202fms", "2.44\u00d7"],
    ]


def test_compare_by_what_the_reader_chooses_and_can_be_sent_on(visit: Visit) -> None:
    page = visit.open("compare.html")
    assert page.get_by_label("Compare by").locator("option:checked").inner_text() == "contender"
    page.get_by_label("Compare by").select_option(label="size")
    page.get_by_label("contender").select_option(label="with_polars")
    page.get_by_label("Logarithmic scale").uncheck()
    assert list(figures(page)) == ["article", "small"]
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#figures")
    assert list(figures(page)) == ["article", "small"]
    assert page.get_by_label("contender").locator("option:checked").inner_text() == "with_polars"
    assert not page.get_by_label("Logarithmic scale").is_checked()
    page.fill("#benchmark", PARAMETERS)
    page.keyboard.press("Enter")
    assert figures(page) == {value: [1.0, 1.0, 0.9, 1.1] for value in ("1", "2", "10")}
    assert page.locator("#figures .slower, #figures .faster, #cases .slower, #cases .faster").count() == 0


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm, which brings axe-core, is not installed: accessibility is not checked")
    done = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("npm cannot be reached for axe-core: accessibility is not checked")
    with tarfile.open(folder / done.stdout.split()[-1]) as package:
        member = package.extractfile("package/axe.min.js")
        assert member
        return member.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(browser: Browser, site: Path, axe: str, scheme: str) -> None:
    """Contrast, names, roles and landmarks, on a phone as on a desk; a phone needs no scrolling sideways."""
    for size in (DESK, PHONE):
        context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
        visit = visiting(context, site.as_uri())
        for name in PAGES:
            page = visit.open(name)
            page.evaluate(axe)
            found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
            wrong = [(each["id"], node["html"]) for each in found["violations"] for node in each["nodes"]]
            assert (name, wrong) == (name, [])
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        context.close()


def test_skipping_to_the_content(visit: Visit) -> None:
    page = visit.open("compare.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_script_of_a_page_itself_would_not_run(visit: Visit) -> None:
    """Should a text slip through after all, the policy keeps it from running."""
    page = visit.open("compare.html")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(
            "html => { document.querySelector('#content').innerHTML = html; }", EVIL.replace("=x", "=data:,")
        )
    visit.complaints.clear()
