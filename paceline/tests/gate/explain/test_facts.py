"""Differences of one call are facts where two passes agree, with the function that is behind them."""

from typing import Any

from paceline.gate.explain import facts
from paceline.report.explanations import AllocationChange, CallChange, Explanation, ShareChange

NAMES = ["work", "helper", "leaf", "chance", "gone", "new"]
FILE = "w.py"


def once(calls: dict[str, int], memory: dict[str, tuple[int, int]], callers: dict[tuple[str, str], int]) -> Any:
    """Return what one pass sends."""
    counts = [[NAMES.index(name), calls.get(name, 0), *memory.get(name, (0, 0))] for name in {**calls, **memory}]
    pairs = [[NAMES.index(a), NAMES.index(b), count] for (a, b), count in callers.items()]
    functions = [{"place": FILE, "name": name, "contents": []} for name in NAMES]
    return {"iterations": 1, "functions": functions, "counts": counts, "callers": pairs}


def base(chance: int = 7) -> Any:
    calls = {"work": 1, "helper": 2, "leaf": 10, "chance": chance, "gone": 1}
    memory = {"leaf": (100, 1), "chance": (chance, 1)}
    return once(calls, memory, {("work", "helper"): 2, ("helper", "leaf"): 10, ("work", "gone"): 1})


def head() -> Any:
    calls = {"work": 1, "helper": 4, "leaf": 20, "chance": 9, "new": 2}
    return once(calls, {"leaf": (200, 2)}, {("work", "helper"): 4, ("helper", "leaf"): 20, ("work", "new"): 2})


CODE = {(FILE, "work"): "changed", (FILE, "helper"): "same", (FILE, "leaf"): "same"}


def test_differences_are_facts_where_passes_agree() -> None:
    found = facts.find([{"base": base(), "head": head()}, {"base": base(8), "head": head()}], CODE)
    assert found.calls == (
        CallChange(FILE, "leaf", 10, 20, "same", "work"),
        CallChange(FILE, "helper", 2, 4, "same", "work"),
        CallChange(FILE, "new", 0, 2, None, "work"),
        CallChange(FILE, "gone", 1, 0, None, "work"),
    )
    assert found.allocations == (AllocationChange(FILE, "leaf", 100, 1, 200, 2),)
    assert found.unsteady == 1, "chance"
    assert found.by[FILE, "leaf"] == "work"
    assert facts.find([{"base": base(), "head": head()}] * 2, {}).by[FILE, "leaf"] == ""


def test_recursion_ends_and_several_calls_are_no_fact() -> None:
    one, two = (once({"leaf": n}, {}, {("leaf", "leaf"): n, ("helper", "leaf"): n}) for n in (3, 5))
    found = facts.find([{"base": one, "head": two}] * 2, {(FILE, "leaf"): "same"})
    assert [(each.function, each.by) for each in found.calls] == [("leaf", "")]
    assert facts.find([{"base": one | {"iterations": 2}, "head": two}], {}) == facts.Facts()
    assert facts.find([], {}) == facts.Facts()


def test_what_varies_is_said() -> None:
    nothing = ShareChange(0.01, -0.01, 0.02)
    assert str(Explanation((), nothing, nothing, 12, 9, unsteady=3)).endswith(
        ", calls or memory of 3 functions vary from call to call"
    )
