"""Plants slowdowns in one function of known code, and counts whether explanations name it: `make evidence-why`.

The code is of five libraries that this environment has, of contenders of this suite, and of two generated modules,
one of them of NumPy. Each explanation is a real one, of a throw-away repository. One in five is of identical code,
where no function may be named. Results are appended to a file, and the table is of all of them together.

    python paceline/evidence_why.py --simulate 1000

adds simulated explanations of each size: 60 functions, 900 samples of each side in a round, and times of functions
that vary by 5 % from process to process.

    pip install stackgate==0.1.1 && python paceline/evidence_why.py --simulate 1000 --stackgate

has stackgate compare the same simulated rounds.

Not part of the distribution: it needs NumPy, SciPy and archspec.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from evidence import at_most, middle
from paceline.config.request import Request
from paceline.config.settings import Settings
from paceline.errors import PacelineError
from paceline.gate import execution
from paceline.gate.explain.account import ALPHA, ROUNDS, SampledRound, explain, large
from paceline.gate.trial import Trial
from paceline.history.machine.naming import this_machine
from paceline.system.git import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from paceline.gate.explain.account import Function, Times
    from paceline.report.explanations import Explanation

KEPT = Path(__file__).with_name("why.jsonl")
SUITE = Path(__file__).resolve().parent.parent
PLANTED = (0.0, 0.03, 0.05, 0.10, 0.20)
SIMULATED = "simulated"
BY_STACKGATE = "simulated, by stackgate"
FUNCTIONS, SAMPLES = 60, 900  # of a simulated benchmark; samples of a side in a round
AT_ONCE = 500  # simulated explanations in a line of the file
NOISE = 0.05  # standard deviation of a function's time from process to process, as a share
UNKNOWN = 0.1  # share of what was planted: an empty loop's speed differs from process to process
LEAST = 500  # turns of the planted loop in one call: the first 256 are cheaper, as Python keeps small integers
SIGNS = np.array([(1, *signs) for signs in itertools.product((1.0, -1.0), repeat=ROUNDS - 1)])

TEST = "import subject\n\nRUN = subject.prepare()\n\n\ndef test_it(benchmark):\n    benchmark(RUN)\n"
PYTHON = """
TEXT = ", ".join(f"Word{i % 37} x{i}" for i in range(120))


def split(text):
    found = []
    for part in text.split(","):
        found.append(part.strip().lower())
    return found


def count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def checksum(text):
    total = 0
    for char in text:
        total = (total * 31 + ord(char)) % 65521
    return total


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, number):
        self.rows.append((number, name))

    def shown(self):
        return "\\n".join(f"{name:<20}{number:>5}" for number, name in sorted(self.rows))


def prepare():
    def run():
        table = Table()
        for name, number in count(split(TEXT)).items():
            table.add(name, number)
        return table.shown(), checksum(TEXT)

    return run
"""
NUMPY = """
import numpy as np

ROWS = np.linspace(0.0, 1.0, 6000).reshape(60, 100)


def normalised(rows):
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True).clip(1e-9)


def correlations(rows):
    return rows @ rows.T / rows.shape[1]


def smooth(rows):
    kernel = np.ones(5) / 5
    return np.array([np.convolve(row, kernel, "same") for row in rows])


def ranks(rows):
    return np.argsort(np.argsort(rows, axis=1), axis=1)


def prepare():
    def run():
        rows = normalised(ROWS)
        return correlations(smooth(rows)), ranks(rows)

    return run
"""
CONTENDER = """from impl.{workload} import problem
from impl.{workload}.{contender} import prepare as made


def prepare():
    return made(problem.make(problem.SIZES["small"]))
"""
CONTENDERS = (
    ("gradient_descent", "pure_python"),
    ("gradient_descent", "with_numpy"),
    ("fraud_preprocessing", "stream_python"),
    ("input_derivative", "reverse_numpy"),
    ("text_prediction", "forward_numpy"),
)
#: Uses of real libraries, by name; each is copied under the name `copied_...`, as pytest imports some itself.
LIBRARIES = {
    "pygments": """from copied_pygments import highlight
from copied_pygments.formatters.html import HtmlFormatter
from copied_pygments.lexers.python import PythonLexer

TEXT = "def f(x):\\n    return [g(y, 'text') for y in x if y > 1.5]  # so\\n" * 8


def prepare():
    return lambda: highlight(TEXT, PythonLexer(), HtmlFormatter())
""",
    "markdown_it": """from copied_markdown_it import MarkdownIt

TEXT = "# Head\\n\\nSome *words* and `code`, with [a link](http://example.org).\\n\\n- one\\n- two\\n\\n" * 6


def prepare():
    parser = MarkdownIt()
    return lambda: parser.render(TEXT)
