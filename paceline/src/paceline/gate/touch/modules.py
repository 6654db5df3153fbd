"""The module-level code of a file, statement by statement: what acts, and what only defines a name.

A change of the first counts for all that a process runs; of the second, where something that ran refers to the name.
Bodies of functions count when they run, by their code objects, so they are left out here.
Standard library only: workers load this.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from paceline.gate.touch.digest import digest, names_in
from paceline.gate.touch.inert import Scope, is_display, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

LAZY_ANNOTATIONS = sys.version_info >= (3, 14)
#: By which name docstrings and annotations are found, and by which names else.
DOCUMENTATION, ANNOTATIONS = "__doc__", "__annotations__"
LOOKS_UP, REACHES = "*", "**"  #: names by which something refers to all members of classes, or of modules
#: What comes before the name of a function or class, in the name of what only those use that read it.
READ = {ANNOTATIONS: "annotations of ", DOCUMENTATION: "docstring of "}
ALIASES = {
    "getdoc": DOCUMENTATION,
    **dict.fromkeys(("get_annotations", "get_type_hints", "getfullargspec", "signature"), ANNOTATIONS),
}
#: Functions that look up a name that they are given, and others that look up or list any, of an object or its class.
COMPUTING = frozenset({"attrgetter", "getattr", "hasattr", "methodcaller"})
LOOKING_UP = COMPUTING | {"__dict__", "__getattribute__", "dir", "getattr_static", "getmembers", "vars"}
#: What gets hold of modules, or of classes that nothing names, from which any name can be reached. `import_module` is
#: not among them: which modules it gives out is recorded.
REACHING = frozenset(
    {"__globals__", "__import__", "__subclasses__", "f_globals", "getmodule", "globals", "importorskip"}
    | {"iter_modules", "load_module", "locals", "resolve_name", "run_module", "run_path", "walk_packages"}
)
#: A module whose own statements act by one of these may hold names that no statement binds.
_FILLING = LOOKING_UP | REACHING | {"__name__", "eval", "exec", "import_module", "modules", "setattr"}
_SUSPECT = re.compile(rf"\b(?:{'|'.join(sorted(LOOKING_UP | REACHING))}|sys\.modules)\b")
SHOWN = 60  # characters of a statement
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Action(NamedTuple):
    """A statement that may do something: what it is, the names that it refers to, how it is shown, and its lines."""

    digest: str
    refers: tuple[str, ...]
    shown: str
    lines: range = range(0)


class Definition(NamedTuple):
    """A name, what it is bound to, and the names that this refers to."""

    name: str
    digest: str
    refers: tuple[str, ...]
    lines: range = range(0)
    is_import: bool = False
    is_member: bool = False  #: of a class


class Import(NamedTuple):
    """What an import statement binds: a module, with a dot for each level; or of that the name `of`, `*` for all."""

    bound: str
    module: str
    of: str = ""


ANYTHING = Import("", "", "*")  #: of a module that may hold names which no statement of it binds


@dataclass
class Table:
    """A module's statements, and the lines on which names are looked up (`computed`) or modules are got hold of.

    `imports`: those of all statements, in functions too.
    """

    effects: list[Action] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    computed: set[int] = field(default_factory=set)
    reaching: set[int] = field(default_factory=set)
    imports: list[Import] = field(default_factory=lambda: [ANYTHING])

    def unwritten(self, lines: Collection[int]) -> set[str]:
        """Return the signs of what code on these lines refers to without writing it."""
        signs = {LOOKS_UP: self.computed, REACHES: self.reaching}
        return {sign for sign, found in signs.items() if not found.isdisjoint(lines)}

    def referred(self, statement: Action | Definition) -> set[str]:
        """Return all that a statement refers to."""
        return self.unwritten(statement.lines).union(statement.refers)


def read(  # noqa: PLR0913, PLR0917 - all that a module cannot say of itself
    source: str,
    acts: Callable[[str], bool | None],
    ran: Collection[str] = (),
    interpreted: Callable[[str], bool] | None = None,
    parts: Collection[str] = (),
    gives_module: Callable[[str, str], bool] | None = None,
) -> Table:
    """Return the table of a module. Raises SyntaxError.

    `acts` says whether making the class of this qualified name may do more than that; None if that is unknown, which
    is the worst for a class with bases.
    `ran`: names of the tree's functions that ran while modules were imported. `interpreted`: if a
    compiler is loaded, whether the function of this qualified name ran as Python; the bodies of others count too.
    `parts`: of the names of the tree's modules. `gives_module`: whether importing a name from a module, written
    with a dot for each level, gives a module of the tree; without it, any of `parts` does.
    """
    tree = ast.parse(source)
    reader = _Reader(tree, source, acts, ran, interpreted)
    reader.read(tree.body, "")
    reader.close(tree, parts, gives_module or (lambda _, name: name in parts))
    return reader.table


class _Text:
    """The text of nodes without places, bodies of functions and docstrings, and the names that they refer to."""

    def __init__(self, *, annotations: bool, bodies: bool = False) -> None:
        self._annotations, self._bodies = annotations, bodies
        self._parts: list[str] = []
        self._refers: set[str] = set()

    def add(self, *nodes: object) -> _Text:
        for node in nodes:
            if isinstance(node, ast.AST):
                self._add_node(node)
            elif isinstance(node, list):
                self._parts.append("[")
                self.add(*node)
                self._parts.append("]")
            else:
                self._parts.append(repr(node))
        return self

    def _add_node(self, node: ast.AST) -> None:
        if is_document(node):
            return
        self._refers.update(_referred(node))
        self._parts.append(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            if not self._is_left_out(node, name):
                self.add(value)
        self._parts.append(")")

    def _is_left_out(self, node: ast.AST, name: str) -> bool:
        if name in {"ctx", "type_comment", "kind"}:
            return True
        if name == "body" and isinstance(node, _FUNCTIONS):
            return not self._bodies
        return name in {"annotation", "returns"} and not self._annotations

    def found(self) -> tuple[str, tuple[str, ...]]:
        return digest("".join(self._parts)), tuple(sorted(self._refers))


def is_document(node: object) -> bool:
    """Whether a statement is a string and nothing else."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _referred(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return (name,)
        case ast.Constant(value=str(text)):
            return names_in(text)
        case ast.ImportFrom(names=names):
            return ["__all__" if each.name == "*" else each.name for each in names]
    return ()


