"""Holds the state of a gate, so that an interrupted one still shows its results so far.

`execution` runs it, `rounds` times it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from paceline.config.settings import allowance, fraction
from paceline.gate import screening, sequential
from paceline.gate.pair import STARTS_WITHIN, Pair
from paceline.gate.verdict import Benchmark
from paceline.report import notices
from paceline.report.outcome import Outcome, Part
from paceline.report.verdicts import Finding, Verdict
from paceline.system.host import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from paceline.config.request import Request
    from paceline.config.settings import Settings
    from paceline.config.tolerances import Allowance
    from paceline.gate.sides.selection import Location
    from paceline.report.explanations import Explanation
    from paceline.report.flames import Flames
    from paceline.report.memory import Memory
    from paceline.report.values import Value


@dataclass
class Trial:
    """The state of one gate, which can be read at any time."""

    request: Request
    say: Callable[[str], None]
    base: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    locations: Mapping[str, Location] = field(default_factory=dict)  #: of head's benchmarks, in pytest's order
    touched: dict[str, str] = field(default_factory=dict)  #: why the change can touch a benchmark
    why: dict[str, Explanation] = field(default_factory=dict)  #: what is slower or faster
    memory: dict[str, Memory] = field(default_factory=dict)  #: of benchmarks, and of values that are memory
    allowances: dict[str, Allowance] = field(default_factory=dict)  #: by how much a benchmark's memory may grow
    flames: list[Flames] = field(default_factory=list)  #: of what is explained
    is_judged: bool = False  #: all verdicts are there
    part: Part | None = None  #: of a suite that is judged on several machines
    starts_within: float = STARTS_WITHIN  #: seconds; adjusted once head is collected
    _apart: list[Finding] = field(default_factory=list)
    _benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    coins: random.Random = field(default_factory=random.SystemRandom)

    @property
    def settings(self) -> Settings:
        """Return the gate's settings."""
        return self.request.settings

    def outcome(self) -> Outcome:
        """Return the results so far, for reports."""
        findings = self.findings()
        return Outcome(
            base=self.base,
            head=self.head,
            machine=machine(),
            alpha=self.settings.alpha,
            tolerance=self.settings.tolerance,
            seconds=self.seconds,
            findings=findings,
            values=self.values,
            notices=[*self.notices, *notices.of_findings(findings, self.settings)],
            part=self.part,
        )

    def pair(self, folder: Path) -> Pair:
        """Return a pair of processes, not yet started, with their logs in `folder`."""
        return Pair(folder, self.settings.timeout, self.coins, self.starts_within)

    def findings(self) -> list[Finding]:
        """Return the findings so far, in the order in which pytest collected the benchmarks; removed ones last."""
        known = {finding.name: finding for finding in self._apart}
        known |= {name: benchmark.finding() for name, benchmark in self._benchmarks.items()}
        found = {
            name: replace(each, touched=self.touched.get(name), why=self.why.get(name), memory=self.memory.get(name))
            for name, each in known.items()
        }
        judged = {name: each.judged(self.settings.unsure, self.settings.accept) for name, each in found.items()}
        judged |= {name: of_memory(name, each) for name, each in self.memory.items() if name not in known}
        order = [name for name in self.locations if name in judged]
        return [judged[name] for name in (*order, *(name for name in judged if name not in self.locations))]

    def enter(self, names: Iterable[str], notes: Mapping[str, str]) -> None:
        """Start to judge these benchmarks; all of them share alpha, whether decided early or late."""
        names = list(names)
        plan = sequential.plan(screening.kept(self.alpha, len(names)))
        tolerances = self.settings.tolerances
        self._benchmarks = {
            name: Benchmark(
                name,
                plan,
                tolerances.of(name, self.locations[name].mark, fraction),
                notes.get(name),
                critical=tolerances.is_critical(name),
            )
            for name in names
        }
        self.notices.extend(tolerances.notices(self.locations))
        if self.settings.memory != "no":
            allowed = self.settings.memory_tolerances
            self.allowances = {name: allowed.of(name, each.mark, allowance) for name, each in self.locations.items()}
            self.notices += [text for text in allowed.notices(self.locations) if text not in self.notices]

    @property
    def alpha(self) -> float:
        """Return alpha for this gate: its share of it if the suite is judged in shards."""
        shard = self.settings.shard
        return self.settings.alpha if shard is None else shard.share(self.settings.alpha)

    def set_apart(self, name: str, verdict: Verdict, reason: str, *, unproven: bool = False) -> None:
        """Add a finding for a benchmark that is not timed."""
        self._apart.append(Finding(name, verdict.value, reason=reason, unproven=unproven))

    def to_explain(self) -> dict[str, Benchmark]:
        """Return the benchmarks that are slower or faster; all that were timed, if the settings ask for that."""
        explained = {Verdict.SLOWER, Verdict.FASTER}
        if self.settings.explain_same:
            explained |= {Verdict.SAME, Verdict.UNSURE}
        return {name: each for name, each in self._benchmarks.items() if each.verdict in explained and each.values}

    def runnable(self) -> list[str]:
        """Return the benchmarks that have run on both sides, or could."""
        cannot = {Verdict.CHANGED, Verdict.BROKEN, Verdict.UNAVAILABLE}
        return [name for name, each in self._benchmarks.items() if each.verdict not in cannot]

    def undecided(self) -> dict[str, Benchmark]:
        """Return the benchmarks that still need rounds."""
        return {name: each for name, each in self._benchmarks.items() if each.verdict is None}


def of_memory(name: str, memory: Memory) -> Finding:
    """Return the finding of a benchmark that measures memory alone."""
    return Finding(name, memory.verdict, reason=memory.reason, red=memory.red, memory=memory)
