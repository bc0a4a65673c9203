"""Actions of the Runbook pane on the open incident: its entries and its status. Entered text goes to the incident that
was open when the key was pressed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.messages import AskDialog
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.evidence import Selected, firing_alerts
from lilfox_tui.app.incident_course import ask_close, ask_resolved, written
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.dialogs import take_over_rows
from lilfox_tui.app.panes.runbook.orders import Permission
from lilfox_tui.app.panes.runbook.state import RunbookState
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.rows.incidents import handover_rows
from lilfox_tui.app.rows.job_words import user
from lilfox_tui.app.shared_actions import INCIDENT
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, language, listed, tr
from lilfox_tui.core.text import fit
from lilfox_tui.incident.export import export_to, handover_text
from lilfox_tui.incident.incidents import append, keep_evidence, mark
from lilfox_tui.incident.model import AlertChanged, Called, Decided, EvidenceKept, Noted, alert_subject
from lilfox_tui.incident.reducer import MOMENTS, impact, moment_text
from lilfox_tui.monitor.export import report
from lilfox_tui.runbook.control import take_over

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.incident.model import Incident, Moment, TimelineEntry, What
    from lilfox_tui.metrics.model import Labels

Done = TypeVar("Done")
Context = PaneContext[RunbookState]


class IncidentActions(ActionGroup):
    """Actions on the alerts of the open incident, and those that add to it: notes, moments, calls and evidence."""

    TASK = INCIDENT

    def __init__(self, context: Context, permission: Permission) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._permission = permission
        self._acknowledged: set[tuple[Labels, datetime]] = set()
        """The labels and starts of the alerts that were acknowledged here: that they are shows a moment later."""

    def _why_no_incident(self) -> Message | None:
        return self._permission.why_no_incident()

    def _append(self, incident_id: str, what: What) -> None:
        self._write(lambda: append(incident_id, what))

    def _write(self, write: Callable[[], object]) -> None:
        self._context.run(partial(_write_only, self._app, write), group="incident")

    # ---- its alerts ----------------------------------------------------------------------------------------------

    def _to_acknowledge(self) -> list[Alert]:
        """The alerts of the incident that fire and are neither acknowledged nor silenced."""
        view = self._state.timeline.view
        entries = () if view is None else view.entries
        known = {
            (each.what.name, alert_subject(each.what.labels)) for each in entries if isinstance(each.what, AlertChanged)
        }
        found = []
        for alert in firing_alerts(self._app.shown):
            key = alert.labels, alert.active_at
            if alert.acknowledged is not None:
                self._acknowledged.discard(key)
            elif not alert.silenced_by and (alert.name, alert_subject(dict(alert.labels))) in known:
                found += [alert] if key not in self._acknowledged else []
        return found

    def _why_not_acknowledge(self) -> Message | None:
        if (why := self._permission.why_no_incident()) is not None:
            return why
        view = self._state.timeline.view
        if self._to_acknowledge() or view is None or view.incident is None:
            return None
        known = impact(view.incident, view.entries)
        if "acknowledged" in known or self._acknowledged:
            return tr("the incident is already acknowledged")
        return tr("nothing to acknowledge: the alert is over") if "mitigated" in known else None

    @action("acknowledge", "A", tr("acknowledge"), tr("acknowledge the alerts of the incident; without one, mark the "
                                                      "incident as acknowledged"),
            why_not=_why_not_acknowledge, footer=1)  # fmt: skip
    def acknowledge(self) -> None:
        incident, alerts = self._state.open_incident, self._to_acknowledge()
        if incident is not None:
            self._acknowledged |= {(each.labels, each.active_at) for each in alerts}
            work = partial(self._acknowledge, alerts) if alerts else partial(self._mark_acknowledged, incident)
            self._context.run(work, group="acknowledge")

    async def _acknowledge(self, alerts: Sequence[Alert]) -> None:
        try:
            for each in alerts:
                await self._app.monitor.alerting.acknowledge(each, user(), "")
        except LilFoxError:
            self._acknowledged -= {(each.labels, each.active_at) for each in alerts}  # A tries again
            raise
        names = listed(dict.fromkeys(each.name for each in alerts))
        self._app.tell(tr("acknowledged: {names}; no bell or reminders until it resolves", names=names))

    async def _mark_acknowledged(self, incident: Incident) -> None:
        await written(self._app, lambda: mark(Path(incident.folder), "acknowledged", datetime.now(UTC)))
        self._app.tell(tr("{id} is marked as acknowledged", id=incident.id))

    def _why_no_logs(self) -> Message | None:
        if (why := self._permission.why_no_incident_to_read()) is not None:
            return why
        return (
            None
            if self._state.timeline.subjects
            else tr("no alert of the incident names a service or host; E lists all errors")
        )

    @action("logs", "l", tr("logs"), tr("show the logs of the service or host that the incident is about"),
            why_not=_why_no_logs, footer=2)  # fmt: skip
    def logs(self) -> None:
        if names := self._state.timeline.subjects:
            kind = "host" if names[0] in self._app.config.hosts else "service"
            self._app.go_to_logs(kind, names[0], self._app.rewound)

    # ---- words ---------------------------------------------------------------------------------------------------

    @action("note", "i", tr("note"), tr("add a note to the incident"), why_not=_why_no_incident, footer=1)
    def write_note(self) -> None:
        if (incident := self._state.open_incident) is None:
            return

        def take(text: str) -> None:
            if text.strip():
                self._append(incident.id, Noted(text=text.strip()))

        self._app.ask_line(_("note for {id}", id=incident.id), "", take, live=False)

    @action("decide", "", tr("decision"), tr("record a decision in the incident"), why_not=_why_no_incident)
    def write_decision(self) -> None:
        if (incident := self._state.open_incident) is None:
            return

        def take(text: str) -> None:
            if text.strip():
                self._append(incident.id, Decided(text=text.strip()))

        self._app.ask_line(_("decision for {id}", id=incident.id), "", take, live=False)

    @action("moment", "", tr("moment"), tr("mark a moment: detected, acknowledged, mitigated or resolved"),
            why_not=_why_no_incident)  # fmt: skip
    def mark_moment(self) -> None:
        if (incident := self._state.open_incident) is None:
            return
        choices = [Choice(each, (Piece(moment_text(each), "strong"),), moment_text(each)) for each in MOMENTS]

        def take(chosen: str | None) -> None:
            if chosen == "resolved":
                self._context.run(partial(self._mark_resolved, incident), group="incident")
            elif chosen is not None:
                self._mark(Path(incident.folder), cast("Moment", chosen))

        self._app.push_screen(Chooser(_("{id}: what just happened?", id=incident.id), choices), take)

    async def _mark_resolved(self, incident: Incident) -> None:
        if await ask_resolved(self._app, incident):
            await written(self._app, lambda: mark(Path(incident.folder), "resolved", datetime.now(UTC)))

    def _mark(self, folder: Path, moment: Moment) -> None:
        self._write(lambda: mark(folder, moment, datetime.now(UTC)))

    def _why_no_contacts(self) -> Message | None:
        if not self._app.config.contacts:
            return tr("no contacts are configured: add contacts: to the configuration")
        return self._permission.why_no_incident()

    @action("call", "", tr("call"), tr("show the configured contacts and record the outcome of a call"),
            why_not=_why_no_contacts)  # fmt: skip
    def call(self) -> None:
        contacts = self._app.config.contacts
        choices = []
        for name, each in contacts.items():
            who = Piece(fit(f"{name}  {each.name}", 28), "strong")
            row = (who, Piece(f"  {each.call}", "accent"), Piece(f"  {each.note}", "muted"))
            choices.append(Choice(name, row, f"{name} {each.name} {each.call} {each.note}"))
        if (incident := self._state.open_incident) is not None:
            take = partial(self._take_call, incident.id)
            self._app.push_screen(Chooser(_("Call, then record the outcome"), choices, wide=True), take)

    def _take_call(self, incident_id: str, chosen: str | None) -> None:
        if chosen is None:
            return
        each = self._app.config.contacts[chosen]
        contact = " ".join(part for part in (chosen, each.name, each.call) if part)

        def take(text: str) -> None:
            self._append(incident_id, Called(contact=contact, outcome=text.strip()))

        self._app.ask_line(_("outcome of the call to {contact}", contact=contact), "", take, live=False)

    # ---- evidence --------------------------------------------------------------------------------------------------

    @action("evidence", "e", tr("evidence"), tr("save evidence: an output, log records or measurements"),
            why_not=_why_no_incident, footer=1)  # fmt: skip
    def keep(self) -> None:
        if (incident := self._state.open_incident) is None:
            return
        found: list[tuple[str, str, Callable[[], Awaitable[Selected]]]] = [
            (_("output"), each.text, partial(_at_once, each)) for each in self._outputs()
        ]
        if (logs := self._app.selected_logs()) is not None:
            found.append((_("log records"), logs.title, logs.read))
        measured = _("current values of hosts and services")
        found.append(
            (_("measurements"), measured, partial(_at_once, self._metrics(_("measured values of hosts and services"))))
        )
        choices = [
            Choice(str(at), (Piece(fit(name, 14), "strong"), Piece(f"  {text}", "muted")), f"{name} {text}")
            for at, (name, text, _read) in enumerate(found)
        ]

        def take(chosen: str | None) -> None:
            if chosen is not None:
                self._context.run(partial(self._keep, incident.id, found[int(chosen)][2]), group="incident")

        title = _("Save as evidence for {id}", id=incident.id)
        self._app.push_screen(Chooser(title, choices, wide=True), take)

    def _outputs(self) -> list[Selected]:
        """Return the output of the selected command on each host as evidence; for a step with several commands, that of
        the last one that ran."""
        log, found = self._state.seen, []
        for result in () if log is None else self._state.results():
            kept = log.kept(result) if log is not None else None
            if kept is not None and kept.head:
                first = result.shown.strip().split("\n", 1)[0]
                found.append(Selected(f"{result.run}.txt", kept.evidence, f"{result.host}: {first}"))
        return found

    def _metrics(self, text: str) -> Selected:
        overview = self._app.monitor.overview.value
        document = {} if overview is None else report(overview)
        now = datetime.now(UTC)
        return Selected(f"metrics-{now:%Y%m%d-%H%M%S}.json", json.dumps(document, indent=1).encode(), text)

    async def _keep(self, incident_id: str, read: Callable[[], Awaitable[Selected]]) -> None:
        selected = await read()
        entry: TimelineEntry = await written(
            self._app, lambda: keep_evidence(incident_id, selected.name, selected.data, selected.text)
        )
        if isinstance(entry.what, EvidenceKept):
            self._app.tell(tr("saved as evidence: {file}", file=entry.what.file))


class CourseActions(ActionGroup):
    """Actions that take the incident over, hand it over, close it and export it."""

    TASK = INCIDENT

    def __init__(self, context: Context, permission: Permission) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._permission = permission

    def _why_not_take_over(self) -> Message | None:
        run = self._state.run
        if self._state.open_incident is None and (run is None or not run.actor):
            return tr("nothing to take over: no incident is open, and nobody else controls a run")
        return self._permission.why_not_now()

    @action("take-over", "", tr("take over"), tr("take control of the incident and its runs; whoever was in "
                                                  "control follows"), why_not=_why_not_take_over)  # fmt: skip
    def take_over(self) -> None:
        self._run(self._take_over)

    async def _take_over(self) -> None:
        incident, runs = self._state.open_incident, self._state.runs_of_others()
        titles = [(run.reducer.runbook.title if run.reducer else run.job_id, run.actor) for run in runs]
        rows = take_over_rows("" if incident is None else incident.leader, titles)
        title = _("Take over {id}", id=titles[0][0] if incident is None else incident.id)
        if await self._app.push_screen_wait(AskDialog(title, rows, does=_("take over"), stays=_("go back"))):
            await take_over(None if incident is None else Path(incident.folder), [run.folder for run in runs])
            self._app.monitor.incidents.look_again()

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._context.run(work, group="course", exclusive=True)

    def _why_not_close(self) -> Message | None:
        return self._permission.why_no_incident()

    @action(
        "close-incident",
        "",
        tr("close the incident"),
        tr("lists what still fails and the changes in force, asks for a summary, then closes the incident"),
        why_not=_why_not_close,
    )
    def close(self) -> None:
        if (incident := self._state.open_incident) is not None:
            self._run(partial(close_and_leave, self._context, incident))

    # ---- what is read of it ----------------------------------------------------------------------------------------

    def _why_no_incident_to_read(self) -> Message | None:
        return self._permission.why_no_incident_to_read()

    @action("hand-over", "", tr("hand over"), tr("show the handover for the next person on call, to read or copy"),
            why_not=_why_no_incident_to_read)  # fmt: skip
    def hand_over(self) -> None:
        view = self._state.timeline.view
        if view is not None and view.incident is not None:
            lines = [
                line
                for text in handover_text(view.incident, view.entries, datetime.now(UTC))
                for line in text.split("\n")
            ]
            copy = partial(self._app.copy_text, "\n".join(lines))
            self._app.push_screen(Reader(handover_rows(lines), copy))

    def _why_not_export(self) -> Message | None:
        return None if self._app.closed_incident else self._permission.why_no_incident_to_read()

    @action("export", "", tr("export"), tr("export the incident: Markdown and its evidence, into a new folder"),
            why_not=_why_not_export)  # fmt: skip
    def export(self) -> None:
        incident = self._state.open_incident
        found = dict.fromkeys(filter(None, [self._app.closed_incident, "" if incident is None else incident.id]))
        if len(found) == 1:
            self._ask_folder(next(iter(found)))
            return
        choices = [Choice(name, (Piece(name, "strong"),), name) for name in found]
        self._app.push_screen(Chooser(_("Export which incident?"), choices), self._ask_folder)

    def _ask_folder(self, name: str | None) -> None:
        if name is None:
            return
        path = Path.home() / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"

        def take(text: str) -> None:
            if text.strip():
                folder = Path(text.strip()).expanduser().absolute()
                self._context.run(partial(self._export, name, folder), group="export", exclusive=True)

        prompt = _("export {id} into the new folder:", id=name)
        self._app.ask_line(prompt, str(path), take, live=False, does=_("export it"))

    async def _export(self, incident_id: str, folder: Path) -> None:
        file = await asyncio.to_thread(export_to, incident_id, language(), folder)
        self._app.tell(tr("exported: {path}", path=file))


async def close_and_leave(context: Context, incident: Incident) -> None:
    """Asks whether to close the incident, and leaves its page once it is closed. Raises LilFoxError."""
    await ask_close(context.app, incident)
    if context.app.closed_incident == incident.id:
        context.state.leave_page()
        context.repaint_all()


async def _write_only(app: Console, write: Callable[[], object]) -> None:
    """Like :func:`written`, for a call without a result."""
    await written(app, write)


async def _at_once(selected: Selected) -> Selected:
    """Return ``selected``, which has already been read."""
    return selected
