"""How the keys of the Runbook pane open an incident, close it, hand it over and export it.

What it needs of incident/ is imported when it is asked for.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.panes.runbook.incident_keys import IncidentKeys
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.i18n import Message, _, clauses, language, ngettext, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.incident.model import Incident


class IncidentCourseKeys(IncidentKeys):
    """Acts on the course of the open incident."""

    @action("incident", "I", tr("incident"), tr("open an incident, or close the one that is open"),
            why_not=lambda self: self.not_ours(), footer=4)  # fmt: skip
    def open_or_close(self) -> None:
        self._open_or_close()

    @work(exclusive=True, group="course", exit_on_error=False)
    async def _open_or_close(self) -> None:
        incident = self.open_one
        if incident is None:
            await self._open()
        else:
            await self._close(incident)

    async def _open(self) -> None:
        from lilfox_tui.app.dialogs.prompt import Offer, Prompt
        from lilfox_tui.incident.incidents import open_incident
        from lilfox_tui.incident.model import SeverityLevel

        levels, cause = get_args(SeverityLevel), self.cause
        title = "" if cause is None else cause.title
        asked = Prompt(
            _("Open an incident"),
            [(Piece("  "), Piece(_("What is wrong, in a few words; and how bad it is.")))],
            text=title,
            placeholder=_("what is wrong"),
            offers=[Offer((Piece(each, "strong"),), None) for each in levels],
            at=levels.index(cause.severity if cause is not None else "SEV-3"),
            does=_("open it"),
        )
        answer = await self.lilfox.push_screen_wait(asked)
        if answer is None:
            return
        told = answer.text.strip() or title or _("untitled")
        opened = await self._written(lambda: open_incident(told, levels[answer.at], cause=title))
        self.lilfox.tell(tr("{id} is open: what is done from now on is written into it", id=opened.id))

    async def _close(self, incident: Incident) -> None:
        from lilfox_tui.app.dialogs.prompt import Prompt
        from lilfox_tui.app.rows.incidents import closing_rows
        from lilfox_tui.incident.incidents import close, open_beside
        from lilfox_tui.incident.model import Closed

        backups = self.lilfox.monitor.backups.backups
        running = () if backups is None else [job.id for job in backups.running]
        rows = closing_rows(incident, datetime.now(UTC), running)
        asked = Prompt(
            _("Close {id}", id=incident.id),
            rows,
            placeholder=_("the summary, may be empty"),
            does=_("close it"),
            stays=_("leave it open"),
        )
        answer = await self.lilfox.push_screen_wait(asked)
        if answer is None:
            return
        folder = Path(incident.folder)
        entry, other = await self._written(lambda: (close(folder, answer.text.strip()), open_beside(folder)))
        left = len(entry.what.in_force) if isinstance(entry.what, Closed) else 0
        told = [_("{id} is closed", id=incident.id)]
        if left:
            told.append(ngettext("{count} change is still in force", "{count} changes are still in force", left))
        if other is not None:
            told.append(_("{id} is the current one now", id=other.id))
        self.last_incident = incident.id
        self.lilfox.tell(tr("{said}; E exports it", said=clauses(told)))

    last_incident = ""
    """The one that was closed from here last: it can still be exported."""

    def rewind(self, _at: datetime | None) -> None:
        """The timeline is shown as it was then."""
        self.repaint()

    def tell_other(self, before: Incident | None) -> None:
        """Says that another incident is the current one than ``before``, where that was not done from here."""
        now = self.open_one
        if before is not None and now is not None and now.id != before.id != self.last_incident:
            self.lilfox.tell(tr("{id} is the current incident now: {title}", id=now.id, title=now.title))

    @action("take-over", "O", tr("take over"), tr("say that from now on you act, in the incident and in its runs; who "
            "acted follows"), why_not=lambda self: self.nothing_to_take_over())  # fmt: skip
    def take_over(self) -> None:
        self._take_over()

    @work(exclusive=True, group="course", exit_on_error=False)
    async def _take_over(self) -> None:
        from lilfox_tui.app.dialogs.messages import AskDialog
        from lilfox_tui.app.panes.runbook.acting import take_over_rows
        from lilfox_tui.runbook.control import take_over

        incident, runs = self.open_one, self._of_others()
        titles = [(run.folding.runbook.title if run.folding else run.job_id, run.actor) for run in runs]
        rows = take_over_rows("" if incident is None else incident.leader, titles)
        title = _("Take over {id}", id=titles[0][0] if incident is None else incident.id)
        if await self.lilfox.push_screen_wait(AskDialog(title, rows, does=_("take over"), stays=_("leave it"))):
            await take_over(None if incident is None else Path(incident.folder), [run.folder for run in runs])
            self.lilfox.monitor.incidents.look_again()

    def _of_others(self) -> list[RunLog]:
        """Runs of the incident, and the one that is shown, in which somebody else acts."""
        incident = "" if self.open_one is None else self.open_one.id
        return [
            run
            for run in self.lilfox.runs.values()
            if run.actor and (run is self.run or (run.folding is not None and run.folding.incident == incident != ""))
        ]

    @action("hand-over", "o", tr("hand over"), tr("what the next one must know, to be read or copied"),
            why_not=lambda self: self.no_incident_to_read())  # fmt: skip
    def hand_over(self) -> None:
        from lilfox_tui.app.panes.runbook.handover_dialog import Handover
        from lilfox_tui.app.rows.incidents import handover_rows
        from lilfox_tui.incident.export import handover_text

        view = self.incident
        if view is not None and view.incident is not None:
            lines = [
                line
                for text in handover_text(view.incident, view.entries, datetime.now(UTC))
                for line in text.split("\n")
            ]
            self.lilfox.push_screen(Handover(handover_rows(lines), "\n".join(lines), self.lilfox.copy_text))

    @action("export", "E", tr("export"), tr("the incident as Markdown with its evidence, into a new folder"),
            why_not=lambda self: self.nothing_to_export())  # fmt: skip
    def export(self) -> None:
        incident = self.open_one
        found = dict.fromkeys(filter(None, [self.last_incident, "" if incident is None else incident.id]))
        if len(found) == 1:
            self._ask_folder(next(iter(found)))
            return
        choices = [Choice(name, (Piece(name, "strong"),), name) for name in found]
        self.lilfox.push_screen(Chooser(_("Export which?"), choices), self._ask_folder)

    def _ask_folder(self, name: str | None) -> None:
        if name is None:
            return
        path = Path.cwd() / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"

        def take(text: str) -> None:
            if text.strip():
                self._export(name, Path(text.strip()).expanduser().absolute())

        self.lilfox.ask_line(_("export {id} into the new folder:", id=name), str(path), take, live=False)

    def nothing_to_export(self) -> Message | None:
        """Why there is no incident to export."""
        return None if self.last_incident else self.no_incident_to_read()

    @work(exclusive=True, group="export", exit_on_error=False)
    async def _export(self, incident_id: str, folder: Path) -> None:
        from lilfox_tui.incident.export import export_to

        file = await asyncio.to_thread(export_to, incident_id, language(), folder)
        self.lilfox.tell(tr("exported: {path}", path=file))
