"""SQL statements that Python code builds from strings.

A value counts if it can be anything: constants, names in capitals, numbers, placeholders that are joined, quoted
identifiers, and names that are compared with a list of allowed ones do not. Names of tables and parts of conditions do
not: nearly always they come from the code itself. Neither do lines that the developers have
judged (``# noqa: S608``, ``# nosec``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.core.i18n import tr
from lilfox_tui.redact import redact

_SINKS = frozenset({"execute", "executemany", "executescript", "exec_driver_sql"})
_STATEMENTS = frozenset({"query", "sql", "statement", "operation"})
_SQL = re.compile(
    r"(?i)\b(?:insert\s+into|replace\s+into|delete\s+from|merge\s+into|"
    r"(?:create|drop|alter)\s+(?:table|index|view|database|schema|user|role|sequence|function|trigger)|truncate|"
    r"where|order\s+by)\b"
)
_SQL_PAIRS = [
    (re.compile(rf"(?i)\b{begin}\b"), re.compile(rf"(?i)\b{then}\b"))
    for begin, then in (("select", "from"), ("update", "set"), ("grant", "to"))
]
"""A statement's word, and one that comes somewhere after it."""
_VALUE_NEXT = re.compile(
    r"(?is)(?:[=<>]|\b(?:like|between|limit|offset|interval|any)\b|\b(?:in|values|any)\s{0,9}\((?:[^()]|\([^()]{0,99}\)){0,299})"
    r"\s{0,9}[(\"]?\s{0,99}\Z"
)
_COLUMN_NEXT = re.compile(r"(?is)\b(?:order|group)\s+by\s+[\"`\[]?\Z")
_SAFE_CALLS = frozenset(
    [
        "int",
        "float",
        "len",
        "bool",
        "abs",
        "round",
        "quote_ident",
        "quote_identifier",
        "quote_name",
        "escape_identifier",
        "quote_literal",
        "quoted_name",
        "Identifier",
        "literal_column",
        "get_table_name",
    ]
)
_JUDGED = re.compile(r"\b(?:noqa(?::[^#]{0,200}\bS608\b|\s{0,9}(?:#|$))|nosec)")
_STYLES = {"sqlite3": "?", "aiosqlite": "?", "psycopg": "%s", "psycopg2": "%s", "pymysql": "%s", "MySQLdb": "%s"}
_DEEPEST = 8
_SHOWN = 120

Part = str | ast.expr
"""A piece of a statement: a constant text, or what is put in."""


class BuiltStatement(Struct, frozen=True):
    """A call that gets a statement built from strings: where, its code, and the call that binds the values (empty if
    it cannot be made). ``column`` tells that only a column to sort or group by is put in."""

    file: str
    function: str
    line: int
    code: str
    column: bool
    mended: str


class SourceFindings(Struct, frozen=True):
    """The statements, and the files that cannot be parsed."""

    built: tuple[BuiltStatement, ...]
    unread: tuple[str, ...]


def parse_sources(files: Mapping[str, bytes]) -> SourceFindings:
    """The built statements in Python files."""
    built: list[BuiltStatement] = []
    unread = []
    for name, content in files.items():
        if b"execute" not in content and b"text(" not in content and b"exec_driver_sql" not in content:
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            unread.append(name)
            continue
        lines = content.decode("utf-8", "replace").splitlines()
        built += _Module(name, tree, lines).statements()
    return SourceFindings(tuple(built), tuple(unread))


class _NameScope:
    """The names of a function and of the module around it, with what is assigned to them."""

    def __init__(self, body: Sequence[ast.AST], outer: _NameScope | None = None) -> None:
        self.assigned: dict[str, list[ast.expr]] = {}
        self.allowed: set[str] = set()
        self._outer = outer
        for node in body:
            self._read(node)

    def values(self, name: str) -> list[ast.expr]:
        """What is assigned to a name here, else around; empty if that is not known."""
        if name in self.assigned:
            return self.assigned[name]
        return [] if self._outer is None else self._outer.values(name)

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            self._assign(node.target, _UNKNOWN if node.value is None else node.value)
        elif isinstance(node, ast.For | ast.comprehension | ast.AsyncFor):
            self._assign(node.target, node.iter)
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
            if isinstance(node.ops[0], ast.In | ast.NotIn):
                self.allowed.add(node.left.id)
        elif isinstance(node, ast.arg):
            self.assigned[node.arg] = [_UNKNOWN]

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.assigned.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._assign(each, value if _is_literal(value) else _UNKNOWN)


