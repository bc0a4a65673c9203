"""What can be done with restores from the Backup pane: undone, settled when half done, and let go of what they keep.

What it needs of backup/ is imported when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.actions import START, JobStarter, fact_row
from lilfox_tui.app.panes.backup.state import BackupState, is_of
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import fit, human_bytes
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored
    from lilfox_tui.backup.restores.retained import RetainedRow
    from lilfox_tui.monitor.model import PlanView

_MOST_SHOWN = 12
_NAME = 44
_SWAPPED = "swapped"
"""The stage of a restore that can be undone."""


class RestoreActions(ActionGroup):
    """What a restore left: what was there before, and what of it is in place alone."""

    def __init__(self, context: PaneContext[BackupState], starter: JobStarter) -> None:
        self._context, self._state, self._app, self._starter = context, context.state, context.app, starter

    # ---- undo ----------------------------------------------------------------------------------------------------

    def _why_not_undo(self) -> Message | None:
        return self._state.why_no_change() or self._state.why_protected()

    @action(
        "undo",
        "u",
        tr("undo"),
        tr("put back what was there before the last restore"),
        why_not=_why_not_undo,
    )
    def undo(self) -> None:
        self._context.run(self._undo(self._state.selected_plan), group=START, exclusive=True)

    async def _undo(self, plan: PlanView | None) -> None:
        from lilfox_tui.backup.restores import interrupted

        restored = [each for each in await asyncio.to_thread(interrupted.read_all) if each.stage == _SWAPPED]
        if plan is not None and plan.config is not None:
            restored = [each for each in restored if is_of(each.set, plan)]
        if not restored:
            self._app.tell(tr("no restore is known that could be undone"))
            return
        last = restored[0]
        if await self._app.confirm(_("Undo the last restore"), self._undo_rows(last), "undo"):
            wish = self._starter.wish_without_plan(last.set) if plan is None else self._starter.wish(plan, last.set)
            await self._starter.start("undo", wish)

    def _undo_rows(self, last: Restored) -> list[Row]:
        when = last.at.astimezone(self._state.zone).strftime("%Y-%m-%d %H:%M:%S")
        rows: list[Row] = [fact_row(_("set"), last.set), fact_row(_("when"), when)]
        for swap in [renames for each in last.swaps for renames in each.renames][:_MOST_SHOWN]:
            if swap.before:
                back = _(
                    "{target} is again what it was before, kept as {before}", target=swap.target, before=swap.before
                )
            else:
                back = _("{target} is taken away: nothing was there before", target=swap.target)
            rows.append((Piece("  "), Piece(back)))
        lost = _("What was written there since the restore is no longer in use.")
        return [*rows, (Piece("  "), Piece(lost, "degraded"))]

    # ---- what restores keep --------------------------------------------------------------------------------------

    def _why_nothing_kept(self) -> Message | None:
        return None if self._state.backups is not None else tr("being read")

    @action(
        "kept",
        "K",
        tr("kept"),
        tr("what restores keep beside what is in place; let go of it"),
        why_not=_why_nothing_kept,
    )
    def show_kept(self) -> None:
        self._context.run(self._show_kept(self._state.selected_plan), group=START, exclusive=True)

    async def _show_kept(self, plan: PlanView | None) -> None:
        self._app.tell(tr("asking what restores keep …"))
        lines = await self._kept_lines(plan)
        if not self._context.is_on_top:
            return  # somebody has begun to do something else meanwhile
        if not lines:
            self._app.tell(tr("nothing is kept"))
            return
        self._app.tell("")
        choices = [_kept_choice(at, line, self._app.glyphs) for at, line in enumerate(lines)]
        title = _("Kept by restores: enter lets go, esc leaves it")
        chosen = await self._app.push_screen_wait(Chooser(title, choices, wide=True))
        if chosen is not None:
            await self._let_go(lines[int(chosen)], lines, plan)

    async def _kept_lines(self, plan: PlanView | None) -> list[RetainedRow]:
        """Of all restores that are known; and what drills of the plan left."""
        from lilfox_tui.backup.context import BackupContext
        from lilfox_tui.backup.restores.retained import all_kept, all_left

        async with BackupContext(self._app.config) as opening:
            plans = [] if plan is None or plan.config is None else [plan.config]
            return await all_kept(opening) + await all_left(opening, plans)

    async def _let_go(self, line: RetainedRow, lines: Sequence[RetainedRow], plan: PlanView | None) -> None:
        """All that the same restore keeps goes together, or none of it."""
        if (why := self._state.why_no_change()) is not None:
            self._app.tell(why)
            return
        run = None if line.restored is None else line.restored.run
        going = [each for each in lines if each.there and (each.restored and each.restored.run) == run]
        stays = next((each for each in going if str(each.reason)), None) if run is not None else None
        if stays is not None:
            self._app.tell(tr("{name} stays: {reason}; nothing was taken away", name=stays.name, reason=stays.reason))
            return
        going = [each for each in going if not str(each.reason)]
        if await self._app.confirm(_("Let go of what is kept"), list(_going_rows(going)), line.name):
            await self._starter.start("forget", self._wish_to_forget(line.restored, plan))

    def _wish_to_forget(self, restored: Restored | None, plan: PlanView | None) -> BackupRequest:
        """The set's id where it was restored once, else that of the restore's job; none for what drills left."""
        if restored is None:
            return self._starter.wish_without_plan() if plan is None else self._starter.wish(plan)
        alike = [each for each in self._state.restores if each.set == restored.set]
        name = restored.set if len(alike) == 1 else restored.run
        if plan is not None and plan.config is not None and is_of(restored.set, plan):
            return self._starter.wish(plan, name)
        return self._starter.wish_without_plan(name)

    # ---- settle --------------------------------------------------------------------------------------------------

    def _why_not_settle(self) -> Message | None:
        return self._state.why_no_change() if self._state.half_done else tr("no restore is half done")

    @action(
        "settle",
        "S",
        tr("settle"),
        tr("finish a restore that is half done, or take it back"),
        why_not=_why_not_settle,
        footer=1,
    )
    def settle(self) -> None:
        self._context.run(self._settle(), group=START, exclusive=True)

    async def _settle(self) -> None:
        ways = [(half, finish) for half in self._state.half_done for finish in (True, False)]
        choices = [_settle_choice(at, half, finish=finish) for at, (half, finish) in enumerate(ways)]
        title = _("A restore is half done: enter chooses, esc leaves it")
        chosen = await self._app.push_screen_wait(Chooser(title, choices, wide=True))
        if chosen is None:
            return
        half, finish = ways[int(chosen)]
        word = "finish" if finish else "take-back"
        rows: list[Row] = [(Piece("  "), Piece(str(half.message)))]
        if await self._app.confirm(_settle_text(half, finish=finish), rows, word):
            wish = self._starter.wish_without_plan(half.restored.run)
            await self._starter.start("settle", replace(wish, finish=finish))


def _kept_choice(at: int, line: RetainedRow, glyphs: Glyphs) -> Choice:
    from lilfox_tui.backup.restores.retained import state_of

    of_set = "-" if line.restored is None else line.restored.set
    level = Level.UNKNOWN if line.there is None else Level.GOOD if line.there else Level.FAILING
    return Choice(
        str(at),
        (
            Piece(f"{glyphs.level(level)} ", "muted"),
            Piece(fit(line.name or "-", _NAME), "strong"),
            Piece("  " + fit(human_bytes(line.size_bytes), 5, right=True)),
            Piece(f"  {of_set}", "muted"),
        ),
        f"{line.name} {of_set} {_where(line)}",
        possible=bool(line.there),
        more=f"{_where(line)}: {state_of(line)}",
    )


def _going_rows(lines: Sequence[RetainedRow]) -> Iterator[Row]:
    for line in lines:
        yield (Piece(f"  {line.name}", "strong"), Piece(f"  {human_bytes(line.size_bytes)}  {_where(line)}", "muted"))
    told = _("It is gone then, and the restore cannot be undone.")
    if all(line.restored is None for line in lines):
        told = _("It is gone then; what is in use is not touched.")
    yield (Piece("  "), Piece(told, "degraded"))


def _where(line: RetainedRow) -> str:
    return f"{line.host}:{line.target}" if line.host else line.target


def _settle_text(half: InterruptedRestore, *, finish: bool) -> str:
    if finish is (half.restored.stage != "undoing"):
        return _("Put all of {set} in place", set=half.restored.set)
    return _("Put all back as it was before {set}", set=half.restored.set)


def _settle_choice(at: int, half: InterruptedRestore, *, finish: bool) -> Choice:
    text = _settle_text(half, finish=finish)
    word = _("finish") if finish else _("take back")
    row = (Piece(f"  {text}", "strong"), Piece(f"  {word}", "muted"))
    return Choice(str(at), row, f"{text} {word}", possible=not half.owner, more=str(half.message))
