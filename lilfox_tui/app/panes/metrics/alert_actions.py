"""Actions on alerts: acknowledge them, silence them, open their runbooks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.evidence import Cause, cause_of
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.alert_section import alerts_at, runbooks_for, runbooks_for_finding
from lilfox_tui.app.panes.metrics.finding_state import finding_of
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject, alerts_of
from lilfox_tui.app.rows.containers import of_alert, subject_of
from lilfox_tui.app.rows.job_words import user
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.model import FindingView, HostView, ServiceView

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem
    from lilfox_tui.app.panes.metrics.dialogs import SilenceRequest
    from lilfox_tui.runbook.model import Runbook


class AlertActions(ActionGroup):
    """Actions on an alert."""

    TASK = tr("Alerts")

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._acknowledged: tuple[Labels, datetime] | None = None
        """The labels and the start of the alert that was acknowledged last: that it is shows a moment later."""

    def _is_alert(self) -> bool:
        return self._state.selected_alert() is not None

    def _why_no_alert(self) -> Message | None:
        """Why an action on an alert is disabled: none is selected, or it has resolved, or nothing may be changed."""
        alert = self._state.selected_alert()
        if alert is None:
            return tr("select an alert first")
        if self._app.rewound is not None:
            return tr("you are viewing the past; ` returns to now")
        if self._app.config.read_only:
            return tr("alerts cannot be changed in read_only mode")
        return tr("the alert has already resolved") if alert.resolved_at is not None else None

    @action(
        "acknowledge",
        "A",
        tr("acknowledge"),
        tr("acknowledge the alert: no bell or reminders until it resolves; press again to add a note"),
        why_not=_why_no_alert,
        footer=2,
        fits=_is_alert,
    )
    def acknowledge(self) -> None:
        alert = self._state.selected_alert()
        if alert is None:
            return

        def take(text: str) -> None:
            self._context.run(self._acknowledge(alert, text.strip()), group="acknowledge")

        if alert.acknowledged is None and self._acknowledged != (alert.labels, alert.active_at):
            self._acknowledged = alert.labels, alert.active_at
            take("")
        else:
            note = "" if alert.acknowledged is None else alert.acknowledged.note
            prompt = _("note by {name}", name=user())
            self._app.ask_line(prompt, note, take, live=False)

    async def _acknowledge(self, alert: Alert, note: str) -> None:
        await self._app.monitor.alerting.acknowledge(alert, user(), note)
        told = (
            tr("{alert}: acknowledged with a note", alert=alert.name)
            if note
            else tr("{alert}: acknowledged; A adds a note, U withdraws it", alert=alert.name)
        )
        self._app.tell(told)

    def _why_not_acknowledged(self) -> Message | None:
        """Why there is no acknowledgement to withdraw."""
        alert = self._state.selected_alert()
        if alert is not None and alert.acknowledged is None:
            return tr("the alert is not acknowledged")
        return self._why_no_alert()

    @action(
        "unacknowledge",
        "U",
        tr("withdraw"),
        tr("withdraw the acknowledgement: bell and reminders resume"),
        why_not=_why_not_acknowledged,
        fits=_is_alert,
    )
    def unacknowledge(self) -> None:
        if (alert := self._state.selected_alert()) is not None:
            self._acknowledged = None
            self._context.run(self._unacknowledge(alert), group="acknowledge")

    async def _unacknowledge(self, alert: Alert) -> None:
        await self._app.monitor.alerting.unacknowledge(alert, user())
        self._app.tell(tr("{alert}: no longer acknowledged", alert=alert.name))

    @action(
        "silence",
        "s",
        tr("silence"),
        tr("silence notifications; previews the affected alerts first"),
        why_not=_why_no_alert,
        footer=2,
        fits=_is_alert,
    )
    def silence(self) -> None:
        alert = self._state.selected_alert()
        if alert is None:
            return
        from lilfox_tui.app.panes.metrics.dialogs import SilenceDialog

        preview = self._app.monitor.alerting.preview
        self._app.push_screen(SilenceDialog(alert, preview), self._take_silence)

    def _take_silence(self, request: SilenceRequest | None) -> None:
        if request is not None:
            self._context.run(self._silence(request), group="silence")

    async def _silence(self, request: SilenceRequest) -> None:
        await self._app.monitor.alerting.silence(request.matchers, request.for_s, user(), request.comment)
        self._app.tell(tr("silenced {length}; :silences lists them", length=request.length))

    def _why_no_silences(self) -> Message | None:
        """Why there are no silences to list."""
        alerts = alerts_of(self._state.overview)
        if alerts is None:
            return self._state.no_rules()
        return None if alerts.silences else tr("there are no silences")

    @action(
        "silences",
        "",
        tr("silences"),
        tr("list the silences with author and end time; enter ends the selected one"),
        why_not=_why_no_silences,
    )
    def silences(self) -> None:
        alerts = alerts_of(self._state.overview)
        if alerts is None:
            return
        from lilfox_tui.app.panes.metrics.dialogs import silence_choices

        can_end = self._app.rewound is None and not self._app.config.read_only
        choices = silence_choices(alerts, can_end=can_end)
        ends = any(choice.possible for choice in choices)
        does = _("ends the selected one") if ends else None
        self._app.push_screen(dialogs.Chooser(_("Silences"), choices, wide=True, does=does), self._take_end)

    def _take_end(self, chosen: str | None) -> None:
        if chosen is not None:
            self._context.run(self._end_silence(chosen), group="silence")

    async def _end_silence(self, chosen: str) -> None:
        await self._app.monitor.alerting.expire(chosen, user())
        self._app.tell(tr("the silence has ended"))

    def _why_no_runbook(self) -> Message | None:
        """Why no runbook can be opened."""
        if (finding := finding_of(self._state.overview, self._state.page)) is not None:
            found = runbooks_for_finding(self._app, self._state, finding)
            return None if found else tr("no runbook names {check} under on_alert", check=finding.check)
        if self._alert_that_fires() is not None or self._runbook_of_service() is not None:
            return None
        return tr("select an alert, or a host, service or container with a firing alert")

    def _has_runbooks(self) -> bool:
        if finding_of(self._state.overview, self._state.page) is not None:
            return self._why_no_runbook() is None
        return (
            self._is_alert()
            or isinstance(self._state.selected_view(), HostView | ServiceView)
            or (self._state.selected_container() is not None)
        )

    @action(
        "runbook",
        "r",
        tr("runbook"),
        tr("runbooks for the alert, or for alerts firing on the selected host, service or container"),
        why_not=_why_no_runbook,
        footer=2,
        fits=_has_runbooks,
    )
    def runbook(self) -> None:
        if (finding := finding_of(self._state.overview, self._state.page)) is not None:
            self._open_for_finding(finding)
            return
        cause, runbook = self.cause(), self._runbook_of_service()
        view = self._state.selected_view()
        if runbook is not None and view is not None and (cause is None or cause.alert not in runbook.alerts):
            if view.level is Level.FAILING:
                severity, told = "SEV-2", _("{name} is failing", name=view.name)
            else:
                severity, told = "SEV-3", _("{name} is degraded", name=view.name)
            self._app.open_runbook(runbook, Cause("", {"service": view.name}, severity, told=told))
        elif cause is not None:
            self._app.go_to_runbook(cause)

    def _open_for_finding(self, finding: FindingView) -> None:
        runbooks = runbooks_for_finding(self._app, self._state, finding)
        if runbooks:
            told = f"{finding.target}: {finding.title}"
            severity = "SEV-3" if finding.level is Level.FAILING else "SEV-4"
            self._app.open_runbook(runbooks[0], Cause("", {finding.kind: finding.target}, severity, told=told))

    def _runbook_of_service(self) -> Runbook | None:
        """The first runbook for the selected service, if that is not good: for its alerts, or that offers it."""
        view = self._state.selected_view()
        if not isinstance(view, ServiceView) or view.level in (Level.GOOD, Level.UNKNOWN):
            return None
        alerts = alerts_at(self._state, ("service", view.name))
        return next(iter(runbooks_for(self._app, alerts, view.name)), None)

    def cause(self) -> Cause | None:
        """The alert for which a runbook or an incident is opened; None if none is selected."""
        alert = self._alert_that_fires()
        return None if alert is None else replace(cause_of(alert), chosen=self._state.page is not None)

    def _alert_that_fires(self) -> Alert | None:
        """The selected alert; if a host or service is selected, its first unresolved alert."""
        if (alert := self._state.selected_alert()) is not None or self._state.overview is None:
            return alert
        subject = self._state.page or self._state.selected
        for item in self._state.items(self._state.overview).values():
            if item.alert is not None and item.alert.resolved_at is None and subject in self._subjects_of(item):
                return item.alert
        return None

    def _subjects_of(self, item: AlertItem) -> list[Subject | None]:
        """What the labels of an alert name: a host, a service or a backend, and a container."""
        found = of_alert(self._state.overview, item.alert)
        return [self._state.place_of(item), *([] if found is None else [subject_of(found.view)])]


# Silence alerts: which (matchers), for how long, and what that would silence, before anything is done.