class _Reader:
    def __init__(
        self,
        tree: ast.Module,
        source: str,
        acts: Callable[[str], bool | None],
        ran: Collection[str],
        interpreted: Callable[[str], bool] | None,
    ) -> None:
        self.table = Table()
        self._lines = source.splitlines()
        self._scope = Scope(tree.body, ran)
        self._acts, self._interpreted = acts, interpreted
        self._as_text = any(map(_delays_annotations, tree.body))
        self._evaluated = not LAZY_ANNOTATIONS and not self._as_text

    def read(self, body: Sequence[ast.stmt], inside: str) -> None:
        """Read the statements of a module, or of the class of this qualified name."""
        for statement in body:
            self._read(statement, inside)

    def close(self, tree: ast.Module, parts: Collection[str], gives_module: Callable[[str, str], bool]) -> None:
        """Add what belongs to the module as a whole."""
        self.table.definitions.append(Definition(DOCUMENTATION, _documents(tree.body[:1]), ()))
        nodes = list(ast.walk(tree))
        if _SUSPECT.search("\n".join(self._lines)):
            self.table.computed = _computed(nodes)
        self.table.imports = [each for node in nodes for each in _imports(node)]
        bound = {
            each.bound
            for each in self.table.imports
            if (gives_module(*each[1:]) if each.of else _is_any(each, parts))
        }
        self.table.reaching = _reaching(nodes, parts, bound)
        fills = any(not _FILLING.isdisjoint(each.refers) for each in self.table.effects)
        if fills or any(each.name == "__getattr__" and not each.is_member for each in self.table.definitions):
            self.table.imports.append(ANYTHING)

    def _read(self, statement: ast.stmt, inside: str) -> None:
        match statement:
            case ast.Pass() | ast.ImportFrom(module="__future__"):
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._read_function(statement, inside)
            case ast.ClassDef():
                self._read_class(statement, inside)
            case ast.If(test=test, orelse=other) if self._is_never(test):
                self.read(other, inside)
            case _ if not is_document(statement):
                names = self._defined(statement)
                if names is not None:
                    self._define(names, statement, inside)
                if names is None or (self.table.effects and any(map(_may_act_elsewhere, ast.walk(statement)))):
                    self._act(statement)

    def _is_never(self, test: ast.expr) -> bool:
        """Whether a condition does not hold in a module that is imported."""
        name = self._scope.meaning(test)
        if name in {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}:
            return True
        return ast.dump(test) == _IS_MAIN

    def _defined(self, statement: ast.stmt) -> list[str] | None:  # noqa: PLR0911 - one for each kind
        """Return the names that a statement binds, if it does nothing else."""
        inert = self._scope.is_inert
        match statement:
            case ast.Import(names=names):
                return [each.asname or each.name.partition(".")[0] for each in names]
            case ast.ImportFrom(names=names) if names[0].name != "*":
                return [each.asname or each.name for each in names]
            case ast.Assign(targets=targets, value=value) if inert(value) and all(map(_is_plain_target, targets)):
                return stored(statement) if is_display(value) or not any(map(_unpacks, targets)) else None
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value) if inert(value):
                return [name] if not self._evaluated or inert(annotation) else None
            case ast.AugAssign(target=ast.Name(id="__all__"), value=value) if inert(value):
                return ["__all__"]
            case ast.If(test=test, body=body, orelse=other) if inert(test):
                return self._all_defined([*body, *other])
            case ast.Try(body=body, handlers=handlers, orelse=other, finalbody=last):
                inner = [each for handler in handlers for each in handler.body]
                return self._all_defined([*body, *inner, *other, *last])
        if sys.version_info >= (3, 12) and isinstance(statement, ast.TypeAlias):
            return stored(statement)
        return None

    def _all_defined(self, body: Sequence[ast.stmt]) -> list[str] | None:
        """Return the names that these statements bind under a condition, if they do nothing else."""
        names: list[str] = []
        for statement in body:
            if isinstance(statement, ast.Pass) or is_document(statement):
                continue
            if isinstance(statement, _FUNCTIONS):
                found = [statement.name] if self._is_plain_function(statement) else None
            else:
                found = self._defined(statement)
            if found is None:
                return None
            names += found
        return names

    def _is_plain_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether making a function does nothing but that."""
        given = node.args
        values: list[ast.expr | None] = [*given.defaults, *given.kw_defaults]
        if self._evaluated:
            values += [each.annotation for each in _arguments(given)] + [node.returns]
        return self._is_plainly_decorated(node) and all(map(self._scope.is_inert, values))

    def _is_plainly_decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        return all(self._scope.is_plain_decorator(each, node.name) for each in node.decorator_list)

    def _read_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: str) -> None:
        name = f"{inside}.{node.name}" if inside else node.name
        self._read_documents(node)
        if self._interpreted is not None and not self._interpreted(name):
            self._add([node.name], node, _Text(annotations=True, bodies=True).add(node), inside)
        if not self._is_plain_function(node):
            self._act(node)
            return
        if self._as_text:  # else, if something evaluates them later, that is code which runs
            text = _Text(annotations=True).add(*(each.annotation for each in _arguments(node.args)), node.returns)
            self.table.definitions.append(Definition(READ[ANNOTATIONS] + node.name, *text.found()))
        self._define([node.name], node, inside)

    def _read_documents(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        own = node.body[:1] if isinstance(node, ast.ClassDef) else node.body
        self.table.definitions.append(Definition(READ[DOCUMENTATION] + node.name, _documents(own), ()))

    def _read_class(self, node: ast.ClassDef, inside: str) -> None:
        name = f"{inside}.{node.name}" if inside else node.name
        given = [*node.bases, *(each.value for each in node.keywords)]
        plain = self._is_plainly_decorated(node) and all(map(self._scope.is_inert, given))
        self._read_documents(node)
        acts = self._acts(name)
        if not plain or (bool(given) if acts is None else acts):
            self._act(node)
            self._name_members(node)
            return
        data = [each for each in node.body if not isinstance(each, (*_FUNCTIONS, ast.ClassDef)) or _is_special(each)]
        text = _Text(annotations=True).add(node.name, node.decorator_list, node.bases, node.keywords, data)
        self._add([node.name], node, text, inside)
        self.read(node.body, name)

    def _name_members(self, node: ast.ClassDef) -> None:
        """Let the names that a class refers to be found by its own name too, though it counts in any case."""
        self._add([node.name], node, _Text(annotations=True).add(node))

    def _define(self, names: Sequence[str], statement: ast.stmt, inside: str) -> None:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            is_data = bool(inside) and not isinstance(statement, _FUNCTIONS)
            self._add(names, statement, _Text(annotations=self._evaluated or is_data).add(statement), inside)
            return
        for name, alias in zip(names, statement.names, strict=True):  # each for itself
            origin = (getattr(statement, "level", 0), getattr(statement, "module", None), alias.name)
            found = digest(repr(origin), str(len(self.table.effects)))
            refers = (alias.name,) if isinstance(statement, ast.ImportFrom) else ()
            self.table.definitions.append(Definition(name, found, refers, is_import=True, is_member=bool(inside)))

    def _add(self, names: Iterable[str], statement: ast.stmt, text: _Text, inside: str = "") -> None:
        """Note what names are bound to; whether before or after a statement that acts is part of it."""
        found, refers = text.found()
        found = digest(found, str(len(self.table.effects)))
        self.table.definitions += [
            Definition(name, found, refers, lines(statement), is_member=bool(inside)) for name in dict.fromkeys(names)
        ]

    def _act(self, statement: ast.stmt) -> None:
        found, refers = _Text(annotations=True).add(statement).found()
        shown = self._lines[statement.lineno - 1].strip()[:SHOWN] if self._lines else ""
        self.table.effects.append(Action(found, refers, shown, lines(statement)))


_IS_MAIN = ast.dump(ast.parse("__name__ == '__main__'", mode="eval").body)


def _delays_annotations(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and statement.module == "__future__"
        and any(each.name == "annotations" for each in statement.names)
    )


def _is_plain_target(target: ast.expr) -> bool:
    """Whether assigning to this binds names and does nothing else."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_plain_target, target.elts))
    return isinstance(target, ast.Name)


