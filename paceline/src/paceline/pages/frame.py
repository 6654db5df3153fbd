"""Parts that all pages share: head, header with navigation, and content security policy."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Nothing from other sites, and no inline scripts. asv's graphs need inline styles.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{inline}; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'"
)

#: Address, name, and id of the entry in asv's scripts.
NAVIGATION = (
    ("compare.html", "Compare", "nav-li-compare"),
    ("slowdowns.html", "Slowdowns", "nav-li-slowdowns"),
    ("index.html#/", "Grid", "nav-li-"),
    ("index.html#/summarylist", "List", "nav-li-summarylist"),
    ("index.html#/regressions", "Regressions", "nav-li-regressions"),
)

#: Where asv's displays begin.
MAIN = """<main id="main" tabindex="-1">
    <h1 class="hidden-visually">Benchmarks</h1>
    <div id="summarygrid-display\""""


def _head(title: str, policy: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    lines = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(title)}</title>",
        '<link rel="icon" href="swallow.ico">',
        '<link rel="alternate" type="application/atom+xml" title="Regressions" href="regressions.xml">',
        *(f'<link rel="stylesheet" href="{name}">' for name in styles),
        *(f'<script src="{name}"></script>' for name in scripts),
    ]
    return "\n    ".join(lines)


def asv_head(project: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Return the head of asv's page."""
    policy = POLICY.format(inline=" 'unsafe-inline'")
    return f"<head>\n    {_head(project, policy, styles, (*scripts, 'frame.js'))}\n  </head>"


def header(project: str, here: str) -> str:
    """Return the header of a page, with a button that skips it."""
    items = []
    for address, name, identity in NAVIGATION:
        current = ' class="active" aria-current="page"' if address == here else ""
        items.append(f'<li id="{identity}"{current}><a href="{address}">{name}</a></li>')
    if here == "index.html":
        items.append('<li id="nav-li-graphdisplay"><span id="title"></span></li>')
    entries = "\n        ".join(items)
    return f"""<header class="site">
      <button type="button" class="skip" data-skip="main">Skip to content</button>
      <a class="site-name" id="project-name" href="index.html">{escape(project)}</a>
      <nav id="nav" aria-label="Pages"><ul>
        {entries}
      </ul></nav>
    </header>"""


def page(project: str, here: str, title: str, scripts: Sequence[str]) -> str:
    """Return one of our own pages; its scripts fill the content."""
    head = _head(f"{title}: {project}", POLICY.format(inline=""), ("paceline.css",), ())
    loaded = "\n    ".join(f'<script src="{name}"></script>' for name in (*scripts, "frame.js"))
    return f"""<!doctype html>
<html lang="en">
  <head>
    {head}
  </head>
  <body>
    {header(project, here)}
    <main id="main" tabindex="-1">
      <h1>{escape(title)}</h1>
      <div id="content">
        <noscript><p>This page needs JavaScript. Turn it on in the browser.</p></noscript>
      </div>
    </main>
    {loaded}
  </body>
</html>
"""
