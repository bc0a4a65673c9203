"""What is selected in a pane, as evidence of an incident: a small file, and a line that says what it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.text import clean


class Selected(NamedTuple):
    """Something that was selected, as ``incident.incidents.keep_evidence`` takes it: the file's name, its bytes, and
    what it shows, in a line of the timeline."""

    name: str
    data: bytes
    text: str


class Selection(NamedTuple):
    """Something that is selected. ``title`` is what an incident would be called that is opened for it; ``read`` gives
    it as it is when it is called, and raises LilFoxError where it cannot be read."""

    title: str
    read: Callable[[], Awaitable[Selected]]


def text_of_rows(rows: Iterable[Row]) -> str:
    """Rows of a screen as lines of plain text, without anything that a terminal would obey."""
    return "".join(clean("".join(piece.text for piece in row)).rstrip() + "\n" for row in rows)
