"""The action that puts what is selected into the open incident, the same in every pane that has something to put there.

Nothing of incident/ is imported before it is pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.evidence import Selected, Selection
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.text import fit

_TITLE_SHOWN = 40


class EvidenceActions(ActionGroup):
    """Keeps what ``selection`` gives as evidence of the open incident, or of one that is opened for it."""

    def __init__(self, context: PaneContext[Any], selection: Callable[[], Selection | None]) -> None:
        self._context, self._selection, self._app = context, selection, context.app

    def _why_not(self) -> Message | None:
        if self._app.config.read_only:
            return tr("read_only: nothing is written into an incident")
        return None if self._selection() is not None else tr("nothing is selected")

    @action(
        "evidence",
        "e",
        tr("evidence"),
        tr("what is selected, as it is now, into the open incident; where none is open, a title opens one"),
        why_not=_why_not,
    )
    def keep(self) -> None:
        if (selected := self._selection()) is not None:
            self._context.run(self._keep_selected(selected), group="evidence")

    async def _keep_selected(self, selected: Selection) -> None:
        from lilfox_tui.incident.incidents import current_folder

        evidence = await selected.read()
        folder = await asyncio.to_thread(current_folder)
        if folder is not None:
            await self._keep(folder.name, evidence)
            return

        def take(title: str) -> None:
            self._context.run(self._open_and_keep(title.strip() or selected.title, evidence), group="evidence")

        title = fit(selected.title, _TITLE_SHOWN).rstrip()
        prompt = _("no incident is open: enter opens one, esc leaves; title: {title}", title=title)
        self._app.ask_line(prompt, "", take, live=False)

    async def _open_and_keep(self, title: str, evidence: Selected) -> None:
        from lilfox_tui.incident.incidents import open_incident

        incident = await asyncio.to_thread(open_incident, title, unless_open=True)
        await self._keep(incident.id, evidence)

    async def _keep(self, incident: str, evidence: Selected) -> None:
        from lilfox_tui.incident.incidents import keep_evidence

        await asyncio.to_thread(keep_evidence, incident, evidence.name, evidence.data, evidence.text)
        self._app.monitor.incidents.look_again()
        self._app.tell(tr("{incident}: kept as evidence: {what}", incident=incident, what=evidence.text))
