"""Every option and setting, once: parsers, `--help`, [tool.paceline] and the docs' table come from here.

Every pytest run loads this, and most ask for no gate. So it imports nothing and makes no dataclass, which would take
longer to define than all options together; `settings` reads the values.
"""

from __future__ import annotations

from typing import Any

SIDES = ("base", "head")
MERGE_BASE = ""  # stands for the option without a value
#: Further variables of a worker: the folders below which it records what runs, and names that count there.
RECORDED, WATCHED = "PACELINE_RECORDED", "PACELINE_WATCHED"
ASV_SUITE = "PACELINE_ASV"  # in a worker's environment: names the asv suite of head's settings, below rootdir


class Option:
    """An option of the gate: for pytest and `paceline gate` by its flag, and under its setting in [tool.paceline].

    `flag` is empty for what only [tool.paceline] can set. `keywords` are argparse's. `by_hand`: it counts on the
    command line and in PYTEST_ADDOPTS alone, so that nothing in the tree that is judged can set it.
    """

    def __init__(
        self, setting: str, flag: str, default: Any, text: str, *, by_hand: bool = False, **keywords: Any
    ) -> None:
        self.setting = setting
        self.flag = flag
        self.default = default
        self.by_hand = by_hand
        self.keywords = {"help": text, "default": None, **keywords}

    def given(self, namespace: Any) -> Any:
        """Return its value in what a parser has read; None if it was not given."""
        return getattr(namespace, self.flag.removeprefix("--").replace("-", "_"), None)


#: `paceline gate` takes the base as its first argument instead of the first of these.
AGAINST = Option(
    "against",
    "--benchmark-against",
    None,
    "Judge every selected benchmark of the working tree against this git revision. Without a"
    " value: the merge base with the upstream default branch. Exit status: 1 if something is slower, 4 if"
    " nothing could be judged.",
    metavar="REV",
    nargs="?",
    const=MERGE_BASE,
)
ASV = Option(
    "asv",
    "--benchmark-asv",
    None,
    "Collect an asv suite, unchanged. DIR: its benchmark_dir; without a value, that of asv.conf.json. Needs"
    " paceline[asv].",
    metavar="DIR",
    nargs="?",
    const="",
)
#: Of recording, not of the gate.
RECORD = Option(
    "record",
    "--benchmark-record",
    None,
    "Add this run to the history, by commit and hardware. --benchmark-record=dirty also records uncommitted"
    " changes, marked as such.",
    by_hand=True,
    metavar="dirty",
    nargs="?",
    const="clean",
)
RESULTS = Option(
    "results",
    "--benchmark-record-results",
    None,
    "The history's folder; in [tool.paceline]: results. Default: results_dir of asv.conf.json, or"
    " .asv/results, of the project around.",
    metavar="DIR",
)
#: What both `pytest` and `paceline gate` take.
OPTIONS = (
    AGAINST,
    Option(
        "tolerance",
        "--benchmark-tolerance",
        0.03,
        "Slowdowns below this are accepted, e.g. 2%% or 0.02. Default: 3%%.",
        metavar="FRACTION",
    ),
    Option(
        "alpha",
        "--benchmark-alpha",
        0.01,
        "At most this share of runs on identical code goes red, over all benchmarks. Default: 1%%.",
        metavar="FRACTION",
    ),
    Option(
        "budget",
        "--benchmark-budget",
        600.0,
        "What is undecided when this time is spent is `unsure`. Default: 600.",
        metavar="SECONDS",
    ),
    Option(
        "timeout",
        "--benchmark-timeout",
        120.0,
        "Time limit for one burst, setup or teardown. A whole test gets five times this. Default: 120.",
        metavar="SECONDS",
    ),
    Option(
        "json",
        "--benchmark-against-json",
        None,
        "Write the findings to this file, as JSON (schema 2).",
        metavar="FILE",
    ),
    Option(
        "python",
        "--benchmark-against-python",
        None,
        "Run base with this Python, to judge an upgrade. Without a base: on the same code.",
        metavar="EXE",
    ),
    Option(
        "wheels",
        "--benchmark-against-wheel",
        None,
        "Judge two wheels of the project instead of revisions, by the tests of the working tree.",
        by_hand=True,
        metavar="BASE,HEAD",
    ),
    Option(
        "install",
        "--benchmark-against-install",
        "auto",
        "Install both sides into folders of their own. Default: auto (what is compiled, or would not come from"
        " each side's tree). In [tool.paceline] also a list of folders to install.",
        nargs="?",
        const="yes",
        choices=["auto", "yes", "no"],
    ),
    Option(
        "control",
        "--benchmark-against-control",
        False,
        "Judge base against base: every slowdown found is false. Counts where --benchmark-accept does.",
        by_hand=True,
        action="store_true",
    ),
    Option(
        "unsure",
        "--benchmark-unsure",
        "pass",
        "Which undecided benchmarks are red: none, suspects (their whole 95 %% interval is above the tolerance), or"
        " all. Default: pass, and say so.",
        choices=["pass", "suspects", "fail"],
    ),
    Option(
        "accept",
        "--benchmark-accept",
        None,
        "Let slower benchmarks pass, as an exception that was reviewed; the reason is shown with each. Counts on the"
        " command line and in PYTEST_ADDOPTS, not in files.",
        by_hand=True,
        metavar="REASON",
    ),
    Option(
        "touched",
        "--benchmark-touched",
        "yes",
        "Time only benchmarks that run code which differs: `yes`, or `no` to time all. Default: yes.",
        choices=["yes", "no"],
    ),
    Option(
        "shard",
        "--benchmark-shard",
        None,
        "Judge part K of N on a machine of its own, with its share of the false-alarm rate. `paceline merge` joins"
        " the JSON files of the parts.",
        by_hand=True,
        metavar="K/N",
    ),
    Option(
        "new",
        "--benchmark-new",
        "show",
        "What to do with benchmarks that base does not have but can run, by head's test files: `judge` them, or"
        " `show` them as new. Default: show.",
        choices=["show", "judge"],
    ),
)
#: What only [tool.paceline] can set.
SETTINGS = (
    Option("overlay", "", [], "More files and folders that base gets from head, such as benchmarks/."),
    Option("tolerances", "", {}, "A table of tolerances by pattern of node ids; the last that matches counts."),
    Option("critical", "", None, "Patterns of the benchmarks that may be red. Default: all."),
)
TABLE = (*OPTIONS, ASV, RECORD, RESULTS, *SETTINGS)
#: What the user alone may give, and the tree that is judged may not.
BY_HAND = tuple(option for option in OPTIONS if option.by_hand)
