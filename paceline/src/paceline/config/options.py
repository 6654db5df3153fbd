"""All options and settings, each defined once: parsers, `--help`, [tool.paceline] and the docs' table use this.

Every pytest run loads this module, so it imports nothing and defines no dataclass, which would take longer than all
options together. `settings` reads the values.
"""

from __future__ import annotations

from typing import Any

SIDES = ("base", "head")
MERGE_BASE = ""  # the option without a value
WORKER = "paceline.gate.worker.process"  # pytest's plugin in a process of a pair
#: Further variables of a worker: the folders below which it records what runs, and names that count there.
RECORDED, WATCHED = "PACELINE_RECORDED", "PACELINE_WATCHED"
ASV_SUITE = "PACELINE_ASV"  # in a worker's environment: names the asv suite of head's settings, below rootdir


class Option:
    """An option of the gate: `flag` on the command line, `setting` in [tool.paceline].

    `flag` is empty for a setting that has no option. `keywords` are argparse's. `by_hand`: read only from the command
    line and PYTEST_ADDOPTS, so that the judged code cannot set it.
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
        """Return the option's value in a parsed command line; None if it was not given."""
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
#: Options for recording, not for the gate.
RECORD = Option(
    "record",
    "--benchmark-record",
    None,
    "Add this run to the history, by commit and machine. --benchmark-record=dirty also records uncommitted"
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
    "Folder or URL of the history, such as s3://bucket/project; `results` in [tool.paceline]. Default: `results_dir`"
    " in asv.conf.json, else .asv/results.",
    metavar="DIR|URL",
)
#: Options of both `pytest` and `paceline gate`.
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
        "False-alarm rate: at most this share of gates on identical code is red, over all benchmarks together."
        " Default: 1%%.",
        metavar="FRACTION",
    ),
    Option(
        "budget",
        "--benchmark-budget",
        600.0,
        "Time limit for the gate. Benchmarks that are undecided then are `unsure`. Default: 600.",
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
        "Write the verdicts to this file, as JSON (schema 2).",
        metavar="FILE",
    ),
    Option(
        "python",
        "--benchmark-against-python",
        None,
        "Run base with this Python, to judge an upgrade. Without a base revision, both sides run the same code.",
        metavar="EXE",
    ),
    Option(
        "wheels",
        "--benchmark-against-wheel",
        None,
        "Judge two wheels of the project instead of two revisions, with the tests of the working tree.",
        by_hand=True,
        metavar="BASE,HEAD",
    ),
    Option(
        "install",
        "--benchmark-against-install",
        "auto",
        "Install each side into its own folder. `auto`: only packages that are compiled, or that Python would not"
        " import from that side's files. In [tool.paceline] also a list of folders to install. Default: auto.",
        nargs="?",
        const="yes",
        choices=["auto", "yes", "no"],
    ),
    Option(
        "control",
        "--benchmark-against-control",
        False,
        "Judge base against itself: every slowdown found is a false alarm. Only on the command line and in"
        " PYTEST_ADDOPTS, not in files.",
        by_hand=True,
        action="store_true",
    ),
    Option(
        "unsure",
        "--benchmark-unsure",
        "pass",
        "Which undecided benchmarks are red. `pass`: none. `suspects`: those whose whole 95 %% interval is above the"
        " tolerance. `fail`: all. Default: pass, with a notice.",
        choices=["pass", "suspects", "fail"],
    ),
    Option(
        "accept",
        "--benchmark-accept",
        None,
        "Let slower benchmarks pass as a reviewed exception; the report shows the reason. Only on the command line"
        " and in PYTEST_ADDOPTS, not in files.",
        by_hand=True,
        metavar="REASON",
    ),
    Option(
        "explain",
        "--benchmark-explain",
        60.0,
        "Time to find the functions that make benchmarks slower or faster, after the verdicts; 0: none. Default: 60.",
        metavar="SECONDS",
    ),
    Option(
        "memory",
        "--benchmark-memory",
        "no",
        "Measure each benchmark's peak memory and number of allocations too, after the verdicts: `show` them, the"
        " default with the option, or also `fail` if head needs more. With --benchmark-record, record the peaks.",
        nargs="?",
        const="show",
        choices=["no", "show", "fail"],
    ),
    Option(
        "memory_tolerance",
        "--benchmark-memory-tolerance",
        0.01,
        "Increases of memory below this are accepted: a share, e.g. 1%%, or bytes, e.g. 64KiB. Default: 1%%.",
        metavar="SHARE|BYTES",
    ),
    Option(
        "explain_same",
        "--benchmark-explain-same",
        "no",
        "Explain benchmarks that are `same` or `unsure` too: `yes` or `no`. Default: no.",
        choices=["yes", "no"],
    ),
    Option(
        "flamegraph",
        "--benchmark-flamegraph",
        None,
        "Write flame graphs of both sides for each explained benchmark to this folder, as HTML and for speedscope.",
        metavar="DIR",
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
        "Benchmarks that base lacks, but can run with head's test files: `show` them as new, or `judge` them."
        " Default: show.",
        choices=["show", "judge"],
    ),
)
#: Settings that have no option.
SETTINGS = (
    Option("overlay", "", [], "More files and folders that base takes from head, such as benchmarks/."),
    Option("tolerances", "", {}, "A table of tolerances by pattern of node ids; the last match counts."),
    Option("memory_tolerances", "", {}, "The same for increases of memory."),
    Option("direction", "", {}, "A table of `less` or `more`, whichever is better, by pattern of benchmarks."),
    Option("critical", "", None, "Patterns of benchmarks that may be red. Default: all."),
)
TABLE = (*OPTIONS, ASV, RECORD, RESULTS, *SETTINGS)
#: Options that the judged code cannot set.
BY_HAND = tuple(option for option in OPTIONS if option.by_hand)
