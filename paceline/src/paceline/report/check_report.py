"""Shows what a check found: as text by place, as JSON, as GitHub annotations. Names are escaped only when printed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from paceline.report.annotations import AT_MOST, command
from paceline.report.places import new_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from paceline.report.changes import Change, Difference, Quarantined, Report
    from paceline.report.places import Place

    About: TypeAlias = Callable[[Sequence[Place]], Sequence[Place]]  # adds what the repository knows

SCHEMA = 2
MOST_DEPENDENCIES = 8
MOST_FOLDED = 10
MOST_PLACES = 5
WORST = 3  # changes of a place
NOT_CODE = "By the surroundings of the machine, not by code"


def as_they_are(places: Sequence[Place]) -> Sequence[Place]:
    """Return places without what a repository knows of them."""
    return places


def full_name(benchmark: str, parameters: Sequence[str]) -> str:
    """Return a benchmark's name with its parameters, as asv writes it."""
    return f"{benchmark}({', '.join(parameters)})" if parameters else benchmark


def name_of(finding: Change) -> str:
    """Return the name of the benchmark that changed, or "the whole suite"."""
    return full_name(finding.benchmark, finding.parameters) if finding.benchmark else "the whole suite"


def _kind_of(finding: Change) -> str:
    return f"suite-{finding.word}" if finding.kind.startswith("suite-") else finding.word


def lines(
    report: Report,
    quarantined: Sequence[Quarantined],
    *,
    about: About = as_they_are,
    everything: bool = False,
) -> Iterator[str]:
    """Yield the report as text, about 80 columns wide unless names are long.

    `about` adds what the repository knows of places. Without `everything`, the lines fit on a screen or two.
    """
    places = new_places(report.changes)
    slower = [place for place in places if place.is_alarm]
    shown = places if everything else slower[:MOST_PLACES]
    for place in about(shown):
        yield from _block(place, everything=everything)
        yield ""
    if not everything:
        others = slower[MOST_PLACES:]
        if others:
            count = sum(len(place.slower) for place in others)
            yield f"and {_count(count, 'slowdown')} at {_count(len(others), 'other place')} (listed by --all)"
            yield ""
        is_code = [place for place in places if place.cause != "surroundings"]
        yield from _briefly("Improvements", [place for place in is_code if not place.is_alarm], about)
        yield from _briefly(NOT_CODE, [place for place in places if place not in is_code], about)
    yield from _folded(report.changes, "accepted", "Accepted")
    if everything:
        yield from _folded(report.changes, "recovered", "Recovered")
        yield from _folded(report.changes, "gone", "No longer measured")
    yield from _closing(report, quarantined, everything=everything)


def _closing(report: Report, quarantined: Sequence[Quarantined], *, everything: bool) -> Iterator[str]:
    recovered = sum(each.state == "recovered" for each in report.changes)
    if recovered and not everything:
        yield f"{recovered} recovered (listed by --all)"
    for notice in report.notices:
        yield f"note: {notice}"
    for each in quarantined:
        yield f"quarantined: {each.path}: {each.reason}"
    yield summary(report)


def _block(place: Place, *, everything: bool) -> Iterator[str]:
    """Yield a place: its commit, and the benchmarks that changed there, those of which most is left first."""
    yield f"{_label(place)}  {_headline(place)}"
    if place.link:
        yield f"  {place.link}"
    yield f"  commits: {_range(place)}"
    yield f"  machine: {', '.join(place.machines)}"
    if place.misfits and (everything or place.cause != "unclear"):
        yield f"  cause: {cause(place)}"
    if len(place.changes) > 1:
        yield f"  {_sizes(place)}"
        yield from _shared(place)
    shown = place.changes if everything else place.changes[:WORST]
    for each in shown:
        yield f"    {name_of(each)}"
        yield f"      {_kind_of(each)} {size(each)}  id {each.id}"
        if everything:
            yield from _details(each)
    if len(shown) < len(place.changes):
        yield f"    and {len(place.changes) - len(shown)} more (listed by --all)"
    for number, difference in enumerate(place.differences[:MOST_DEPENDENCIES]):
        yield f"  {'changed too:' if not number else ' ' * 12} {_change(difference)}"
    if len(place.differences) > MOST_DEPENDENCIES:
        yield f"    and {len(place.differences) - MOST_DEPENDENCIES} more"


def _label(place: Place) -> str:
    if place.cause == "surroundings":
        return "NOT CODE"
    alarms = (each for each in place.changes if each.is_alarm)
    return next(alarms, place.changes[0]).word.upper()


def cause(place: Place) -> str:
    """Return the cause, with the runs that misfit each order."""
    runs, commits, measured = (place.misfits[name] for name in ("runs", "commits", "measured"))
    return f"{place.cause} (misfits of {runs} runs: {commits:.3g} in commit order, {measured:.3g} as measured)"


