"""Watches runbooks: the documents of the configuration and those included in LilFox, and their runs.

Nothing of runbook/ and of jobs/ is imported before somebody looks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Feed, to_next_beat_s
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import language
from lilfox_tui.monitor.model import RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.jobs.listing import Listing
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Document


EVERY_S = 2.0
Stamp = tuple[str, tuple[tuple[str, int, int], ...]]


class RunbookWatch:
    """The runbooks of ``config``. Reads nothing before :meth:`show`."""

    def __init__(self, config: Config) -> None:
        self.feed: Feed[RunbooksView] = Feed()
        self._config = config
        self._shown = asyncio.Event()
        self._stamp: Stamp | None = None
        self._documents: tuple[Document, ...] = ()
        self._listing: Listing | None = None
        """It reads nothing twice of what has ended."""

    def show(self) -> None:
        """Start reading, because the runbooks are being viewed."""
        self._shown.set()

    async def run(self) -> None:
        """Watch until cancelled: a changed file is read again. Problems are published on ``feed``."""
        await self._shown.wait()
        while True:
            try:
                view = await asyncio.to_thread(self.look)
                if view != self.feed.value:
                    self.feed.publish(view)
            except LilFoxError as error:
                self.feed.fail(error)
            except Exception as error:
                self.feed.fail(LilFoxError(fault_of(error)))
            await asyncio.sleep(to_next_beat_s(EVERY_S))

    def look(self) -> RunbooksView:
        """Return the current documents and runs. Blocks."""
        from lilfox_tui.runbook.library import catalogue, stamps

        stamp: Stamp = (language(), tuple(stamps(self._config.runbooks.folders)))
        if stamp != self._stamp:
            self._documents = tuple(catalogue(self._config.runbooks))
            self._stamp = stamp
        return RunbooksView(self._documents, self._runs())

    def _runs(self) -> tuple[Job, ...]:
        from lilfox_tui.jobs.listing import Listing
        from lilfox_tui.runbook.run.protocol import RUN_KIND

        if self._listing is None:
            self._listing = Listing()
        return tuple(job for job in self._listing.look() if job.kind == RUN_KIND)
