"""The words of a filter's text, one at a time. What they mean is ``parse.py``'s."""

from __future__ import annotations

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, tr

OPERATORS = {
    "!=": "!=", "!~": "!~", ">=": ">=", "<=": "<=", "≥": ">=", "≤": "<=", "=": "=", "~": "~", ">": ">", "<": "<",
}  # fmt: skip
"""How an operator may be written, those of two letters first, and what it is then."""
_SPACE = " \t\r\n"
_ENDS = frozenset(_SPACE + "()")


class FilterError(UsageError):
    """The text of a filter is wrong. ``column`` (from 0) is where, for a caret under it."""

    def __init__(self, what: Message | str, text: str, column: int, hint: Message | str = "") -> None:
        at = text[column : column + 30]
        super().__init__(
            tr("filter, column {column}, at “{at}”: {what}", column=column + 1, at=at, what=what)
            if at
            else tr("filter, at its end: {what}", what=what),
            hint,
        )
        self.column = column


class Scanner:
    """Reads from the left; every method goes on where the last one ended."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.column = 0

    def wrong(self, what: Message | str, column: int | None = None, hint: Message | str = "") -> FilterError:
        """The error at ``column``, here when not given."""
        return FilterError(what, self.text, self.column if column is None else column, hint)

    def skip_space(self) -> None:
        while self.at_space():
            self.column += 1

    def at_end(self) -> bool:
        """Whether nothing but space is left."""
        self.skip_space()
        return self.column == len(self.text)

    def at_space(self) -> bool:
        """Whether a space is next."""
        return self.column < len(self.text) and self.text[self.column] in _SPACE

    def take(self, what: str) -> bool:
        """Goes over ``what`` if it stands here."""
        if not self.text.startswith(what, self.column):
            return False
        self.column += len(what)
        return True

    def take_keyword(self, *spellings: str) -> bool:
        """Goes over one of these words if it stands here as a whole word."""
        for spelling in spellings:
            end = self.column + len(spelling)
            if self.text.startswith(spelling, self.column) and self._ends_at(end):
                self.column = end
                return True
        return False

    def take_minus(self) -> bool:
        """Goes over a ``-`` that stands right before a word, so that it means not."""
        after = self.text[self.column + 1 : self.column + 2]
        return bool(after) and (after.isalnum() or after in '_@"/(') and self.take("-")

    def take_operator(self) -> str | None:
        """Goes over an operator, also after space; None where there is none."""
        start = self.column
        self.skip_space()
        for spelling, operator in OPERATORS.items():
            if self.take(spelling):
                return operator
        self.column = start
        return None

    def quoted(self) -> str | None:
        r"""Goes over ``"text"``, in which a backslash stands before ``"`` and ``\\``; None where there is none."""
        if not self.text.startswith('"', self.column):
            return None
        start, at, held = self.column, self.column + 1, []
        while at < len(self.text) and self.text[at] != '"':
            if self.text[at] == "\\" and self.text[at + 1 : at + 2] in ("\\", '"') and at + 1 < len(self.text):
                at += 1
            held.append(self.text[at])
            at += 1
        if at == len(self.text):
            raise self.wrong(tr("the quotation mark is not closed"), start, tr('write "text"; \\" for the mark itself'))
        self.column = at + 1
        return "".join(held)

    def pattern(self) -> str | None:
        r"""Goes over ``/pattern/`` or ``/pattern/i``, in which ``\/`` is a slash; None where none stands: a path such
        as ``/api/users`` is a word."""
        if not self.text.startswith("/", self.column):
            return None
        at, held = self.column + 1, ""
        while at < len(self.text):
            if self.text[at] == "/" and held:
                for flag in ("", "i"):
                    end = at + 1 + len(flag)
                    if self.text.startswith(flag, at + 1) and self._ends_at(end):
                        self.column = end
                        return f"(?{flag}){held}" if flag else held
            pair = self.text[at : at + 2] if self.text[at] == "\\" else self.text[at]
            held += "/" if pair == "\\/" else pair
            at += len(pair)
        return None

    def name(self) -> str | None:
        """Goes over what could be the name of a field; None where nothing could. What follows is not looked at."""
        end = self.column
        if self.text[end : end + 1] in (".", "-"):
            return None
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] in "_@.-"):
            end += 1
        if end == self.column:
            return None
        name = self.text[self.column : end]
        self.column = end
        return name

    def word(self) -> str:
        """Goes over everything up to a space or a parenthesis that was not opened in the word; ``""`` if nothing."""
        start, depth = self.column, 0
        while self.column < len(self.text):
            char = self.text[self.column]
            if char in _SPACE or (char == ")" and depth == 0):
                break
            depth += (char == "(") - (char == ")")
            self.column += 1
        return self.text[start : self.column]

    def _ends_at(self, column: int) -> bool:
        return column >= len(self.text) or self.text[column] in _ENDS