_UNKNOWN = ast.Name("?")


class _Module:
    """One file: finds the calls, and judges their statements."""

    def __init__(self, name: str, tree: ast.Module, lines: Sequence[str]) -> None:
        self._name = name
        self._tree = tree
        self._lines = lines
        self._imports = _imported(tree)

    def statements(self) -> Iterator[BuiltStatement]:
        """The calls that get a built statement."""
        yield from self._in_scope(self._tree, "", None)

    def _in_scope(self, node: ast.AST, function: str, outer: _NameScope | None) -> Iterator[BuiltStatement]:
        own = list(_own_nodes(node))
        is_class = isinstance(node, ast.ClassDef)
        scope = outer if is_class and outer is not None else _NameScope(own, outer)
        for each in own:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from self._in_scope(each, f"{function}.{each.name}".lstrip("."), scope)
            elif isinstance(each, ast.Call) and (found := self._judged(each, function, scope)):
                yield found

    def _judged(self, call: ast.Call, function: str, scope: _NameScope) -> BuiltStatement | None:
        statement = self._statement(call)
        if statement is None or self._is_judged(call):
            return None
        for source, parts in _built(statement, scope):
            if not _is_sql(_text(parts)):
                continue
            free = [place for place, part in enumerate(parts) if not isinstance(part, str) and _any(part, scope)]
            values = [place for place in free if _is_value(parts, place)]
            columns = [place for place in free if _COLUMN_NEXT.search(_text(parts[:place]))]
            if values or columns:
                code = ast.unparse(call)
                if source is not statement:
                    code += f"; {ast.unparse(statement)} = {ast.unparse(source)}"
                code = redact(" ".join(code.split()))[:_SHOWN]
                is_simple = values == free and source is statement and statement in call.args
                mended = self._mended(call, parts, values) if is_simple else ""
                return BuiltStatement(self._name, function, call.lineno, code, not values, mended)
        return None

    def _statement(self, call: ast.Call) -> ast.expr | None:
        """The statement that a call gets; None if it is no call that gets one."""
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        is_text = name == "text" and "sqlalchemy" in self._imports
        if name not in _SINKS and not is_text:
            return None
        named = [each.value for each in call.keywords if each.arg in _STATEMENTS]
        return next(iter(call.args[:1] or named), None)

    def _is_judged(self, call: ast.Call) -> bool:
        last = call.end_lineno or call.lineno
        return any(_JUDGED.search(line.partition("#")[2]) for line in self._lines[call.lineno - 1 : last])

    def _mended(self, call: ast.Call, parts: Sequence[Part], risky: Sequence[int]) -> str:
        """The call with its values as parameters; empty if the driver or the statement is not simple enough, or if
        a part of it would be masked."""
        styles = {style for module, style in _STYLES.items() if module in self._imports}
        is_execute = isinstance(call.func, ast.Attribute) and call.func.attr == "execute"
        if len(styles) != 1 or not is_execute or len(call.args) != 1 or call.keywords:
            return ""
        bound = _bound(parts, risky, styles.pop())
        if bound is None:
            return ""
        statement, values = bound
        made = ast.unparse(ast.Call(call.func, [statement, ast.Tuple(values, ast.Load())], []))
        return made if redact(made) == made else ""


