"""What two functions must share to be of one content."""

from types import CodeType

import pytest
from paceline.gate.touch.digest import content


def code_of(source: str) -> CodeType:
    """Compile a function, and return its code."""
    module = compile(source, "file.py", "exec")
    return next(each for each in module.co_consts if isinstance(each, CodeType))


MANY = "".join(f"    x = {number}.5\n" for number in range(300))
SAME = {
    "lines": ("def f(): return 1", "\n\ndef f():\n\n    # text\n    return 1"),
    "docstring": ("def f():\n    'Text.'\n    return None, 5", "def f():\n    return None, 5"),
    "other docstring": ("def f():\n    'Text.'\n    return 5", "def f():\n    'More text.'\n    return 5"),
    "annotations": ("def f(x: int) -> int:\n    y: int = x\n    return y", "def f(x):\n    y = x\n    return y"),
    "future": ("from __future__ import annotations\ndef f(x): return x", "def f(x): return x"),
    "order of a set": ("def f(x): return x in {'a', 'b', 'c'}", "def f(x): return x in {'c', 'b', 'a'}"),
    "many constants": (f"def f():\n{MANY}    return x", f"def f():\n{MANY}    return x"),
}
DIFFERENT = {
    "constant": ("def f(): return 1", "def f(): return 2"),
    "type of a constant": ("def f(): return 1", "def f(): return 1.0"),
    "sign of a zero": ("def f(): return 0.0", "def f(): return -0.0"),
    "true": ("def f(): return 1", "def f(): return True"),
    "tuple": ("def f(): return (1, 2)", "def f(): return (1, 3)"),
    "name": ("def f(): return a", "def f(): return b"),
    "attribute": ("def f(): return a.b", "def f(): return a.c"),
    "argument": ("def f(a): return 1", "def f(b): return 1"),
    "keyword": ("def f(a): return g(a=1)", "def f(a): return g(b=1)"),
    "kind": ("def f(): return 1", "async def f(): return 1"),
    "inner function": ("def f(): return lambda: 1", "def f(): return lambda: 2"),
    "handler": ("def f():\n    g()\n    h()", "def f():\n    try: g()\n    finally: h()"),
    "one of many constants": (f"def f():\n{MANY}    return x", f"def f():\n{MANY}    x = 0.6\n    return x"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_same(name: str) -> None:
    one, other = map(code_of, SAME[name])
    assert content(one).digest == content(other).digest


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name: str) -> None:
    one, other = map(code_of, DIFFERENT[name])
    assert content(one).digest != content(other).digest


def test_running_changes_nothing() -> None:
    """The interpreter rewrites the code that it runs often."""
    source = "def f(x):\n    total = 0\n    for each in range(x): total += each * 2\n    return total\n"
    space: dict[str, object] = {}
    exec(compile(source, "file.py", "exec"), space)  # noqa: S102 - written above
    function = space["f"]
    before = content(function.__code__).digest  # type: ignore[attr-defined]
    for _ in range(100):
        function(50)  # type: ignore[operator]
    assert content(function.__code__).digest == before  # type: ignore[attr-defined]


def test_names() -> None:
    source = "def f(): return a.b(c=1), 'one.two', 'a text with words', '{0.three}', lambda: d, 'dir/file.json'"
    found = content(code_of(source)).names
    assert {"a", "b", "c", "d", "one", "two", "three", "file", "json"} <= found
    assert "words" not in found


def test_folders_of_a_side_are_taken_out() -> None:
    one, other = (code_of(f"def f(): return '/{side}/file'") for side in "ab")
    assert (
        content(one, lambda text: text.replace("/a/", "/x/")).digest
        == content(other, lambda text: text.replace("/b/", "/x/")).digest
    )
