"""What the timed processes say about their code, and when that ends the gate."""

from types import SimpleNamespace
from typing import Any

import pytest
from paceline.config.settings import Settings
from paceline.errors import PacelineError
from paceline.gate.proof import Proof
from paceline.gate.visit import End

OWN = {"code": ["work", "helper"], "native": ["work._fast"], "lacking": [], "elsewhere": []}
NONE = {"code": [], "native": [], "lacking": [], "elsewhere": ["numpy", "pytest"]}


def proof(said: list[str], revision: str | None = "HEAD") -> Proof:
    work = SimpleNamespace(name="work", names={"work"})
    provision: Any = SimpleNamespace(
        installed=[work] if revision else [],
        distributions_by_name=lambda: {"work": work},
        source_of_installed=lambda _: "from its tree, installed",
        judge_lacking=lambda *_: None,
        remedy=lambda *_: "do this",
    )
    return Proof(Settings(revision), provision, said.append)


def test_line_says_once_per_side_whose_code_ran() -> None:
    said: list[str] = []
    judged = proof(said)
    judged.show(["t"])
    assert said == []
    for _ in range(2):
        for side in ("base", "head"):
            judged.add(side, "t", End("passed", origin=OWN))
        judged.show(["t"])
    assert said[0] == "base: work from its tree, installed, helper from its tree, in place, compiled: work._fast"
    assert len(said) == 2


def test_side_without_code_ends_the_gate_once_all_benchmarks_were_seen() -> None:
    said: list[str] = []
    judged = proof(said)
    judged.add("base", "t", End("passed", origin=NONE))
    judged.show(["t", "u"])
    with pytest.raises(PacelineError, match=r"base ran no code of this repository.*numpy.*do this"):
        judged.show(["t"])


def test_side_that_fails_or_compares_environments_needs_no_code() -> None:
    for judged, end in ((proof([]), End("failed", origin=NONE)), (proof([], None), End("passed", origin=NONE))):
        judged.add("base", "t", end)
        judged.show(["t"])


def test_foreign_module_ends_the_gate_by_name() -> None:
    with pytest.raises(
        PacelineError, match=r"head did not run its own code in t: module 'work' came from /x and 1 more"
    ):
        proof([]).add("head", "t", End("passed", foreign=(("work", "/x"), ("work.a", "/y"))))
