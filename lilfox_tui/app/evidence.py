"""What is selected in a pane, as evidence of an incident: a small file, and a line that says what it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from lilfox_tui.app.draw import Row
from lilfox_tui.text import clean


class Evidence(Struct, frozen=True):
    """A file as ``incident.incidents.keep_evidence`` takes it; ``text`` stands in the timeline."""

    name: str
    data: bytes
    text: str


class Selected(Struct, frozen=True):
    """What is selected. ``title`` is what an incident would be called that is opened for it; ``read`` reads it as it is
    when it is called, and raises LilFoxError where it cannot be read."""

    title: str
    read: Callable[[], Awaitable[Evidence]]


def text_of_rows(rows: Iterable[Row]) -> str:
    """Rows of a screen as lines of plain text, without anything that a terminal would obey."""
    return "".join(clean("".join(piece.text for piece in row)).rstrip() + "\n" for row in rows)
