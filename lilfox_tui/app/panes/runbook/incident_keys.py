"""What the keys of the Runbook pane write into the incident that is open: of what is typed, into the one that was open
when the key was pressed.

What it needs of incident/ is imported when it is asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.evidence import Selected
from lilfox_tui.app.panes.runbook.order_keys import RunbookOrderKeys
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.text import fit

if TYPE_CHECKING:
    from lilfox_tui.incident.model import Incident, Moment, TimelineEntry, What

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

    @action(
        "note", "i", tr("note"), tr("write a note into the incident"), why_not=lambda self: self.no_incident(), footer=3
    )
    def note_in_incident(self) -> None:
        if (incident := self.open_one) is None:
            return

        def take(text: str) -> None:
            from lilfox_tui.incident.model import Noted

            if text.strip():
                self._append(incident.id, Noted(text=text.strip()))

        prompt = _("a note for {id}: enter writes it, esc leaves", id=incident.id)
        self.lilfox.ask_line(prompt, "", take, live=False)

    @action(
        "decide",
        "D",
        tr("decision"),
        tr("write what was decided into the incident"),
        why_not=lambda self: self.no_incident(),
    )
    def decide(self) -> None:
        if (incident := self.open_one) is None:
            return

        def take(text: str) -> None:
            from lilfox_tui.incident.model import Decided

            if text.strip():
                self._append(incident.id, Decided(text=text.strip()))

        prompt = _("{id}, what was decided: enter writes it, esc leaves", id=incident.id)
        self.lilfox.ask_line(prompt, "", take, live=False)

    @action("moment", "M", tr("moment"), tr("say that it was detected, acknowledged, mitigated or resolved now"),
            why_not=lambda self: self.no_incident())  # fmt: skip
    def mark_moment(self) -> None:
        from lilfox_tui.incident.reducer import MOMENTS
        from lilfox_tui.incident.words import moment_text

        if (incident := self.open_one) is None:
            return
        choices = [Choice(each, (Piece(moment_text(each), "strong"),), moment_text(each)) for each in MOMENTS]

        def take(chosen: str | None) -> None:
            if chosen is not None:
                self._mark(Path(incident.folder), cast("Moment", chosen))

        self.lilfox.push_screen(Chooser(_("{id}: this was now", id=incident.id), choices), take)

    @work(group="incident", exit_on_error=False)
    async def _mark(self, folder: Path, moment: Moment) -> None:
        from lilfox_tui.incident.incidents import mark

        await self._written(lambda: mark(folder, moment, datetime.now(UTC)))

    @action("call", "C", tr("call"), tr("the contacts of the configuration; what came of a call is written down"),
            why_not=lambda self: self.no_contacts())  # fmt: skip
    def call(self) -> None:
        contacts = self.lilfox.config.contacts
        choices = []
        for name, each in contacts.items():
            who = Piece(fit(f"{name}  {each.name}", 28), "strong")
            row = (who, Piece(f"  {each.call}", "accent"), Piece(f"  {each.note}", "muted"))
            choices.append(Choice(name, row, f"{name} {each.name} {each.call} {each.note}"))
        if (incident := self.open_one) is not None:
            take = partial(self._take_call, incident.id)
            self.lilfox.push_screen(Chooser(_("Call, then say what came of it"), choices, wide=True), take)

    def no_contacts(self) -> Message | None:
        """Why nobody is called."""
        if not self.lilfox.config.contacts:
            return tr("nobody is named: see contacts: in the configuration")
        return self.no_incident()

    def _take_call(self, incident_id: str, chosen: str | None) -> None:
        if chosen is None:
            return
        each = self.lilfox.config.contacts[chosen]
        contact = " ".join(part for part in (chosen, each.name, each.call) if part)

        def take(text: str) -> None:
            from lilfox_tui.incident.model import Called

            self._append(incident_id, Called(contact=contact, outcome=text.strip()))

        self.lilfox.ask_line(_("{contact}: what came of it? enter writes it", contact=contact), "", take, live=False)

    # ---- evidence --------------------------------------------------------------------------------------------------

    @action("evidence", "e", tr("evidence"), tr("keep an output, selected log records or what is measured now"),
            why_not=lambda self: self.no_incident(), footer=3)  # fmt: skip
    def keep(self) -> None:
        if (incident := self.open_one) is None:
            return
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
            if chosen is not None:
                self._keep(incident.id, found[int(chosen)][2])

        title = _("Keep as evidence of {id}", id=incident.id)
        self.lilfox.push_screen(Chooser(title, choices, wide=True), take)

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
        from lilfox_tui.incident.model import EvidenceKept

        selected = await read()
        entry: TimelineEntry = await self._written(
            lambda: keep_evidence(incident_id, selected.name, selected.data, selected.text)
        )
        if isinstance(entry.what, EvidenceKept):
            self.lilfox.tell(tr("kept as evidence: {file}", file=entry.what.file))


async def _at_once(selected: Selected) -> Selected:
    """What was read already."""
    return selected
