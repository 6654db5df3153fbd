"""Which modules' names the code of a module can mean: its own, and those that its imports lead to.

Other ways to a module are those of code that looks names up, which counts for itself. Where it cannot be told what a
module holds, its code can mean any name. Standard library only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from paceline.gate.touch.modules import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from paceline.gate.touch.recording import Recording


class Scopes:
    """What was imported in these recordings, of both sides."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self.places: dict[str, set[str]] = defaultdict(set)  # of modules by their names
        self.inner: dict[str, set[str]] = defaultdict(set)  # names of modules, by those of packages around them
        self.names: dict[str, set[str]] = defaultdict(set)  # of modules by their places
        self.imports: dict[str, set[tuple[str, str, str]]] = defaultdict(set)  # by place
        for recording in recordings:
            for name, place in recording["named"].items():
                self.places[name].add(place)
                self.names[place].add(name)
                for end in (end for end, letter in enumerate(name) if letter == "."):
                    self.inner[name[:end]].add(name)
            for place, _, _, imports in recording["modules"]:
                self.imports[place].update((bound, module, of) for bound, module, of in imports)
        self._tops = {name.partition(".")[0] for name in self.places}
        self._is_whole = all(self.names[place] for place in list(self.imports))
        self._found: dict[str, _Scope] = {}

    def of(self, place: str) -> _Scope:
        """Return the scope of the module at this place."""
        if place not in self._found:
            self._found[place] = _Scope(self, place)
        return self._found[place]

    def absolute(self, place: str, module: str) -> list[str]:
        """Return the names that a module may have, which is imported at this place by this name."""
        name = module.lstrip(".")
        level = len(module) - len(name)
        if not level:
            return [name]
        found = []
        for own in self.names[place]:
            parts = own.split(".") if place.endswith("__init__.py") else own.split(".")[:-1]
            found.append(".".join([*parts[: len(parts) - level + 1], *filter(None, [name])]))
        return found

    def may_hold_anything(self, module: str) -> bool:
        """Whether a module may hold names that none of its statements binds."""
        places = self.places.get(module)
        if places:
            return any(ANYTHING in self.imports.get(place, {ANYTHING}) for place in places)
        is_lost = module.partition(".")[0] in self._tops and not self._is_whole
        return not module or is_lost


class _Scope:
    """What the code of one module can mean.

    `seen`: the places of modules whose names it can mean. `held`: those of them that it reaches by attributes.
    `anything`: it can mean any name.
    """

    def __init__(self, known: Scopes, place: str) -> None:
        self._known = known
        self.anything = place not in known.imports or not known.names[place]
        self.seen, self.held = {place}, {place}
        self._waiting = list(self._imported(place))
        taken: set[tuple[str, str]] = set()
        while self._waiting and not self.anything:
            each = self._waiting.pop()
            if each not in taken:
                taken.add(each)
                self._take(*each)

    def sees(self, place: str) -> bool:
        """Whether code can mean a name that this module binds."""
        return self.anything or place in self.seen

    def holds(self, place: str) -> bool:
        """Whether attributes of the module lead to this one."""
        return self.anything or place in self.held

    def _imported(self, place: str) -> Iterator[tuple[str, str]]:
        """Yield the modules, and what of them, that a module imports."""
        for _, module, of in self._known.imports.get(place, ()):
            for name in self._known.absolute(place, module):
                yield name, of

    def _take(self, module: str, of: str) -> None:
        """Follow an import of a module, or of a name of one."""
        known = self._known
        places = known.places.get(module, set())
        self.anything |= known.may_hold_anything(module)
        self.seen |= places
        if of in {"", "*"}:
            self._waiting += [each for place in places - self.held for each in self._imported(place)]
            self._waiting += [(inner, "") for inner in known.inner.get(module, ())]
            self.held |= places
            return
        self._waiting += [(f"{module}.{of}", "")]
        for place in places:
            for bound, source, name in known.imports.get(place, ()):
                if bound == of or name == "*":
                    self._waiting += [(each, of if name == "*" else name) for each in known.absolute(place, source)]
