"""The pages in a real browser, with the network off: from disk, and below a path of a web server."""

import functools
import http.server
import json
import re
import shutil
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
PAGES = ("compare.html", "slowdowns.html", "index.html", "index.html#/summarylist", "index.html#/regressions")
EVIL = "<img src=x onerror=\"document.title='owned'\">"
ESCAPE = "</script><script>document.title='owned'</script>"
HOSTILE = f"suite.test_ü'\"[{EVIL}{ESCAPE}&amp;100%]"
ESCAPED = r"suite.test_size[gr\xf6\xdfe]"  # as pytest writes what is not ASCII
STEPS = "suite.time_step"
CASES = [(who, size) for who in ("pure", "with_numpy", "with_polars") for size in ("small", "article")]


def seconds(who: str, size: str) -> float:
    """Return what a case takes."""
    return {"pure": 3.0, "with_numpy": 0.03, "with_polars": 0.0123}[who] * (7 if size == "article" else 1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a history with slowdowns, implementations to compare, and hostile names."""
    root = tmp_path_factory.mktemp("browser") / "project"
    (root / "t").mkdir(parents=True)
    history = History(Project(root, root / "t"), [])
    history.project.git("init", "--quiet", "-b", "main")
    history.grow(60)
    tests: dict[str, Any] = {
        f"t.test_speed[{who}-{size}]": {"axes": {"contender": who, "size": size}} for who, size in CASES
    }
    tests[HOSTILE] = {"group": EVIL, "axes": {EVIL: ESCAPE}}
    tests[HOSTILE + "2"] = {"group": EVIL, "axes": {EVIL: EVIL}}
    documents = {}
    for at in range(60):
        level = (1 if at < 45 else 1.3) * (1 + at % 5 / 500)
        rows = {f"t.test_speed[{who}-{size}]": row(seconds(who, size)) for who, size in CASES}
        rows |= {HOSTILE: row(level), HOSTILE + "2": row(1.0), ESCAPED: row(level)}
        documents[f"{at}.json"] = history.document(at, rows, ours=True, benchmarks=tests)
        some = {STEPS: row(level), "suite.time_param": row(1.0, [["'a'", "'b'"], ["1", "2"]])}
        documents[f"{at}-asv.json"] = history.document(at, some)
    history.write(documents)
    odd = history.document(3, {STEPS: row(2.0)}, params={"machine": EVIL, "cpu": ESCAPE, "os": EVIL})
    history.write({"a.json": odd}, "odd")
    machine = {"machine": EVIL, "cpu": EVIL, EVIL: EVIL, "version": 1}
    (history.results / "odd" / "machine.json").write_text(json.dumps(machine))
    params = {"suite.time_param": [["'a'", "'b'"], ["1", "2"]]}
    more = {"code": ESCAPE + EVIL, "pretty_name": EVIL}
    history.describe(*tests, STEPS, ESCAPED, "suite.time_param", params=params, **more)
    history.project.git("tag", "v<b>1", history.commits[30])
    (history.results.parent / "aa").mkdir()
    gate = {"schema": 1, "benchmarks": [{"name": EVIL, "verdict": "slower"}]}
    (history.results.parent / "aa" / "week.json").write_text(json.dumps(gate))
    configuration = {"version": 1, "repo": ".", "branches": ["main"], "project": EVIL}
    configuration |= {"results_dir": ".asv/results", "html_dir": ".asv/html"}
    configuration |= {"show_commit_url": "javascript:alert(1)//"}
    history.project.write({"asv.conf.json": json.dumps(configuration)})
    said = history.built()
    assert "quarantined" not in said
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
        """Open a page of the site anew, and wait until it is drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}/{name}")
        self.page.wait_for_load_state("networkidle")
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


def graph_of(name: str) -> str:
    """Return the address of the graph of a benchmark."""
    from urllib.parse import quote

    return f"index.html#{quote(name, safe='')}"


@pytest.mark.slow
def test_pages_load_without_network_or_complaint(visit: Visit) -> None:
    for name in (*PAGES, graph_of(STEPS), graph_of("suite.time_param"), graph_of(HOSTILE), graph_of("gone")):
        page = visit.open(name)
        assert EVIL in page.inner_text("#project-name"), name
        assert len(page.inner_text("main").strip()) > 20, name
        assert not page.is_visible("#error"), name


def test_graphs_of_escaped_names_are_drawn(visit: Visit) -> None:
    page = visit.open(graph_of(ESCAPED))
    assert page.locator("#main-graph canvas").count() == 2


@pytest.mark.slow
def test_grid_draws_escaped_names(visit: Visit) -> None:
    page = visit.open("index.html")
    link = page.locator(f"a[href='{graph_of(ESCAPED).removeprefix('index.html')}']")
    link.scroll_into_view_if_needed()
    link.locator("canvas").first.wait_for()


