"""Watches the audit: runs it in the background where the configuration says how often, and when it is asked for.

Nothing of audit/ is imported before the first run."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from datetime import UTC, datetime
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
    from lilfox_tui.monitor.audit_run import AuditRun


FIRST_AFTER_S = 10.0
"""The first run waits until hosts are connected and what is looked at first is on the screen."""
TIMEOUT_S = 60.0
"""How long one target may take."""
_PART = 0.8
"""Of the time of a round: the rest is for judging and storing."""


class AuditWatch:
    """The audit of ``config``, which is that of ``config_file`` (None: the default one). ``host_of`` returns hosts that
    are already monitored; ``changed`` is called when a run begins, and when there is another result."""

    def __init__(
        self,
        config: Config,
        config_file: Path | None,
        host_of: Callable[[str], Host],
        changed: Callable[[], None],
    ) -> None:
        self._config, self._config_file = config, config_file
        self._host_of, self._changed = host_of, changed
        self._view: AuditView | None = None
        self._run: AuditRun | None = None
        self._one: asyncio.Lock | None = None

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
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            await self.run_now()
            await asyncio.sleep(self._due_in_s(every_s))

    def _due_in_s(self, every_s: float) -> float:
        """The seconds until the next run: a period after the newest result, whoever asked for it."""
        at = None if self._view is None or self._view.error is not None else self._view.at
        ago_s = 0.0 if at is None else (datetime.now(UTC) - at).total_seconds()
        return max(1.0, min(every_s, every_s - ago_s))

    async def run_now(self, timeout_s: float = TIMEOUT_S) -> AuditView:
        """Run the audit once and return the result; if it is already running, wait for that run. Never raises an error
        caused by a target."""
        if self._one is None:
            self._one = asyncio.Lock()
        waits = self._one.locked()
        async with self._one:
            if not waits or self._view is None:
                await self._run_once(timeout_s)
        assert self._view is not None
        return self._view

    async def look_once(self, timeout_s: float) -> None:
        """Run the audit once for ``check``, which ends after ``timeout_s``: a target that takes so long is not checked
        before that."""
        await self.run_now(_PART * timeout_s)

    async def _run_once(self, timeout_s: float) -> None:
        before = self._view or AuditView()
        self._publish(replace(before, running=True))
        try:
            audit = await self._loaded()
            await audit.run(timeout_s)
            view = await asyncio.to_thread(audit.view)
        except LilFoxError as error:
            view = replace(before, error=error)
        except Exception as error:
            view = replace(before, error=LilFoxError(fault_of(error)))
        except BaseException:
            self._publish(replace(before, error=LilFoxError(tr("the audit was interrupted"))))
            raise
        self._publish(view)

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

            self._run = AuditRun(self._config, self._config_file, self._lent)
        return self._run

    def _lent(self, name: str) -> Host | None:
        try:
            return self._host_of(name)
        except KeyError:
            return None

    def _publish(self, view: AuditView) -> None:
        self._view = view
        self._changed()
