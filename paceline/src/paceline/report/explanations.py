"""Why a benchmark became slower or faster, as data and as one line.

Changes are of time per call, as fractions of base's total; each has a simultaneous 95 % interval.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

SHOWN = 3  # functions in the line
COUNTED = 2  # functions in the line whose calls differ
ALLOCATED = 1  # functions in the line whose memory differs
CODE = {"changed": "its code changed", "same": "its code is the same", None: ""}


@dataclass(frozen=True)
class ShareChange:
    """A change with its interval."""

    change: float
    low: float
    high: float

    @property
    def percent(self) -> str:
        """Return the change alone, as +9.1 %."""
        return f"{_signed(self.change)} %"

    def __str__(self) -> str:
        return f"{100 * self.low:.1f} .. {_signed(self.high)} %"


@dataclass(frozen=True)
class FunctionChange:
    """How much more time a function itself takes, without the functions that it calls.

    `file`: below the side's tree, or as Python finds a library's; empty for a function in C. `p`: adjusted for all
    functions together. `named`: the test rejects that it is unchanged. `code`: changed, same, or None if that is not
    known. `by`: see CallChange. `calls`: the function in C that has most of its time, if py-spy could tell.
    """

    file: str
    function: str
    difference: ShareChange
    p: float
    named: bool
    code: str | None = None
    by: str = ""
    calls: str = ""

    @property
    def place(self) -> str:
        """Return where it is: work.py: parse_header."""
        return f"{self.file}: {self.function}" if self.file else self.function

    @property
    def about(self) -> str:
        """Say what is known of its code and of its callers."""
        called = f"called more or less often by {self.by}" if self.by and self.code != "changed" else ""
        in_c = f"mostly in {self.calls}" if self.calls else ""
        return ", ".join(filter(None, (CODE[self.code], called, in_c)))

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        rest = {"p": self.p, "named": self.named, "code": self.code, "by": self.by, "calls": self.calls}
        return {"file": self.file, "function": self.function, **asdict(self.difference), **rest}


@dataclass(frozen=True)
class CallChange:
    """How often one call of the benchmark calls a function on each side, where two passes agree.

    `by`: the function with changed code that calls it more or less often, itself or by way of others; empty if there
    is none.
    """

    file: str
    function: str
    base: int
    head: int
    code: str | None = None
    by: str = ""

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        return f"{self.base:,} -> {self.head:,} calls of {_with_module(self.file, self.function)}{by}"


@dataclass(frozen=True)
class AllocationChange:
    """What a function allocates in one call of the benchmark, and what is still there at its end, by side."""

    file: str
    function: str
    base_bytes: int
    base_blocks: int
    head_bytes: int
    head_blocks: int

    def __str__(self) -> str:
        return f"{self.base_bytes:,} -> {self.head_bytes:,} bytes kept by {_with_module(self.file, self.function)}"


@dataclass(frozen=True)
class Explanation:
    """An account of a change: functions that differ most come first. `rest`: all that the line does not show.

    `calls`: the functions that are called more or less often: those with the largest difference first, in C last.
    `allocations`: those that keep other memory. `unsteady`: functions that were left out of both, as two passes of a
    side do not agree.
    """

    functions: tuple[FunctionChange, ...]
    total: ShareChange
    rest: ShareChange
    rounds: int
    samples: int
    calls: tuple[CallChange, ...] = ()
    allocations: tuple[AllocationChange, ...] = ()
    unsteady: int = 0

    @property
    def shown(self) -> list[FunctionChange]:
        """Return the functions that the line shows."""
        return [each for each in self.functions if each.named][:SHOWN]

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        differences = {"total": asdict(self.total), "rest": asdict(self.rest)}
        functions = [each.as_json() for each in self.functions]
        counted = {"rounds": self.rounds, "samples": self.samples, "calls": [asdict(each) for each in self.calls]}
        counted |= {"allocations": [asdict(each) for each in self.allocations], "unsteady": self.unsteady}
        return {"functions": functions, **differences, **counted}

    def __str__(self) -> str:
        facts = [str(each) for each in (*self.calls[:COUNTED], *self.allocations[:ALLOCATED])]
        if self.unsteady:
            facts.append(f"calls or memory of {self.unsteady} functions vary from call to call")
        if not self.shown:
            total = f"in all {_signed(self.total.change)} % ({self.total})"
            return ", ".join([f"not attributable: no function clearly differs; {total}", *facts])
        parts = [_shown(each, of="of the total " * (place == 0)) for place, each in enumerate(self.shown)] + facts
        return f"{', '.join(parts)}; all else within {_signed(self.rest.low)} .. {_signed(self.rest.high)} %"


def _shown(each: FunctionChange, of: str) -> str:
    about = f"; {each.about}" if each.about else ""
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
