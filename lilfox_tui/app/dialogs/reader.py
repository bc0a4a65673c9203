"""A dialog that shows rows of text, and the rows of the help page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.actions import Action, key_text
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, fit


class Reader(Dialog[None]):
    """A dialog that shows ``rows``, wrapping long ones. The first two stay while the rest scrolls: the title, beside
    which the keys stand, and the row below it. If ``copy`` is given, y calls it. ``/`` filters by words; headings stay
    above what is left of their part."""

    def __init__(self, rows: Sequence[Row], copy: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._rows, self._copy = tuple(rows), copy
        self._lines: list[Row] = []
        self._words = ""
        self._types = False
        """Whether keys go into the filter."""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", sticky=2, id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()
        self._scroll(0)  # it is painted whole at once, but for what is known of its height after that

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        self._lines = wrapped(matching(self._rows[2:], self._words), self.room("wide") - 1)
        self.set_height(len(wrapped(self._rows[2:], self.room("wide") - 1)) + 4)
        self.call_after_refresh(self._scroll, 0)

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
        return cells(row) <= self.room("wide")

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


_NOT_IN_FOOTER = 99
_KEY_WIDTH = 6
"""Cells of the column of keys on the help page; a few actions have wider keys, and push their titles to the right."""
_MOVES = "down"
"""An action whose task is to move."""


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


def help_rows(actions: Sequence[Action], glyphs: Glyphs) -> list[Row]:
    """The help page: the actions by what they are for, those of the pane first, and last how to move in any list."""
    rows: list[Row] = [
        (Piece(" " + _("Keys"), "title"),),
    ]
    keys = {each.id: " ".join(key_text(key) for key in each.keys[:3]) or f":{each.id}" for each in actions}
    keys = {name: key.ljust(_KEY_WIDTH) + "  " for name, key in keys.items()}
    width = max(cell_width(keys[each.id] + str(each.title)) for each in actions) + 2
    by_task: dict[str, list[Action]] = {}
    for each in actions:
        by_task.setdefault("" if each.task is None else str(each.task), []).append(each)
    for task, those in sorted(by_task.items(), key=lambda each: any(found.id == _MOVES for found in each[1])):
        rows += [BLANK, (Piece(" " + task, "title"),)]
        for each in sorted(those, key=lambda each: each.footer or _NOT_IN_FOOTER):
            key = keys[each.id]
            title = Piece(fit(str(each.title), width - cell_width(key)), "strong")
            rows.append((Piece("  " + key, "key"), title, Piece(str(each.help))))
    rows += [BLANK, (Piece(" " + _("Symbols"), "title"),)]
    for sign, role, meaning in (
        (glyphs.good, "good", _("good")),
        (glyphs.degraded, "degraded", _("degraded: a value is above its warning level, or stale")),
        (glyphs.failing, "failing", _("failing or unreachable")),
        (glyphs.unknown, "unknown", _("unknown: no data yet")),
        (
            glyphs.alert,
            "failing",
            _("firing alert; from rules: [FILE] or, without rules, from Prometheus and Alertmanager"),
        ),
    ):
        rows.append((Piece("  "), Piece(fit(sign, 14), role), Piece(meaning)))
    return rows


# A job from its first event on, as it goes: the bars of its parts, and what it says.


PAINT_S, SLOW_PAINT_S = 0.5, 2.0
"""Between two drawings of progress, and over a slow link."""
