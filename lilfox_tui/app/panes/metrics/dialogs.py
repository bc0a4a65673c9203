"""The dialog that silences alerts: which ones, for how long, and a preview of what that would silence; and the list of
silences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.alerts.model import Alert, Alerts, Silence, SilenceMatcher
from lilfox_tui.alerts.silences import (
    PRESETS_S,
    check_silence,
    format_matchers,
    is_active,
    matchers_of,
    parse_matchers,
)
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.dialogs.prompt import Choice
from lilfox_tui.app.panes.metrics.alert_page import silence_text
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, fit, human_duration

LENGTHS: tuple[float | None, ...] = (*PRESETS_S, None)
"""Seconds; None for until it has resolved."""
_NAMES_SHOWN = 6


class SilenceRequest(NamedTuple):
    """A silence to create: its matchers, its duration in seconds (None: until the alert has resolved), and the
    reason."""

    matchers: tuple[SilenceMatcher, ...]
    for_s: float | None
    comment: str

    @property
    def length(self) -> str:
        """The duration as text."""
        return length_text(self.for_s)


class SilenceDialog(Dialog[SilenceRequest | None]):
    """A dialog that returns the silence to create, or None on cancel. Its matchers at first match exactly ``alert``.
    ``preview`` returns the alerts that matchers match, and raises LilFoxError."""

    def __init__(self, alert: Alert, preview: Callable[[Sequence[SilenceMatcher]], tuple[Alert, ...]]) -> None:
        super().__init__()
        self._first, self._preview = format_matchers(matchers_of(alert.labels)), preview
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(self._first, id="dialog-input", select_on_focus=False)
            yield Lines(ground="bar", id="dialog-list")
            yield TextField(id="dialog-comment", placeholder=_("reason (optional)"))
            yield Lines(ground="bar", id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()
        self.set_focus(self.query_one("#dialog-input", Input))

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        blank = len(self.blanks)
        lengths, told = len(LENGTHS) + blank, 1 + 3 * blank
        self.set_height(lengths + told + 4)
        self.query_one("#dialog-list", Lines).styles.height = lengths
        self.query_one("#dialog-text", Lines).styles.height = told
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        title = Piece(" " + _("Silence"), "title")
        hint = Piece("  " + _("tab: next field, up and down: duration, enter silences, esc cancels"), "muted")
        if cells((title, hint)) > self.room("wide"):
            hint = Piece("  " + _("enter silences, esc cancels"), "muted")
        self.query_one("#dialog-title", Lines).show([(title, hint)])
        rows: list[Row] = [*self.blanks, *((Piece(f"  {length_text(each)}"),) for each in LENGTHS)]
        self.query_one("#dialog-list", Lines).show(rows, selected=self._at + len(self.blanks))
        self.query_one("#dialog-text", Lines).show(self._told())

    def _told(self) -> list[Row]:
        """The rows that tell which alerts the silence would affect, or why it is invalid."""
        try:
            matchers = self._matchers()
            found = self._preview(matchers)
        except LilFoxError as error:
            rows: list[Row] = [
                (Piece(" "), Piece(str(error), "failing")),
                (Piece(" "), Piece(str(error.hint), "muted")),
            ]
            return [*self.blanks, *wrapped(rows, self.room("wide"))]
        count = ngettext("would silence {count} alert now", "would silence {count} alerts now", len(found))
        names = sorted({alert.name for alert in found})
        more = listed(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")
        return [
            *self.blanks,
            (Piece(f" {count}", "accent"), Piece("  " + fit(more, self.room("wide") - cell_width(count) - 3), "muted")),
        ]

    def _matchers(self) -> tuple[SilenceMatcher, ...]:
        matchers = parse_matchers(self.query_one("#dialog-input", Input).value)
        check_silence(matchers)
        return matchers

    def on_input_changed(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1}
        if event.key in steps:
            self._at = max(0, min(len(LENGTHS) - 1, self._at + steps[event.key]))
            self._show()
            event.stop()
        elif event.key in ("tab", "shift+tab"):
            fields = [self.query_one(name, Input) for name in ("#dialog-input", "#dialog-comment")]
            self.set_focus(fields[0] if self.focused is fields[1] else fields[1])
            event.stop()
            event.prevent_default()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def on_input_submitted(self) -> None:
        try:
            matchers = self._matchers()
        except LilFoxError:
            return  # what is wrong stands below
        self.close(SilenceRequest(matchers, LENGTHS[self._at], self.query_one("#dialog-comment", Input).value.strip()))


def length_text(for_s: float | None) -> str:
    """The duration of a silence in words."""
    return _("until it resolves") if for_s is None else _("for {time} from now", time=human_duration(for_s))


# Silences as choices: those that go on first, then those that have ended lately. Imported where there are rules.


def silence_choices(alerts: Alerts, *, can_end: bool) -> list[Choice]:
    """One choice per silence; ended silences cannot be chosen."""
    ordered = sorted(alerts.silences, key=lambda one: (not is_active(one, alerts.at), -one.ends_at.timestamp()))
    return [_choice(one, alerts, can_end=can_end) for one in ordered]


def _choice(silence: Silence, alerts: Alerts, *, can_end: bool) -> Choice:
    active = is_active(silence, alerts.at)
    matchers = format_matchers(silence.matchers)
    taken = sum(silence.id in alert.silenced_by for alert in alerts.alerts)
    state: Row
    if active:
        state = (Piece(silence_text(silence, alerts.at) + "  ", "accent"), Piece(f"{taken}  ", "strong"))
    else:
        state = (Piece(_("ended {time}", time=silence.ends_at.strftime("%m-%d %H:%M")) + "  ", "muted"),)
    text = "  ".join(each for each in (matchers, silence.comment) if each)
    return Choice(silence.id, (*state, Piece(text, "text" if active else "muted")), text, active and can_end, more=text)
