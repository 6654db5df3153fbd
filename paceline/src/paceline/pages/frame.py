"""What all pages share: head, header with navigation and search, and content security policy."""

from __future__ import annotations

from html import escape

#: Nothing from other sites, and no inline scripts or styles.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
#: Scripts of each page, beyond those of all.
PAGES = {
    "index": ("Overview", ("sparkline.js", "overview.js")),
    "benchmark": ("Benchmark", ("vendor/uPlot.iife.min.js", "chart.js", "curves.js", "benchmark.js")),
    "slowdowns": ("Slowdowns", ("vendor/uPlot.iife.min.js", "chart.js", "curves.js", "slowdowns.js")),
    "compare": ("Compare", ("dots.js", "compare.js")),
}
ASV = ("asv/index.html", "asv")


def page(project: str, name: str, *, with_asv: bool) -> str:
    """Return a page; its scripts fill the content."""
    title, scripts = PAGES[name]
    loaded = "\n    ".join(f'<script src="{each}"></script>' for each in ("base.js", "find.js", *scripts))
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>{title}: {escape(project)}</title>
    <link rel="icon" href="icon.svg">
    <link rel="stylesheet" href="vendor/uPlot.min.css">
    <link rel="stylesheet" href="paceline.css">
  </head>
  <body>
    {_header(project, name, with_asv=with_asv)}
    <main id="main" tabindex="-1">
      <h1>{title}</h1>
      <div id="content">
        <noscript><p>This page needs JavaScript. Turn it on in the browser.</p></noscript>
      </div>
    </main>
    {loaded}
  </body>
</html>
"""


def _header(project: str, here: str, *, with_asv: bool) -> str:
    """Return the header of a page, with a button that skips it."""
    links = [(f"{name}.html", title) for name, (title, _) in PAGES.items()] + ([ASV] if with_asv else [])
    entries = "\n        ".join(_entry(address, title, here) for address, title in links)
    return f"""<header class="site">
      <button type="button" class="skip" id="skip">Skip to content</button>
      <a class="site-name" id="project-name" href="index.html">{escape(project)}</a>
      <nav aria-label="Pages"><ul>
        {entries}
      </ul></nav>
      <div id="find"></div>
    </header>"""


def _entry(address: str, title: str, here: str) -> str:
    current = ' aria-current="page"' if address == f"{here}.html" else ""
    return f'<li><a href="{address}"{current}>{title}</a></li>'
