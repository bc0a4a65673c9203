"""What the wizard of a restore shows, and how it looks at a restore without writing anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.panes.backup import restore_pages as pages
from lilfox_tui.app.panes.backup.restore_choice import RestoreChoice
from lilfox_tui.app.panes.backup.restore_pages import CHECKS, CONFIRM, RESULT, RUN, WHAT, WHERE, Looked
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import cells, wrapped
from lilfox_tui.app.rows.jobs import JobLog, event_rows, progress_rows
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check

PAINT_S, SLOW_PAINT_S = 0.5, 2.0
MOST_SAID = 3
"""Lines of a note."""
KEY = 2
"""Pieces of a key and what it does."""


class RestoreView(Dialog[None]):
    """The pages of ``restore_pages.py`` on the screen; what was chosen, what a look found, and what the job says."""

    def __init__(self, choice: RestoreChoice, *, glyphs: Glyphs, zone: tzinfo, slow: bool) -> None:
        super().__init__()
        self.choice = choice
        self.step = WHAT
        self.looked: Looked | None = None
        self.job: str | None = None
        self._glyphs, self._zone, self._slow = glyphs, zone, slow
        self._at = 0
        self._take: Callable[[str], None] | None = None
        self._note: tuple[str, str] = ("", "muted")
        self._log: JobLog | None = None
        self._due = False
        self._starting = False
        self._all_checks = False
        """Also those that are good are shown one by one."""
        self._moved = False
        """The highlight was moved on this page: it is kept in sight."""

    def compose(self) -> ComposeResult:
        with Vertical(id="query"):
            yield Lines(ground="bar", id="wizard-head")
            yield Lines(id="wizard-body")
            yield TextField(id="wizard-input", select_on_focus=False)
            yield Lines(ground="bar", id="wizard-keys")

    def on_mount(self) -> None:
        self.query_one("#wizard-input", Input).display = False
        self._show()
        if self.choice.no_where() is None:
            self._look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    # ---- looking, which writes nothing ---------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Checks what was chosen, and what it would change."""
        from lilfox_tui.backup import effects

        wish = self.choice.wish()
        looked = self.looked = Looked(wish)

        def heard(check: Check) -> None:
            looked.checks.append(check)
            self._changed()

        try:
            async with effects.looked_at(wish) as (_found, restore):
                looked.where, looked.names = dict(restore.where), dict(restore.names)
                self._changed()
                await restore.checks(heard)
                looked.checked = True
                self._changed()
                if looked.ready:
                    looked.changes = await restore.changes()
        except LilFoxError as error:
            looked.error = error
        self._changed()

    def _changed(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(SLOW_PAINT_S if self._slow else PAINT_S, self._show)

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._due = False
        if not self.is_mounted or not self.is_attached:
            return
        width = self.app.size.width
        if self.step == RUN and self._log is not None and self._log.ended is not None:
            self.step = RESULT
            self.query_one("#wizard-body", Lines).top = 0
        body = self.query_one("#wizard-body", Lines)
        rows, items = self._rows(), self._items()
        rows = wrapped([BLANK, *rows], width - 1)
        selected = len(rows) + self._at if items and self._at >= 0 else None
        shown = [*rows, *(item.row for item in items)]
        if self.step == RUN:
            body.show(shown, top=len(shown))
        else:
            body.show(shown, selected=selected, follow=bool(items) and (self._moved or self.step != CHECKS))
        below = more_below(body.hidden_below) if self.step in (WHAT, CHECKS, CONFIRM, RESULT) else ""
        head = pages.head_row(self.step, self.choice.set, width, self._glyphs, below)
        self.query_one("#wizard-head", Lines).show([head])
        keys, said = self.query_one("#wizard-keys", Lines), self._said_rows(width)
        keys.styles.height = len(said)
        keys.show(said)

    def _items(self) -> list[pages.Item]:
        if self.step == WHAT:
            return pages.what_items(self.choice, self._glyphs)
        if self.step == WHERE:
            return pages.where_items(self.choice, self.looked)
        if self.step == CHECKS:
            return pages.check_items(self.choice, self._glyphs)
        return []

    def _rows(self) -> list[Row]:
        question = {
            WHAT: _("What is to be restored?"),
            WHERE: _("Where to?"),
            CHECKS: _("Can it be done? This writes nothing."),
            CONFIRM: _("This is what will be done:"),
        }
        rows: list[Row] = [(Piece(" " + question[self.step], "strong"),), BLANK] if self.step in question else []
        if self.step == CHECKS:
            rows += [
                *pages.check_rows(self.looked, self.app.size.width, self._glyphs, all_of_them=self._all_checks),
                BLANK,
            ]
        elif self.step == CONFIRM and self.looked is not None:
            rows += pages.confirm_rows(self.choice, self.looked, self._glyphs)
        elif self.step == RUN:
            rows += self._run_rows()
        elif self.step == RESULT and self._log is not None and self._log.ended is not None:
            rows += pages.result_rows(self._log.ended, self.choice.set, self._glyphs)
        return rows

    def _run_rows(self) -> list[Row]:
        if self._log is None:
            return [(Piece("   " + _("starting …"), "muted"),)]
        height, width = self.app.size.height - 4, self.app.size.width
        bars = progress_rows(self._log.progress, max(1, height // 2), width, self._glyphs, Digits(few=self._slow))
        said = [
            row for event in list(self._log.events)[-height:] for row in event_rows(event, self._zone, self._glyphs)
        ]
        room = max(1, height - len(bars) - 2)
        return [*said[-room:], BLANK, *bars]

    def _said_rows(self, width: int) -> list[Row]:
        """A note, on as many lines as it takes and it may have; else the keys, as many as fit."""
        text, role = self._note
        if text:
            return wrapped([(Piece(" "), Piece(text, role))], width)[:MOST_SAID]
        row = self._keys_row()
        while cells(row) > width and len(row) > KEY:
            row = row[:-KEY]
        return [row]

    def _keys_row(self) -> Row:
        keys: dict[int, tuple[tuple[str, str], ...]] = {
            WHAT: (("space", _("choose")), ("enter", _("next page")), ("esc", _("leave"))),
            WHERE: (("space", _("another place")), ("enter", _("next page")), ("esc", _("back"))),
            CHECKS: (
                ("enter", _("next page")),
                ("space", _("allow")),
                ("R", _("look again")),
                ("o", _("all checks")),
                ("esc", _("back")),
            ),
            CONFIRM: (("enter", _("restore, when the name is typed")), ("pgdn", _("more")), ("esc", _("back"))),
            RUN: (("esc", _("leave: the job goes on")),),
            RESULT: (("enter", _("close")),),
        }
        if self._take is not None and self.step != CONFIRM:
            keys[self.step] = (("enter", _("take it")), ("esc", _("leave it")))
        return tuple(
            piece for key, does in keys[self.step] for piece in (Piece(f" {key}", "key"), Piece(f" {does}  ", "muted"))
        )

    def _say(self, what: LilFoxError | Message | str, role: str = "degraded") -> None:
        text = f"{what} {self._glyphs.dash} {what.hint}" if isinstance(what, LilFoxError) and what.hint else str(what)
        self._note = (text, role)
        self._show()

    # ---- one line to type in ----------------------------------------------------------------------------------------

    def _ask(self, prompt: str, text: str, take: Callable[[str], None]) -> None:
        line = self.query_one("#wizard-input", TextField)
        line.value, line.placeholder = text, prompt
        line.display = True
        self._take = take
        self.set_focus(line)
        self._show()

    def _close_line(self) -> None:
        self._take = None
        self.query_one("#wizard-input", Input).display = False
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        take = self._take
        if take is not None:
            if self.step != CONFIRM:
                self._close_line()
            take(event.value.strip())
            self._show()