""",
    "yaml": """from copied_yaml import safe_load

TEXT = "a: [1, 2, three]\\nb:\\n  - c: 'd e'\\n    f: 1.5\\n  - {g: h}\\n" + "k: v\\n" * 10


def prepare():
    return lambda: safe_load(TEXT)
""",
    "tabulate": """from copied_tabulate import tabulate

ROWS = [[f"name{i}", i, i / 7, None] for i in range(30)]


def prepare():
    return lambda: tabulate(ROWS, headers=["a", "b", "c", "d"], tablefmt="github")
""",
    "mpmath": """from copied_mpmath import mp


def prepare():
    mp.dps = 30
    return lambda: [mp.zeta(mp.mpf(n) / 3) for n in range(4, 8)] + [mp.quad(mp.sin, [0, 1])]
""",
}
#: Runs in the project: counts the calls of its functions, and times an empty loop, as a share of a call.
SURVEY = """
import json, statistics, sys, time
import subject
run = subject.prepare()
for _ in range(3):
    run()
found = {}
def count(frame, event, _):
    code = frame.f_code
    is_plain = "<" not in code.co_name and not code.co_flags & 0x2a0
    if event == "call" and is_plain and code.co_filename.startswith(sys.argv[1]):
        entry = found.setdefault(id(code), [code, 0])
        entry[1] += 1
sys.setprofile(count)
run()
sys.setprofile(None)
def empty(turns):
    for _ in range(turns):
        pass
def seconds(function, calls, *arguments):
    started = time.thread_time()
    for _ in range(calls):
        function(*arguments)
    return (time.thread_time() - started) / calls
calls = max(1, int(0.005 / seconds(run, 3)))
turns, once = [], []
for _ in range(200):  # next to each other: a busy machine's speed changes
    total = seconds(run, calls)
    none, many = seconds(empty, 1000, 0), seconds(empty, 20, 20_000)
    turns.append((many - none) / 20_000 / total)
    once.append(none / 2 / total)
median = statistics.median
print(json.dumps({"once": median(once), "turn": median(turns), "functions": [
    [code.co_filename, code.co_qualname, code.co_firstlineno, calls] for code, calls in found.values()]}))
"""


@dataclass(frozen=True)
class Place:
    """Where to plant: a function, and how many turns of an empty loop each of its calls gets."""

    file: Path
    name: str
    line: int
    turns: int


def write(kind: str, folder: Path, libraries: Path | None) -> None:
    """Write the project of one kind."""
    (folder / "test_subject.py").write_text(TEST, encoding="utf-8")
    if kind in {"python", "numpy"}:
        text = PYTHON if kind == "python" else NUMPY
    elif kind in LIBRARIES:
        text = LIBRARIES[kind]
        copy_library(kind, folder, libraries)
    else:
        workload, _, contender = kind.partition("/")
        shutil.copytree(SUITE / "impl", folder / "impl", ignore=shutil.ignore_patterns("__pycache__"))
        text = CONTENDER.format(workload=workload, contender=contender)
    (folder / "subject.py").write_text(text, encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")  # written while a function is chosen
    git(folder, "init", "--quiet")
    commit(folder, "Base")


def copy_library(name: str, folder: Path, libraries: Path | None) -> None:
    """Copy a library from this folder, or from this environment, with another name in its own imports."""
    found = importlib.util.find_spec(name) if libraries is None else None
    source = Path(str(found.origin)).parent if found is not None else (libraries or Path()) / name
    target = folder / f"copied_{name}"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "tests"))
    for file in target.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(rf"(?<![\w.-]){name}(?=[\s.'\"])", f"copied_{name}", text), encoding="utf-8")


def commit(folder: Path, message: str) -> None:
    """Commit everything."""
    git(folder, "add", "-A")
    about = ("-c", "user.name=e", "-c", "user.email=e@example.org")
    git(folder, *about, "commit", "--quiet", "--allow-empty", "-m", message)


def choose(folder: Path, planted: float) -> Place:
    """Return a function at random among those where so much can be planted. Raises PacelineError."""
    command = [sys.executable, "-c", SURVEY, f"{folder}{os.sep}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PacelineError(f"the project does not run: {done.stderr.strip().splitlines()[-1]}")
    survey = json.loads(done.stdout)
    places = []
    for file, name, line, calls in survey["functions"]:
        turns = round((planted / calls - survey["once"]) / survey["turn"])
        if turns >= LEAST and with_loop(Path(file).read_text(encoding="utf-8"), line, turns):
            places.append(Place(Path(file), name, line, turns))
    if not places:
        raise PacelineError("no function for this slowdown")
    return random.choice(places)  # noqa: S311 - chooses an experiment


def with_loop(text: str, line: int, turns: int) -> str | None:
    """Return a module with an empty loop at the begin of the function at this line; None if that is one line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and min([node.lineno, *(d.lineno for d in node.decorator_list)]) == line:
            body = node.body
            has_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1
            first = body[has_text]
            if first.lineno == node.lineno:
                return None
            lines = text.splitlines(keepends=True)
            start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
            lines.insert(start - 1, f"{' ' * first.col_offset}for _ in range({turns}): pass\n")
            return "".join(lines)
    return None


