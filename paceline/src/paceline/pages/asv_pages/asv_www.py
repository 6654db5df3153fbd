"""Makes asv's own pages safe and self-contained. A change replaces a known text; if that is missing, the build fails.

asv's scripts put names, code and units of benchmarks into HTML without escaping, request files by unescaped names,
and load libraries from four content delivery networks. Only these places are changed.
"""

from __future__ import annotations

import re
import shutil
from importlib.metadata import version
from pathlib import Path

from paceline.errors import PacelineError
from paceline.pages import frame, vendor

HERE = Path(__file__).parents[1]

#: Loaded in this order by asv's page.
SCRIPTS = (
    "vendor/jquery.min.js",
    "vendor/jquery.flot.js",
    "vendor/jquery.flot.time.js",
    "vendor/jquery.flot.selection.js",
    "vendor/jquery.flot.categories.js",
    "jquery.flot.axislabels.js",
    "vendor/jquery.flot.orderBars.js",
    "vendor/stupidtable.min.js",
    "vendor/md5.min.js",
    "vendor/bootstrap.min.js",
    "asv-data.js",
    "asv.js",
    "asv_ui.js",
    "summarygrid.js",
    "summarylist.js",
    "graphdisplay.js",
    "regressions.js",
    "asv-access.js",
)
STYLES = (
    "vendor/bootstrap.min.css",
    "asv.css",
    "regressions.css",
    "summarylist.css",
    "paceline.css",
    "asv-frame.css",
)

#: Bootstrap's pictograms, which no page uses.
FONT = re.compile(r"@font-face\{[^}]*\}")

#: Libraries that asv's page loads from other sites; if another version of asv loads others, the build fails.
FOREIGN = {
    "code.jquery.com/jquery-",
    "/flot/0.8.3/jquery.flot.min.js",
    "/flot/0.8.3/jquery.flot.time.min.js",
    "/flot/0.8.3/jquery.flot.selection.min.js",
    "/flot/0.8.3/jquery.flot.categories.min.js",
    "/flot-orderbars@1.0.0/",
    "/stupidtable/",
    "/blueimp-md5/",
    "/bootstrap@3.1.1/dist/js/",
    "/bootstrap@3.1.1/dist/css/",
}


def _graph_of(name: str) -> str:
    """Return the script for a graph's file name that asv uses in all other places."""
    return f"$.asv.graph_to_path({name}, {{summary: ''}})"


def _escaped(text: str) -> str:
    """Return the script by which asv escapes a text in other places."""
    return f"$('<span>').text({text}).html()"


_DETAIL = f"""details.push({_escaped("key + ': ' + val")});"""

#: A commit is not a link if no address of commits is known, which is '#' in asv.
_LINKED = "$.asv.main_json.show_commit_url !== '#'"
_COMMIT = f"$({_LINKED} ? '<a/>' : '<span/>')"

_ENCODED = "item[1].split('/').map(encodeURIComponent).join('/')"