def _imported(tree: ast.Module) -> set[str]:
    """The top packages that a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below ``node`` that are not in a function or class inside of it; those themselves are among them."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _own_nodes(child)


# How a string is put together.


def _built(statement: ast.expr, scope: _NameScope) -> list[tuple[ast.expr, list[Part]]]:
    """The ways in which a statement is built, and their parts; none for a constant, and for what is not built here."""
    sources = scope.values(statement.id) if isinstance(statement, ast.Name) else [statement]
    ways = [(source, _parts(source)) for source in sources]
    return [(source, way) for source, way in ways if any(isinstance(part, str) for part in way) and len(way) > 1]


def _parts(node: ast.expr) -> list[Part]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [each for value in node.values for each in _of_joined(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _parts(node.left) + _parts(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
        return _of_percent(node.left.value, node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _of_format(node.func.value, node)
    return [node]


def _of_joined(value: ast.expr) -> list[Part]:
    if not isinstance(value, ast.FormattedValue):
        return _parts(value)
    spec = value.format_spec
    if spec is not None and re.search(r"[dfxob]'$", ast.unparse(spec)):
        return ["0"]  # a number, or it raises
    return [value.value]


def _of_percent(text: object, right: ast.expr) -> list[Part]:
    if not isinstance(text, str):
        return []
    pieces = re.split(r"(%(?:\(\w+\))?[-+ #0-9.]*[a-zA-Z%])", text)
    values = list(right.elts) if isinstance(right, ast.Tuple) else [right]
    found: list[Part] = []
    for piece in pieces:
        if not piece.startswith("%") or piece == "%%":
            found.append("%" if piece == "%%" else piece)
        elif piece[-1] in "diufFxXoeEgG":
            found.append("0")
            values = values[1:]
        elif piece.startswith("%(") or not values:
            found.append(right)
        else:
            found.append(values[0])
            values = values[1:]
    return _merged(found)


def _of_format(text: ast.expr, call: ast.Call) -> list[Part]:
    if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
        return []
    named = {each.arg: each.value for each in call.keywords if each.arg}
    found: list[Part] = []
    number = 0
    for piece in re.split(r"(\{\{|\}\}|\{[^{}]*\})", text.value):
        if not piece.startswith("{") or piece == "{{":
            found.append({"{{": "{", "}}": "}"}.get(piece, piece))
            continue
        name = re.split(r"[.\[!:]", piece[1:-1])[0]
        place = int(name) if name.isdecimal() else number
        number += not name
        value = named.get(name) if name and not name.isdecimal() else None
        found.append(value or (call.args[place] if place < len(call.args) else _UNKNOWN))
    return _merged(found)


def _merged(parts: Sequence[Part]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return found


# What may be put into it.


def _is_sql(text: str) -> bool:
    if _SQL.search(text):
        return True
    begins = ((begin.search(text), then) for begin, then in _SQL_PAIRS)
    return any(found is not None and then.search(text, found.end()) is not None for found, then in begins)


def _text(parts: Sequence[Part]) -> str:
    return "".join(part if isinstance(part, str) else "x" for part in parts)


def _is_value(parts: Sequence[Part], place: int) -> bool:
    """Whether a value of the statement is put in, not a name of it such as that of a table. Names cannot be
    parameters, and nearly always come from the code itself."""
    before = _text(parts[:place])
    return before.count("'") % 2 == 1 or bool(_VALUE_NEXT.search(before))


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict) and all(
        isinstance(each, ast.Constant | ast.List | ast.Tuple | ast.expr_context)
        for each in ast.walk(node)
        if each is not node
    )


def _any(node: ast.expr, scope: _NameScope, depth: int = 0) -> bool:
    """Whether the value of ``node`` can be anything."""
    if depth > _DEEPEST or node is _UNKNOWN:
        return True
    if isinstance(node, ast.Constant) or _is_constant_name(node):
        return False
    if isinstance(node, ast.Name):
        values = scope.values(node.id)
        return node.id not in scope.allowed and (not values or any(_any(each, scope, depth + 1) for each in values))
    inner = _inner(node)
    return inner is None or any(_any(each, scope, depth + 1) for each in inner)


def _is_constant_name(node: ast.expr) -> bool:
    """Whether it is a name in capitals, or something of one or of a class (``COLUMNS[name]``, ``User.table``)."""
    root = node
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(root, ast.Attribute) and root.attr.isupper():
            return True
        if isinstance(root, ast.Call) and not (isinstance(root.func, ast.Attribute) and root.func.attr == "get"):
            return False
        root = root.func if isinstance(root, ast.Call) else root.value
    return isinstance(root, ast.Name) and (root.id.isupper() or (root is not node and root.id[:1].isupper()))


def _inner(node: ast.expr) -> Sequence[ast.expr] | None:
    """What the value of ``node`` is made of; None if it can be anything, empty if it cannot."""
    if isinstance(node, ast.JoinedStr):
        return [each for each in _parts(node) if not isinstance(each, str)]
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return node.elts
    if isinstance(node, ast.Dict):
        return [each for each in node.keys if each is not None]
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        return [node.elt]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = (node.left, node.right)
        return [each for each in sides if isinstance(each, ast.Constant | ast.List | ast.Tuple)] or None
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    return _inner_of_call(node) if isinstance(node, ast.Call) else None


def _inner_of_call(call: ast.Call) -> Sequence[ast.expr] | None:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name in _SAFE_CALLS:
        return []
    if name in ("join", "sorted", "list", "tuple", "str", "set", "repeat") and call.args:
        return call.args[:1]
    if name in ("lower", "upper", "strip") and isinstance(func, ast.Attribute):
        return [func.value]
    if name == "format" and isinstance(func, ast.Attribute):
        return [*call.args, *(each.value for each in call.keywords)]
    return None


# The same statement with parameters.


def _bound(parts: Sequence[Part], risky: Sequence[int], placeholder: str) -> tuple[ast.expr, list[ast.expr]] | None:
    """The statement with placeholders, and the values; None if a quote begins or ends in what is put in."""
    made: list[Part] = []
    values: list[ast.expr] = []
    rest = list(parts)
    for place, part in enumerate(parts):
        if place not in risky or isinstance(part, str):
            made.append(rest[place])
            continue
        before = made[-1] if made and isinstance(made[-1], str) else ""
        prefix = suffix = ""
        if "".join(each for each in made if isinstance(each, str)).count("'") % 2:
            after = rest[place + 1] if place + 1 < len(rest) else ""
            if "'" not in before or not isinstance(after, str) or "'" not in after:
                return None
            before, _quote, prefix = before.rpartition("'")
            suffix, _quote, rest[place + 1] = after.partition("'")
            made[-1] = before
        made.append(placeholder if placeholder == "?" else "\0")
        texts = [ast.Constant(prefix), ast.FormattedValue(part, -1), ast.Constant(suffix)]
        values.append(ast.JoinedStr([*texts]) if prefix or suffix else part)
    texts_made = [_escaped(part) if placeholder == "%s" and isinstance(part, str) else part for part in made]
    return _joined(_merged(texts_made)), values


def _escaped(text: str) -> str:
    """A text of a statement with parameters, in which a percent sign is doubled."""
    return text.replace("%", "%%").replace("\0", "%s")


def _joined(parts: Sequence[Part]) -> ast.expr:
    if all(isinstance(part, str) for part in parts):
        return ast.Constant("".join(part for part in parts if isinstance(part, str)))
    return ast.JoinedStr(
        [ast.Constant(part) if isinstance(part, str) else ast.FormattedValue(part, -1) for part in parts]
    )


SOURCES = Fact("python-sources", ".py", parse_sources)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Functions that build a statement from strings."""
    sources = facts[SOURCES]
    by_function: dict[tuple[str, str], list[BuiltStatement]] = {}
    for each in sources.built:
        by_function.setdefault((each.file, each.function), []).append(each)
    for (file, function), built in by_function.items():
        evidence = tr("{file}:{line}: {code}", file=file, line=built[0].line, code=built[0].code)
        if len(built) > 1:
            more = ", ".join(str(each.line) for each in built[1:])
            evidence = tr(
                "{file}:{line}: {code}; more lines: {more}",
                file=file,
                line=built[0].line,
                code=built[0].code,
                more=more,
            )
        severity = AuditSeverity.MEDIUM if all(each.column for each in built) else None
        yield AuditFinding(f"{file}: {function or 'module'}", evidence, _fix(file, built), severity)
    if sources.unread and not sources.built:
        raise NotKnown(tr("{file} cannot be parsed as Python", file=sources.unread[0]))


def _fix(file: str, built: Sequence[BuiltStatement]) -> Fix:
    if all(each.mended for each in built):
        places = ", ".join(str(each.line) for each in built)
        text = tr("Bind the values as parameters: replace the calls on line {places} by these.", places=places)
        return Fix(text, file, tuple(each.mended for each in built))
    if all(each.column for each in built):
        return Fix(tr("Take the name of the column from a fixed list in the code."))
    return Fix(tr("Write a placeholder for each value, and bind the values as parameters."))


CHECKS = (
    AuditCheck(
        "sql-from-strings",
        AuditSeverity.HIGH,
        tr("code builds SQL from strings"),
        tr("Whoever controls a value in the statement can change what the statement does."),
        (SOURCES,),
        judge,
        "https://cheatsheetseries.owasp.org/cheatsheets/SQL_Injection_Prevention_Cheat_Sheet.html",
    ),
)
