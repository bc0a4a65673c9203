"""What the keys do with alerts: acknowledge, silence, runbook, their expression, their logs.

What it needs of alerts is imported where there are some: the first frame waits for none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.chooser import Chooser
from lilfox_tui.app.job_words import user
from lilfox_tui.app.panes.metrics.backend_keys import BackendKeys
from lilfox_tui.app.panes.metrics.keys import Subject
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.app.panes.metrics.alert_rows import Item
    from lilfox_tui.app.panes.metrics.silence_dialog import Wanted

KINDS = ("alert", "rule")


def alerts_of(overview: Overview | None) -> Alerts | None:
    """The alerts of an overview, where they are known."""
    if overview is None or not isinstance(overview.alerts, Ready):
        return None
    return overview.alerts.value


def _holds_all(item: Item, words: str) -> bool:
    return not words or all(word in item.words for word in words.lower().split())


class AlertKeys(BackendKeys):
    """Acts on an alert."""

    # ---- what is chosen ------------------------------------------------------------------------------------------

    def __init__(self) -> None:
        super().__init__()
        self._items: dict[Subject, Item] = {}
        self._items_of: tuple[Alerts, str] | None = None

    def items(self, overview: Overview | None) -> Mapping[Subject, Item]:
        """The rows of the section that the filter leaves, in their order; the same object while nothing changes."""
        alerts = alerts_of(overview)
        if alerts is None:
            return {}
        wanted = self.filter if self.only_matching else ""
        if self._items_of is None or self._items_of[0] is not alerts or self._items_of[1] != wanted:
            from lilfox_tui.app.panes.metrics.alert_rows import items_of

            self._items = {each.subject: each for each in items_of(alerts) if _holds_all(each, wanted)}
            self._items_of = alerts, wanted
        return self._items

    def selected_item(self) -> Item | None:
        """The alert, or rule, that actions are about: the page's, or the highlighted one."""
        subject = self.page or self.selected
        return None if subject is None or subject[0] not in KINDS else self.items(self.overview).get(subject)

    def selected_alert(self) -> Alert | None:
        """The alert of :meth:`selected_item`."""
        item = self.selected_item()
        return None if item is None else item.alert

    def _order(self) -> list[Subject]:
        return super()._order() + list(self.items(self.overview))

    def _level(self, overview: Overview, subject: Subject) -> Level:
        if subject[0] not in KINDS:
            return super()._level(overview, subject)
        item = self.items(overview).get(subject)
        return Level.UNKNOWN if item is None else item.level

    def _subject_matches(self, overview: Overview, subject: Subject) -> bool:
        if subject[0] not in KINDS:
            return super()._subject_matches(overview, subject)
        item = self.items(overview).get(subject)
        return item is not None and _holds_all(item, self.filter)

    def select_worst_alert(self) -> bool:
        """Highlights the first of the section on the tables; whether there is one."""
        worst = next(iter(self.items(self.overview)), None)
        if worst is None:
            return False
        self.open_page(None)
        self.selected = worst
        self.repaint()
        return True

    def nothing_selected(self) -> Message | None:
        """Why an act on the selection cannot be done."""
        return None if self.selected_item() is not None else super().nothing_selected()

    def no_alert(self) -> Message | None:
        """Why an act on an alert that goes on cannot be done."""
        alert = self.selected_alert()
        if alert is None:
            return tr("select an alert first")
        if self.lilfox.rewound is not None:
            return tr("this is the past; ` goes back to now")
        if self.lilfox.config.read_only:
            return tr("alerts are not changed with read_only")
        return tr("it has resolved already") if alert.resolved_at is not None else None

    # ---- actions -------------------------------------------------------------------------------------------------

    @action(
        "acknowledge",
        "A",
        tr("acknowledge"),
        tr("say that you have seen the alert, with a note: no bell and no reminders until it resolves"),
        why_not=lambda self: self.no_alert(),
        footer=2,
    )
    def acknowledge(self) -> None:
        alert = self.selected_alert()
        if alert is None:
            return
        note = alert.acknowledged.note if alert.acknowledged is not None else ""
        prompt = _("a note, may be empty: enter acknowledges as {name}, esc leaves", name=user())

        def take(text: str) -> None:
            self._acknowledge(alert, text.strip())

        self.lilfox.ask_line(prompt, note, take, live=False)

    @work(group="acknowledge", exit_on_error=False)
    async def _acknowledge(self, alert: Alert, note: str) -> None:
        await self.lilfox.monitor.alerting.acknowledge(alert, user(), note)
        self.lilfox.tell(tr("{alert}: acknowledged", alert=alert.name))

    @action(
        "unacknowledge",
        "U",
        tr("take back"),
        tr("take an acknowledgement back: bell and reminders come again"),
        why_not=lambda self: self.not_acknowledged(),
    )
    def unacknowledge(self) -> None:
        if (alert := self.selected_alert()) is not None:
            self._unacknowledge(alert)

    def not_acknowledged(self) -> Message | None:
        """Why there is no acknowledgement to take back."""
        alert = self.selected_alert()
        if alert is not None and alert.acknowledged is None:
            return tr("nobody has acknowledged it")
        return self.no_alert()

    @work(group="acknowledge", exit_on_error=False)
    async def _unacknowledge(self, alert: Alert) -> None:
        await self.lilfox.monitor.alerting.unacknowledge(alert, user())
        self.lilfox.tell(tr("{alert}: no longer acknowledged", alert=alert.name))

    @action(
        "silence",
        "s",
        tr("silence"),
        tr("tell nobody of the alert for a while; shows first what it would silence"),
        why_not=lambda self: self.no_alert(),
        footer=2,
    )
    def silence(self) -> None:
        alert = self.selected_alert()
        if alert is None:
            return
        from lilfox_tui.alerts.silences import matchers_of
        from lilfox_tui.app.panes.metrics.silence_dialog import SilenceDialog

        preview = self.lilfox.monitor.alerting.preview
        self.lilfox.push_screen(SilenceDialog(matchers_of(alert.labels), preview), self._take_silence)

    def _take_silence(self, wanted: Wanted | None) -> None:
        if wanted is not None:
            self._silence(wanted)

    @work(group="silence", exit_on_error=False)
    async def _silence(self, wanted: Wanted) -> None:
        from lilfox_tui.app.panes.metrics.silence_dialog import length_text

        await self.lilfox.monitor.alerting.silence(wanted.matchers, wanted.for_s, user(), wanted.comment)
        self.lilfox.tell(tr("silenced {length}; S lists the silences", length=length_text(wanted.for_s)))

    @action(
        "silences",
        "S",
        tr("silences"),
        tr("what is silenced, by whom and until when; enter ends the selected one"),
        why_not=lambda self: self.no_silences(),
    )
    def silences(self) -> None:
        alerts = alerts_of(self.overview)
        if alerts is None:
            return
        from lilfox_tui.app.panes.metrics.silence_rows import silence_choices

        can_end = self.lilfox.rewound is None and not self.lilfox.config.read_only
        choices = silence_choices(alerts, can_end=can_end)
        self.lilfox.push_screen(Chooser(_("Silences: enter ends one"), choices, wide=True), self._take_end)

    def no_silences(self) -> Message | None:
        """Why there are no silences to list."""
        alerts = alerts_of(self.overview)
        if alerts is None:
            return self.no_rules()
        return None if alerts.silences else tr("nothing is silenced")

    def no_rules(self) -> Message | None:
        """Why there are no alerts."""
        if self.overview is None or self.overview.alerts is None:
            return tr("no rules are named in the configuration: rules: [FILE]")
        return None if alerts_of(self.overview) is not None else tr("alerts are not known now")

    def _take_end(self, chosen: str | None) -> None:
        if chosen is not None:
            self._end_silence(chosen)

    @work(group="silence", exit_on_error=False)
    async def _end_silence(self, chosen: str) -> None:
        await self.lilfox.monitor.alerting.expire(chosen, user())
        self.lilfox.tell(tr("the silence has ended"))

    @action(
        "runbook",
        "r",
        tr("runbook"),
        tr("the runbooks for the alert, or for what fires of the selected host or service"),
        why_not=lambda self: self.no_runbook(),
        footer=2,
    )
    def runbook(self) -> None:
        if (alert := self._alert_that_fires()) is not None:
            from lilfox_tui.app.cause import cause_of

            self.lilfox.go_to_runbook(cause_of(alert))

    def no_runbook(self) -> Message | None:
        """Why there is no runbook."""
        return None if self._alert_that_fires() is not None else tr("no alert is selected, and none fires for this")

    def _alert_that_fires(self) -> Alert | None:
        """The selected alert; of a host or service the first that fires and names it."""
        if (alert := self.selected_alert()) is not None or self.overview is None:
            return alert
        subject = self.page or self.selected
        for item in self.items(self.overview).values():
            if item.alert is not None and item.alert.resolved_at is None and self._place_of(item) == subject:
                return item.alert
        return None

    def show_logs_of_selected(self) -> None:
        """The logs of the service or host that an alert's labels name, too."""
        item = self.selected_item()
        if item is None:
            super().show_logs_of_selected()
        elif (place := self._place_of(item)) is not None:
            self.lilfox.go_to_logs(*place, self.lilfox.rewound)
        else:
            self.lilfox.tell(tr("its labels name no service and no host that is watched"))

    def _place_of(self, item: Item) -> Subject | None:
        """The service or host that is watched and that an alert's labels name."""
        if self.overview is None or item.alert is None:
            return None
        for label in ("service", "job", "host", "instance"):
            name = item.alert.label(label)
            if name in self.overview.services:
                return "service", name
            if name in self.overview.hosts:
                return "host", name
        return None

    def copy(self) -> None:
        """The expression of the selected alert's rule, or what other rows have."""
        item = self.selected_item()
        if item is None:
            super().copy()
        elif item.expression:
            self.lilfox.copy_text(item.expression)
        else:
            self.lilfox.tell(LilFoxError(tr("its rule is not known here")))