def _unpacks(target: ast.expr) -> bool:
    return isinstance(target, ast.Tuple | ast.List)


def _may_act_elsewhere(node: ast.AST) -> bool:
    """Whether this imports a module that may act: then its place among the statements that act counts."""
    match node:
        case ast.ImportFrom(level=0, module=str(name)):
            return name.partition(".")[0] not in sys.stdlib_module_names
        case ast.Import(names=names):
            return any(each.name.partition(".")[0] not in sys.stdlib_module_names for each in names)
    return isinstance(node, ast.ImportFrom)


def _is_special(node: ast.stmt) -> bool:
    """Whether this is a method that Python itself calls, and whose presence alone may matter."""
    return isinstance(node, _FUNCTIONS) and node.name.startswith("__") and node.name.endswith("__")


def _arguments(given: ast.arguments) -> list[ast.arg]:
    own = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return own + [each for each in (given.vararg, given.kwarg) if each is not None]


def _documents(body: Iterable[ast.AST]) -> str:
    return digest(*(ast.dump(each) for each in _statements(body) if is_document(each)))


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """Yield the statements in these, however deep, without a look into expressions."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _statements(getattr(node, name, ()))


def _computed(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the lines on which names are looked up that are not written there, or all that there are are listed."""
    written = {id(each.func) for each in nodes if isinstance(each, ast.Call) and _names_are_written(each)}
    found: set[int] = set()
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr="__dict__"):
                continue  # of an object, which holds no definitions
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in LOOKING_UP and id(node) not in written:
                found.update(lines(node))
    return found