@pytest.mark.slow
def test_asv_pages_show_data(visit: Visit) -> None:
    page = visit.open("index.html#/summarylist?machine=lab&os=Linux")
    assert page.locator("#summarylist-body tbody tr").count() >= 5
    page = visit.open("index.html#/regressions")
    row = page.locator("#regressions-body tr", has_text=STEPS)
    assert row.locator(".where").inner_text() == "lab"
    row.locator("a", has_text=STEPS).first.hover()
    page.wait_for_selector(".popover canvas")
    page = visit.open(graph_of(STEPS))
    assert page.locator("#main-graph canvas").count() == 2
    page = visit.open("index.html")
    assert page.locator(".benchmark-plot canvas").count() >= 2


@pytest.mark.slow
def test_hostile_texts_are_shown_as_text(visit: Visit) -> None:
    page = visit.open("index.html")
    assert EVIL in page.inner_text("#summarygrid-display")  # pretty_name
    page.locator(".benchmark-text").first.hover()
    assert page.locator(".tooltip").count() == 1
    page.locator(".benchmark-plot").first.hover()
    assert ESCAPE + EVIL in page.inner_text(".tooltip")  # code
    page = visit.open(graph_of(HOSTILE))
    assert page.inner_text("#title") == HOSTILE
    page.locator("#graphdisplay-state-params a", has_text="<img").first.hover()
    assert EVIL in page.inner_text(".tooltip")  # the machine's fields
    page.locator("label.nav-header", has_text="suite").first.click()
    page.locator(f"#graphdisplay-navigation a[href='#{STEPS}']").hover()
    assert ESCAPE + EVIL in page.inner_text(".tooltip")  # code
    page = visit.open("index.html#/summarylist")
    assert EVIL in page.inner_text("#summarylist-navigation")
    page = visit.open("slowdowns.html")
    assert HOSTILE in page.inner_text("#content")
    page = visit.open("compare.html")
    assert HOSTILE.partition("[")[0] in page.inner_text("#benchmark")
    page.select_option("#benchmark", label=HOSTILE.partition("[")[0])
    assert ESCAPE in page.inner_text("#figures")
    for name in (*PAGES, graph_of(HOSTILE)):
        page = visit.open(name)
        assert page.locator("main img, main script, header img").count() == 0, name


@pytest.mark.slow
def test_links_run_nothing(visit: Visit) -> None:
    for name in PAGES:
        page = visit.open(name)
        links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        assert [each for each in links if each.startswith("javascript:")] == []
        commits = page.get_by_role("link", name=re.compile("^[0-9a-f]{8}"))
        assert commits.count() == 0  # of which this project gives no address


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
    page.select_option("#benchmark", label="t.test_speed")
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
    assert "baseline" in text
    drawn = page.evaluate(
        "Chart.getChart(document.querySelector('canvas')).data.datasets[0].data.map(each => each.x)"
    )
    assert drawn == pytest.approx([seconds(who, "article") for who in ("pure", "with_numpy", "with_polars")])
    cases = page.inner_text("#cases").split("\n")
    assert [line.split("\t") for line in cases if line.startswith(("small", "article"))] == [
        ["article", "0.01\u00d7", "210\u202fms", "2.44\u00d7"],
        ["small", "0.01\u00d7", "30\u202fms", "2.44\u00d7"],
    ]


def test_logarithmic_axis_is_labelled(visit: Visit) -> None:
    page = visit.open("compare.html")
    page.select_option("#benchmark", label="t.test_speed")
    ticks = "Chart.getChart(document.querySelector('canvas')).scales.x.ticks.map(tick => tick.label)"
    assert page.evaluate(ticks) == ["100\u202fms", "1\u202fs", "10\u202fs"]
    page.select_option("#benchmark", label="suite.time_param")  # all of which take a second
    assert page.evaluate(ticks)[-4:] == ["700\u202fms", "800\u202fms", "900\u202fms", "1\u202fs"]


def test_compare_by_what_the_reader_chooses_and_can_be_sent_on(visit: Visit) -> None:
    page = visit.open("compare.html")
    page.select_option("#benchmark", label="t.test_speed")
    assert page.get_by_label("Compare by").locator("option:checked").inner_text() == "contender"
    page.get_by_label("Compare by").select_option(label="size")
    page.get_by_label("contender").select_option(label="with_polars")
    page.get_by_label("Logarithmic scale").uncheck()
    assert list(figures(page)) == ["article", "small"]
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert list(figures(page)) == ["article", "small"]
    assert page.get_by_label("contender").locator("option:checked").inner_text() == "with_polars"
    assert not page.get_by_label("Logarithmic scale").is_checked()