def _headline(place: Place) -> str:
    return f"{place.at[:8]} of {_day(place.date)}" + (f"  {place.subject}" if place.subject else "")


def _day(date: int) -> str:
    return datetime.fromtimestamp(date / 1000, UTC).date().isoformat()


def _range(place: Place) -> str:
    """Return the range of suspects, with the number of commits in it if that is known."""
    measured = len(place.commits)
    ends = f"{place.before[:8]}..{place.commits[-1][:8]}"
    if place.count is None or place.count == measured:
        return f"{ends} ({_count(measured, 'measured commit')})"
    return f"{ends} ({_count(place.count, 'commit')}, {measured} of them measured)"


def _sizes(place: Place) -> str:
    """Return how many benchmarks changed there, and the median of the sizes that are left."""
    left: dict[str, list[float]] = defaultdict(list)
    for each in (*place.slower, *place.faster):
        left[each.word].append(each.left)
    return "; ".join(f"{len(ratios)} {word}, median {_ratio(median(ratios))}" for word, ratios in left.items())


def _shared(place: Place) -> Iterator[str]:
    """Yield the module or class of most of the benchmarks, if it has several of them."""
    groups = Counter(each.benchmark.partition("[")[0].rpartition(".")[0] for each in place.changes)
    group, count = groups.most_common(1)[0]
    if group and count > 1:
        yield f"  {'all' if count == len(place.changes) else f'{count} of {len(place.changes)}'} in {group}"


def _briefly(title: str, places: Sequence[Place], about: About) -> Iterator[str]:
    if not places:
        return
    yield f"{title}:"
    yield from _listed(places, about)
    yield ""


def _listed(places: Sequence[Place], about: About) -> Iterator[str]:
    for place in about(places[:MOST_PLACES]):
        yield f"  {_headline(place)}: {_sizes(place)}"
    if len(places) > MOST_PLACES:
        yield f"  and {_count(len(places) - MOST_PLACES, 'other place')} (listed by --all)"


def block(
    name: str,
    report: Report,
    quarantined: Sequence[Quarantined],
    *,
    about: About = as_they_are,
    everything: bool = False,
) -> Iterator[str]:
    """Yield the report of one history among many: its name, what it sums up to, and the places with slowdowns.

    Without `everything`, yield nothing if there is no new change and no quarantined file.
    """
    places = new_places(report.changes)
    if everything:
        yield f"{name}:"
        yield from (f"  {line}" if line else "" for line in lines(report, quarantined, about=about, everything=True))
    elif places or quarantined:
        unusable = f", {_count(len(quarantined), 'quarantined file')}" if quarantined else ""
        yield f"{name}: {summary(report)}{unusable}"
        yield from _listed([place for place in places if place.is_alarm], about)


def _details(finding: Change) -> Iterator[str]:
    where = _where(finding)
    if finding.elsewhere is not None:
        others = {name: one["verdict"] for name, one in finding.evidence["machines"].items()}
        rest = (f"{name}: {verdict}" for name, verdict in others.items() if name not in finding.machines)
        where = f"{where} ({'only there; ' if finding.elsewhere == 'same' else ''}{', '.join(rest)})"
    yield f"      machine: {where}; {finding.engine}" + (f", {finding.environment}" if finding.environment else "")
    yield f"      commits: {place(finding)}"


def _where(finding: Change) -> str:
    """Return the machines; if there are several, each with the size of its change."""
    if len(finding.machines) == 1:
        return finding.machines[0]
    ratios = {name: one.get("ratio") for name, one in finding.evidence["machines"].items()}
    sizes = ((name, ratios[name]) for name in finding.machines)
    return ", ".join(f"{name} {_ratio(ratio)}" if ratio else name for name, ratio in sizes)


def size(finding: Change) -> str:
    """Return the size with its interval: in percent, or as a factor if it is more than a factor of two.

    Of a partly recovered change, it ends with the size that is left.
    """
    low = _ratio(finding.low) if finding.low > 0 else "?"
    high = _ratio(finding.high) if finding.high < math.exp(700) else "?"
    left = f", partly recovered, {_ratio(finding.left)} left" if finding.is_partly_recovered else ""
    return f"{_ratio(finding.ratio)} (95 %: {low} .. {high}){left}"