def _imports(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for each in node.names:
            top = each.name.partition(".")[0]
            yield Import(each.asname, each.name) if each.asname else Import(top, top)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from (Import(each.asname or each.name, module, each.name) for each in node.names)


def _is_any(each: Import, parts: Collection[str]) -> bool:
    return each.module.rpartition(".")[2] in parts


def _reaching(nodes: Sequence[ast.AST], parts: Collection[str], bound: Collection[str]) -> set[int]:
    """Return the lines on which a module is a value, and not only what an attribute is taken of.

    `bound`: names that mean modules of the tree.
    """
    owners = {id(each.value) for each in nodes if isinstance(each, ast.Attribute)}
    harmless = {id(each) for node in nodes for each in _not_looked_into(node)}
    found: set[int] = set()
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules") if id(node) not in harmless:
                found.update(lines(node))
            case ast.Call(func=ast.Name(id="ModuleType") | ast.Attribute(attr="ModuleType")):
                found.update(lines(node))
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in REACHING:
                found.update(lines(node))
            case ast.Name(id=name, ctx=ast.Load()) if name in bound and id(node) not in owners:
                found.update(lines(node))
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if name in parts and (owner in bound or owner in parts) and id(node) not in owners:
                    found.update(lines(node))
    return found


def _not_looked_into(node: ast.AST) -> Sequence[ast.expr]:
    """Return the collections that a node does not look into: it sets or removes an item, or asks if one is there."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return [value]
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[value]):
            return [value]
    return []


def lines(node: Any) -> range:
    """Return the lines of a node, without the body if it is a function or a class."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        first = min(each.lineno for each in (node, *node.decorator_list))
        return range(first, max(node.lineno + 1, node.body[0].lineno))
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _names_are_written(call: ast.Call) -> bool:
    """Whether a call of a function that looks names up says which: `getattr(module, "name")`."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    names = call.args[1:2] if name in {"getattr", "hasattr"} else call.args
    return name in COMPUTING and bool(names) and all(isinstance(each, ast.Constant) for each in names)
