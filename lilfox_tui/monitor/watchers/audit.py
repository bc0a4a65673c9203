"""Watches the audit: runs it in the background where the configuration says how often, and when it is asked for.

Nothing of audit/ is imported before the first run."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.config.model import Config
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.monitor.model import AuditView

if TYPE_CHECKING:
    from lilfox_tui.monitor.audit_run import AuditRun, Exports


FIRST_AFTER_S = 10.0
"""The first run waits until hosts are connected and what is looked at first is on the screen."""
SHOWN_AFTER_S = 3.0
"""When the newest result of another process is shown: what is looked at first is on the screen."""
FOLLOW_S = 30.0
"""How often it is looked whether another process has made a newer result."""
STEP_S = 1.0
"""How often it is looked whether the run of another process has ended, at most how often for anything else."""
_OTHER_S = 900.0
"""How long the run of another process is waited for."""
_AHEAD_S = 60.0
"""A result so far in the future was made before the clock was set."""
TIMEOUT_S = 60.0
"""How long one target may take."""
_PART = 0.8
"""Of the time of a round: the rest is for judging and storing."""


class AuditWatch:
    """The audit of ``config``, which is that of ``config_file`` (None: the default one). ``host_of`` returns hosts that
    are already monitored; ``changed`` is called when a run begins, and when there is another result. ``state`` is the
    folder that the result is kept in; None for that of the user, where all processes with this file share it."""

    def __init__(
        self,
        config: Config,
        config_file: Path | None,
        host_of: Callable[[str], Host],
        changed: Callable[[], None],
        state: Path | None = None,
    ) -> None:
        self._config, self._config_file, self._state = config, config_file, state
        self._host_of, self._changed = host_of, changed
        self.exports: Exports | None = None
        """Makes what ``lilfox export`` would make now, which the monitor does not know: set by whoever does."""
        self._view: AuditView | None = None
        self._run: AuditRun | None = None
        self._one: asyncio.Lock | None = None
        self._failed_at: datetime | None = None
        self._token: tuple[int, ...] | None = None
        """Of the kept result that was taken last."""

    @property
    def view(self) -> AuditView | None:
        """The newest result; None if it was never run here and is not running."""
        return self._view

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._view is not None and self._view.running

    async def run(self) -> None:
        """Run the audit again and again until cancelled; return at once if the configuration does not ask for it."""
        every_s = self._config.audit.every
        if every_s is None:
            return
        await asyncio.sleep(min(SHOWN_AFTER_S, FIRST_AFTER_S))
        await self._follow()
        await asyncio.sleep(max(0.0, FIRST_AFTER_S - SHOWN_AFTER_S))
        while True:
            await self._follow()
            if self._due_in_s(every_s) <= 0:
                await self.run_now(every_s=every_s)
            await asyncio.sleep(max(STEP_S, min(FOLLOW_S, self._due_in_s(every_s))))

    def _due_in_s(self, every_s: float) -> float:
        """The seconds until the next run: a period after the newest result, whoever made it, and after a failure."""
        at = None if self._view is None else self._view.at
        times = [each for each in (at, self._failed_at) if each is not None]
        if not times:
            return 0.0
        ago_s = (datetime.now(UTC) - max(times)).total_seconds()
        return 0.0 if ago_s < -_AHEAD_S else every_s - ago_s

    async def _follow(self) -> None:
        """Take the newest result that any process has made, and what was accepted since, if anything has changed."""
        audit = await self._loaded()
        token = await asyncio.to_thread(audit.kept.token)
        if token == self._token or self.running:
            return
        self._token = token
        try:
            if await asyncio.to_thread(audit.take):
                self._publish(await asyncio.to_thread(audit.view))
        except Exception as error:
            self._publish(replace(self._view or AuditView(), error=LilFoxError(fault_of(error))))

    async def run_now(self, timeout_s: float = TIMEOUT_S, *, shared: bool = True, every_s: float = 0.0) -> AuditView:
        """Run the audit once and return the result; if it is already running, here or, where the result is ``shared``,
        in another process, wait for that run. A result that is younger than ``every_s`` by then is taken. Never raises
        an error caused by a target."""
        if self._one is None:
            self._one = asyncio.Lock()
        waits = self._one.locked()
        async with self._one:
            if not waits or self._view is None:
                await self._run_once(timeout_s, every_s if shared else None)
        assert self._view is not None
        return self._view

    async def look_once(self, timeout_s: float) -> None:
        """Run the audit once for ``check``, which ends after ``timeout_s``: a target that takes so long is not checked
        before that."""
        await self.run_now(_PART * timeout_s, shared=False)

    async def _run_once(self, timeout_s: float, every_s: float | None) -> None:
        """``every_s`` as in :meth:`run_now`; None where nothing is shared."""
        before = self._view or AuditView()
        self._publish(replace(before, running=True))
        try:
            audit = await self._loaded()
            if every_s is None:
                await audit.run(timeout_s)
            else:
                await self._run_alone(audit, timeout_s, every_s)
            view = await asyncio.to_thread(audit.view)
            self._failed_at = None
        except LilFoxError as error:
            view, self._failed_at = replace(before, error=error), datetime.now(UTC)
        except Exception as error:
            view, self._failed_at = replace(before, error=LilFoxError(fault_of(error))), datetime.now(UTC)
        except BaseException:
            self._publish(replace(before, error=LilFoxError(tr("the audit was interrupted"))))
            raise
        self._publish(view)

    async def _run_alone(self, audit: AuditRun, timeout_s: float, every_s: float) -> None:
        """Run the audit while no other process does, and keep the result; that of a process that was running, or that
        is young enough, is taken instead. Raises LilFoxError."""
        began, loop = datetime.now(UTC), asyncio.get_running_loop()
        until = loop.time() + _OTHER_S
        while not await asyncio.to_thread(audit.kept.begin):
            if loop.time() > until:
                minutes = round(_OTHER_S / 60)
                raise LilFoxError(tr("another process has been running the audit for {time} min", time=minutes))
            await asyncio.sleep(STEP_S)
        try:
            before = await asyncio.to_thread(audit.kept.token)
            is_newer = before != self._token and await asyncio.to_thread(audit.take)
            self._token = before
            if not (is_newer and audit.is_since(min(began, datetime.now(UTC) - timedelta(seconds=every_s)))):
                await audit.run(timeout_s)
                await asyncio.to_thread(audit.keep)
                self._token = await asyncio.to_thread(audit.kept.token)
        finally:
            audit.kept.end()

    async def accept(self, key: str, why: str, until: str) -> None:
        """Accept the finding of that key until the end of a day. Raises LilFoxError."""
        audit = await self._loaded()
        await self._change(audit, partial(audit.accept, key, why, until))

    def checked_reason(self, text: str) -> str:
        """Return a reason to accept a finding. Raises UsageError for an empty one."""
        return text if self._run is None else self._run.checked_reason(text)

    def checked_day(self, text: str) -> str:
        """Return a day until which a finding can be accepted. Raises UsageError for what is none or is over."""
        return text if self._run is None else self._run.checked_day(text)

    async def withdraw(self, key: str) -> None:
        """Accept the finding of that key no longer. Raises LilFoxError."""
        audit = await self._loaded()
        await self._change(audit, partial(audit.withdraw, key))

    async def _change(self, audit: AuditRun, change: Callable[[], None]) -> None:
        await asyncio.to_thread(change)
        view = await asyncio.to_thread(audit.view)
        self._publish(replace(view, running=self.running))

    async def _loaded(self) -> AuditRun:
        if self._run is None:
            await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.audit_run")
            from lilfox_tui.monitor.audit_run import AuditRun

            self._run = AuditRun(self._config, self._config_file, self._lent, self._state, self.exports)
        return self._run

    def _lent(self, name: str) -> Host | None:
        try:
            return self._host_of(name)
        except KeyError:
            return None

    def _publish(self, view: AuditView) -> None:
        self._view = view
        self._changed()
