"""Why a benchmark became slower or faster, as data and as one line.

Changes are of time per call, as fractions of base's total; each has a simultaneous 95 % interval.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

SHOWN = 3  # functions in the line
COUNTED = 2  # functions in the line whose calls differ
CODE = {"changed": "its code changed", "same": "its code is the same", None: ""}


@dataclass(frozen=True)
class ShareChange:
    """A change with its interval."""

    change: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.low:.1f} .. {_signed(self.high)} %"


@dataclass(frozen=True)
class FunctionChange:
    """How much more time a function itself takes, without the functions that it calls.

    `file`: below the side's tree, or as Python finds a library's; empty for a function in C. `p`: adjusted for all
    functions together. `named`: the test rejects that it is unchanged. `code`: changed, same, or None if that is not
    known.
    """

    file: str
    function: str
    difference: ShareChange
    p: float
    named: bool
    code: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        rest = {"p": self.p, "named": self.named, "code": self.code}
        return {"file": self.file, "function": self.function, **asdict(self.difference), **rest}


@dataclass(frozen=True)
class CallChange:
    """How often one call of the benchmark calls a function on each side, where two passes agree."""

    file: str
    function: str
    base: int
    head: int

    def __str__(self) -> str:
        return f"{self.base} -> {self.head} calls of {_with_module(self.file, self.function)}"


@dataclass(frozen=True)
class Explanation:
    """An account of a change: functions that differ most come first. `rest`: all that the line does not show.

    `calls`: the functions that are called more or less often: those with the largest difference first, in C last.
    """

    functions: tuple[FunctionChange, ...]
    total: ShareChange
    rest: ShareChange
    rounds: int
    samples: int
    calls: tuple[CallChange, ...] = ()

    @property
    def shown(self) -> list[FunctionChange]:
        """Return the functions that the line shows."""
        return [each for each in self.functions if each.named][:SHOWN]

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        differences = {"total": asdict(self.total), "rest": asdict(self.rest)}
        functions = [each.as_json() for each in self.functions]
        counted = {"rounds": self.rounds, "samples": self.samples, "calls": [asdict(each) for each in self.calls]}
        return {"functions": functions, **differences, **counted}

    def __str__(self) -> str:
        calls = [str(each) for each in self.calls[:COUNTED]]
        if not self.shown:
            total = f"in all {_signed(self.total.change)} % ({self.total})"
            return ", ".join([f"not attributable: no function clearly differs; {total}", *calls])
        parts = [_shown(each, of="of the total " * (place == 0)) for place, each in enumerate(self.shown)] + calls
        return f"{', '.join(parts)}; all else within {_signed(self.rest.low)} .. {_signed(self.rest.high)} %"


def _shown(each: FunctionChange, of: str) -> str:
    about = f"; {CODE[each.code]}" if each.code else ""
    low, high = 100 * each.difference.low, 100 * each.difference.high
    name = each.function if each.code else _with_module(each.file, each.function)
    return f"{name} {_signed(each.difference.change)} % {of}({low:.1f} .. {high:.1f}{about})"


def _with_module(file: str, function: str) -> str:
    """Return re.compile for the file re/__init__.py; the function alone if it is in no file of Python."""
    path = PurePosixPath(file)
    if path.suffix != ".py":
        return function
    return f"{path.parent.name if path.stem == '__init__' else path.stem}.{function}"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f}"