def _ratio(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %" if 1 / 2 <= ratio <= 2 else f"{ratio:.3g}x"  # noqa: PLR2004


def place(finding: Change) -> str:
    """Return the range of commits, the most likely one and its date."""
    suspects = _count(len(finding.commits), "measured commit")
    ends = f"{finding.before[:8]}..{finding.after[:8]}"
    return f"{ends} ({suspects}), most likely {finding.at[:8]} of {_day(finding.date)}"


def _change(difference: Difference) -> str:
    before, after = (each if each is not None else "none" for each in (difference.before, difference.after))
    return f"{difference.name} {before} -> {after}"


def _folded(findings: Sequence[Change], state: str, title: str) -> Iterator[str]:
    chosen = [each for each in findings if each.state == state]
    if not chosen:
        return
    yield f"{title}:"
    for each in chosen[:MOST_FOLDED]:
        why = f": {each.accepted.reason}" if each.accepted else ""
        yield f"  {_kind_of(each)} {_ratio(each.ratio)} since {each.at[:8]}  {name_of(each)}{why}"
    if len(chosen) > MOST_FOLDED:
        yield f"  and {len(chosen) - MOST_FOLDED} more (listed by --json)"
    yield ""


def summary(report: Report) -> str:
    """Return one line that counts the changes."""
    new = [each for each in report.changes if each.state == "new"]
    by_code = [each for each in new if each.cause != "surroundings"]
    alarms = Counter(each.word for each in new if each.is_alarm)
    memory = alarms.pop("more memory", 0)
    counts = [_count(alarms.total(), "new slowdown")]
    counts += [_count(memory, "new increase") + " of memory"] if memory else []
    counts.append(_count(len(by_code) - memory - alarms.total(), "improvement"))
    accepted = sum(each.state == "accepted" for each in report.changes)
    others = {"by surroundings": len(new) - len(by_code), "accepted": accepted}
    return ", ".join([*counts, *(f"{count} {what}" for what, count in others.items() if count)])


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def document(report: Report, quarantined: Sequence[Quarantined], about: About = as_they_are) -> dict[str, Any]:
    """Return everything as a JSON document (schema 2)."""
    return {
        "schema": SCHEMA,
        "places": [_place(each) for each in about(new_places(report.changes))],
        "findings": [_finding(each) for each in report.changes],
        "quarantined": [{"path": str(each.path), "reason": each.reason} for each in quarantined],
        "notices": list(report.notices),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "at": place.at,
        "date": datetime.fromtimestamp(place.date / 1000, UTC).isoformat(),
        "subject": place.subject,
        "link": place.link,
        "before": place.before,
        "after": place.commits[-1],
        "commits": place.count,
        "measured": len(place.commits),
        "cause": place.cause,
        "misfits": dict(place.misfits),
        "findings": [each.id for each in place.changes],
    }


def _finding(finding: Change) -> dict[str, Any]:
    accepted = finding.accepted and {"reason": finding.accepted.reason, "date": finding.accepted.date.isoformat()}
    return {
        "id": finding.id,
        "kind": finding.kind,
        "state": finding.state,
        "benchmark": finding.benchmark,
        "parameters": list(finding.parameters),
        "machines": list(finding.machines),
        "elsewhere": finding.elsewhere,
        "engine": finding.engine,
        "environment": finding.environment,
        "ratio": finding.ratio,
        "left": finding.left,
        "low": finding.low or None,
        "high": finding.high if finding.high < math.exp(700) else None,
        "before": finding.before,
        "after": finding.after,
        "at": finding.at,
        "commits": list(finding.commits),
        "date": datetime.fromtimestamp(finding.date / 1000, UTC).isoformat(),
        "dependencies": [vars(each) for each in finding.dependencies],
        "facts": [vars(each) for each in finding.facts],
        "accepted": accepted,
        "cause": finding.cause,
        "evidence": dict(finding.evidence),
    }


def github(report: Report, about: About = as_they_are) -> Iterator[str]:
    """Yield GitHub annotations: for each place, an error if something became slower by code, else a notice."""
    places = sorted(about(new_places(report.changes)), key=lambda place: not place.is_alarm)
    for level, is_alarm in (("error", True), ("notice", False)):
        of_level = [place for place in places if place.is_alarm == is_alarm]
        shown = of_level if len(of_level) <= AT_MOST else of_level[: AT_MOST - 1]
        for place in shown:
            yield _annotation(level, place)
        if len(shown) < len(of_level):
            yield command(level, f"{_count(len(of_level) - len(shown), 'other place')}. See `paceline check --all`.")


def _annotation(level: str, place: Place) -> str:
    worst, *others = place.changes
    title = f"{_kind_of(worst)}: {name_of(worst)}" + (f" and {len(others)} more" if others else "")
    said = [_sizes(place), *(f"{name_of(each)}: {size(each)}" for each in place.changes[:WORST])]
    said = said if others else [size(worst)]
    said += [f"machine: {', '.join(place.machines)}"]
    said += [f"cause: {cause(place)}"] if place.cause != "unclear" else []
    said += [f"commits: {_range(place)}, most likely {_headline(place)}", *([place.link] if place.link else [])]
    said += [_change(each) for each in place.differences[:MOST_DEPENDENCIES]]
    return command(level, "\n".join(said), title)
