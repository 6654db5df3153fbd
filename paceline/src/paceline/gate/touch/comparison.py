"""Compares what both sides have recorded: a benchmark that ran the same on both is untouched, and so is its speed.

This is opinionated: what cannot be told counts as touched, and the reason says what it was.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from paceline.gate.touch.digest import QUOTE, digest
from paceline.gate.touch.modules import ANNOTATIONS, DOCUMENTATION, LOOKS_UP, REACHES, READ
from paceline.gate.touch.recording import GENERATED
from paceline.gate.touch.scopes import Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from paceline.gate.touch.recording import Recording

_KINDS = {"file": "data file", "native": "compiled module", "early": "module", "given": "module"}
_UNSEEN = {"child": "starts another process", "unseen": "cannot be followed"}


@dataclass(frozen=True)
class Touch:
    """Whether a change can touch a benchmark, and why: what it ran, or the first thing that differs.

    `functions` and `files` are of the side's tree, and ran in the benchmark itself.
    """

    untouched: bool
    reason: str
    functions: int = 0
    files: int = 0


class Item(NamedTuple):
    """Something that ran or was read: a function, a module, a file. Equal items are equal in content."""

    kind: str
    place: str
    name: str
    digest: str

    @property
    def file(self) -> str:
        """Its file as a person writes it."""
        return self.place.partition("/")[2] or self.place

    def __str__(self) -> str:
        if self.kind == "code":
            return f"{self.name} ({self.file})"
        return " ".join(filter(None, (_KINDS.get(self.kind, self.kind), self.file, self.name)))


_FILE = "a file that differs"
_DOCUMENTS = (DOCUMENTATION, ANNOTATIONS, *READ.values())
_NOTHING = Item("module", "", "", "")  # a module that only defines names


Name = tuple[str, str]  # that a module binds: its place, and the name; without a place, wherever it is bound


class _Run:
    """One recording, with its names resolved, and its items by numbers that all runs share: `known`."""

    def __init__(self, recording: Recording, known: dict[Item, int]) -> None:
        self._names: list[str] = recording["names"]
        self._known = known
        self.about = {f"library {name}": found for name, found in recording["libraries"].items()}
        self.about |= recording["environment"]
        self.definitions: dict[str, dict[str, list[str]]] = {}  # digests, by place and name
        self.refers: dict[int, frozenset[str]] = {}
        self.reaches: dict[Name, set[str]] = defaultdict(set)
        self.members: set[str] = set()
        self.effects: dict[str, list[tuple[str, str]]] = {}  # by place
        modules = {place: self._module(place, *rest) for place, *rest in recording["modules"]}
        items = [self._item(entry, modules) for entry in recording["items"]]
        self.common = {items[number] for number in recording["common"]}
        self.benchmarks = {
            each["name"]: array("I", [items[number] for number in each["ran"]]) for each in recording["benchmarks"]
        }
        self.places = {name: place for place, name in enumerate(self.benchmarks)}
        self.first: dict[int, int] = {}
        for name, place in self.places.items():
            for item in self.benchmarks[name]:
                self.first.setdefault(item, place)
        self._loaded = self._first_loads(recording)

    def _first_loads(self, recording: Recording) -> dict[str, int]:
        """Return for each module which benchmark, by its place in the order, was the first to end with it loaded."""
        numbers = {
            number: place
            for number, (kind, place, *_) in enumerate(recording["items"])
            if kind in {"module", "early"}
        }
        found = dict.fromkeys((numbers[number] for number in numbers.keys() & set(recording["common"])), 0)
        for when, each in enumerate(recording["benchmarks"]):
            for number in numbers.keys() & set(each["ran"]):
                found.setdefault(numbers[number], when)
        return found

    def had_loaded(self, place: str, name: str) -> bool:
        """Whether a module was loaded before this benchmark ended."""
        return self._loaded.get(place, len(self.places)) <= self.places[name]

    def _item(self, entry: list[Any], modules: dict[str, int]) -> int:
        kind, place, name, found, numbers = entry
        if kind == "module" and place in modules:
            return modules[place]
        item = self._shared(Item(kind, place, name, found))
        self.refers[item] = self._words(numbers)
        return item

    def _shared(self, item: Item) -> int:
        return self._known.setdefault(item, len(self._known))

    def _words(self, numbers: Iterable[int]) -> frozenset[str]:
        return frozenset(self._names[number] for number in numbers)

    def _module(self, place: str, effects: list[Any], definitions: list[Any], _: list[Any]) -> int:
        """Note what a module defines; returns it as what it does."""
        found: dict[str, list[str]] = defaultdict(list)
        for number, hashed, numbers, is_member in definitions:
            name = self._names[number]
            self.members |= {name} if is_member else set()
            found[name].append(hashed)
            self.reaches[place, name] |= self._words(numbers)
            for prefix in READ.values():
                if name.startswith(prefix):
                    self.reaches[place, name.removeprefix(prefix)].add(name)
        self.definitions[place] = found
        does = Item("module", place, "", digest(*(hashed for hashed, _, _ in effects))) if effects else _NOTHING
        item = self._shared(does)
        self.refers[item] = frozenset(name for _, numbers, _ in effects for name in self._words(numbers))
        self.effects[place] = [(hashed, shown) for hashed, _, shown in effects]
        return item


class _Side:
    """What one side recorded, in all its processes."""

    def __init__(self, recordings: Iterable[Recording], known: dict[Item, int]) -> None:
        self.runs = [_Run(recording, known) for recording in recordings]
        self.common: set[int] = set().union(*(run.common for run in self.runs))
        self.names = dict.fromkeys(name for run in self.runs for name in run.benchmarks)
        self.unsteady: dict[str, int] = {}
        self._shared: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for item in set(self._found_shared()):
            self._shared[tuple(run.first.get(item, len(run.places)) for run in self.runs)].add(item)

    def own(self, name: str) -> set[int]:
        """Return what ran in a benchmark."""
        return set[int]().union(*(run.benchmarks.get(name, ()) for run in self.runs))

    def counting(self, name: str) -> set[int]:
        """Return what counts for a benchmark, other than what counts for all: it ran in it, or is shared with it.

        Shared is what had run when the benchmark ended, in all runs. Otherwise the benchmark can do without it.
        """
        found = self.own(name)
        for first, items in self._shared.items():
            if all(when <= run.places.get(name, when) for when, run in zip(first, self.runs, strict=True)):
                found |= items
        return found - self.common

    def had_loaded(self, place: str, name: str, *, once: bool) -> bool:
        """Whether a module was loaded when the benchmark ended, in all runs or `once`."""
        found = (run.had_loaded(place, name) for run in self.runs if name in run.places)
        return any(found) if once else all(found)

    def _found_shared(self) -> Iterator[int]:
        """Yield what ran in one run of a benchmark, but in another run before it: others may use it too.

        Such are caches that the first to come fills, and fixtures of a wide scope. If it ran in one run, and neither
        in the other nor before that, the benchmark is not steady.
        """
        for name in self.names:
            own = self.own(name) - self.common
            for run in (each for each in self.runs if name in each.benchmarks):
                for item in own.difference(run.benchmarks[name]):
                    if run.first.get(item, len(run.places)) < run.places[name]:
                        yield item
                    else:
                        self.unsteady.setdefault(name, item)

    def about(self) -> dict[str, set[str]]:
        """Return the facts of the processes and their libraries."""
        found: dict[str, set[str]] = defaultdict(set)
        for run in self.runs:
            for name, text in run.about.items():
                found[name].add(text)
        return found

    def definitions(self) -> dict[tuple[str, str], set[tuple[str, ...]]]:
        """Return what names are bound to, by place and name."""
        found: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
        for run in self.runs:
            for place, names in run.definitions.items():
                for name, hashes in names.items():
                    found[place, name].add(tuple(hashes))
        return found

    def effects(self, place: str) -> list[tuple[str, str]]:
        """Return what a module does, as far as it was loaded."""
        return next((run.effects[place] for run in self.runs if run.effects.get(place)), [])


def compare(base: Iterable[Recording], head: Iterable[Recording], unread: Iterable[str] = ()) -> dict[str, Touch]:
    """Return for each benchmark whether the change can touch it.

    Give at least two recordings of each side, with the benchmarks in different orders, or what runs by chance is not
    noticed. `unread`: words by which code would name a file that differs, if it read it in a way that is not seen.
    """
    known: dict[Item, int] = {}
    recordings = [*base], [*head]
    base_side, head_side = (_Side(each, known) for each in recordings)
    return _Comparison(base_side, head_side, list(known), Scopes(recordings[0] + recordings[1]), unread).touches()


class _Comparison:
    """What was recorded of both sides. All that concerns a single item is found once, as benchmarks share items."""

    def __init__(
        self, base: _Side, head: _Side, items: Sequence[Item], scopes: Scopes, unread: Iterable[str]
    ) -> None:
        self._base, self._head = base, head
        self._items = items
        self._scopes = scopes
        self._unseen = {number for number, item in enumerate(items) if item.kind in _UNSEEN}
        self._functions = {
            number: (item.place, item.name)
            for number, item in enumerate(items)
            if item.kind == "code" and item.place != GENERATED
        }
        self._runs = [*base.runs, *head.runs]
        self._members = set().union(*(run.members for run in self._runs))
        self._unread = {("", QUOTE + word) for word in unread}
        self._differing = self._differing_definitions()
        self._refers: dict[int, frozenset[str]] = {}
        for run in self._runs:
            for item, refers in run.refers.items():
                self._refers[item] = self._refers.get(item, frozenset()) | refers
        self._referring: dict[str, set[Name]] = defaultdict(set)
        for name, words in ((name, words) for run in self._runs for name, words in run.reaches.items()):
            for word in words:
                self._referring[word].add(name)
        self._reachers = {item for item, refers in self._refers.items() if REACHES in refers}
        self._readers = {each: {item for item, refers in self._refers.items() if each in refers} for each in READ}
        self._hits: dict[tuple[frozenset[str], frozenset[str]], dict[int, str]] = {}
        self._read_by_all = self._reads(base.common)

    def touches(self) -> dict[str, Touch]:
        everywhere = self._reason_everywhere()
        names = {**self._base.names, **self._head.names}
        return {name: self._touch(name, everywhere or self._reason(name)) for name in names}

    def _touch(self, name: str, reason: str | None) -> Touch:
        ran = {self._functions[item] for item in self._head.own(name) & self._functions.keys()}
        functions, files = len(ran), len({place for place, _ in ran})
        evidence = f"ran {functions} function{'s'[: functions != 1]} in {files} file{'s'[: files != 1]}, none differs"
        return Touch(reason is None, reason or evidence, functions, files)

    def _reason_everywhere(self) -> str | None:
        """Say what touches every benchmark."""
        about, other = self._base.about(), self._head.about()
        for name in sorted(about.keys() | other.keys()):
            if about.get(name) != other.get(name):
                return f"{name} differs" if name in about and name in other else f"only one side loads {name}"
        return self._first_reason(self._base.common, self._head.common)

    def _reason(self, name: str) -> str | None:
        """Say what touches this benchmark. Nothing touches all of them, so both sides' common parts agree."""
        for side, label in ((self._base, "base"), (self._head, "head")):
            if name not in side.names:
                return f"{label} did not run it"
            if name in side.unsteady:
                return f"ran different code in two runs: {self._items[side.unsteady[name]]}"
        own, other = self._base.counting(name), self._head.counting(name)
        return self._first_reason(own, other) or self._reference(name, own)

    def _first_reason(self, base: set[int], head: set[int]) -> str | None:
        """Say which of these differs, or cannot be followed."""
        differing = [self._items[number] for number in base ^ head]
        if differing:
            first = min(differing, key=lambda item: (item.kind != "code", item.place == GENERATED, item))
            return self._difference(first, *({self._items[number] for number in side} for side in (base, head)))
        unseen = min((self._items[number] for number in base & self._unseen), default=None)
        return None if unseen is None else f"{_UNSEEN[unseen.kind]}: {unseen.name}"

    def _reference(self, name: str, own: set[int]) -> str | None:
        """Say what a benchmark ran that refers to a definition that differs, or to what is read of one."""
        loaded = frozenset(self._loaded(name, own))
        hits = self._hits_of(self._reads(own) | self._read_by_all, loaded)
        found = (hits.keys() & own) or (hits.keys() & self._base.common)
        hit = min(found, key=self._items.__getitem__, default=None)
        return None if hit is None else f"{self._items[hit]} {hits[hit]}"

    def _loaded(self, name: str, own: set[int]) -> Iterator[str]:
        """Yield the modules with differing definitions that a benchmark can use.

        If it ran once before a module was loaded, it can do without, unless it looks at which modules there are.
        """
        looks = not self._reachers.isdisjoint(own) or not self._reachers.isdisjoint(self._base.common)
        for place in self._differing:
            if any(side.had_loaded(place, name, once=looks) for side in (self._base, self._head)):
                yield place

    def _reads(self, items: set[int]) -> frozenset[str]:
        """Return which of annotations and docstrings these read."""
        return frozenset(each for each, readers in self._readers.items() if not readers.isdisjoint(items))

    def _hits_of(self, read: frozenset[str], loaded: frozenset[str]) -> dict[int, str]:
        """Return what items refer to that differs, if these kinds of things are read and these modules are loaded."""
        if (read, loaded) not in self._hits:
            unread = tuple(prefix for kind, prefix in READ.items() if kind not in read)
            differing = {(place, name) for place in loaded for name in self._differing[place]}
            meant = self._reaching(each for each in differing if not (unread and each[1].startswith(unread)))
            by_word: dict[str, list[Name]] = defaultdict(list)
            for each in sorted(meant):
                by_word[each[1]].append(each)
            hits = {item: self._hit(item, refers, meant, by_word) for item, refers in self._refers.items()}
            self._hits[read, loaded] = {item: hit for item, hit in hits.items() if hit}
        return self._hits[read, loaded]

    def _difference(self, item: Item, base: set[Item], head: set[Item]) -> str:
        if item.kind == "module":
            return self._statement(item.place)
        if item.kind == "order":
            return "modules are imported in another order"
        theirs = {each[:3] for each in (head if item in base else base)}
        if item[:3] in theirs:
            return f"{item} differs"
        return f"only {'base' if item in base else 'head'} {'runs' if item.kind == 'code' else 'uses'} {item}"

    def _statement(self, place: str) -> str:
        """Say which statement of a module differs first."""
        base, head = self._base.effects(place), self._head.effects(place)
        file = place.partition("/")[2]
        for one, other in zip(base, head, strict=False):
            if one != other:
                return f"module-level code of {file} differs: {other[1]}"
        longer, side = (base, "base") if len(base) > len(head) else (head, "head")
        extra = longer[min(len(base), len(head)) :]
        return f"module-level code of {file} differs: only {side} has {extra[0][1]}" if extra else f"{file} differs"

    # Names

    def _differing_definitions(self) -> dict[str, set[str]]:
        """Return the names that are bound to something else on one side, by the places of their modules."""
        base, head = self._base.definitions(), self._head.definitions()
        found: dict[str, set[str]] = defaultdict(set)
        for place, name in base.keys() | head.keys():
            if base.get((place, name)) != head.get((place, name)):
                found[place].add(name)
        return found

    def _reaching(self, differing: Iterable[Name]) -> dict[Name, Name]:
        """Return the names whose definitions refer to one of these, however indirectly, each with that one."""
        found = {name: name for name in differing}
        found |= self._looked_up(found)
        found |= {name: name for name in self._unread}
        waiting = list(found)
        while waiting:
            name = waiting.pop()
            for other in self._referring[name[1]] - found.keys():
                if self._means(other[0], name):
                    found[other] = found[name]
                    waiting.append(other)
        return found

    def _means(self, place: str, name: Name) -> bool:
        """Whether code at this place can mean this name by its word."""
        is_of_any = not name[0] or name[1] in self._members or name[1] in READ
        return is_of_any or self._scopes.of(place).sees(name[0])

    def _looked_up(self, names: Iterable[Name]) -> dict[Name, Name]:
        """Return one that differs of the names that can be looked up: those of members, and all by way of modules."""
        written = {each for each in names if not each[1].startswith(_DOCUMENTS)}
        members = {each for each in written if each[1] in self._members}
        return {("", sign): min(each) for sign, each in ((LOOKS_UP, members), (REACHES, written)) if each}

    def _hit(
        self, item: int, refers: frozenset[str], meant: Mapping[Name, Name], by_word: Mapping[str, Sequence[Name]]
    ) -> str:
        """Say which differing definition something refers to; nothing if to none."""
        place, is_given = self._items[item].place, self._items[item].kind == "given"
        if is_given:
            names = [name for name in sorted(meant) if name[0] and self._scopes.of(place).holds(name[0])]
        else:
            words = sorted(refers & by_word.keys())
            names = [name for word in words for name in by_word[word] if self._means(place, name)]
        if not names:
            return ""
        place, name = meant[names[0]]
        file = place.partition("/")[2] or _FILE
        if is_given or names[0][1] in {LOOKS_UP, REACHES}:
            return f"{'is imported by its name' if is_given else 'looks up names'}, and {name} differs ({file})"
        return f"refers to {name.removeprefix(QUOTE)}, which differs ({file})"
