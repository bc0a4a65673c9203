"""What restores keep beside what is in place, from the Backup pane: shown, and let go when its name is typed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.backup.job_keys import BackupJobKeys
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.i18n import Message, _, ngettext, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import PlanView
from lilfox_tui.text import fit, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.app.dialogs.chooser import Choice
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.restores.journal import Restored
    from lilfox_tui.backup.restores.retained import RetainedRow

_NAME = 44


class BackupKeptKeys(BackupJobKeys):
    """``kept``: what can still be gone back to, and what of it takes room for nothing."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.restores: Sequence[Restored] = ()
        """Those that keep something, as they are noted on this machine."""

    @work(exclusive=True, group="restores", exit_on_error=False)
    async def read_restores(self) -> None:
        """Reads anew what is noted of restores."""
        from lilfox_tui.backup.restores import journal

        known = await asyncio.to_thread(journal.read_all)
        self.restores = [each for each in known if each.stage in ("swapped", "undone", "forgetting")]
        self.repaint()

    def kept_text(self, view: PlanView) -> str:
        """How many restores of the plan keep something; empty where none does."""
        count = sum(self._is_of(each.set, view) for each in self.restores)
        if not count:
            return ""
        return ngettext("{count} restore keeps what was there: K", "{count} restores keep what was there: K", count)

    @action(
        "kept",
        "K",
        tr("kept"),
        tr("what restores keep beside what is in place; let go of it"),
        why_not=lambda self: self.no_kept(),
    )
    def kept(self) -> None:
        self._kept()

    def no_kept(self) -> Message | None:
        """Why there is nothing to ask."""
        return None if self.backups is not None else tr("being read")

    @work(exclusive=True, group="start", exit_on_error=False)
    async def _kept(self) -> None:
        self.lilfox.tell(tr("asking what restores keep …"))
        view = self.view
        lines = await self._lines(view)
        if not self.display or len(self.lilfox.screen_stack) > 1:
            return  # somebody has begun to do something else meanwhile
        if not lines:
            self.lilfox.tell(tr("nothing is kept"))
            return
        from lilfox_tui.app.dialogs.chooser import Chooser

        self.lilfox.tell("")
        choices = [_choice(at, line, self.lilfox.glyphs) for at, line in enumerate(lines)]
        title = _("Kept by restores: enter lets go, esc leaves it")
        chosen = await self.lilfox.push_screen_wait(Chooser(title, choices, wide=True))
        if chosen is not None:
            await self._let_go(lines[int(chosen)], lines, view)

    async def _lines(self, view: PlanView | None) -> list[RetainedRow]:
        """Of all restores that are known; and what drills of the chosen plan left."""
        from lilfox_tui.backup.context import BackupContext
        from lilfox_tui.backup.restores.retained import all_kept, all_left

        async with BackupContext(self.lilfox.config) as opening:
            plans = [] if view is None or view.config is None else [view.config]
            return await all_kept(opening) + await all_left(opening, plans)

    async def _let_go(self, line: RetainedRow, lines: Sequence[RetainedRow], view: PlanView | None) -> None:
        """All that the same restore keeps goes together, or none of it."""
        if (why := self.no_change()) is not None:
            self.lilfox.tell(why)
            return
        run = None if line.restored is None else line.restored.run
        going = [each for each in lines if each.there and (each.restored and each.restored.run) == run]
        stays = next((each for each in going if str(each.reason)), None) if run is not None else None
        if stays is not None:
            self.lilfox.tell(tr("{name} stays: {reason}; nothing was taken away", name=stays.name, reason=stays.reason))
            return
        going = [each for each in going if not str(each.reason)]
        if await self.lilfox.confirm(_("Let go of what is kept"), list(_going(going)), line.name):
            await self.start("forget", self._wish_to_forget(line.restored, view))

    def _wish_to_forget(self, restored: Restored | None, view: PlanView | None) -> BackupRequest:
        """The set's id where it was restored once, else that of the restore's job; none for what drills left."""
        from lilfox_tui.backup.plan import BackupRequest

        if restored is None:
            return self.wish(None)
        alike = [each for each in self.restores if each.set == restored.set]
        name = restored.set if len(alike) == 1 else restored.run
        of_plan = view is not None and view.config is not None and self._is_of(restored.set, view)
        wish = self.wish(None) if of_plan else BackupRequest(config=self.lilfox.monitor.backups.config_path)
        return replace(wish, set=name)


def _choice(at: int, line: RetainedRow, glyphs: Glyphs) -> Choice:
    from lilfox_tui.app.dialogs.chooser import Choice
    from lilfox_tui.backup.restores.retained import state_of

    of_set = "-" if line.restored is None else line.restored.set
    where = f"{line.host}:{line.target}" if line.host else line.target
    level = Level.UNKNOWN if line.there is None else Level.GOOD if line.there else Level.FAILING
    return Choice(
        str(at),
        (
            Piece(f"{glyphs.level(level)} ", "muted"),
            Piece(fit(line.name or "-", _NAME), "strong"),
            Piece("  " + fit(human_bytes(line.size_bytes), 5, right=True)),
            Piece(f"  {of_set}", "muted"),
        ),
        f"{line.name} {of_set} {where}",
        possible=bool(line.there),
        more=f"{where}: {state_of(line)}",
    )


def _going(lines: Sequence[RetainedRow]) -> Iterator[Row]:
    for line in lines:
        where = f"{line.host}:{line.target}" if line.host else line.target
        yield (Piece(f"  {line.name}", "strong"), Piece(f"  {human_bytes(line.size_bytes)}  {where}", "muted"))
    told = _("It is gone then, and the restore cannot be undone.")
    if all(line.restored is None for line in lines):
        told = _("It is gone then; what is in use is not touched.")
    yield (Piece("  "), Piece(told, "degraded"))