#: By file: the number of occurrences of a text, the text, and its replacement.
CHANGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "asv.js": (
        # Names may contain slashes, question marks and percent signs.
        (1, "= info.location[0];", "= info.location.join('/');"),
        (1, "'#' + info['location'];", "'#' + encodeURIComponent(info['location'].join('/'));"),
        (2, r".replace(/\/+/, '/').split('/')", ".split('/')"),
        # A link may name a benchmark that is no longer there.
        (1, "show_page('graphdisplay', info.params);", "show_page(known ? 'graphdisplay' : '', info.params);"),
        (
            1,
            "/* Display benchmark page */",
            "var known = Object.hasOwn(main_json.benchmarks, info.location.join('/'));",
        ),
        (
            1,
            "if (graph_cache[url]) {",
            "if (!pacelineHasGraph(url)) { setTimeout(dfd.reject, 1); } else if (graph_cache[url]) {",
        ),
        # A page's name must not be found among the names that every object has.
        (1, "var loaded_pages = {};", "var loaded_pages = Object.create(null);"),
    ),
    "asv_ui.js": (
        (1, "heading\">' + heading + '</div>');", "heading\"/>').text(heading);"),
        (1, "'graphs/summary/' + benchmark_basename + '.json'", _graph_of("benchmark_basename")),
    ),
    "summarygrid.js": (
        (1, "var groups = {};", "var groups = Object.create(null);"),
        (1, "href=\"#' + bm.name +\n            '\"/>');", "\"/>').attr('href', '#' + encodeURIComponent(bm.name));"),
        (1, "<div id=\"summarygrid-' + bm.name + '\" class", "<div class"),
        (1, "benchmark-text\">' + display_name + '</div>')", "benchmark-text\"/>').text(display_name)"),
        (2, "html: true,", "html: false,"),
        (1, "'graphs/summary/' + bm.name + '.json'", _graph_of("bm.name")),
        (1, "$('<h1>' + group + '</h1>')", "$('<h2/>').text(group)"),
    ),
    "summarylist.js": (
        (1, "details.push(key + ': ' + val);", _DETAIL),
        (1, "var commit_a = $('<a/>');", f"var commit_a = {_COMMIT};"),
    ),
    "regressions.js": (
        (2, "var graph_url = item[1];", f"var graph_url = {_ENCODED};"),
        # A benchmark has a line for each machine.
        (2, ".append(benchmark_link));", ".append(benchmark_link, pacelineWhere(param_dict)));"),
        (
            2,
            "$('<a/>').attr('href', commit_url).text(commit_b)",
            f"{_COMMIT}.attr('href', commit_url).text(commit_b)",
        ),
    ),
    "graphdisplay.js": (
        (1, "details.push(key + ': ' + val);", _DETAIL),
        # jQuery 3.5 and later do not close tags.
        (1, '<b class="caret-right"/> \' + parts[j] +', f'<b class="caret-right"></b> \' + {_escaped("parts[j]")} +'),
        (
            1,
            "$('<li><a href=\"#' + bm_name + '\">' + name + '</li>');",
            "$('<li/>').append($('<a/>').attr('href', '#' + encodeURIComponent(bm_name)).text(name));",
        ),
        (1, "title: bm.code,\n                html: true,", "title: bm.code,\n                html: false,"),
        (
            1,
            "title: contents,\n                    html: true,",
            "title: contents,\n                    html: false,",
        ),
        (1, 'smaller;\'>" + tag + "</div>");', f'smaller;\'>" + {_escaped("tag")} + "</div>");'),
        (1, "            name = param_names[param_idx];", "            var name = param_names[param_idx];"),
        (1, "= param_names[x_coordinate_axis-1];", f"= {_escaped('param_names[x_coordinate_axis-1]')};"),
        (1, "'_blank');", "'_blank', 'noopener');"),
        (1, "if (previous_hash !== commit_hash) {", f"if (previous_hash !== commit_hash && {_LINKED}) {{"),
    ),
}


def write(www: Path, output: Path, project: str) -> None:
    """Write asv's pages to `output`. Raises PacelineError if this version of asv has other pages."""
    for path in sorted(www.iterdir()):
        if path.suffix in {".js", ".css", ".ico", ".png"}:
            (output / path.name).write_bytes(path.read_bytes())
    for name, changes in CHANGES.items():
        path = output / name
        path.write_text(_changed(name, _read(path), changes), encoding="utf-8")
    (output / "index.html").write_text(_index(_read(www / "index.html"), project), encoding="utf-8")
    shutil.copytree(vendor.FOLDER, output / "vendor")
    bootstrap = output / "vendor" / "bootstrap.min.css"
    bootstrap.write_text(FONT.sub("", bootstrap.read_text(encoding="utf-8")), encoding="utf-8")
    for path in sorted((HERE / "www").iterdir()):
        if path.suffix in {".js", ".css"}:
            (output / path.name).write_bytes(path.read_bytes())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _unknown(path.name, "is missing") from None


def _changed(name: str, text: str, changes: tuple[tuple[int, str, str], ...]) -> str:
    for times, old, new in changes:
        if text.count(old) != times:
            raise _unknown(name, f"has {old.strip()!r} {text.count(old)} times, not {times}")
        text = text.replace(old, new)
    return text


def _index(page: str, project: str) -> str:
    """Return asv's page with our head and navigation."""
    foreign = re.findall(r'(?:src|href)="(https://[^"]+)" integrity', page)
    if len(foreign) != len(FOREIGN) or not all(any(part in each for each in foreign) for part in FOREIGN):
        raise _unknown("index.html", f"loads {', '.join(foreign) or 'nothing'}")
    head, nav = re.search(r"<head>.*</head>", page, re.DOTALL), re.search(r"<nav .*</nav>", page, re.DOTALL)
    if head is None or nav is None:
        raise _unknown("index.html", "has no <head> and <nav>")
    links = frame.asv_head(project, STYLES, SCRIPTS)
    page = page.replace(head[0], links).replace(nav[0], frame.header(project, "index.html"))
    return page.replace("<html>", '<html lang="en">').replace('<div id="summarygrid-display"', frame.MAIN, 1).replace(
        "    <!-- A modal dialog", "    </main>\n    <!-- A modal dialog"
    )  # fmt: skip


def _unknown(name: str, what: str) -> PacelineError:
    return PacelineError(
        f"cannot make the pages of asv {version('asv')} safe ({name} {what}). Install asv 0.6.6, or a newer paceline."
    )
