"""Which expressions of a module only compute a value, so that nothing but the name they are bound to depends on them.

Where that cannot be told, they are not. Standard library only: workers load this.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Functions that make a value of their arguments, and nothing else; a name that ends in a dot is a whole module.
PURE = (
    *(f"builtins.{name}" for name in ("bool", "complex", "float", "int", "len", "object", "range", "slice", "str")),
    *("datetime.", "decimal.Decimal", "fractions.Fraction", "os.environ.get", "os.getenv", "os.path.", "uuid.UUID"),
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath")),
    *("contextvars.ContextVar", "enum.auto", "functools.partial", "logging.getLogger", "re.compile", "struct.Struct"),
    *("operator.attrgetter", "operator.itemgetter", "operator.methodcaller", "string.Template", "typing."),
    *(f"threading.{name}" for name in ("Condition", "Event", "Lock", "RLock", "Semaphore", "local")),
    *("types.MappingProxyType", "types.SimpleNamespace", "typing_extensions."),
    *("weakref.WeakKeyDictionary", "weakref.WeakSet", "weakref.WeakValueDictionary"),
)
#: Such functions that may use up an iterator that they are given, which something else reads too.
CONSUMING = (
    *(f"builtins.{name}" for name in ("bytes", "dict", "frozenset", "list", "max", "min", "set", "sorted", "sum")),
    *("builtins.tuple", "collections.", "itertools."),
)
#: Decorators that keep what they are given, or wrap it, and note it nowhere.
PLAIN_DECORATORS = (
    *(f"builtins.{name}" for name in ("property", "staticmethod", "classmethod")),
    *("abc.abstractmethod", "contextlib.contextmanager", "contextlib.asynccontextmanager"),
    *("functools.cache", "functools.cached_property", "functools.lru_cache", "functools.wraps"),
    *(f"{module}.{name}" for module in ("typing", "typing_extensions") for name in ("final", "overload", "override")),
)
_GENERIC = frozenset({"dict", "frozenset", "list", "set", "tuple", "type"})
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Mult: "mul",
    ast.Pow: "pow",
    ast.Sub: "sub",
}  # shifts are left out: libraries let them connect what they are between


class Scope:
    """What the names of a module mean. `ran`: names of the tree's functions that ran while modules were imported."""

    def __init__(self, body: Iterable[ast.stmt], ran: Collection[str] = ()) -> None:
        self._ran = ran
        self._imported: dict[str, str | None] = {}
        for statement in body:
            self._note(statement)

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import):
            bound = {each.asname or each.name.partition(".")[0]: each for each in statement.names}
            pairs = [(name, each.name if each.asname else name) for name, each in bound.items()]
        elif isinstance(statement, ast.ImportFrom):
            source = None if statement.level or statement.module is None else statement.module
            pairs = [
                (each.asname or each.name, f"{source}.{each.name}" if source else "") for each in statement.names
            ]
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            pairs = [(statement.name, "")]
        else:
            pairs = [(name, "") for name in stored(statement)]
        for name, meaning in pairs:
            self._imported[name] = None if name in self._imported else meaning or None

    def meaning(self, node: ast.expr) -> str | None:
        """Return the full name of something imported or built in; None if it is neither, or bound twice."""
        if isinstance(node, ast.Attribute):
            owner = self.meaning(node.value)
            return f"{owner}.{node.attr}" if owner else None
        if not isinstance(node, ast.Name):
            return None
        if node.id in self._imported:
            return self._imported[node.id]
        return f"builtins.{node.id}" if hasattr(builtins, node.id) else None

    def is_one_of(self, node: ast.expr, names: Iterable[str]) -> bool:
        """Whether a node means one of these names, or something of one that ends in a dot."""
        found = self.meaning(node)
        return found is not None and any(
            found == name or (name[-1] == "." and found.startswith(name)) for name in names
        )

    def is_plain_decorator(self, node: ast.expr, decorated: str) -> bool:
        """Whether a decorator of something of this name notes nothing, such as `@property` or `@size.setter`."""
        if isinstance(node, ast.Attribute) and node.attr in {"setter", "getter", "deleter"}:
            return isinstance(node.value, ast.Name) and node.value.id == decorated
        called = node.func if isinstance(node, ast.Call) else node
        given = [*node.args, *(each.value for each in node.keywords)] if isinstance(node, ast.Call) else []
        return self.is_one_of(called, PLAIN_DECORATORS) and all(map(self.is_inert, given))

    def is_inert(self, node: ast.expr | None) -> bool:  # noqa: PLR0911 - one for each kind
        """Whether evaluating an expression does nothing but make its value."""
        match node:
            case None | ast.Constant() | ast.Name() | ast.Lambda():
                return True
            case ast.Attribute(value=inner) | ast.UnaryOp(operand=inner) | ast.FormattedValue(value=inner):
                return self.is_inert(inner)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return all(map(self.is_inert, parts))
            case ast.BoolOp(values=parts) | ast.JoinedStr(values=parts):
                return all(map(self.is_inert, parts))
            case ast.Dict(keys=keys, values=values):
                return None not in keys and all(map(self.is_inert, [*keys, *values]))
            case ast.IfExp(test=test, body=body, orelse=other):
                return all(map(self.is_inert, (test, body, other)))
            case ast.Compare(left=left, ops=operators, comparators=others):
                searches = any(isinstance(each, ast.In | ast.NotIn) for each in operators)
                return all(map(self.is_inert, [left, *others])) and (not searches or all(map(is_display, others)))
            case ast.Slice(lower=lower, upper=upper, step=step):
                return all(map(self.is_inert, (lower, upper, step)))
            case _:
                return self._is_inert_operation(node)

    def _is_inert_operation(self, node: ast.expr) -> bool:
        match node:
            case ast.BinOp(left=left, op=operator, right=right):
                name = _OPERATORS.get(type(operator))
                known = name is not None and not {f"__{name}__", f"__r{name}__"}.intersection(self._ran)
                return known and self.is_inert(left) and self.is_inert(right)
            case ast.Subscript(value=value, slice=key):
                return self._is_generic(value) and self.is_inert(key)
            case ast.Call(func=function, args=args, keywords=keywords):
                given = [*args, *(each.value for each in keywords)]
                pure = (*PURE, *CONSUMING) if all(map(is_display, args)) else PURE
                return self.is_one_of(function, pure) and all(map(self.is_inert, given))
        return False

    def _is_generic(self, node: ast.expr) -> bool:
        """Whether a subscript of this makes a type: `list[...]`, `Mapping[...]`, as types are written."""
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        written_as_type = name[:1].isupper() and not name.isupper()
        ran = {"__getitem__", "__missing__"}.intersection(self._ran)
        return name in _GENERIC or len(name) == 1 or (written_as_type and not ran)


def is_display(node: ast.expr) -> bool:
    """Whether a value is written out, so that it cannot be an iterator that something else reads too."""
    return isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Call)


def stored(statement: ast.stmt) -> list[str]:
    """Return the names that a statement binds outside of functions, as far as its own expressions show."""
    return [each.id for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
