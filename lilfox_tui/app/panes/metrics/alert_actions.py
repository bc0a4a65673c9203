"""Actions on alerts: acknowledge them, silence them, open their runbooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.alerts.model import Alert, SilenceMatcher
from lilfox_tui.alerts.silences import PRESETS_S, check_silence, format_matchers, parse_matchers
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, alerts_of
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.jobs import user
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, ngettext, tr
from lilfox_tui.core.text import cell_width, fit, human_duration


class AlertActions(ActionGroup):
    """Actions on an alert."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_no_alert(self) -> Message | None:
        """Why an act on an alert that goes on cannot be done."""
        alert = self._state.selected_alert()
        if alert is None:
            return tr("select an alert first")
        if self._app.rewound is not None:
            return tr("this is the past; ` goes back to now")
        if self._app.config.read_only:
            return tr("alerts are not changed with read_only")
        return tr("it has resolved already") if alert.resolved_at is not None else None

    @action(
        "acknowledge",
        "A",
        tr("acknowledge"),
        tr("say that you have seen the alert, with a note: no bell and no reminders until it resolves"),
        why_not=_why_no_alert,
        footer=2,
    )
    def acknowledge(self) -> None:
        alert = self._state.selected_alert()
        if alert is None:
            return
        note = alert.acknowledged.note if alert.acknowledged is not None else ""
        prompt = _("a note, may be empty: enter acknowledges as {name}, esc leaves", name=user())

        def take(text: str) -> None:
            self._context.run(self._acknowledge(alert, text.strip()), group="acknowledge")

        self._app.ask_line(prompt, note, take, live=False)

    async def _acknowledge(self, alert: Alert, note: str) -> None:
        await self._app.monitor.alerting.acknowledge(alert, user(), note)
        self._app.tell(tr("{alert}: acknowledged", alert=alert.name))

    def _why_not_acknowledged(self) -> Message | None:
        """Why there is no acknowledgement to take back."""
        alert = self._state.selected_alert()
        if alert is not None and alert.acknowledged is None:
            return tr("nobody has acknowledged it")
        return self._why_no_alert()

    @action(
        "unacknowledge",
        "U",
        tr("take back"),
        tr("take an acknowledgement back: bell and reminders come again"),
        why_not=_why_not_acknowledged,
    )
    def unacknowledge(self) -> None:
        if (alert := self._state.selected_alert()) is not None:
            self._context.run(self._unacknowledge(alert), group="acknowledge")

    async def _unacknowledge(self, alert: Alert) -> None:
        await self._app.monitor.alerting.unacknowledge(alert, user())
        self._app.tell(tr("{alert}: no longer acknowledged", alert=alert.name))

    @action(
        "silence",
        "s",
        tr("silence"),
        tr("tell nobody of the alert for a while; shows first what it would silence"),
        why_not=_why_no_alert,
        footer=2,
    )
    def silence(self) -> None:
        alert = self._state.selected_alert()
        if alert is None:
            return
        from lilfox_tui.alerts.silences import matchers_of

        preview = self._app.monitor.alerting.preview
        self._app.push_screen(SilenceDialog(matchers_of(alert.labels), preview), self._take_silence)

    def _take_silence(self, wanted: Wanted | None) -> None:
        if wanted is not None:
            self._context.run(self._silence(wanted), group="silence")

    async def _silence(self, wanted: Wanted) -> None:

        await self._app.monitor.alerting.silence(wanted.matchers, wanted.for_s, user(), wanted.comment)
        self._app.tell(tr("silenced {length}; S lists the silences", length=length_text(wanted.for_s)))

    def _why_no_silences(self) -> Message | None:
        """Why there are no silences to list."""
        alerts = alerts_of(self._state.overview)
        if alerts is None:
            return self._state.no_rules()
        return None if alerts.silences else tr("nothing is silenced")

    @action(
        "silences",
        "S",
        tr("silences"),
        tr("what is silenced, by whom and until when; enter ends the selected one"),
        why_not=_why_no_silences,
    )
    def silences(self) -> None:
        alerts = alerts_of(self._state.overview)
        if alerts is None:
            return
        from lilfox_tui.app.panes.metrics.alert_page import silence_choices

        can_end = self._app.rewound is None and not self._app.config.read_only
        choices = silence_choices(alerts, can_end=can_end)
        self._app.push_screen(Chooser(_("Silences: enter ends one"), choices, wide=True), self._take_end)

    def _take_end(self, chosen: str | None) -> None:
        if chosen is not None:
            self._context.run(self._end_silence(chosen), group="silence")

    async def _end_silence(self, chosen: str) -> None:
        await self._app.monitor.alerting.expire(chosen, user())
        self._app.tell(tr("the silence has ended"))

    def _why_no_runbook(self) -> Message | None:
        """Why there is no runbook."""
        return None if self._alert_that_fires() is not None else tr("no alert is selected, and none fires for this")

    @action(
        "runbook",
        "r",
        tr("runbook"),
        tr("the runbooks for the alert, or for what fires of the selected host or service"),
        why_not=_why_no_runbook,
        footer=2,
    )
    def runbook(self) -> None:
        if (alert := self._alert_that_fires()) is not None:
            from lilfox_tui.app.evidence import cause_of

            self._app.go_to_runbook(cause_of(alert))

    def _alert_that_fires(self) -> Alert | None:
        """The selected alert; of a host or service the first that fires and names it."""
        if (alert := self._state.selected_alert()) is not None or self._state.overview is None:
            return alert
        subject = self._state.page or self._state.selected
        for item in self._state.items(self._state.overview).values():
            if item.alert is not None and item.alert.resolved_at is None and self._state.place_of(item) == subject:
                return item.alert
        return None