def test_compare_tells_parameters_of_asv_apart(visit: Visit) -> None:
    page = visit.open("compare.html")
    page.select_option("#benchmark", label="suite.time_param")
    assert page.get_by_label("Compare by").locator("option:checked").inner_text() == "n1"
    assert figures(page) == {"1": [1.0, 1.0, 0.9, 1.1], "2": [1.0, 1.0, 0.9, 1.1]}
    assert page.locator("#figures .slower, #figures .faster, #cases .slower, #cases .faster").count() == 0


def test_slowdowns_shows_findings_and_gates(visit: Visit) -> None:
    page = visit.open("slowdowns.html")
    finding = page.locator(".finding", has_text=STEPS)
    assert "slower" in finding.inner_text()
    drawn = "[...document.querySelectorAll('canvas')].map(canvas => Boolean(Chart.getChart(canvas)))"
    assert set(page.evaluate(drawn)) == {True}
    finding.locator("summary").first.click()
    assert "first after the change" in finding.inner_text()
    assert page.inner_text("#gates") == "1 of 1 gates of identical code were red. A red one is a false alarm."


def test_many_charts_are_drawn_when_they_are_seen_or_printed(visit: Visit, site: Path) -> None:
    text = (site / "slowdowns-data.js").read_text(encoding="utf-8")
    data = json.loads(text.removeprefix("pacelineData(").removesuffix(");\n"))
    finding = next(each for each in data["findings"] if each["series"])
    page = visit.open("slowdowns.html")
    page.evaluate("data => pacelineData(data)", data | {"findings": [finding] * 25})
    count = "[...document.querySelectorAll('canvas')].filter(canvas => Chart.getChart(canvas)).length"
    page.wait_for_function(f"{count} > 0")
    assert page.evaluate(count) < 25
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(count) == 25 * len(finding["series"])


def tab_until(page: Page, condition: str, most: int = 60) -> None:
    """Press Tab until the focused element meets a condition in JavaScript."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const e = document.activeElement; return {condition}; }})()"):
            return
    raise AssertionError(f"Tab does not come to {condition}")


@pytest.mark.slow
def test_keyboard_reaches_everything(visit: Visit) -> None:
    page = visit.open("compare.html")
    tab_until(page, "e.innerText === 'Skip to content'", 1)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_until(page, "e.id === 'benchmark'", 1)
    page.select_option("#benchmark", label="t.test_speed")
    page.focus("#base")
    before = page.input_value("#base")
    page.keyboard.press("ArrowDown" if before == "0" else "ArrowUp")
    assert page.input_value("#base") != before
    assert page.evaluate("document.activeElement.id") == "base"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab_until(page, "e.getAttribute('aria-label') === 'Figures'")
    page = visit.open(graph_of(STEPS))
    tab_until(page, "e.id === 'log-scale'")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.includes('y-axis-scale=log')")
    assert page.get_attribute("#log-scale", "aria-pressed") == "true"
    page = visit.open("index.html#/regressions")
    tab_until(page, "e.tagName === 'TH'")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.includes('sort=')")


@pytest.mark.slow
def test_controls_have_names(visit: Visit) -> None:
    for name in ("compare.html", "slowdowns.html"):
        page = visit.open(name)
        nameless = """[...document.querySelectorAll('select, input, button, canvas, a, table')].filter(each =>
            !(each.labels && each.labels.length) && !each.textContent.trim() && !each.getAttribute('aria-label'))"""
        assert page.evaluate(f"{nameless}.map(each => each.outerHTML)") == []
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("h1").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PAGES, graph_of(STEPS)])
def test_phone_needs_no_scrolling_sideways(browser: Browser, site: Path, name: str) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]  # a TypedDict
    page = visiting(context, site.as_uri()).open(name)
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert width <= PHONE["width"]


def brightness(page: Page, selector: str, what: str) -> float:
    """Return how bright a colour of an element is, from 0 to 255."""
    colour: str = page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).{what}")
    parts = [float(part) for part in colour[colour.index("(") + 1 : -1].replace(",", " ").split()[:3]]
    return sum(parts) / 3


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_light_and_dark(browser: Browser, site: Path, name: str) -> None:
    for scheme, is_dark in (("light", False), ("dark", True)):
        context = browser.new_context(viewport=DESK, color_scheme=scheme)  # type: ignore[arg-type]  # a TypedDict
        page = visiting(context, site.as_uri()).open(name)
        back, text = brightness(page, "body", "backgroundColor"), brightness(page, ".site-name", "color")
        context.close()
        assert (back < 60, text > 180) == (is_dark, is_dark)


def test_script_of_a_page_itself_would_not_run(visit: Visit) -> None:
    """Should a text slip through after all, the policy keeps it from running."""
    page = visit.open("compare.html")
    page.evaluate("html => { document.querySelector('#content').innerHTML = html; }", EVIL)
    page.wait_for_timeout(300)
    refused: list[Any] = [each for each in visit.complaints if "Content Security Policy" in each]
    assert refused
    visit.complaints.clear()
