"""Who acts in a run: one face orders, the others follow until they take over, or until it is gone."""

from __future__ import annotations

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr
from lilfox_tui.runbook.faces import Face, Presence
from lilfox_tui.runbook.facts import Acts
from lilfox_tui.runbook.recording import Record, now


class Lease:
    """Of one run. Nobody has it at first; who orders while nobody has it, takes it."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._presence: Presence | None = None

    async def ask(self, face: Face) -> None:
        """Raises LilFoxError where another face acts and is there."""
        held = self._record.folding.acts
        acts = None if held is None else held.face
        if acts is None or (acts.process != face.process and not acts.process.runs()):
            await self.take(face)
        elif held is not None and acts.process != face.process:
            raise LilFoxError(
                tr("{who} acts in this run since {since:%H:%M:%S} UTC; nothing was done", who=acts.who, since=held.at),
                tr("to act instead of them: O in pane 4, or lilfox runbook run --resume {run}",
                   run=self._record.run_id),
            )  # fmt: skip

    async def take(self, face: Face) -> None:
        """From now on ``face`` acts; who did before follows."""
        held = self._record.folding.acts
        if held is not None and held.face is not None and held.face.process == face.process and self._presence:
            return
        self.close()
        await self._record.acts(Acts(at=now(), face=face, before="" if held is None else held.last), face)
        self._presence = Presence(face, self._left)

    def close(self) -> None:
        """Watches nobody any more."""
        if self._presence is not None:
            self._presence.close()
            self._presence = None

    def _left(self) -> None:
        held = self._record.folding.acts
        if held is not None and held.face is not None:
            self._record.fact(Acts(at=now(), before=held.face.who), must=False)
            self._record.say(_("{who} has left; who orders next acts", who=held.face.who))
