"""Restores that are half done, in the Backup pane: told above all else, and finished or taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.panes.backup.kept_keys import BackupKeptKeys
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.i18n import Message, _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.dialogs.chooser import Choice
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore

_MOST_ROWS = 6


class BackupSettlingKeys(BackupKeptKeys):
    """``settle``: what a process that died between two renames left."""

    @property
    def half_done(self) -> tuple[InterruptedRestore, ...]:
        """Restores of which a part alone is in place."""
        return () if self.backups is None else self.backups.half_done

    def warnings(self, width: int) -> list[Row]:
        """What is to be known before anything else: a restore that is half done, and that this is not the past."""
        rows: list[Row] = []
        if (at := self.lilfox.rewound) is not None:
            then = f"{at.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
            now = _("Backups are shown as they are now, not as at {time}.", time=then)
            rows.append((Piece(f" {now}", "degraded"),))
        for half in self.half_done:
            mark = Piece(f" {self.lilfox.glyphs.failing} ", "failing")
            rows.append((mark, Piece(str(half.message), "failing"), Piece("  " + _("S settles it"), "strong")))
        return wrapped(rows, width - 1)[:_MOST_ROWS]

    @action("settle", "S", tr("settle"), tr("finish a restore that is half done, or take it back"),
            why_not=lambda self: self.no_settle(), footer=1)  # fmt: skip
    def settle(self) -> None:
        self._settle()

    def no_settle(self) -> Message | None:
        """Why there is nothing to settle."""
        if not self.half_done:
            return tr("no restore is half done")
        return self.no_change()

    @work(exclusive=True, group="start", exit_on_error=False)
    async def _settle(self) -> None:
        from lilfox_tui.app.dialogs.chooser import Chooser

        ways = [(half, finish) for half in self.half_done for finish in (True, False)]
        choices = [_choice(at, half, finish=finish) for at, (half, finish) in enumerate(ways)]
        title = _("A restore is half done: enter chooses, esc leaves it")
        chosen = await self.lilfox.push_screen_wait(Chooser(title, choices, wide=True))
        if chosen is None:
            return
        half, finish = ways[int(chosen)]
        word = "finish" if finish else "take-back"
        if await self.lilfox.confirm(_way(half, finish=finish), list(_rows(half)), word):
            from lilfox_tui.backup.plan import BackupRequest

            wish = BackupRequest(config=self.lilfox.monitor.backups.config_path)
            await self.start("settle", replace(wish, set=half.restored.run, finish=finish))


def _way(half: InterruptedRestore, *, finish: bool) -> str:
    if finish is (half.restored.stage != "undoing"):
        return _("Put all of {set} in place", set=half.restored.set)
    return _("Put all back as it was before {set}", set=half.restored.set)


def _choice(at: int, half: InterruptedRestore, *, finish: bool) -> Choice:
    from lilfox_tui.app.dialogs.chooser import Choice

    text = _way(half, finish=finish)
    word = _("finish") if finish else _("take back")
    row = (Piece(f"  {text}", "strong"), Piece(f"  {word}", "muted"))
    return Choice(str(at), row, f"{text} {word}", possible=not half.owner, more=str(half.message))


def _rows(half: InterruptedRestore) -> Sequence[Row]:
    return [(Piece("  "), Piece(str(half.message)))]
