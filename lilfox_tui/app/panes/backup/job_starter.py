"""Starts the jobs of the Backup pane, which outlive the screen; nothing begins on one key.

What it needs of backup/ and jobs/ is imported when a job is asked for: with keys of its own a configuration has this
imported before the first frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lilfox_tui.app.dialogs.messages import AskDialog
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.state import BackupState
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.job_words import kind_text
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr
from lilfox_tui.text import fit

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest, RequestKind
    from lilfox_tui.monitor.model import PlanView

_LABEL = 10
START = "start"
"""The group of work that ends in a job: one question at a time."""


class JobStarter:
    """Makes what a job is asked for, and starts it."""

    def __init__(self, context: PaneContext[BackupState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def wish(self, plan: PlanView, set_id: str = "") -> BackupRequest:
        """About a plan, or a store that has none; and a set of it. Made before anything is asked: another plan may be
        selected by the time of the answer."""
        from lilfox_tui.backup.plan import BackupRequest, PlanArguments

        config = self._app.monitor.backups.config_path
        if plan.config is None:
            return BackupRequest(config=config, words=PlanArguments(store=plan.where), set=set_id)
        return BackupRequest(config=config, plan=plan.name, store=plan.store, set=set_id)

    def wish_without_plan(self, set_id: str = "") -> BackupRequest:
        """About what is known on this machine, whichever plan it is of."""
        from lilfox_tui.backup.plan import BackupRequest

        return BackupRequest(config=self._app.monitor.backups.config_path, set=set_id)

    def ask_and_start(self, kind: RequestKind, title: str, rows: Sequence[Row], wish: BackupRequest) -> None:
        """Shows what will be done, and starts it when that is agreed to."""
        self._context.run(self._ask_and_start(kind, title, rows, wish), group=START, exclusive=True)

    async def _ask_and_start(self, kind: RequestKind, title: str, rows: Sequence[Row], wish: BackupRequest) -> None:
        ask = AskDialog(title, rows, does=kind_text(kind), stays=_("leave it"))
        if await self._app.push_screen_wait(ask):
            await self.start(kind, wish)

    async def start(self, kind: RequestKind, wish: BackupRequest) -> None:
        """Starts the job and tells its id, or why it could not begin."""
        from lilfox_tui.backup.plan import request_of
        from lilfox_tui.jobs import start as starting

        self._state.busy = True
        try:
            job = await asyncio.to_thread(starting.start, request_of(kind, wish))
        except LilFoxError as error:
            self._app.tell(error)
            return
        finally:
            self._state.busy = False
        runs = tr("{kind}: job {id} runs; o shows it, and it goes on when this is closed",
                  kind=kind_text(kind), id=job)  # fmt: skip
        if self._app.demo is not None:
            runs = tr("{kind}: job {id} runs; o shows it, and it ends with the demo", kind=kind_text(kind), id=job)
        self._app.tell(runs)


def fact_row(label: str, text: str) -> Row:
    """One line of what a dialog says: what it is about."""
    return (Piece("  " + fit(label, _LABEL) + "  ", "muted"), Piece(text, "strong"))
