"""Finds the code that a dump executes when it is restored, apart from its data and definitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.backup.postgresql.psql_lexer import COPY
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean

# A statement as words, names and signs: what is in quotes and comments is no part of it.


_TOKEN = re.compile(
    rb"(?P<line>--[^\n\r]*)|(?P<comment>/\*)|(?P<escaped>[eE]'(?:[^'\\]|\\.|'')*+'?)"
    rb"|(?P<text>(?:[uU]&|[nNbBxX])?'(?:[^']|'')*+'?)"
    rb"|(?P<coded>[uU]&\"(?:[^\"]|\"\")*+\"?)|(?P<name>\"(?:[^\"]|\"\")*+\"?)"
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$)"
    rb"|(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+)|(?P<number>[0-9][0-9A-Za-z_.]*+)|(?P<sign>\S)",
    re.DOTALL,
)
_BACKSLASHED = re.compile(rb"'(?:[^'\\]|\\.|'')*+'?", re.DOTALL)
_NESTED = re.compile(rb"/\*|\*/")


class SqlToken(NamedTuple):
    """A token of SQL: a ``word`` is in upper case, a ``name`` has no double quotes, and ``text`` and ``number`` have no
    content."""

    kind: str
    text: str


def tokens_of(statement: bytes, *, backslashes: bool = False) -> list[SqlToken]:
    """Return all tokens of a statement. ``backslashes``: a backslash escapes in plain quotes too
    (``standard_conforming_strings = off``)."""
    found: list[SqlToken] = []
    at = 0
    while (token := _TOKEN.search(statement, at)) is not None:
        at = token.end()
        kind = token.lastgroup or ""
        if kind == "comment":
            at = _after_comment(statement, at)
        elif kind == "dollar":
            end = statement.find(token[0], at)
            at = len(statement) if end < 0 else end + len(token[0])
            found.append(SqlToken("text", ""))
        elif kind == "word":
            found.append(SqlToken("word", token[0].decode("utf-8", "replace").upper()))
        elif kind == "name":
            found.append(
                SqlToken("name", token[0][1:].removesuffix(b'"').replace(b'""', b'"').decode("utf-8", "replace"))
            )
        elif kind == "sign":
            found.append(SqlToken("sign", token[0].decode("latin-1")))
        elif kind == "text" and backslashes and token[0][:1] == b"'":
            whole = _BACKSLASHED.match(statement, token.start())
            at = whole.end() if whole is not None else at
            found.append(SqlToken("text", ""))
        elif kind != "line":
            found.append(SqlToken("text" if kind == "escaped" else kind, ""))
    return found


def words_of(tokens: Sequence[SqlToken], count: int) -> tuple[str, ...]:
    """Return the leading words of a statement, up to the first token that is not a word."""
    words: list[str] = []
    for token in tokens[:count]:
        if token.kind != "word":
            break
        words.append(token.text)
    return tuple(words)


def name_at(tokens: Sequence[SqlToken], at: int) -> tuple[str, ...]:
    """Return the name at ``at``, with its schema if it has one, as the server stores it."""
    parts: list[str] = []
    while at < len(tokens) and tokens[at].kind in ("word", "name"):
        token = tokens[at]
        parts.append(token.text.lower() if token.kind == "word" else token.text)
        if at + 1 >= len(tokens) or tokens[at + 1] != SqlToken("sign", "."):
            break
        at += 2
    return tuple(parts)


def name_before(tokens: Sequence[SqlToken], at: int) -> tuple[tuple[str, ...], int]:
    """Return the name that ends right before ``at`` and the position where it begins; an empty name if there is
    none."""
    parts: list[str] = []
    while at > 0 and tokens[at - 1].kind in ("word", "name", "coded"):
        at -= 1
        token = tokens[at]
        parts.insert(0, {"word": token.text.lower(), "name": token.text}.get(token.kind, "\0"))
        if at == 0 or tokens[at - 1] != SqlToken("sign", "."):
            break
        at -= 1
    return tuple(parts), at


def _after_comment(statement: bytes, at: int) -> int:
    depth = 1
    for found in _NESTED.finditer(statement, at):
        depth += 1 if found[0] == b"/*" else -1
        if depth == 0:
            return found.end()
    return len(statement)


# What a dump executes when it is restored, beyond its data and its definitions.
#
# A restore runs a dump with the rights of the role that restores. A dump may hold a block of code, or a function that a
# constraint calls for each row: whoever could write it then acts as that role. So each statement is held against what
# pg_dump writes; what is none of that, and what calls code of the dump or reaches files, programs and networks, is
# named. Nothing here judges whether the code is good.


_SHOWN = 60
_MOST_NAMED = 5
_OPEN = SqlToken("sign", "(")
_TRUSTED_LANGUAGES = frozenset({"sql", "plpgsql", "pltcl", "plperl", "plv8", "plls", "plcoffee", "pllua"})
_REACHING = frozenset(
    ("adminpack", "dblink", "file_fdw", "http", "hstore_plperlu", "hstore_plpython3u", "jsonb_plperlu",
     "jsonb_plpython3u", "ltree_plpython3u", "mysql_fdw", "oracle_fdw", "pg_background", "pg_cron", "pg_net",
     "pg_surgery", "pljava", "plperlu", "plproxy", "plpython2u", "plpython3u", "plr", "plrust", "plsh", "pltclu",
     "postgres_fdw", "redis_fdw", "tds_fdw", "multicorn", "pageinspect", "pg_walinspect", "sslinfo")
)  # fmt: skip
"""Extensions that reach programs, files or networks, or bring a language that does."""
_SETTINGS = frozenset(
    ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
     "client_encoding", "standard_conforming_strings", "check_function_bodies", "xmloption", "client_min_messages",
     "row_security", "default_tablespace", "default_table_access_method", "default_with_oids", "search_path",
     "escape_string_warning")
)  # fmt: skip
"""Those that pg_dump sets."""
_DANGEROUS = re.compile(
    r"(?:pg_(?!get_|typeof|column_size|size_|encoding_|client_encoding|input_|collation_for).*|lo_(?!create).*"
    r"|lo(?:read|write)|set_config|ts_stat|ts_rewrite|.*_to_xml.*|dblink.*|http.*|binary_upgrade.*|txid_.*|brin_.*|gin_clean.*|"
    r".*_call_handler|xslt_process|xpath_table|crosstab.*|connectby|exec.*|query_.*)"
)
"""Functions of the server and of extensions that reach something outside of the values they are given."""
_PLAIN_SELECT = re.compile(
    rb"\s*SELECT (?:pg_catalog\.set_config\('search_path', '[^'\\]*', false\)"
    rb"|pg_catalog\.setval\('(?:[^'\\]|'')*', -?\d+, (?:true|false)\)"
    rb"|pg_catalog\.lo_create\('\d+'\)|pg_catalog\.lo_open\('\d+', \d+\)|pg_catalog\.lo_close\(\d+\)"
    rb"|pg_catalog\.lowrite\(\d+, '[\\0-9A-Za-z]*'\))\s*+(?:;\s*+)?\Z"
)
_STATISTICS = re.compile(rb"\s*SELECT \* FROM pg_catalog\.pg_restore_(?:relation|attribute|extended)_stats\(")
_BEFORE_NO_CALL = frozenset(
    ("TABLE", "EXISTS", "REFERENCES", "INTO", "ONLY", "ON", "FUNCTION", "PROCEDURE", "OF", "USING", "INDEX", "COPY")
)
"""Before a name and a bracket that are no call: columns, or an index's method."""
_SILENT = frozenset(
    (("COMMENT", "ON"), ("CREATE", "SEQUENCE"), ("CREATE", "UNLOGGED", "SEQUENCE"), ("ALTER", "SEQUENCE"),
     ("CREATE", "COLLATION"), ("CREATE", "PUBLICATION"), ("ALTER", "PUBLICATION"), ("CREATE", "STATISTICS"),
     ("ALTER", "STATISTICS"), ("CREATE", "POLICY"), ("ALTER", "DEFAULT", "PRIVILEGES"), ("BEGIN",), ("COMMIT",),
     ("START", "TRANSACTION"), ("END",), ("ALTER", "INDEX"), ("CLUSTER",), ("ALTER", "LARGE", "OBJECT"),
     ("CREATE", "TEXT", "SEARCH", "CONFIGURATION"), ("ALTER", "TEXT", "SEARCH", "CONFIGURATION"),
     ("CREATE", "TEXT", "SEARCH", "DICTIONARY"))
)  # fmt: skip
_LOOKED_INTO = frozenset(
    (("CREATE", "TABLE"), ("CREATE", "UNLOGGED", "TABLE"), ("ALTER", "TABLE"), ("CREATE", "DOMAIN"),
     ("ALTER", "DOMAIN"), ("CREATE", "INDEX"), ("CREATE", "UNIQUE", "INDEX"), ("ALTER", "VIEW"),
     ("ALTER", "MATERIALIZED", "VIEW"), ("ALTER", "FOREIGN", "TABLE"), ("INSERT", "INTO"))
)  # fmt: skip
"""Their expressions are evaluated while the dump is restored."""
_VIEWS = frozenset(
    (("CREATE", "VIEW"), ("CREATE", "OR", "REPLACE", "VIEW"), ("CREATE", "RECURSIVE", "VIEW"),
     ("CREATE", "MATERIALIZED", "VIEW"))
)  # fmt: skip
_ROUTINES = frozenset(
    (("CREATE", "FUNCTION"), ("CREATE", "PROCEDURE"), ("CREATE", "OR", "REPLACE", "FUNCTION"),
     ("CREATE", "OR", "REPLACE", "PROCEDURE"), ("CREATE", "AGGREGATE"), ("CREATE", "OR", "REPLACE", "AGGREGATE"))
)  # fmt: skip
_RUN = frozenset(
    ("DO", "CALL", "SELECT", "WITH", "VALUES", "TABLE", "EXECUTE", "PREPARE", "EXPLAIN", "UPDATE", "DELETE", "MERGE",
     "DECLARE", "FETCH", "LOAD")
)  # fmt: skip
_DROPPED_ELSEWHERE = frozenset(("ROLE", "USER", "GROUP", "TABLESPACE", "SUBSCRIPTION", "DATABASE", "OWNED"))
_OF_TYPES = frozenset(("INPUT", "OUTPUT", "RECEIVE", "SEND", "ANALYZE", "SUBTYPE_DIFF", "CANONICAL", "TYPMOD_IN",
                       "TYPMOD_OUT", "SUBSCRIPT"))  # fmt: skip


