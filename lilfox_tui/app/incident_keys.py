"""What the keys of the Runbook pane write into the incident that is open, and how one is opened, handed over, closed.

What it needs of incident/ is imported when it is asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.evidence import Selected
from lilfox_tui.app.runbook_order_keys import RunbookOrderKeys
from lilfox_tui.i18n import Message, _, language, ngettext, tr
from lilfox_tui.text import fit

if TYPE_CHECKING:
    from lilfox_tui.incident.model import Entry, Incident, What

Done = TypeVar("Done")


class IncidentKeys(RunbookOrderKeys):
    """Acts on the open incident."""

    @property
    def open_one(self) -> Incident | None:
        """The incident that is open."""
        return None if self.incident is None else self.incident.incident

    async def _written(self, write: Callable[[], Done]) -> Done:
        """Does what blocks, and has the timeline looked at. Raises LilFoxError."""
        done = await asyncio.to_thread(write)
        self.lilfox.monitor.incidents.look_again()
        return done

    @work(group="incident", exit_on_error=False)
    async def _append(self, incident_id: str, what: What) -> None:
        from lilfox_tui.incident.incidents import append

        await self._written(lambda: append(incident_id, what))

    # ---- words ----------------------------------------------------------------------------------------------

    @action("note", "i", tr("note"), tr("write a note into the incident"), why_not="no_incident", footer=5)
    def note_in_incident(self) -> None:
        def take(text: str) -> None:
            from lilfox_tui.incident.model import Noted

            if text.strip() and (incident := self.open_one) is not None:
                self._append(incident.id, Noted(text=text.strip()))

        self.lilfox.ask_line(_("a note for the incident: enter writes it, esc leaves"), "", take, live=False)

    @action("decide", "D", tr("decision"), tr("write what was decided into the incident"), why_not="no_incident")
    def decide(self) -> None:
        def take(text: str) -> None:
            from lilfox_tui.incident.model import Decided

            if text.strip() and (incident := self.open_one) is not None:
                self._append(incident.id, Decided(text=text.strip()))

        self.lilfox.ask_line(_("what was decided: enter writes it, esc leaves"), "", take, live=False)

    @action("moment", "M", tr("moment"), tr("say that it was detected, acknowledged, mitigated or resolved now"),
            why_not="no_incident")  # fmt: skip
    def mark_moment(self) -> None:
        from lilfox_tui.incident.folding import MOMENTS
        from lilfox_tui.incident.words import moment_text

        choices = [Choice(each, (Piece(moment_text(each), "strong"),), moment_text(each)) for each in MOMENTS]

        def take(chosen: str | None) -> None:
            from lilfox_tui.incident.model import Marked

            if chosen is not None and (incident := self.open_one) is not None:
                self._append(incident.id, Marked(moment=chosen, when=datetime.now(UTC)))  # type: ignore[arg-type]

        self.lilfox.push_screen(Chooser(_("This was now"), choices), take)

    @action("call", "C", tr("call"), tr("whom the configuration names to call; what came of it is written down"),
            why_not="no_contacts")  # fmt: skip
    def call(self) -> None:
        contacts = self.lilfox.config.contacts
        choices = []
        for name, each in contacts.items():
            who = Piece(fit(f"{name}  {each.name}", 28), "strong")
            row = (who, Piece(f"  {each.call}", "accent"), Piece(f"  {each.note}", "muted"))
            choices.append(Choice(name, row, f"{name} {each.name} {each.call} {each.note}"))
        self.lilfox.push_screen(Chooser(_("Call, then say what came of it"), choices, wide=True), self._take_call)

    def no_contacts(self) -> Message | None:
        """Why nobody is called."""
        if not self.lilfox.config.contacts:
            return tr("nobody is named: see contacts: in the configuration")
        return self.no_incident()

    def _take_call(self, chosen: str | None) -> None:
        if chosen is None:
            return
        each = self.lilfox.config.contacts[chosen]
        contact = " ".join(part for part in (chosen, each.name, each.call) if part)

        def take(text: str) -> None:
            from lilfox_tui.incident.model import Called

            if (incident := self.open_one) is not None:
                self._append(incident.id, Called(contact=contact, outcome=text.strip()))

        self.lilfox.ask_line(_("{contact}: what came of it? enter writes it", contact=contact), "", take, live=False)

    # ---- evidence --------------------------------------------------------------------------------------------------

    @action("evidence", "e", tr("evidence"), tr("keep an output, selected log records or what is measured now"),
            why_not="no_incident", footer=6)  # fmt: skip
    def keep(self) -> None:
        found: list[tuple[str, str, Callable[[], Awaitable[Selected]]]] = [
            (_("output"), each.text, partial(_at_once, each)) for each in self._outputs()
        ]
        if (logs := self.lilfox.selected_logs()) is not None:
            found.append((_("log records"), logs.title, logs.read))
        measured = _("of hosts and services, as they are now")
        found.append((_("measurements"), measured, partial(_at_once, self._metrics(_("measured")))))
        choices = [
            Choice(str(at), (Piece(fit(name, 14), "strong"), Piece(f"  {text}", "muted")), f"{name} {text}")
            for at, (name, text, _read) in enumerate(found)
        ]

        def take(chosen: str | None) -> None:
            if chosen is not None and (incident := self.open_one) is not None:
                self._keep(incident.id, found[int(chosen)][2])

        self.lilfox.push_screen(Chooser(_("Keep as evidence"), choices, wide=True), take)

    def _outputs(self) -> list[Selected]:
        """What the selected command printed on each host; of a step of several commands what the last one did."""
        log, found = self.seen, []
        for result in () if log is None else self.results():
            kept = log.kept(result) if log is not None else None
            if kept is not None and kept.head:
                left_out = f"\n… {kept.left_out_bytes} bytes are left out\n" if kept.left_out_bytes else ""
                first = result.shown.strip().split("\n", 1)[0]
                text = f"{kept.head}{left_out}{kept.tail}"
                found.append(Selected(f"{result.run}.txt", text.encode(), f"{result.host}: {first}"))
        return found

    def _metrics(self, text: str) -> Selected:
        from lilfox_tui.monitor.export import report

        overview = self.lilfox.monitor.overview.value
        document = {} if overview is None else report(overview)
        now = datetime.now(UTC)
        return Selected(f"metrics-{now:%Y%m%d-%H%M%S}.json", json.dumps(document, indent=1).encode(), text)

    @work(group="incident", exit_on_error=False)
    async def _keep(self, incident_id: str, read: Callable[[], Awaitable[Selected]]) -> None:
        from lilfox_tui.incident.incidents import keep_evidence
        from lilfox_tui.incident.model import Kept

        selected = await read()
        entry: Entry = await self._written(
            lambda: keep_evidence(incident_id, selected.name, selected.data, selected.text)
        )
        if isinstance(entry.what, Kept):
            self.lilfox.tell(tr("kept as evidence: {file}", file=entry.what.file))

    # ---- its course ------------------------------------------------------------------------------------------------

    @action("incident", "I", tr("incident"), tr("open an incident, or close the one that is open"), why_not="not_now",
            footer=7)  # fmt: skip
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
        )
        answer = await self.lilfox.push_screen_wait(asked)
        if answer is None:
            return
        told = answer.text.strip() or title or _("untitled")
        opened = await self._written(lambda: open_incident(told, levels[answer.at], cause=title))
        self.lilfox.tell(tr("{id} is open: what is done from now on is written into it", id=opened.id))

    async def _close(self, incident: Incident) -> None:
        from lilfox_tui.app.dialogs.prompt import Prompt
        from lilfox_tui.app.incident_rows import closing_rows
        from lilfox_tui.incident.incidents import close
        from lilfox_tui.incident.model import Closed

        rows = closing_rows(incident, datetime.now(UTC))
        asked = Prompt(_("Close {id}", id=incident.id), rows, placeholder=_("the summary, may be empty"))
        answer = await self.lilfox.push_screen_wait(asked)
        if answer is None:
            return
        entry = await self._written(lambda: close(Path(incident.folder), answer.text.strip()))
        left = len(entry.what.in_force) if isinstance(entry.what, Closed) else 0
        told = tr("{id} is closed; E exports it", id=incident.id)
        if left:
            text = ngettext("{count} change is still in force", "{count} changes are still in force", left)
            told = tr("{id} is closed; {left}; E exports it", id=incident.id, left=text)
        self.last_incident = incident.id
        self.lilfox.tell(told)

    last_incident = ""
    """The one that was closed from here last: it can still be exported."""

    @action("take-over", "O", tr("take over"), tr("say that from now on you act"), why_not="no_incident")
    def take_over(self) -> None:
        self._take_over()

    @work(exclusive=True, group="course", exit_on_error=False)
    async def _take_over(self) -> None:
        from lilfox_tui.app.dialogs.ask import Ask
        from lilfox_tui.incident.incidents import take_over

        incident = self.open_one
        if incident is None:
            return
        rows: list[Row] = [
            (Piece("  "), Piece(_("{who} acts now, and follows from then on.", who=incident.leader))),
        ]
        ask = Ask(_("Take over {id}", id=incident.id), rows, does=_("take over"), stays=_("leave it"))
        if await self.lilfox.push_screen_wait(ask):
            await self._written(lambda: take_over(Path(incident.folder)))

    @action("hand-over", "o", tr("hand over"), tr("what the next one must know, to be read or copied"),
            why_not="no_incident_to_read")  # fmt: skip
    def hand_over(self) -> None:
        from lilfox_tui.app.dialogs.handover import Handover
        from lilfox_tui.app.incident_rows import handover_rows
        from lilfox_tui.incident.handover import handover_text

        view = self.incident
        if view is not None and view.incident is not None:
            lines = [
                line
                for text in handover_text(view.incident, view.entries, datetime.now(UTC))
                for line in text.split("\n")
            ]
            self.lilfox.push_screen(Handover(handover_rows(lines), "\n".join(lines), self.lilfox.copy_text))

    @action("export", "E", tr("export"), tr("the incident as Markdown with its evidence, into a new folder"),
            why_not="nothing_to_export")  # fmt: skip
    def export(self) -> None:
        incident = self.open_one
        name = incident.id if incident is not None else self.last_incident
        path = Path.cwd() / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"

        def take(text: str) -> None:
            if text.strip():
                self._export(name, Path(text.strip()).expanduser().absolute())

        self.lilfox.ask_line(_("the new folder"), str(path), take, live=False)

    def nothing_to_export(self) -> Message | None:
        """Why there is no incident to export."""
        return None if self.last_incident else self.no_incident_to_read()

    @work(exclusive=True, group="export", exit_on_error=False)
    async def _export(self, incident_id: str, folder: Path) -> None:
        from lilfox_tui.incident.export_folder import export_to

        file = await asyncio.to_thread(export_to, incident_id, language(), folder)
        self.lilfox.tell(tr("exported: {path}", path=file))


async def _at_once(selected: Selected) -> Selected:
    """What was read already."""
    return selected
