"""Random edits of a small project against the lines that its benchmarks run: what differs is never untouched."""

import itertools

import hypothesis
import pytest
from hypothesis import strategies as st
from paceline.gate.touch.comparison import compare
from recorded import run, write

NUMBERS = st.sampled_from(["0", "1", "2", "3"])
FOLDERS = itertools.count()
BENCH = """
import one, two

def bench_f(): return one.f(1)
def bench_k(): return one.K().m(2)
def bench_g(): return two.g(1)
def bench_h(): return two.h(1)
def bench_m(): return two.M().m(2)
def bench_table(): return [two.T[key](1) for key in sorted(two.T)]
def bench_a(): return one.A
def bench_lazy():
    import three
    return three.z(1)
"""


def texts(*patterns: str) -> st.SearchStrategy[str]:
    """Draw a pattern, and what stands in it: %n is a number, %v a value, %c a call, %d the start of a definition."""
    named = ["A", "B", "K.a", "len(L)", "K().a", "globals()['A']", "getattr(K, 'a')", "import_module('one').A"]
    values = st.one_of(NUMBERS, st.sampled_from(named))
    calls = st.sampled_from(["x", "f(x)", "K().m(x)", "(lambda y=A: y + x)()", "sum(y for y in L)", "next(gen())"])
    starts = st.sampled_from(["", "", "@traced\n", "@cached\n", "# comment\n"])
    kinds = {"%n": NUMBERS, "%v": values, "%c": calls, "%d": starts}

    @st.composite
    def drawn(draw: st.DrawFn) -> str:
        text = draw(st.sampled_from(patterns))
        for mark, kind in kinds.items():
            while mark in text:
                text = text.replace(mark, draw(kind), 1)
        return text

    return drawn()


HELPERS = """import functools
from importlib import import_module
from dataclasses import dataclass
def traced(f):
    f.count = 1
    return f
def cached(f):
    return functools.lru_cache(f)
"""
NOTHING = st.sampled_from(
    ["", "# a comment", "'a string'", "UNUSED = 5", "def unused(): return 1", "import wave", "pass"]
)
SLOTS = {
    "one.py": [
        st.just(HELPERS),
        texts("A = %n", "A = B = %n", "A, B = %n, %n", "A = int(%n)", "if %n > 1:\n    A = %n\nelse:\n    A = 3"),
        texts("B = %n", "B = A", "B: int = %n", "B = max(A, %n)", "for B in range(%n + 1): pass", "B = A + %n"),
        texts("L = [%n, %n]", "L = list(range(%n))", "L = [A, %n]", "L = []\nL.append(%n)"),
        NOTHING,
        texts(
            "class K:\n    a = %n\n    def m(self, x=%n): return self.a + x",
            "class K:\n    'Text.'\n    a = A\n    def m(self, x): return x + %n\n    def other(self): return %n",
            "@dataclass\nclass K:\n    a: int = %n\n    def m(self, x): return x + self.a",
            "class Meta(type):\n    def __new__(cls, name, bases, space):\n        return "
            "super().__new__(cls, name, bases, {**space, 'a': %n})\nclass K(metaclass=Meta):\n    a = 1\n"
            "    def m(self, x): return x",
            "class Root:\n    def __init_subclass__(cls): cls.b = %n\nclass K(Root):\n    a = 1\n    def m(self, x):"
            " return self.b",
        ),
        texts(
            "%ddef f(x, y=%v): return x + y",
            "%ddef f(x: int = %n) -> int:\n    'Text.'\n    return x + %v",
            "def f(x):\n    def inner(y=%n): return y + %v\n    return inner()",
            "f = lambda x: x + %v",
            "exec('def f(x): return x + %n')",
        ),
        texts("def gen(): yield %v", "def gen():\n    yield %n\n    yield 5"),
        NOTHING,
    ],
    "two.py": [
        st.just("from importlib import import_module"),
        texts("from one import *", "from one import A, B, K, L, cached, f, gen, traced", "from one import *\nA = %n"),
        NOTHING,
        texts("%ddef g(x): return %c + %v", "%ddef g(x, *, y=%v):\n    return %c", "def g(x):\n    return x or f(x)"),
        texts("class M(K):\n    a = %n", *(f"class M(K):\n    def {name}(self, x): return %c" for name in "mn")),
        texts("T = {}", "T = {'f': f}", "T = dict(f=f, g=g)"),
        texts("T['g'] = g", "for _ in range(%n): T[str(_)] = f", "T.setdefault('g', f)", ""),
        texts("%ddef h(x): return T.get('g', f)(x) + %v", "%ddef h(x): return %c + g(x)", "def h(x): return M().a"),
        NOTHING,
    ],
    "three.py": [
        st.sampled_from(["import one", "import two, one", "from one import A", "import two as one"]),
        texts("C = %n", "C = 1 + %n", ""),
        texts("def z(x): return x + %n", "def z(x): return one.A + x",
              "def z(x): return globals().get('C', %n)", "def z(x, y=%n):\n    return y"),
    ],
}  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """Draw a project and a version of it in which some statements differ, are gone or stand elsewhere."""
    base = {name: [draw(slot) for slot in slots] for name, slots in SLOTS.items()}
    head = {name: list(found) for name, found in base.items()}
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(SLOTS)))
        place = draw(st.integers(0, len(SLOTS[name]) - 1))
        head[name][place] = draw(SLOTS[name][place])
        if draw(st.integers(0, 5)) == 0:
            head[name].insert(draw(st.integers(0, len(head[name]))), head[name].pop(place))
    joined = [{name: "\n".join(found) + "\n" for name, found in side.items()} for side in (base, head)]
    return {**joined[0], "bench.py": BENCH}, {**joined[1], "bench.py": BENCH}


@pytest.mark.slow
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(edit=edits())
def test_what_comes_out_untouched_ran_the_same_lines(
    edit: tuple[dict[str, str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"edit{next(FOLDERS)}"
    roots = [write(folder / name, files) for name, files in zip(("base", "head"), edit, strict=True)]
    try:
        base, head = map(run, roots)
    except ImportError:
        hypothesis.reject()
    found = compare([base["recording"]], [head["recording"]])
    differing = {name for name in base["traces"] if base["traces"][name] != head["traces"][name]}
    hypothesis.event(f"touched {sum(not touch.untouched for touch in found.values())}, differing {len(differing)}")
    wrong = {name: found[name].reason for name in differing if found[name].untouched}
    assert not wrong, (wrong, [(base["traces"][name], head["traces"][name]) for name in wrong])
