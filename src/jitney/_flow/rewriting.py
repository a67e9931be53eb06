"""Writes a function anew with marked statements as calls: ``if`` is ``if_(test, then, else)``, a loop ``while_(test, body)``.

    if x > 0:                          def _jt_then(y): y = 2 * x; return (y,)
        y = 2 * x              ->      def _jt_else(y): y = 0; return (y,)
    else:                              (y,) = if_(x > 0, _jt_then, _jt_else, (y,), ("y",), line)
        y = 0

Variables that a part assigns are its parameters and results. ``break`` and ``continue`` set a variable, and what follows
is under a condition on it; a ``return`` in a branch takes the rest of the function into the other branch. Only marked
statements change, and those around them that a jump leaves; the rest of the function stays as it is.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence
from typing import Any

from jitney._flow.matching import as_ifs
from jitney._flow.sources import OURS, Unsupported

CALLED = "\0jitney:"  # a constant that begins so stands for a function of ``running.py``

_Statements = list[ast.stmt]


def rewritten(function: ast.AST, marked: Iterable[ast.AST]) -> ast.AST:
    """A copy of ``function`` in which the nodes ``marked`` are calls."""
    memo: dict[int, Any] = {}
    made = copy.deepcopy(function, memo)
    return _Writer(memo[id(node)] for node in marked).function(made)


def call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Constant(CALLED + name), list(args), [])


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([_store(name)], value)


def _tuple(names: Sequence[str], ctx: Any) -> ast.expr:
    return ast.Tuple([ast.Name(name, ctx()) for name in names], ctx())


def _told(message: ast.expr) -> ast.expr:
    """An f-string as a call that keeps its values; another message as it is."""
    if not isinstance(message, ast.JoinedStr):
        return message
    parts: list[ast.expr] = []
    for part in message.values:
        if isinstance(part, ast.FormattedValue):
            how = [ast.Constant(part.conversion), part.format_spec or ast.Constant("")]
            part = ast.Tuple([part.value, *how], ast.Load())
        parts.append(part)
    return call("told", *parts)


def _lambda(body: ast.expr) -> ast.Lambda:
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), body)


class _Shared:
    """The variables that a function shares with those inside or around it."""

    def __init__(self, function: Any) -> None:
        self.around: set[str] = set()  # those of functions around it that it assigns
        self.cells: set[str] = set()  # all
        self.changed: list[str] = []  # those that functions inside assign
        if isinstance(function, ast.FunctionDef):
            self._look(function)

    def _look(self, function: ast.FunctionDef) -> None:
        assigned: dict[str, None] = {}
        for part in function.body:
            self.around |= {name for n in inside(part) if isinstance(n, ast.Nonlocal) for name in n.names}
            for inner in ast.walk(part):
                if isinstance(inner, (ast.FunctionDef, ast.Lambda)):
                    own = locals_of(inner)
                    names = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name)}
                    self.cells |= names - own
                    for node in ast.walk(inner):
                        if isinstance(node, ast.Nonlocal):
                            assigned |= dict.fromkeys(node.names)
        local = locals_of(function) | self.around
        self.changed = [name for name in assigned if name in local]
        self.cells = self.cells & local | self.around | set(self.changed)


def _placed(statements: _Statements, origin: Any) -> _Statements:
    """Nodes that were made here stand where ``origin`` does: errors and tracebacks show the user's own line."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, (ast.stmt, ast.expr, ast.excepthandler, ast.arg)) and not hasattr(
                node, "lineno"
            ):
                ast.copy_location(node, origin)
    return statements


def index_of(node: ast.Subscript) -> ast.expr:
    """The index of a subscription, as an expression that can be an argument."""
    return _slice(node.slice)


def _slice(part: ast.expr) -> ast.expr:
    if isinstance(part, ast.Tuple):
        return ast.Tuple([_slice(p) for p in part.elts], ast.Load())
    if isinstance(part, ast.Slice):
        return call("slice", *[p or ast.Constant(None) for p in (part.lower, part.upper, part.step)])
    return part