# Silence alerts: which (matchers), for how long, and what that would silence, before anything is done.


LENGTHS: tuple[float | None, ...] = (*PRESETS_S, None)
"""Seconds; None for until it has resolved."""
HIGH = 16
"""Rows of a screen on which there is room for blank lines."""
_NAMES_SHOWN = 6


class Wanted(NamedTuple):
    """What is to be silenced, for how many seconds (None: until it has resolved), and why."""

    matchers: tuple[SilenceMatcher, ...]
    for_s: float | None
    comment: str


class SilenceDialog(Dialog[Wanted | None]):
    """Gives what was entered, or None. ``preview`` tells which alerts matchers take; it raises LilFoxError."""

    def __init__(
        self, matchers: Sequence[SilenceMatcher], preview: Callable[[Sequence[SilenceMatcher]], tuple[Alert, ...]]
    ) -> None:
        super().__init__()
        self._first, self._preview = format_matchers(matchers), preview
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(self._first, id="dialog-input", select_on_focus=False)
            yield Lines(ground="bar", id="dialog-list")
            yield TextField(id="dialog-comment", placeholder=_("why (may stay empty)"))
            yield Lines(ground="bar", id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()
        self.set_focus(self.query_one("#dialog-input", Input))

    def on_resize(self) -> None:
        self._arrange()

    @property
    def _blank(self) -> list[Row]:
        """Between the parts, where there is room."""
        return [BLANK] if self.app.size.height >= HIGH else []

    def _arrange(self) -> None:
        blank = len(self._blank)
        lengths, told = len(LENGTHS) + blank, 1 + 3 * blank
        self.query_one("#dialog", Vertical).styles.height = lengths + told + 4
        self.query_one("#dialog-list", Lines).styles.height = lengths
        self.query_one("#dialog-text", Lines).styles.height = told
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        title = Piece(" " + _("Silence"), "title")
        hint = Piece("  " + _("tab: next field, up and down: how long, enter silences, esc leaves"), "muted")
        if cells((title, hint)) > self.room("wide"):
            hint = Piece("  " + _("enter silences, esc leaves"), "muted")
        self.query_one("#dialog-title", Lines).show([(title, hint)])
        rows: list[Row] = [*self._blank, *((Piece(f"  {length_text(each)}"),) for each in LENGTHS)]
        self.query_one("#dialog-list", Lines).show(rows, selected=self._at + len(self._blank))
        self.query_one("#dialog-text", Lines).show(self._told())

    def _told(self) -> list[Row]:
        """What a silence of that would take, or why there can be none."""
        try:
            matchers = self._matchers()
            found = self._preview(matchers)
        except LilFoxError as error:
            rows: list[Row] = [
                (Piece(" "), Piece(str(error), "failing")),
                (Piece(" "), Piece(str(error.hint), "muted")),
            ]
            return [*self._blank, *wrapped(rows, self.room("wide"))]
        count = ngettext("would silence {count} alert now", "would silence {count} alerts now", len(found))
        names = sorted({alert.name for alert in found})
        more = listed(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")
        return [
            *self._blank,
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
        self.close(Wanted(matchers, LENGTHS[self._at], self.query_one("#dialog-comment", Input).value.strip()))


def length_text(for_s: float | None) -> str:
    """How long a silence lasts, in words."""
    return _("until it has resolved") if for_s is None else _("for {time} from now", time=human_duration(for_s))