def explained(folder: Path, seconds: float) -> tuple[Explanation | None, Sequence[str]]:
    """Return the explanation of the last commit, and the gate's notices."""
    settings = Settings("HEAD^", tolerance=0.5, alpha=0.5, explain=seconds, explain_same=True, touched=False)
    trial = Trial(Request(settings, ("test_subject.py",), folder), lambda _: None)
    execution.run(trial)
    return next(iter(trial.why.values()), None), trial.notices


def record(kind: str, planted: float, libraries: Path | None, seconds: float) -> dict[str, Any]:
    """Plant a slowdown, explain it, and return its line of the file."""
    started = time.monotonic()
    about: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine().name,
        "load": round(os.getloadavg()[0], 1),
        "python": ".".join(map(str, sys.version_info[:2])),
        "kind": kind,
        "planted": planted,
    }
    with tempfile.TemporaryDirectory(prefix="why-") as name:
        folder = Path(name).resolve() / "project"
        folder.mkdir()
        try:
            write(kind, folder, libraries)
            place = choose(folder, planted) if planted else None
            if place is not None:
                text = with_loop(place.file.read_text(encoding="utf-8"), place.line, place.turns)
                place.file.write_text(text or "", encoding="utf-8")
            commit(folder, "Head")
            why, notices = explained(folder, seconds)
        except PacelineError as error:
            return about | {"error": str(error).replace(name, "")}
        if why is None:
            return about | {"error": "; ".join(notices) or "not explained"}
        target = (f"project/{place.file.relative_to(folder).as_posix()}", place.name) if place else None
    return about | judged(why, target, planted, UNKNOWN) | {"seconds": round(time.monotonic() - started)}


def judged(why: Explanation, target: Function | None, planted: float, unknown: float = 0.0) -> dict[str, Any]:
    """Return how an explanation compares with the truth. `covered`: the interval of the function can hold it."""
    named = [(each.file, each.function) for each in why.functions if each.named]
    found = {(each.file, each.function): each.difference for each in why.functions}
    here = found.get(target) if target else None
    return compared(named, target) | {
        "interval": [round(each, 4) for each in (here.low, here.change, here.high)] if here else None,
        "covered": here.low <= (1 + unknown) * planted and (1 - unknown) * planted <= here.high if here else None,
        "functions": len(why.functions),
        "samples": why.samples,
    }


def compared(named: Sequence[Function], target: Function | None) -> dict[str, Any]:
    """Return how the functions that are named compare with the truth."""
    return {
        "function": target[1] if target else None,
        "first": bool(named) and named[0] == target,
        "found": target in named,
        "wrong": [name for file, name in named if (file, name) != target],
        "covered": None,
    }


def by_paceline(rounds: Sequence[SampledRound], target: Function | None, planted: float) -> dict[str, Any]:
    """Return how paceline's explanation of these rounds compares with the truth."""
    if target is None and not names_any(rounds):
        return compared([], None)
    return judged(explain(rounds, 0, {}), target, planted)


def names_any(rounds: Sequence[SampledRound]) -> bool:
    """Return whether the explanation of these rounds names a function, by NumPy: ten times as fast."""
    values = [each.values() for each in rounds]
    columns = np.array([[value.get(each, 0.0) for each in large(rounds)] for value in values])
    largest = abs(SIGNS @ (columns / np.sqrt((columns**2).sum(axis=0)))).max(axis=1)
    return bool((largest >= largest[0] - 1e-9).mean() <= ALPHA)


def by_stackgate(rounds: Sequence[SampledRound], target: Function | None, _: float) -> dict[str, Any]:
    """Return how stackgate's significant differences compare with the truth, those of its largest functions first."""
    from stackgate import Profile, compare

    def profiles(side: str) -> list[Any]:
        times = (getattr(each, side).items() for each in rounds)
        return [Profile(side, {(name,): round(SAMPLES * time) for (_, name), time in each}) for each in times]

    # Fewer permutations take less time. They are of the total, and change nothing of the functions.
    found = compare(profiles("base"), profiles("head"), permutations=100)
    differ = sorted((*found.regressed_functions, *found.improved_functions), key=lambda each: -abs(each.delta))
    return compared([("f.py", each.function) for each in differ], target)