def root_of(node: Any) -> str | None:
    """The variable that ``x.y[i]`` begins with."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_print(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "print"


def is_counting(node: ast.AST) -> bool:
    """Whether it is a call in the head of a loop that ``steps.py`` has."""
    names = ("range", "reversed", "enumerate", "zip")
    plain = isinstance(node, ast.Call) and not any(isinstance(x, ast.Starred) for x in node.args)
    return plain and isinstance(node.func, ast.Name) and node.func.id in names  # type: ignore[attr-defined]


def item_targets(statement: ast.AST) -> list[ast.Subscript]:
    """The items that a statement assigns."""
    if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        return []
    pending: list[Any] = list(statement.targets) if isinstance(statement, ast.Assign) else [statement.target]
    found: list[ast.Subscript] = []
    while pending:
        part = pending.pop()
        if isinstance(part, (ast.Tuple, ast.List)):
            pending += part.elts
        elif isinstance(part, ast.Starred):
            pending.append(part.value)
        elif isinstance(part, ast.Subscript):
            found.append(part)
    return found


def locals_of(function: Any) -> set[str]:
    """The variables that are the function's own."""
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = {a.arg for a in (*given, arguments.vararg, arguments.kwarg) if a is not None}
    if isinstance(function, ast.Lambda):
        return names
    outside: set[str] = set()
    for part in function.body:
        for inner in inside(part):
            if isinstance(inner, (ast.Global, ast.Nonlocal)):
                outside |= set(inner.names)
    return (names | set(stores(function.body))) - outside


def asks_for_members(node: ast.Compare) -> bool:
    """Whether a comparison holds an ``in``, which compares with one member after the other."""
    return any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops)


def _compared(first: ast.expr, op: ast.cmpop, later: ast.expr) -> ast.expr:
    if isinstance(op, ast.In):
        return call("in_", first, later)
    if isinstance(op, ast.NotIn):
        return call("not_", call("in_", first, later))
    return ast.Compare(first, [op], [later])


def _is_logical(node: ast.AST) -> bool:
    return isinstance(node, ast.BoolOp)


class _Stores(ast.NodeVisitor):
    """Names that statements assign, in order."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.names[node.id] = None

    def visit_FunctionDef(self, node: Any) -> None:
        self.names[node.name] = None

    visit_ClassDef = visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def _comprehension(self, node: Any) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.NamedExpr):
                self.visit(part.target)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Import(self, node: Any) -> None:
        for alias in node.names:
            self.names[alias.asname or alias.name.split(".")[0]] = None

    visit_ImportFrom = visit_Import

    def _named(self, node: Any) -> None:
        if node.name:
            self.names[node.name] = None
        self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = _named

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.names[node.rest] = None
        self.generic_visit(node)


def stores(statements: Iterable[ast.AST]) -> list[str]:
    visitor = _Stores()
    for statement in statements:
        visitor.visit(statement)
    return list(visitor.names)


def inside(node: ast.AST) -> Iterable[ast.AST]:
    """``node`` and what is below it, not in functions or classes of its own."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from inside(child)


def _jumps(node: ast.AST) -> set[type]:
    """The kinds of jumps that leave ``node``: Return, Break, Continue."""
    kind = type(node)
    if kind in (ast.Return, ast.Break, ast.Continue):
        return {kind}
    found: set[type] = set()
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            found |= _jumps(child)
    if kind in (ast.For, ast.While):
        inner: set[type] = set()
        for child in node.body:  # type: ignore[attr-defined]
            inner |= _jumps(child)
        outer: set[type] = set()
        for child in node.orelse:  # type: ignore[attr-defined]
            outer |= _jumps(child)
        found = (inner & {ast.Return}) | outer
    return found


