"""What is wrong with a query."""

from __future__ import annotations

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message


class QueryError(LilFoxError):
    """A query that cannot be parsed, is not supported, or has no answer (duplicates, many-to-many).

    The message names what is wrong. ``position`` is the offset of the place in the query's text where it is known.
    """

    def __init__(self, message: Message | str, hint: Message | str = "", *, position: int | None = None) -> None:
        super().__init__(message, hint)
        self.position = position