def simulate(
    count: int,
    sizes: Sequence[float],
    judge: Callable[[Sequence[SampledRound], Function | None, float], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield counts of so many simulated explanations of each size.

    Shares fall off, and rounds, sides and functions are noisy. The function is one of the twelve with most time.
    """
    coins = random.Random(count)  # noqa: S311 - simulates; more are others, not the same and some more
    for planted, start in itertools.product(sizes, range(0, count, AT_ONCE)):
        total: dict[str, int] = defaultdict(int)
        for _ in range(min(AT_ONCE, count - start)):
            target = ("f.py", str(coins.randrange(12)))
            rounds = [
                SampledRound(*(_times(coins, target, planted * is_head) for is_head in (False, True)))
                for _ in range(ROUNDS)
            ]
            for key, number in counted(judge(rounds, target if planted else None, planted)).items():
                total[key] += number
        yield {"kind": BY_STACKGATE if judge is by_stackgate else SIMULATED, "planted": planted, **total}


def _times(coins: random.Random, target: Function, planted: float) -> Times:
    speed, whole = coins.gauss(1, 0.02), sum(1 / place for place in range(1, FUNCTIONS + 1))
    found = {}
    for number in range(FUNCTIONS):
        function = ("f.py", str(number))
        mean = speed * coins.gauss(1, NOISE) / (number + 1) / whole + planted * (function == target)
        found[function] = max(0.0, coins.gauss(mean, (mean / SAMPLES) ** 0.5))
    return found


def collect(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield real explanations until the time is up: each kind with each size in turn, in random order."""
    until = time.monotonic() + 60 * arguments.minutes
    kinds = ["python", "numpy", *LIBRARIES, *("/".join(each) for each in CONTENDERS)]
    left: list[tuple[str, float]] = []
    while time.monotonic() < until:
        left = left or [(kind, planted) for kind in kinds for planted in arguments.planted]
        random.shuffle(left)
        yield record(*left.pop(), arguments.libraries, arguments.seconds)


def read(file: Path) -> list[dict[str, Any]]:
    """Return all results so far."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def is_simulated(found: Mapping[str, Any]) -> bool:
    """Whether these are counts of simulated explanations."""
    return found.get("kind") in {SIMULATED, BY_STACKGATE}


def counted(found: Mapping[str, Any]) -> dict[str, int]:
    """Return a result as counts; those of simulated explanations are counts already."""
    if is_simulated(found):
        return {key: found[key] for key in ("count", "first", "found", "wrong", "covered", "intervals")}
    is_known = found["covered"] is not None
    yes = {key: int(bool(found[key])) for key in ("first", "found", "wrong", "covered")}
    return {"count": 1, **yes, "intervals": int(is_known)}


def table(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a Markdown table of all results, real ones first."""
    groups: dict[tuple[str, float], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in (each for each in records if "error" not in each):
        for key, number in counted(each).items():
            groups[each["kind"] if is_simulated(each) else "real", each["planted"]][key] += number
    yield "| explanations | planted | number | right one first | right one named | wrong one named | interval holds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for (kind, planted), found in sorted(groups.items()):
        count = found["count"]
        right = [f"{found[key] / count:.0%}" if planted else "" for key in ("first", "found")]
        cells = [kind, f"+{planted:.0%}" if planted else "identical code", count]
        cells += [*right, f"{found['wrong']} (at most {at_most(found['wrong'], count):.1%})"]
        cells.append(f"{found['covered']} of {found['intervals']}" if found["intervals"] else "")
        yield f"| {' | '.join(map(str, cells))} |"
    real = [dict(each) for each in records if "seconds" in each]
    if real:
        yield ""
        yield f"Each took {middle(real, 'seconds'):.0f} s, at a load of {middle(real, 'load'):.1f} (medians)."


def main() -> int:
    """Explain planted slowdowns, then print the table of everything so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="start none later (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of each (default: %(default)s)")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="add N simulated ones of each size")
    parser.add_argument("--stackgate", action="store_true", help="have stackgate judge what is simulated")
    parser.add_argument("--planted", type=float, nargs="*", default=PLANTED, help="sizes (default: all)")
    parser.add_argument("--libraries", type=Path, metavar="DIR", help="take the libraries from here")
    parser.add_argument("--file", type=Path, default=KEPT, help="file that results are appended to")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    try:
        judge = by_stackgate if arguments.stackgate else by_paceline
        simulated = simulate(arguments.simulate, arguments.planted, judge)
        for each in simulated if arguments.simulate else collect(arguments):
            with arguments.file.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(each)}\n")
            print(json.dumps(each), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    print(*table(read(arguments.file)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
