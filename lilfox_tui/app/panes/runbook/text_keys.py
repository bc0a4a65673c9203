"""What the Runbook pane asks of a runbook's text: before the first run of a file that nobody chose, and where the file
of a run was changed in its middle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lilfox_tui.app.panes.runbook.reasons import RunbookReasons
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.model import Runbook
    from lilfox_tui.runbook.run.protocol import Order
    from lilfox_tui.runbook.run.reducer import RunReducer


class RunbookTextKeys(RunbookReasons):
    """Nothing of a text runs that nobody has allowed or seen."""

    async def order(self, run: RunLog, order: Order) -> bool:
        """Gives an order; ``run_keys.py`` knows how."""
        raise NotImplementedError

    async def _end_asked(self, run: RunLog) -> None:
        """Ends the run, once that is confirmed; ``order_keys.py`` knows how."""
        raise NotImplementedError

    async def allowed(self, runbook: Runbook) -> bool:
        """Whether a run of it may begin here: the first one of a file that nobody chose is asked."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import first_run_rows
        from lilfox_tui.runbook.library import allow, first_run

        first = await asyncio.to_thread(first_run, runbook, self.lilfox.config.runbooks)
        if first is None:
            return True
        ways = [Option("y", _("allow it"), "allow")]
        if await self.lilfox.push_screen_wait(Options(_("First run here"), first_run_rows(first), ways)) != "allow":
            return False
        await asyncio.to_thread(allow, first)
        return True

    async def with_its_text(self, run: RunLog) -> RunReducer | None:
        """The run, where its file says what it has, or it stays with what it has; None where nothing is to be done now.
        Where the file was changed meanwhile somebody is asked; what it says now is shown before anything of it runs."""
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import other_text_rows, other_text_ways
        from lilfox_tui.runbook.control import other_text, stay, use_now

        folding = run.folding
        assert folding is not None
        other = await asyncio.to_thread(other_text, folding)
        if other is None:
            return folding
        asked = Options(_("The file was changed"), other_text_rows(other), other_text_ways(other))
        chosen = await self.lilfox.push_screen_wait(asked)
        if chosen == "now" and other.now is not None:
            if await self.order(run, await asyncio.to_thread(use_now, other.now, self.lilfox.config.runbooks)):
                self.lilfox.tell(tr("this is what the file says now; enter goes on"))
        elif chosen == "stay":
            return folding if await self.order(run, stay(folding)) else None
        elif chosen == "end":
            await self._end_asked(run)
        return None
