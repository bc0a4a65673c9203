r"""Splits a script like psql (psqlscan.l of PostgreSQL): statements, comments, psql's own commands and COPY data.

psql reads a backslash outside of quotes as a command, and all that follows ``COPY … FROM stdin;`` as data up to a line
``\.``. A reader that takes other things for quoted than psql does can be led past a command; so this one keeps to the
rules of psql 14 to 18, and refuses what pg_dump never writes and they read differently. Data is searched, not read by
lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import Message, tr

LONGEST_HELD = 1024 * 1024
"""Bytes of one statement that are looked at as a whole; longer ones are passed on while they come."""
_SPACE = re.compile(rb"\s*")
_TOKEN = re.compile(
    rb"(?P<escaped>[eE]')|(?P<quote>(?:[nNbBxX]|[uU]&)?')|(?P<name>(?:[uU]&)?\")"
    rb"|(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)|(?P<number>[0-9][0-9A-Za-z_.$\x80-\xff]*)"
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)"
    rb"|(?P<sign>\$[A-Za-z0-9_\x80-\xff]*)"
    rb"|(?P<line>--)|(?P<comment>/\*)|(?P<open>\()|(?P<close>\))|(?P<end>;)|(?P<command>\\)"
)
_SURE = 4
"""So many bytes must follow a token, or nothing more must come, for it to be known whole."""
_NESTED = re.compile(rb"/\*|\*/")
_AFTER_ESCAPED = re.compile(rb"(?:\s|--[^\n]*(?:\n|\Z))*")
_QUOTED_NAME = rb"\"(?:[^\"]|\"\")*+\""
COPY = re.compile(
    rb"COPY (?P<table>(?:[^\s\"'();.]++|" + _QUOTED_NAME + rb")(?:\.(?:[^\s\"'();.]++|" + _QUOTED_NAME + rb"))?)"
    rb"(?: \((?:[^\"'();]|" + _QUOTED_NAME + rb")*+\))?(?: WITH OIDS)?  ?FROM stdin;",
)
_ESCAPED = re.compile(rb"(?s)\\.|''|'")
_VALUE = rb"(?:'[^'\\]*+'(?:'[^'\\]*+')*+|-?[0-9.]++(?:e[+-]?[0-9]++)?|NULL|true|false|DEFAULT)"
_INSERT = re.compile(
    rb"INSERT INTO [A-Za-z0-9_.]++ (?:\([A-Za-z0-9_, ]++\) )?VALUES \(" + _VALUE + rb"(?:, " + _VALUE + rb")*+\);\n"
)
"""A statement in which nothing can be read in two ways: dumps with ``--inserts`` hold millions of them."""
_DATA_END = b"\n\\."
_ROUTINES = (b"cf", b"cp", b"corf", b"corp")
_COUNTED = frozenset((b"create", b"function", b"procedure", b"or", b"replace"))


class ScriptListener(Protocol):
    """Receives the parts of a script in order. Each method may raise BrokenSet."""

    def statement(self, text: bytes, whole: bool) -> bool:
        """Take a statement with its ``;`` (only its beginning if not ``whole``). Return False to leave it out."""
        ...

    def comment(self, text: bytes) -> None:
        """Take a ``--`` comment at the beginning of a line, outside of statements."""
        ...

    def command(self, line: bytes) -> None:
        """Take a line that begins with a backslash, outside of statements; it is left out."""
        ...

    def copied(self, table: bytes, rows: int) -> None:
        """Take the number of rows at the end of a COPY's data."""
        ...


class _Quoted(NamedTuple):
    """The byte string that ends the current quote; ``escaped``: a backslash escapes the next byte."""

    end: bytes
    escaped: bool = False


