"""Text in colours: logs and output by what they hold (levels, statuses, numbers, paths, addresses, quoted text) with
search hits, tracebacks, shell commands, and lines of configuration files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.core.text import LatePattern

LONGEST = 600
"""Characters of a line that are coloured; what is after them is off the screen, or nobody reads it for its colours."""
_SQL = (
    r"\b(?:SELECT|INSERT|UPDATE|INTO|VALUES|FROM|WHERE|SET|(?:LEFT|INNER) JOIN|JOIN|ON|USING|GROUP BY|ORDER BY|HAVING|"
    r"LIMIT|OFFSET|RETURNING|DISTINCT|AS|AND|OR|NOT|NULL|IN|IS|LIKE|BEGIN|COMMIT|ROLLBACK|CREATE|ALTER|DROP|TABLE|"
    r"INDEX|FOR UPDATE)\b"
)
_PARTS = (
    ("failing", r"\b(?:EMERG|ALERT|CRIT|CRITICAL|FATAL|ERR|ERROR|PANIC)\b"),
    ("degraded", r"\bWARN(?:ING)?\b"),
    ("keyword", r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b(?=[\s\"'/]|$)"),
    ("sql", _SQL),
    ("link", r"\b[a-z][a-z0-9+.-]{1,12}://[^\s\"'<>]+"),
    ("string", r"\"(?:[^\"\\]|\\.){0,300}\"(?!\s*:)|(?<![\w\"])'[^'\n]{1,300}'(?!\w)"),
    ("name", r"\"[\w.@-]{1,60}\"(?=\s*:)|\b[A-Za-z_][\w.-]{0,40}(?==[^\s=])"),
    ("name", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    ("link", r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b"),
    ("number", r"(?<![\w.])\d+(?:\.\d+)?\s(?:ns|us|µs|ms|s|min|[kKMGT]i?B|bytes)\b(?!=)"),
    ("status", r"(?<![\w.:/,-])[1-5]\d\d(?![\w.:/,%-])"),
    ("number", r"(?<![\w.])\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|[kKMGT]i?B?|B)\b|(?<![\w.])\d+(?:\.\d+)?\s?%"),
    ("link", r"(?<![\w.~/])~?/(?:[\w.@%+~:-]+/?)+"),
)
_PATTERN = LatePattern("|".join(f"(?P<p{place}>{pattern})" for place, (_role, pattern) in enumerate(_PARTS)))
_OF_HTTP = LatePattern(r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|HTTP|status|code)\b", re.IGNORECASE)
_OF_SQL = LatePattern(r"\b(?:SELECT\s|INSERT INTO\s|UPDATE\s+\S+\s+SET\s|DELETE FROM\s|(?:CREATE|ALTER|DROP) TABLE\s)")
_STATUS_ROLES = {"1": "number", "2": "good", "3": "number", "4": "degraded", "5": "failing"}


def coloured(text: str, hits: Sequence[str] = (), *, role: str = "text") -> list[Piece]:
    """``text`` as pieces. Where ``role`` is not that of plain text, only ``hits`` stand out of it: a critical line, or
    one that is of little interest, is seen as a whole."""
    pieces = list(_by_content(text)) if role == "text" else [Piece(text, role)]
    return _with_hits(pieces, hits) if hits else pieces


def _by_content(text: str) -> Iterator[Piece]:
    done = 0
    http: bool | None = None
    sql: bool | None = None
    for found in _PATTERN.finditer(text, 0, min(len(text), LONGEST)):
        role = _PARTS[int((found.lastgroup or "p0")[1:])][0]
        if role == "status":
            if http is None:
                http = _OF_HTTP.search(text) is not None
            if not http:
                continue
            role = _STATUS_ROLES[found[0][0]]
        elif role == "sql":
            if sql is None:
                sql = _OF_SQL.search(text) is not None
            if not sql:
                continue
            role = "keyword"
        if found.start() > done:
            yield Piece(text[done : found.start()])
        yield Piece(found[0], role)
        done = found.end()
    if done < len(text) or not text:
        yield Piece(text[done:])


_FRAME = LatePattern(r'(\s*File )(".*?")(, line )(\d+)(?:(, in )(.*))?')
_CALL = LatePattern(r"(\s+at )([\w.$<>]+)(\([^()]*\))")
_FAULT = LatePattern(r"((?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Warning|Timeout|Group)|(?:\w+\.)+\w+)(: .*|)")


def traceback_line(line: str, hits: Sequence[str] = ()) -> list[Piece]:
    """A line of a traceback of Python or Java: where a frame is, or which exception was raised."""
    roles: tuple[str, ...]
    if found := _FRAME.fullmatch(line):
        roles = ("muted", "link", "muted", "number", "muted", "name")
    elif found := _CALL.fullmatch(line):
        roles = ("muted", "name", "link")
    elif found := _FAULT.fullmatch(line):
        roles = ("failing", "text")
    else:
        return coloured(line, hits)
    pieces = [Piece(text, role) for text, role in zip(found.groups(), roles, strict=True) if text]
    return _with_hits(pieces, hits) if hits else pieces


_SHELL = LatePattern(
    r"(?P<blank>\s+)|(?P<comment>(?:(?<=\s)|^)#[^\n]*)"
    r"|(?P<string>'[^']*'|\"(?:[^\"\\]|\\.)*+\"?)"
    r"|(?P<name>\$(?:\{[^{}\s]*\}|\w+|[@?#*!$-]))"
    r"|(?P<control>&&|\|\|?|;;?|&(?!>)|\(|\$\(|`)"
    r"|(?P<word>[^\s'\"$|;&()#`][^\s'\"$|;&()`]*|.)",
    re.MULTILINE,
)
_VARIABLE = LatePattern(r"\$(?:\{[^{}\s]*\}|\w+|[@?#*!$-])")
_BEFORE_PROGRAM = frozenset(
    ("if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "sudo", "exec", "env", "nohup", "xargs")
)


def shell_pieces(text: str, *, begins: bool = True) -> tuple[list[Piece], bool]:
    """A part of a shell command as pieces: programs, options, strings, variables and comments have colours, which are
    a help to the eye and no verdict. ``begins``: the part may begin with a program. Also returns whether what follows
    it may."""
    pieces: list[Piece] = []
    for found in _SHELL.finditer(text):
        token, kind = found[0], found.lastgroup
        role = "text"
        if kind == "blank":
            begins = begins or "\n" in token
        elif kind == "control":
            begins = True
        elif kind == "word":
            is_program = begins and "=" not in token
            role = "keyword" if is_program else "number" if token.startswith("-") else "text"
            begins = begins and ("=" in token or token in _BEFORE_PROGRAM)
        else:
            role = str(kind)
            begins = begins and kind == "comment"
        if kind == "string" and token[0] == '"':
            pieces += _with_variables(token)
        elif pieces and pieces[-1].role == role:
            pieces[-1] = Piece(pieces[-1].text + token, role)
        else:
            pieces.append(Piece(token, role))
    return pieces, begins


def _with_variables(quoted: str) -> Iterator[Piece]:
    """Text in double quotes, and the variables in it."""
    done = 0
    for found in _VARIABLE.finditer(quoted):
        if found.start() > done:
            yield Piece(quoted[done : found.start()], "string")
        yield Piece(found[0], "name")
        done = found.end()
    if done < len(quoted):
        yield Piece(quoted[done:], "string")


_SETTING = LatePattern(r"(\s*(?:- )?)([A-Za-z_][\w.@/-]*)((?:\s*[=:](?=\s|$)|=)?\s*)")
_VALUES = LatePattern(
    r"(?P<comment>(?:(?<=\s)|^)[#;][^\n]*)|(?P<string>\"(?:[^\"\\]|\\.)*+\"?|'[^']*')|(?P<name>\$\w+)"
    r"|(?P<number>(?<![\w.:/-])\d+(?:\.\d+)?(?:[kKMGT]i?B?|ms|s|m|min|h|d|%)?(?![\w.:/-])"
    r"|(?<![\w-])(?:on|off|yes|no|true|false)(?![\w-]))|(?P<muted>[{};])"
)


def config_pieces(line: str) -> list[Piece]:
    """A line of a configuration file (ini, YAML, nginx, sshd, PostgreSQL) as pieces: the setting, its values, strings
    and comments have colours, which are a help to the eye and no verdict."""
    text = line.lstrip()
    if text.startswith(("#", ";", "//")):
        return [Piece(line, "comment")]
    if text.startswith("[") and text.rstrip().endswith("]"):
        return [Piece(line, "keyword")]
    setting = _SETTING.match(line)
    pieces = [] if setting is None else [
        Piece(each, role) for each, role in zip(setting.groups(), ("text", "name", "muted"), strict=True) if each
    ]  # fmt: skip
    done = 0 if setting is None else setting.end()
    for found in _VALUES.finditer(line, done):
        if found.start() > done:
            pieces.append(Piece(line[done : found.start()]))
        pieces.append(Piece(found[0], str(found.lastgroup)))
        done = found.end()
    return [*pieces, Piece(line[done:])] if done < len(line) or not line else pieces


@lru_cache(maxsize=16)
def _pattern_of(hits: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(hit) for hit in sorted(hits, key=len, reverse=True)), re.IGNORECASE)


def _with_hits(pieces: Sequence[Piece], hits: Sequence[str]) -> list[Piece]:
    """The pieces with each hit on a ground of its own, also where it goes over several of them."""
    whole = "".join(piece.text for piece in pieces)
    spans = [found.span() for found in _pattern_of(tuple(hits)).finditer(whole)]
    if not spans:
        return list(pieces)
    made: list[Piece] = []
    start = 0
    for piece in pieces:
        end, at = start + len(piece.text), start
        for left, right in spans:
            first, last = max(left, at), min(right, end)
            if first >= last:
                continue
            if first > at:
                made.append(Piece(whole[at:first], piece.role))
            made.append(Piece(whole[first:last], piece.role, "match"))
            at = last
        if at < end:
            made.append(Piece(whole[at:end], piece.role))
        start = end
    return made
