"""A dialog that shows rows of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.core.i18n import _

_ROOMY, _AROUND = 30, 3
"""Rows of a screen of which the header and the footer are seen around any page, and how many that are."""


class Reader(Dialog[None]):
    """A dialog that shows ``rows``, wrapping long ones. The first two stay while the rest scrolls: the title, beside
    which the keys stand, and the row below it. If ``copy`` is given, y calls it. ``/`` filters by words; headings stay
    above what is left of their part. ``page`` returns the other rows for the words of the filter and a width, in place
    of ``rows``; it may be given more by ``load``, which is called once the dialog is painted. ``full`` is for what has
    several columns: it takes the screen's width."""

    def __init__(
        self,
        rows: Sequence[Row],
        copy: Callable[[], None] | None = None,
        *,
        page: Callable[[str, int], list[Row]] | None = None,
        load: Callable[[], None] | None = None,
        full: bool = False,
    ) -> None:
        super().__init__()
        self._rows, self._copy = tuple(rows), copy
        self._page, self._load = page or self._wrapped, load
        self._shape = "full" if full else "wide"
        self._lines: list[Row] = []
        self._words = ""
        self._types = False
        """Whether keys go into the filter."""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes=self._shape):
            yield Lines(ground="bar", sticky=2, id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()
        self._scroll(0)  # it is painted whole at once, but for what is known of its height after that
        if self._load is not None:
            self.call_after_refresh(self.call_after_refresh, self._take_more)  # after the first painting

    def _take_more(self) -> None:
        if self._load is not None and self.is_attached:
            self._load()
            self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        width = self.room(self._shape) - 1
        self._lines = self._page(self._words, width)
        height = self.app.size.height
        rows = max(len(self._lines), len(self._page("", width)) if self._words else 0) + 4
        if self._load is not None:  # what is loaded needs it: it would be laid out, and sent, once more
            rows = max(rows, height)
        self.set_height(min(rows, height - _AROUND) if height >= _ROOMY else rows)
        self.call_after_refresh(self._scroll, 0)

    def _wrapped(self, words: str, width: int) -> list[Row]:
        return wrapped(matching(self._rows[2:], words), width)

    def _scroll(self, delta: int) -> None:
        """Scrolls the rows by ``delta``; the title shows how many are below."""
        if not self.is_mounted or not self.query("#dialog-text"):
            return  # it was closed meanwhile
        lines = self.query_one("#dialog-text", Lines)
        top = max(0, min(lines.top + delta, len(self._lines) - lines.room))
        below = len(self._lines) - top - lines.room if lines.room else 0
        lines.show([self._title(below), *self._rows[1:2], *self._lines], top=top)

    def _title(self, below: int) -> Row:
        """The title, then the keys or what is typed, then how many rows are below: as much of it as fits."""
        counts = [f"   {more_below(below)}", f"  +{below}"] if below > 0 else [""]
        if self._types or self._words:
            cursor = Piece(" ", "text", "match") if self._types else Piece("")
            typed = (*self._rows[0][:1], Piece("   /" + self._words, "accent"), cursor)
            return next((row for row in ((*typed, Piece(each, "muted")) for each in counts) if self._fits(row)), typed)
        hints = [_("y copies it, / filters, esc closes")] if self._copy is not None else []
        hints += [_("/ filters, j and k scroll, esc closes"), _("esc closes")]
        rows: list[Row] = [
            (*self._rows[0], Piece("   " + hint, "muted"), Piece(count, "muted"))
            for hint, count in ((hints[0], counts[0]), *((hints[-1], count) for count in counts))
        ]
        rows.append((*self._rows[0][:1], Piece("   " + hints[-1], "muted"), Piece(counts[-1], "muted")))
        return next((row for row in rows if self._fits(row)), rows[-1])

    def _fits(self, row: Row) -> bool:
        return cells(row) <= self.room(self._shape)

    def _filter(self, words: str) -> None:
        self._words = words
        self._arrange()

    def _type(self, event: events.Key) -> None:
        """Edits the filter."""
        if event.key in ("enter", "escape"):
            self._types = False
            self._filter(self._words if event.key == "enter" else "")
        elif event.key == "backspace":
            self._filter(self._words[:-1])
        elif event.character is not None and event.is_printable:
            self._filter(self._words + event.character)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if self._types:
            self._type(event)
            return
        steps = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "pagedown": 10,
            "space": 10,
            "pageup": -10,
            "g": -9999,
            "G": 9999,
        }
        if event.key in steps:
            self._scroll(steps[event.key])
        elif event.key == "y" and self._copy is not None:
            self._copy()
        elif event.key == "slash":
            self._types = True
            self._filter("")
        elif event.key == "escape" and self._words:
            self._filter("")
        elif event.key in ("escape", "question_mark", "q", "enter"):
            self.close(None)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._scroll(event.delta)


def matching(rows: Sequence[Row], words: str) -> list[Row]:
    """The rows that hold all of ``words``, in any case, below their headings."""
    wanted = words.lower().split()
    if not wanted:
        return list(rows)
    kept: list[Row] = []
    heading: list[Row] = []
    for row in rows:
        text = "".join(piece.text for piece in row).lower()
        if any(piece.role == "title" for piece in row):
            heading = [BLANK, row] if kept else [row]
        elif row and all(word in text for word in wanted):
            kept += [*heading, row]
            heading = []
    return kept or [(Piece(" " + _("nothing matches"), "muted"),)]