class Lexer:
    """Takes a script in blocks and returns what may be passed on."""

    def __init__(self, reader: ScriptListener) -> None:
        self._reader = reader
        self._buffer = b""
        self._at = 0
        self._kept_from = 0
        self._out: list[bytes] = []
        self._state: Callable[[bool], bool] = self._between
        self._after_line: Callable[[bool], bool] = self._between
        self._line_begins = self._copy_may_begin = True
        self._quoted = _Quoted(b"")
        self._comment_depth = 0
        self._table, self._rows = b"", 0
        self.backslash_escapes = False
        """``standard_conforming_strings = off`` was set."""
        self._begin_statement()

    def _begin_statement(self) -> None:
        self._whole, self._told = True, True
        self._in_statement = False
        self._parens = self._begins = self._words = 0
        self._kinds = b""

    def feed(self, block: bytes, *, last: bool = False) -> list[bytes]:
        """Return what may be passed on so far. ``last``: nothing follows. Raises BrokenSet."""
        if b"\0" in block:
            raise refused(tr("it contains a NUL byte"))
        self._buffer = self._buffer[self._kept_from :] + block if self._kept_from < len(self._buffer) else block
        self._at -= self._kept_from
        self._kept_from = 0
        while self._at < len(self._buffer) and self._state(last):
            pass
        if self._state == self._data:
            self._pass_on(self._at)
        elif not self._in_statement or len(self._buffer) - self._kept_from > LONGEST_HELD:
            self._flush()
        out, self._out = self._out, []
        return out

    def finish(self) -> list[bytes]:
        """Return the rest. Raises BrokenSet if the script ends inside a statement, a quote or data."""
        out = self.feed(b"\n", last=True)
        if self._state == self._data:
            raise BrokenSet(
                tr("the dump is truncated in the rows of {table}", table=self._table.decode("utf-8", "replace"))
            )
        if self._in_statement or self._state != self._between:
            raise BrokenSet(tr("the dump is truncated in the middle of a statement"))
        return out

    def _pass_on(self, upto: int) -> None:
        if upto > self._kept_from:
            self._out.append(self._buffer[self._kept_from : upto])
            self._kept_from = upto

    def _flush(self) -> None:
        """Pass on what was read of a statement that is too long to buffer."""
        if self._in_statement and self._whole:
            self._whole = False
            if not self._reader.statement(self._buffer[self._kept_from : self._at], False):
                raise refused(tr("a statement is too long"))
        if len(self._buffer) - self._at > LONGEST_HELD:
            raise refused(tr("a word or a command is too long"))
        self._pass_on(self._at)

    def _between(self, last: bool) -> bool:
        """Read outside of statements."""
        found = _SPACE.match(self._buffer, self._at)
        assert found is not None
        start = found.end()
        if start > self._at:
            self._line_begins = self._buffer[start - 1] in b"\n"
            self._at = start
        begin = self._buffer[start : start + 2]
        if not begin or (len(begin) < 2 and not last):
            return False
        self._pass_on(start)
        if begin == b"--":
            return self._line_comment(last, tell=self._line_begins)
        if begin == b"/*":
            self._at, self._comment_depth, self._state = start + 2, 1, self._in_comment
            return True
        if begin[:1] == b"\\":
            return self._command()
        if begin[:1] == b"I" and (insert := _INSERT.match(self._buffer, start)):
            self._reader.statement(insert[0], True)
            self._at, self._line_begins = insert.end(), True
            return True
        self._in_statement, self._state = True, self._sql
        self._copy_may_begin, self._line_begins = self._line_begins, False
        return True

    def _line_comment(self, last: bool, *, tell: bool = False) -> bool:
        end = self._buffer.find(b"\n", self._at)
        self._refuse_return(end)
        if end < 0:
            if not tell and not last:  # what has come of it is not needed any more
                self._at = len(self._buffer) - 1
                self._state, self._after_line = self._rest_of_line, self._state
            return False
        if tell:
            self._reader.comment(self._buffer[self._at : end])
        self._at = end
        return True

    def _refuse_return(self, end: int) -> None:
        """Raise BrokenSet for a carriage return in a comment: psql and the server take it as the end of the line, so
        the rest would run without having been inspected. ``end`` is the end of the comment's line, negative if it has
        not arrived; then the last byte is not checked yet."""
        text = self._buffer[self._at : end].rstrip(b"\r") if end >= 0 else self._buffer[self._at : -1]
        if b"\r" in text:
            raise refused(tr("a comment contains a carriage return"))

    def _rest_of_line(self, _last: bool) -> bool:
        end = self._buffer.find(b"\n", self._at)
        self._refuse_return(end)
        self._at = max(self._at, len(self._buffer) - 1) if end < 0 else end
        if end >= 0:
            self._state = self._after_line
        return end >= 0

    def _in_comment(self, _last: bool) -> bool:
        for found in _NESTED.finditer(self._buffer, self._at):
            self._at = found.end()
            self._comment_depth += 1 if found[0] == b"/*" else -1
            if self._comment_depth == 0:
                self._state = self._sql if self._in_statement else self._between
                self._line_begins = False
                return True
        self._at = max(self._at, len(self._buffer) - 1)
        return False

    def _command(self) -> bool:
        end = self._buffer.find(b"\n", self._at)
        if end < 0:
            return False
        if not self._line_begins:
            raise command_refused(self._buffer[self._at : end])
        self._reader.command(self._buffer[self._at : end].rstrip(b"\r"))
        self._at = self._kept_from = end
        return True

    def _sql(self, last: bool) -> bool:
        """Read within a statement, outside of quotes."""
        found = _TOKEN.search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer) if last else max(self._at, len(self._buffer) - 2)
            return False
        if found.end() + _SURE > len(self._buffer) and not last:
            self._at = found.start()
            return False
        kind = found.lastgroup or ""
        self._at = found.end()
        if kind == "word":
            self._word(found[0])
        elif kind in ("escaped", "quote", "name", "dollar"):
            end = {"dollar": found[0], "name": b'"'}.get(kind, b"'")
            plain = kind == "quote" and found[0] == b"'"
            self._quoted = _Quoted(end, kind == "escaped" or (plain and self.backslash_escapes))
            self._state = self._in_quotes
        elif kind == "number":
            self._number(found[0])
        elif kind == "sign":
            self._at = found.start() + 1
        elif kind == "line":
            self._at = found.start()
            return self._line_comment(last)
        elif kind == "comment":
            self._comment_depth, self._state = 1, self._in_comment
        elif kind == "command":
            end_of_line = self._buffer.find(b"\n", found.start())
            raise command_refused(self._buffer[found.start() : end_of_line if end_of_line >= 0 else None])
        else:
            self._parens = max(0, self._parens + {"open": 1, "close": -1}.get(kind, 0))
            if kind == "end" and not self._parens and not self._begins:
                return self._end_statement()
        return True

    def _word(self, word: bytes) -> None:
        """Count BEGIN and END in a routine's body as psql does: a ``;`` inside ends no statement."""
        lower = word.lower()
        if self._words < 4:
            self._kinds += lower[:1] if lower in _COUNTED else b"."
        self._words += 1
        if self._parens or not self._kinds.startswith(_ROUTINES):
            return
        if lower == b"begin" or (lower == b"case" and self._begins):
            self._begins += 1
        elif lower == b"end" and self._begins:
            self._begins -= 1

    def _number(self, number: bytes) -> None:
        if b"$" in number or self._buffer[self._at : self._at + 1] in (b"'", b'"'):
            raise refused(tr("a number is followed directly by a quote"))

    def _in_quotes(self, last: bool) -> bool:
        if self._quoted.escaped:
            return self._in_escaped(last)
        end = self._quoted.end
        found = self._buffer.find(end, self._at)
        if found < 0:
            self._at = max(self._at, len(self._buffer) - len(end) + 1)
            return False
        self._at, self._state = found + len(end), self._sql
        return True

    def _in_escaped(self, last: bool) -> bool:
        for found in _ESCAPED.finditer(self._buffer, self._at):
            if found[0] == b"'":
                if not self._ends_there(found.end(), last):
                    self._at = found.start()
                    return False
                self._at, self._state = found.end(), self._sql
                return True
            self._at = found.end()
        self._at = max(self._at, len(self._buffer) - self._buffer.endswith(b"\\"))
        return False

    def _ends_there(self, at: int, last: bool) -> bool:
        """Return whether the text after an escaped string has arrived. Raises BrokenSet if the string continues on a
        later line: psql would join both and read the second part as escaped too, and pg_dump never writes that."""
        after = _AFTER_ESCAPED.match(self._buffer, at)
        assert after is not None
        if after.end() >= len(self._buffer) and not last:
            return False
        if self._buffer[after.end() : after.end() + 1] == b"'" and after.end() > at:
            raise refused(tr("a quoted string continues after a line break"))
        return True

    def _end_statement(self) -> bool:
        text = self._buffer[self._kept_from : self._at]
        copy = text[:4].lower() == b"copy" and self._whole
        if copy:
            return self._begin_data(text)
        keep = self._reader.statement(text, True) if self._whole else True
        if keep:
            self._pass_on(self._at)
        self._kept_from = self._at
        self._begin_statement()
        self._state = self._between
        return True

    def _begin_data(self, text: bytes) -> bool:
        after = self._buffer[self._at : self._at + 2]
        found = COPY.fullmatch(text)
        if found is None or not self._copy_may_begin or after[:1] not in (b"\n", b"\r"):
            raise refused(
                tr("its COPY was not written by pg_dump: {statement}", statement=text[:80].decode("utf-8", "replace"))
            )
        self._reader.statement(text, True)
        if after == b"\r\n":
            self._at += 1
        self._pass_on(self._at)
        self._begin_statement()
        self._table, self._rows, self._state = found["table"], -1, self._data
        return True

    def _data(self, last: bool) -> bool:
        r"""Read rows, each with the line break before it: the first is that of the COPY itself."""
        buffer, at = self._buffer, self._at
        end = at - 1
        while (end := buffer.find(_DATA_END, end + 1)) >= 0:
            rest = buffer[end + 3 : end + 5]
            if rest[:1] == b"\n" or rest == b"\r\n":
                self._rows += buffer.count(b"\n", at, end + 1)
                self._reader.copied(self._table, self._rows)
                self._at = end + 3 + (rest[:1] != b"\n")
                self._pass_on(self._at)
                self._state, self._line_begins = self._between, False
                return True
        held = buffer.find(b"\n", max(at, len(buffer) - 4))
        upto = len(buffer) if held < 0 or last else held
        self._rows += buffer.count(b"\n", at, upto)
        self._at = upto
        return False


def refused(why: Message) -> BrokenSet:
    """Return the error for a script that pg_dump would not write."""
    return BrokenSet(
        tr("this is not how pg_dump writes a dump: {why}", why=why),
        tr("Someone may have changed it. LilFox does not restore it."),
    )


def command_refused(line: bytes) -> BrokenSet:
    """Return the error for a script with a psql command."""
    return refused(tr("it contains a psql command: {line}", line=line[:80].decode("utf-8", "replace")))