def _ends(statements: Sequence[ast.stmt]) -> bool:
    """Whether the end of a block is never reached."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
        return True
    return isinstance(last, ast.If) and _ends(last.body) and _ends(last.orelse)


class _Loop:
    """The variables that stand for the jumps of a converted loop, or out of a block that runs ``once``."""

    def __init__(self, number: int, jumps: set[type], once: bool = False) -> None:
        self.once = once
        self.stop = f"{OURS}stop{number}" if jumps & {ast.Break, ast.Return} else None
        self.skip = f"{OURS}skip{number}" if ast.Continue in jumps else None
        self.left = f"{OURS}left{number}" if ast.Return in jumps else None
        self.value = f"{OURS}value{number}" if ast.Return in jumps else None

    def start(self) -> _Statements:
        """No jump was taken yet."""
        names = [name for name in (self.stop, self.left) if name]
        value = [_assign(self.value, call("unset"))] if self.value else []
        return [*[_assign(name, ast.Constant(False)) for name in names], *value]

    def flags(self) -> list[str]:
        return [name for name in (self.stop, self.skip) if name]


class _Writer:
    def __init__(self, marked: Iterable[ast.AST]) -> None:
        self.marked = {
            id(node): node for node in marked
        }  # all of them are kept, so that their ids stay theirs
        self.count = 0
        self.outside: set[str] = set()  # names that are not the function's own
        self.locals: set[str] = set()
        self.shared = _Shared(None)
        self.after: _Statements = []  # what a loop that was just written adds behind it

    # -- functions and expressions

    def function(self, node: Any) -> Any:
        before = self.outside, self.locals, self.shared
        self.outside, self.locals, self.shared = set(), locals_of(node), _Shared(node)
        for part in node.body if isinstance(node, ast.FunctionDef) else ():
            for inner in inside(part):
                if isinstance(inner, ast.Global):
                    self.outside |= set(inner.names)
                if isinstance(inner, (ast.Yield, ast.YieldFrom, ast.Await)) and self.touches(node):
                    raise Unsupported(
                        "a generator cannot be traced",
                        inner.lineno,
                        "Return a list or an array in place of `yield`, or choose by jnp.where before it.",
                    )
        if isinstance(node, ast.Lambda):
            node.body = ast.copy_location(self.expression(node.body), node.body)  # by which it is known
        else:
            if self.touches(node):
                node.body = self.with_returns(node.body)
            node.body = self.block(node.body, None)
        self.outside, self.locals, self.shared = before
        return node

    def with_returns(self, statements: _Statements) -> _Statements:
        """Before each ``raise`` a ``return`` of what ``raised`` gives in traced parts; in ``try`` it raises while tracing."""
        out: _Statements = []
        for node in statements:
            if isinstance(node, ast.Raise) and node.exc is not None:
                (copied,) = self.copied([node])
                if isinstance(copied.exc, ast.Call):
                    copied.exc.args = [_told(part) for part in copied.exc.args]
                value = call("raised", copied.exc, ast.Constant(node.lineno))
                out += _placed([ast.If(call("is_traced"), [ast.Return(value)], [])], node)
            elif not isinstance(node, (ast.Try, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                for part in (node, *getattr(node, "cases", ())):
                    for field in ("body", "orelse"):
                        if isinstance(getattr(part, field, None), list):
                            setattr(part, field, self.with_returns(getattr(part, field)))
            out.append(node)
        return out

    def mark(self, *nodes: ast.AST) -> None:
        self.marked.update({id(node): node for node in nodes})

    def touches(self, node: ast.AST) -> bool:
        return any(id(part) in self.marked for part in ast.walk(node))

    def expression(self, node: Any) -> Any:
        """``node`` with its marked parts as calls; functions inside are written anew."""
        if node is None or not self.touches(node):
            return node
        if isinstance(node, ast.Lambda):
            return self.function(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expression(value))
            elif isinstance(value, list):
                setattr(node, field, [self._part(part) for part in value])
            elif isinstance(value, ast.AST):
                self._part(value)
        return self.called(node) if id(node) in self.marked else node

    def _part(self, part: Any) -> Any:
        if isinstance(part, ast.expr):
            return self.expression(part)
        if isinstance(part, ast.AST):  # comprehensions, keywords
            for field, value in ast.iter_fields(part):
                if isinstance(value, ast.expr):
                    setattr(part, field, self.expression(value))
                elif isinstance(value, list):
                    setattr(part, field, [self._part(item) for item in value])
        return part

    def called(self, node: Any) -> Any:
        if isinstance(node, ast.BoolOp):
            name = "and_" if isinstance(node.op, ast.And) else "or_"
            return call(name, *[_lambda(value) for value in node.values])
        if isinstance(node, ast.UnaryOp):
            return call("not_", node.operand)
        if isinstance(node, ast.IfExp):
            line = ast.Constant(node.lineno)
            return call("choose", node.test, _lambda(node.body), _lambda(node.orelse), line)
        if isinstance(node, ast.Compare):
            names = [f"{OURS}c{i}" for i in range(len(node.comparators) + 1)]
            left = node.left
            values: list[ast.expr] = []
            pairs = zip(names, names[1:], node.ops, node.comparators, strict=False)
            for here, after, op, right in pairs:
                first = ast.NamedExpr(_store(here), left) if not values else _load(here)
                later = ast.NamedExpr(_store(after), right)
                values.append(_compared(first, op, later))
            # Each operand is evaluated once and in order, all of them: comparing has no effects.
            return call("all_of", *values)
        if isinstance(node, ast.Subscript):
            return call("element", node.value, index_of(node))
        if isinstance(node, ast.Call):
            return self.called_function(node)
        raise Unsupported(
            f"a {type(node).__name__} cannot be converted", node.lineno, "Compute it in a statement before."
        )

    def called_function(self, node: ast.Call) -> ast.expr:
        if not is_print(node):
            return ast.Call(ast.Constant(CALLED + "function"), [node.func, *node.args], node.keywords)
        # What it shows is computed when the program gets there, from the variables that it names.
        found = [
            n for part in [*node.args, *node.keywords] for n in ast.walk(part) if isinstance(n, ast.Name)
        ]
        bound = {n.id for n in found if isinstance(n.ctx, ast.Store)}  # in comprehensions
        names = [name for name in dict.fromkeys(n.id for n in found) if name not in bound]
        show = ast.Lambda(ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, []), node)
        return call("print_", show, *map(_load, names))

    def item_assigned(self, node: Any) -> _Statements:
        """An assignment to items of variables, which may be traced arrays."""
        if isinstance(node, ast.AugAssign):
            value, how = self.expression(node.value), ast.Constant(type(node.op).__name__)
            if isinstance(node.target, ast.Name):
                return [_assign(node.target.id, call("augmented", _load(node.target.id), value, how))]
            return [self.item(node.target, value, how)]
        after: _Statements = []

        def target(part: Any) -> Any:
            if isinstance(part, (ast.Tuple, ast.List)):
                part.elts = [target(p) for p in part.elts]
            elif isinstance(part, ast.Starred):
                part.value = target(part.value)
            elif isinstance(part, ast.Subscript) and root_of(part) in self.locals:
                name = self.name("value")
                after.append(self.item(part, _load(name), ast.Constant("")))
                return _store(name)
            return part

        value = self.expression(node.value)
        targets = [target(part) for part in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        return [ast.Assign(targets, value), *after]

    def item(self, target: ast.Subscript, value: ast.expr, how: ast.expr) -> ast.stmt:
        """``name = assign(name, path, index, value, how, name, line)``"""
        path: list[ast.expr] = []
        node: Any = target.value
        while not isinstance(node, ast.Name):
            attribute = isinstance(node, ast.Attribute)
            key = ast.Constant(node.attr) if attribute else self.expression(index_of(node))
            path.insert(0, ast.Tuple([ast.Constant("attribute" if attribute else "item"), key], ast.Load()))
            node = node.value
        index = self.expression(index_of(target))
        labels = [ast.Constant(node.id), ast.Constant(target.lineno)]
        made = call("assign", _load(node.id), ast.Tuple(path, ast.Load()), index, value, how, *labels)
        return _assign(node.id, made)

    # -- statements

    def block(self, statements: Sequence[ast.stmt], loop: _Loop | None) -> _Statements:
        out: _Statements = []
        for number, statement in enumerate(statements):
            rest = list(statements[number + 1 :])
            if not self.touches(statement) and not (loop and _jumps(statement)):
                out.append(statement)
                continue
            if isinstance(statement, ast.Match) and (
                id(statement) in self.marked or self.dynamic_inside(statement)
            ):
                return out + self.block([*self.match(statement), *rest], loop)
            if loop is None and isinstance(statement, ast.If) and self.dynamic(statement):
                if ast.Return in _jumps(statement):
                    return out + self.last_if(statement, rest)
            leaves = bool(_jumps(statement))  # before it is written anew
            made, ended = self.statement(statement, loop)
            out += made
            if ended:
                return out
            if loop and rest and not self.after and leaves:
                return out + self.guarded(rest, loop)
            if isinstance(statement, (ast.For, ast.While, ast.With)) and self.after:
                after, self.after = self.after, []
                return out + self.block([*after, *rest], loop)
        return out

    def dynamic(self, node: ast.AST) -> bool:
        """Whether a statement becomes a call: it is marked, or a jump out of a marked part leaves it."""
        if id(node) in self.marked:
            return True
        return isinstance(node, (ast.If, ast.For, ast.While)) and self.dynamic_inside(node)

    def statement(self, node: Any, loop: _Loop | None) -> tuple[_Statements, bool]:
        """What stands for ``node``, and whether its end is never reached."""
        if loop and isinstance(node, (ast.Break, ast.Continue, ast.Return)):
            return self.jump(node, loop), True
        if isinstance(node, ast.FunctionDef):
            return [self.function(node)], False
        if isinstance(node, (ast.For, ast.While)):
            if self.dynamic(node) or loop and ast.Return in _jumps(node):
                return self.loop(node), False
            return self.plain_loop(node, loop), False
        if isinstance(node, ast.If):
            node.test = self.expression(node.test)
            if self.dynamic(node):
                return self.any_if(node, loop), False
            node.body, node.orelse = self.block(node.body, loop), self.block(node.orelse, loop)
            node.body = node.body or [ast.Pass()]
            return [node], False
        if isinstance(node, ast.Assert) and id(node) in self.marked:
            message = node.msg or ast.Constant("")
            return [
                ast.Expr(
                    call(
                        "assert_",
                        self.expression(node.test),
                        _lambda(_told(message)),
                        ast.Constant(node.lineno),
                    )
                )
            ], False
        if isinstance(node, ast.With):
            return self.with_(node, loop), False
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and id(node) in self.marked:
            return _placed(self.item_assigned(node), node), False
        if isinstance(node, ast.Match):
            node.subject = self.expression(node.subject)
            for case in node.cases:
                case.guard = self.expression(case.guard)
                case.body = self.block(case.body, loop) or [ast.Pass()]
            return [node], False
        if isinstance(node, (ast.Try, ast.ClassDef)):
            raise Unsupported(
                f"`{type(node).__name__.lower()}` around traced control flow",
                node.lineno,
                "Move the traced part out of it, into a function of its own that is called before.",
            )
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.expression(value))
            elif isinstance(value, list):
                setattr(node, field, [self._part(item) for item in value])
        return [node], isinstance(node, (ast.Return, ast.Raise))

    def with_(self, node: ast.With, loop: _Loop | None) -> _Statements:
        """Jumps out of it become conditions on the rest of it, and of what follows."""
        node.items = [self._part(item) for item in node.items]
        if loop or not self.dynamic_inside(node):
            node.body = self.block(node.body, loop)
            return [node]
        around, ends = _Loop(self.number(), {ast.Return}, once=True), _ends(node.body)
        before = around.start()
        node.body = self.block(node.body, around)
        left = ast.Return(_load(around.value))  # type: ignore[arg-type]
        self.after = [left if ends else self.later_if(_load(around.left), [left], node)]  # type: ignore[arg-type]
        return [*before, node]

    def dynamic_inside(self, node: ast.AST) -> bool:
        """Whether a part of ``node`` that becomes a call jumps out of it."""
        kinds = (ast.If, ast.For, ast.While, ast.With, ast.Match)
        return any(
            part is not node and isinstance(part, kinds) and _jumps(part) and self.dynamic(part)
            for part in inside(node)
        )

    def match(self, node: ast.Match) -> _Statements:
        node.subject = self.expression(node.subject)
        statements, conditions = as_ifs(node, self.number(), call)
        for condition in conditions:
            self.mark(condition, *[part for part in ast.walk(condition.test) if _is_logical(part)])
        return statements

    def plain_loop(self, node: Any, loop: _Loop | None) -> _Statements:
        """A loop of Python's; jumps in its ``else`` leave the loop around it."""
        if isinstance(node, ast.For):
            node.iter = self.expression(node.iter)
        else:
            node.test = self.expression(node.test)
        node.body, node.orelse = self.block(node.body, None), self.block(node.orelse, loop)
        return [node]

    def jump(self, node: Any, loop: _Loop) -> _Statements:
        true = ast.Constant(True)
        if isinstance(node, ast.Continue):
            return [_assign(loop.skip, true)]  # type: ignore[arg-type]
        out = [_assign(loop.stop, true)]  # type: ignore[arg-type]
        if isinstance(node, ast.Return):
            value = self.expression(node.value) or ast.Constant(None)
            out = [_assign(loop.value, value), _assign(loop.left, true), *out]  # type: ignore[arg-type]
        return out

    def guarded(self, rest: _Statements, loop: _Loop) -> _Statements:
        """``rest``, unless a jump was taken."""
        body = self.block(rest, loop)
        test = call("none_of", *[_load(flag) for flag in loop.flags()])
        return self.write_if(test, body, [], rest[0].lineno, "unless_left" if loop.once else "if_")

    # -- if

    def any_if(self, node: ast.If, loop: _Loop | None) -> _Statements:
        body, orelse = self.block(node.body, loop), self.block(node.orelse, loop)
        return self.write_if(node.test, body, orelse, node.lineno)

    def write_if(
        self, test: ast.expr, body: _Statements, orelse: _Statements, line: int, kind: str = "if_"
    ) -> _Statements:
        names = self.own([*body, *orelse], line)
        self.refuse_effects(body, orelse)
        then, other = self.name("then"), self.name("else")
        result = ast.Return(_tuple(names, ast.Load))
        out = self.defined(names)
        out += [
            self.define(then, names, [*body, result]),
            self.define(other, names, [*orelse, copy.deepcopy(result)]),
        ]
        made = call(kind, test, _load(then), _load(other), _tuple(names, ast.Load), *_labels(names, line))
        result = ast.Assign([_tuple(names, ast.Store)], made) if names else ast.Expr(made)
        return _placed([*out, result], test if hasattr(test, "lineno") else _At(line))

    def last_if(self, node: ast.If, rest: _Statements) -> _Statements:
        """An ``if`` out of which functions return: what follows it belongs to the branches."""
        test = self.expression(node.test)
        parts = [list(node.body), list(node.orelse)]
        if not _ends(node.body) and not _ends(node.orelse):
            parts[1] += self.copied(rest)
        elif not _ends(node.orelse):
            parts[1] += rest
        if not _ends(node.body):
            parts[0] += rest
        blocks = [self.block(part, None) for part in parts]
        names = self.own([*blocks[0], *blocks[1]], node.lineno)
        self.refuse_effects(*blocks)
        then, other = self.name("then"), self.name("else")
        out = self.defined(names)
        out += [
            self.define(name, names, block or [ast.Pass()])
            for name, block in zip((then, other), blocks, strict=True)
        ]
        labels = _labels(names, node.lineno)
        made = call("returned", test, _load(then), _load(other), _tuple(names, ast.Load), *labels)
        around = [name for name in names if name in self.shared.around]
        if around:  # behind the return others see them
            put = self.name("then")
            out.append(self.define(put, around, [ast.Pass()]))
            made.args += [_labels(around, 0)[0], _lambda(_tuple(around, ast.Load)), _load(put)]
        return _placed([*out, ast.Return(made)], node.test if hasattr(node.test, "lineno") else node)

    def copied(self, statements: _Statements) -> _Statements:
        """A copy whose marked nodes are marked, too."""
        memo: dict[int, Any] = {}
        made = [copy.deepcopy(s, memo) for s in statements]
        for s in statements:
            for node in ast.walk(s):
                if id(node) in self.marked and id(node) in memo:
                    self.mark(memo[id(node)])
        return made

    # -- loops

    def loop(self, node: Any) -> _Statements:
        jumps: set[type] = set()
        for part in node.body:
            jumps |= _jumps(part)
        loop = _Loop(self.number(), jumps)
        line = node.lineno
        before = loop.start()
        body = self.block(node.body, loop)
        if loop.skip:
            body = [_assign(loop.skip, ast.Constant(False)), *body]
        makes = self._for if isinstance(node, ast.For) else self._while
        self.after = []
        out = [*before, *makes(node, body, loop, line)]
        if loop.left:
            left: ast.stmt = ast.Return(_load(loop.value))  # type: ignore[arg-type]
            self.after.append(
                left if _endless(node, jumps) else self.later_if(_load(loop.left), [left], node)
            )
        if node.orelse and loop.stop:
            self.after.append(self.later_if(call("none_of", _load(loop.stop)), node.orelse, node))
        elif node.orelse:
            self.after += node.orelse
        return out

    def later_if(self, test: ast.expr, body: _Statements, node: Any) -> ast.stmt:
        """A marked ``if`` that stands behind the loop ``node``."""
        made = ast.fix_missing_locations(ast.copy_location(ast.If(test, body, []), node))
        self.mark(made)
        return made

    def _while(self, node: ast.While, body: _Statements, loop: _Loop, line: int) -> _Statements:
        assigned, test = self.without_walrus(self.expression(node.test))
        body = [*body, *copy.deepcopy(assigned)]
        names = self.own(body, line)
        self.refuse_effects(body)
        if loop.stop:
            test = call("and_", _lambda(call("none_of", _load(loop.stop))), _lambda(test))
        go, step = self.name("test"), self.name("body")
        out = [*assigned, *self.defined(names)]
        out += [
            self.define(go, names, [ast.Return(test)]),
            self.define(step, names, [*body, ast.Return(_tuple(names, ast.Load))]),
        ]
        made = call("while_", _load(go), _load(step), _tuple(names, ast.Load), *_labels(names, line))
        result = ast.Assign([_tuple(names, ast.Store)], made) if names else ast.Expr(made)
        return _placed([*out, result], node.test)

    def without_walrus(self, test: Any) -> tuple[_Statements, ast.expr]:
        """The assignments ``(y := e)`` in the condition of a loop, and the condition of their names."""
        found: _Statements = []
        for part in ast.walk(test):
            if isinstance(part, (ast.BoolOp, ast.IfExp, ast.Lambda)) and any(map(_is_walrus, ast.walk(part))):
                raise Unsupported(
                    "an assignment in a part of a condition that is not always evaluated",
                    test.lineno,
                    "Assign the name in a statement before.",
                )

        class Names(ast.NodeTransformer):
            def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
                self.generic_visit(node)
                if not _is_walrus(node):
                    return node
                found.append(ast.Assign([node.target], node.value))
                return ast.copy_location(_load(node.target.id), node)

        return found, Names().visit(test)

    def _for(self, node: ast.For, body: _Statements, loop: _Loop, line: int) -> _Statements:
        item = f"{OURS}item"
        body = [ast.Assign([node.target], _load(item)), *body]
        names = self.own(body, line)
        self.refuse_effects(body)
        step = self.name("body")
        out = self.defined(names)
        out.append(self.define(step, [item, *names], [*body, ast.Return(_tuple(names, ast.Load))]))
        source = self.head(node.iter)
        stop = ast.Constant(names.index(loop.stop) if loop.stop else -1)
        made = call("for_", source, _load(step), _tuple(names, ast.Load), stop, *_labels(names, line))
        return _placed([*out, ast.Assign([_tuple(names, ast.Store)], made)], node.iter)

    def head(self, node: ast.expr) -> ast.expr:
        """What a loop goes through: ``range``, ``reversed`` and the like tell the item of a step by its number."""
        if not is_counting(node):
            return self.expression(node)
        made = call(f"{node.func.id}_", node.func, *map(self.head, node.args))  # type: ignore[attr-defined]
        made.keywords = [ast.keyword(k.arg, self.expression(k.value)) for k in node.keywords]  # type: ignore[attr-defined]
        return made

    # -- names

    def number(self) -> int:
        self.count += 1
        return self.count

    def name(self, what: str) -> str:
        return f"{OURS}{what}{self.number()}"

    def define(self, name: str, parameters: Sequence[str], body: _Statements) -> ast.stmt:
        """A part of the function. Variables that others share stay where those see them; they begin with what it is given."""
        cells = [p for p in parameters if p in self.shared.cells]
        given = {p: f"{OURS}given_{p}" for p in cells}
        start: _Statements = [ast.Nonlocal(cells)] if cells else []
        start += [_assign(p, _load(given[p])) for p in cells]
        arguments = ast.arguments([], [ast.arg(given.get(p, p)) for p in parameters], None, [], [], None, [])
        made = ast.FunctionDef(name, arguments, [*start, *body], [], None)
        made.type_params = []  # type: ignore[attr-defined]
        return made

    def own(self, statements: _Statements, line: int) -> list[str]:
        names = [n for n in stores(statements) if not _is_function(n)]
        if any(isinstance(part, ast.Call) for statement in statements for part in ast.walk(statement)):
            names += [name for name in self.shared.changed if name not in names]
        taken = [name for name in names if name in self.outside]
        if taken:
            raise Unsupported(
                f"{', '.join(taken)} is global and assigned under a traced condition",
                line,
                "Return the new value, and assign it where the function is called.",
            )
        return names

    def defined(self, names: Sequence[str]) -> _Statements:
        """Gives variables that have no value yet one that says so."""
        out: _Statements = []
        for name in names:
            unset = _assign(name, call("unset", ast.Constant(name)))
            handler = ast.ExceptHandler(_builtin_name_error(), None, [unset])
            out.append(ast.Try([ast.Expr(_load(name))], [handler], [], []))
        return out

    def refuse_effects(self, *blocks: _Statements) -> None:
        """Objects cannot be changed under a condition that is not known: attributes never, others are looked at in time."""
        own = {name for block in blocks for name in stores(block)}
        for statement in [s for block in blocks for s in block]:
            for node in inside(statement):
                if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                    raise Unsupported(
                        f"the attribute {node.attr} is assigned under a traced condition",
                        node.lineno,
                        "Assign a local variable there, and return it, or assign the attribute from it behind the condition.",
                    )
                if isinstance(node, ast.Raise) and node.exc is None:
                    raise Unsupported(
                        "`raise` without an exception under a traced condition",
                        node.lineno,
                        "Name the exception that is to be raised.",
                    )
                for field in ("body", "orelse", "finalbody"):
                    block = getattr(node, field, None)
                    if isinstance(block, list):
                        setattr(node, field, _watched(block, own))
        for block in blocks:
            block[:] = _watched(block, own)