class ExecutedCode(Struct, frozen=True):
    """Code that a dump executes. ``asks``: it needs permission, because with superuser rights it could do anything to
    the server."""

    what: Message
    asks: bool


class ExecutedCodeFinder:
    """Finds the code that the statements of a dump execute. Pass the statements in order. ``backslashes``: as in the
    lexer."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, bool], list[str]] = {}
        self._texts: dict[str, Message] = {}
        self._count: dict[tuple[str, bool], int] = {}
        self._routines: set[str] = set()
        self._views_call = False
        self._fires: list[str] = []
        """Triggers and rules so far: data that comes after them runs them."""

    @property
    def fires(self) -> bool:
        """Whether rows that follow would run triggers or rules."""
        return bool(self._fires)

    @property
    def count(self) -> int:
        """The number of findings so far."""
        return sum(self._count.values())

    @property
    def asking(self) -> Sequence[ExecutedCode]:
        """The findings that need permission."""
        return [each for each in self.found if each.asks]

    @property
    def found(self) -> Sequence[ExecutedCode]:
        """All findings so far: one per kind, with the first names."""
        found = []
        for (kind, asks), names in self._found.items():
            more = self._count[kind, asks] - len(names)
            told = listed([*names, f"+{more}"] if more else names)
            found.append(ExecutedCode(tr("{what}: {names}", what=self._texts[kind], names=told), asks))
        return sorted(found, key=lambda each: not each.asks)

    def statement(self, text: bytes, *, whole: bool = True, backslashes: bool = False) -> None:
        """Inspect one statement. ``whole=False`` means that it was too long to be read completely, which is reported as
        a finding."""
        if not whole:
            return self._add(tr("a statement that is too long to inspect"), _shown(text))
        if _PLAIN_SELECT.match(text) or _STATISTICS.match(text):
            return None
        tokens = tokens_of(text, backslashes=backslashes)
        while tokens and tokens[-1] == SqlToken("sign", ";"):
            tokens.pop()
        if tokens:
            self._judge(text, tokens)
        return None

    def data(self, table: str) -> None:
        """Record that rows of a table are loaded. This is a finding if triggers or rules were created before, because
        the rows would fire them."""
        if self._fires:
            self._add(tr("rows loaded after triggers or rules, which then fire"), f"{table} ({self._fires[-1]})")

    def unseen(self, what: Message, name: str) -> None:
        """Add something that cannot be inspected."""
        self._add(what, clean(name)[:_SHOWN])

    def _judge(self, text: bytes, tokens: Sequence[SqlToken]) -> None:
        words = words_of(tokens, 6)
        begins = {words[:count] for count in range(1, 6)}
        first = words[0] if words else ""
        if begins & _LOOKED_INTO:
            self._look_into(text, tokens, words)
        elif begins & _ROUTINES:
            self._routine(text, tokens, words)
        elif begins & _VIEWS:
            self._view(text, tokens, words)
        elif words[:3] == ("REFRESH", "MATERIALIZED", "VIEW"):
            self._add(tr("queries that fill materialized views"), _shown(text), asks=self._views_call)
        elif first in ("GRANT", "REVOKE"):
            self._rights(text, tokens)
        elif first == "SET":
            self._setting(text, tokens)
        elif first == "COPY":
            self._copies(text)
        elif first in _RUN:
            self._add(tr("code that is run directly"), _shown(text))
        elif first == "CREATE":
            self._creates(text, tokens, words)
        elif not (begins & _SILENT or _is_plain(tokens, words)):
            self._add(tr("statements that pg_dump never generates"), _shown(text))

    def _view(self, text: bytes, tokens: Sequence[SqlToken], words: tuple[str, ...]) -> None:
        self._views_call = self._views_call or bool(self._calls(tokens, queries=True))
        if words[1] == "MATERIALIZED" and [token.text for token in tokens[-3:]] != ["WITH", "NO", "DATA"]:
            self._add(tr("queries that fill materialized views"), _shown(text), asks=self._views_call)

    def _copies(self, text: bytes) -> None:
        found = COPY.fullmatch(text.strip())
        if found is None:
            self._add(tr("programs and files on the server"), _shown(text))
        else:
            self.data(clean(found["table"].decode("utf-8", "replace")))

    def _creates(self, text: bytes, tokens: Sequence[SqlToken], words: tuple[str, ...]) -> None:
        what = next((word for word in words[1:] if word not in ("OR", "REPLACE", "CONSTRAINT", "TRUSTED")), "")
        if what in ("TRIGGER", "RULE"):
            self._fires.append(_shown(text))
            self._add(tr("triggers and rules, which run later"), _shown(text), asks=False)
        elif what == "EXTENSION":
            self._extension(tokens)
        elif what == "TYPE":
            if _OF_TYPES & {token.text for token in tokens if token.kind == "word"}:
                self._add(tr("types with custom functions"), _shown(text))
        elif what == "SCHEMA":
            if sum(token == SqlToken("word", "CREATE") for token in tokens) > 1:
                self._add(tr("statements that pg_dump never generates"), _shown(text))
        elif what == "SUBSCRIPTION":
            options = [token.text for token in tokens]
            quiet = any(options[at : at + 3] == ["CONNECT", "=", "FALSE"] for at in range(len(options)))
            self._add(tr("subscriptions, which connect to another server"), _shown(text), asks=not quiet)
        elif what == "EVENT":
            self._add(tr("event triggers, which fire on every DDL statement"), _shown(text))
        elif what in ("ROLE", "GROUP", "TABLESPACE", "DATABASE") or (what == "USER" and "MAPPING" not in words):
            self._add(tr("privileges beyond the database"), _shown(text))
        elif what in ("SERVER", "USER", "FOREIGN"):
            self._add(tr("foreign servers, which are contacted when read"), _shown(text))
        elif ("CREATE", what) not in _SILENT and words[:2] not in _SILENT and words[:4] not in _SILENT:
            self._add(tr("definitions that contain code"), _shown(text))

    def _look_into(self, text: bytes, tokens: Sequence[SqlToken], words: tuple[str, ...]) -> None:
        said = {token.text for token in tokens if token.kind == "word"}
        if said & {"SELECT", "EXECUTE"} or (words[0] == "ALTER" and {"TYPE", "USING"} <= said):
            self._add(tr("statements that pg_dump never generates"), _shown(text))
        if calls := self._calls(tokens):
            self._add(tr("code that is called for rows, constraints or indexes"), f"{calls[0]}() – {_shown(text)}")
        if words[0] == "INSERT":
            self.data(_shown(text))

    def _routine(self, text: bytes, tokens: Sequence[SqlToken], words: tuple[str, ...]) -> None:
        at = next(place for place, token in enumerate(tokens) if token.text in ("FUNCTION", "PROCEDURE", "AGGREGATE"))
        name = name_at(tokens, at + 1)
        self._routines.add(name[-1] if name else "")
        if "AGGREGATE" in words:
            return
        languages = {
            (name_at(tokens, place + 1) or ("\0",))[0].lower()
            for place, token in enumerate(tokens)
            if token == SqlToken("word", "LANGUAGE")
        }
        if not languages <= _TRUSTED_LANGUAGES:
            self._add(tr("functions in untrusted languages"), _shown(text))
        said = [token.text for token in tokens if token.kind == "word"]
        if any(said[place : place + 2] == ["SECURITY", "DEFINER"] for place in range(len(said))):
            self._add(tr("functions that run with their owner's privileges"), ".".join(name), asks=False)

    def _extension(self, tokens: Sequence[SqlToken]) -> None:
        at = 2
        if [token.text for token in tokens[2:5]] == ["IF", "NOT", "EXISTS"]:
            at = 5
        name = (name_at(tokens, at) or ("?",))[0]
        self._add(tr("extension scripts"), name, asks=name in _REACHING or name.endswith("u"))

    def _rights(self, text: bytes, tokens: Sequence[SqlToken]) -> None:
        said = [token.text for token in tokens if token.kind == "word"]
        of = said[said.index("ON") + 1] if "ON" in said[:-1] else ""
        if not of or of in ("PARAMETER", "TABLESPACE", "DATABASE"):
            self._add(tr("privileges beyond the database"), _shown(text))

    def _setting(self, text: bytes, tokens: Sequence[SqlToken]) -> None:
        name = tokens[1].text.lower() if len(tokens) > 1 and tokens[1].kind == "word" else ""
        if name not in _SETTINGS or len(tokens) < 3 or tokens[2].text != "=":
            self._add(tr("settings that pg_dump never generates"), _shown(text))

    def _calls(self, tokens: Sequence[SqlToken], *, queries: bool = False) -> list[str]:
        """Return the functions that a statement calls and that are the dump's own or reach outside the database.
        ``queries``: the statement defines a view. A function of the dump can also be called without parentheses:
        ``row.function``."""
        found = []
        for at, token in enumerate(tokens):
            if token != _OPEN:
                if token.kind in ("word", "name") and self._is_routine(token) and at + 1 < len(tokens):
                    _name, begin = name_before(tokens, at + 1)
                    if begin == 0 or tokens[begin - 1].text not in _BEFORE_NO_CALL or queries:
                        found.append(clean(token.text.lower()))
                continue
            name, begin = name_before(tokens, at)
            if not name or (begin > 0 and tokens[begin - 1].text in _BEFORE_NO_CALL and not queries):
                continue
            operator = name == ("operator",) and name_at(tokens, at + 1)[:1] not in ((), ("pg_catalog",))
            strange = name[-1] == "\0" or _DANGEROUS.fullmatch(name[-1].lower()) is not None
            if operator or strange:
                found.append(clean(".".join(name).replace("\0", "U&")))
        return found

    def _is_routine(self, token: SqlToken) -> bool:
        return (token.text.lower() if token.kind == "word" else token.text) in self._routines

    def _add(self, what: Message, name: str, *, asks: bool = True) -> None:
        kind = what.text, asks
        self._texts[what.text] = what
        names = self._found.setdefault(kind, [])
        self._count[kind] = self._count.get(kind, 0) + 1
        if len(names) < _MOST_NAMED:
            names.append(name)


def _is_plain(tokens: Sequence[SqlToken], words: tuple[str, ...]) -> bool:
    """Return whether the statement only changes an owner or drops something in the database, and so executes
    nothing."""
    if words[0:1] == ("ALTER",):
        return [token.text for token in tokens[-3:-1]] == ["OWNER", "TO"]
    return words[0:1] == ("DROP",) and len(words) > 1 and words[1] not in _DROPPED_ELSEWHERE


def _shown(text: bytes) -> str:
    return clean(b" ".join(text[: 4 * _SHOWN].split()).decode("utf-8", "replace"))[:_SHOWN]
