"""The gate's options, for pytest and for `paceline gate`.

Every pytest run loads this, and most ask for no gate. So it imports nothing and makes no dataclass, which would take
longer to define than all options together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MERGE_BASE = ""  # stands for the option without a value
ASV_SUITE = "PACELINE_ASV"  # in a worker's environment: names the asv suite of head's settings, below rootdir


class Option:
    """An option of the gate, for pytest and for `paceline gate`. `keywords` are argparse's."""

    def __init__(self, flag: str, setting: str, keywords: Mapping[str, Any]) -> None:
        self.flag = flag
        self.setting = setting
        self.keywords = keywords

    def given(self, namespace: Any) -> Any:
        """Return its value in what a parser has read; None if it was not given."""
        return getattr(namespace, self.flag.removeprefix("--").replace("-", "_"), None)


def _option(flag: str, setting: str, text: str, **keywords: Any) -> Option:
    return Option(flag, setting, {"help": text, "default": None, **keywords})


#: `paceline gate` takes the base as its first argument instead of the first of these.
AGAINST = _option(
    "--benchmark-against",
    "against",
    "Judge every selected benchmark of the working tree against this git revision. Without a"
    " value: the merge base with the upstream default branch. Exit status: 1 if something is slower, 4 if"
    " nothing could be judged.",
    metavar="REV",
    nargs="?",
    const=MERGE_BASE,
)
CONTROL = _option(
    "--benchmark-against-control",
    "control",
    "Judge base against base: every slowdown found is false. Counts where --benchmark-accept does.",
    action="store_true",
)
ACCEPT = _option(
    "--benchmark-accept",
    "accept",
    "Let slower benchmarks pass, as an exception that was reviewed; the reason is shown with each. Counts on the"
    " command line and in PYTEST_ADDOPTS, not in files.",
    metavar="REASON",
)
#: Nothing in the tree that is judged may set these: not [tool.paceline], and not pytest's `addopts`.
BY_HAND = (ACCEPT, CONTROL)
OPTIONS = (
    AGAINST,
    _option(
        "--benchmark-tolerance",
        "tolerance",
        "Slowdowns below this are accepted, e.g. 2%% or 0.02. Default: 3%%.",
        metavar="FRACTION",
    ),
    _option(
        "--benchmark-alpha",
        "alpha",
        "At most this share of runs on identical code goes red, over all benchmarks. Default: 1%%.",
        metavar="FRACTION",
    ),
    _option(
        "--benchmark-budget",
        "budget",
        "What is undecided when this time is spent is `unsure`. Default: 600.",
        metavar="SECONDS",
    ),
    _option(
        "--benchmark-timeout",
        "timeout",
        "Time limit for one burst, setup or teardown. A whole test gets five times this. Default: 120.",
        metavar="SECONDS",
    ),
    _option(
        "--benchmark-against-json",
        "json",
        "Write the findings to this file, as JSON (schema 2).",
        metavar="FILE",
    ),
    _option(
        "--benchmark-against-python",
        "python",
        "Run base with this Python, to judge an upgrade. Without a base: on the same code.",
        metavar="EXE",
    ),
    _option(
        "--benchmark-against-wheel",
        "wheels",
        "Judge two wheels of the project instead of revisions, by the tests of the working tree.",
        metavar="BASE,HEAD",
    ),
    _option(
        "--benchmark-against-install",
        "install",
        "Install both sides into folders of their own. Default: auto (what is compiled, or would not come from"
        " each side's tree). In [tool.paceline] also a list of folders to install.",
        nargs="?",
        const="yes",
        choices=["auto", "yes", "no"],
    ),
    CONTROL,
    _option(
        "--benchmark-unsure",
        "unsure",
        "Which undecided benchmarks are red: none, suspects (their whole 95 %% interval is above the tolerance), or"
        " all. Default: pass, and say so.",
        choices=["pass", "suspects", "fail"],
    ),
    ACCEPT,
    _option(
        "--benchmark-new",
        "new",
        "What to do with benchmarks that base does not have but can run, by head's test files: `judge` them, or"
        " `show` them as new. Default: show.",
        choices=["show", "judge"],
    ),
)