# Methods that change what they are called of.
_CHANGES = frozenset(
    """append extend insert pop remove clear update setdefault add discard sort reverse popitem appendleft
    popleft extendleft fill resize write""".split()
)


def _watched(statements: _Statements, own: set[str]) -> _Statements:
    """A check before each statement that changes an object by a name that the part does not assign."""
    out: _Statements = []
    for statement in statements:
        line = ast.Constant(getattr(statement, "lineno", 0))
        for thing in _changed(statement):
            name = root_of(thing)
            whole = isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name)
            check = "unchanged_array" if whole or name in own else "unchanged"
            assigned = ast.Constant(not isinstance(statement, ast.Expr))
            made = call(check, copy.deepcopy(thing), ast.Constant(ast.unparse(thing)), line, assigned)
            out += _placed([ast.Expr(made)], statement)
        out.append(statement)
    return out


def _changed(statement: ast.stmt) -> list[ast.expr]:
    """What a statement changes: of which it assigns an item, or calls such a method; in place, of ``x += y``, arrays alone."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return [_load(statement.target.id)]
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _CHANGES:
        found: list[Any] = [value.func]
    else:
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        found = [t for t in targets if isinstance(t, ast.Subscript)]
    return [node.value for node in found if root_of(node) is not None]


class _At:
    """A place in a file, of which the line is known."""

    _attributes = ("lineno", "col_offset", "end_lineno", "end_col_offset")

    def __init__(self, line: int) -> None:
        self.lineno = self.end_lineno = line
        self.col_offset = self.end_col_offset = 0


def _endless(node: Any, jumps: set[type]) -> bool:
    """Whether a loop ends by a return only."""
    known = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
    return known and ast.Break not in jumps


def _is_walrus(node: ast.AST) -> bool:
    """Whether the user wrote it: chains of comparisons that were converted keep their operands so, too."""
    return isinstance(node, ast.NamedExpr) and not node.target.id.startswith(OURS)


def _is_function(name: str) -> bool:
    return name.startswith((f"{OURS}then", f"{OURS}else", f"{OURS}test", f"{OURS}body", f"{OURS}item"))


def _builtin_name_error() -> ast.expr:
    return ast.Constant(CALLED + "NameError")


def _labels(names: Sequence[str], line: int) -> tuple[ast.expr, ast.expr]:
    return ast.Tuple([ast.Constant(name) for name in names], ast.Load()), ast.Constant(line)
