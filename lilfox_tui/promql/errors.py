"""Errors of queries."""

from __future__ import annotations

from typing import Final

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message

_SHOWN: Final = 60
"""Characters of a long line before and after the place."""


class QueryError(LilFoxError):
    """A query that cannot be parsed, is not supported, or has no answer (duplicates, many-to-many).

    ``message`` says in one sentence what is wrong. ``str()`` adds the line of the query and a caret below the place,
    where the place is known: ``position`` is its offset in ``text``. ``word`` is what to look for in the text where
    only that is known.
    """

    def __init__(
        self,
        message: Message | str,
        hint: Message | str = "",
        *,
        text: str = "",
        position: int | None = None,
        word: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.text = text
        self.position = position
        self.word = word

    def __str__(self) -> str:
        if self.position is None:
            return str(self.message)
        start = max(self.text.rfind("\n", 0, self.position) + 1, self.position - _SHOWN)
        line = self.text[start : self.position + _SHOWN].partition("\n")[0]
        below = "".join("\t" if char == "\t" else " " for char in self.text[start : self.position])
        return f"{self.message}\n  {line}\n  {below}^"
