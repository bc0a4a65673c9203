"""Restores that are half done, for commands that show something of backups or jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import warn
from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.config.model import Config


def half_done_now(config: Config) -> list[InterruptedRestore]:
    """All of them, with what is in place now."""
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.restores.interrupted import interrupted_restores

    async def look() -> list[InterruptedRestore]:
        async with BackupContext(config) as opening:
            return await interrupted_restores(opening)

    return asyncio.run(look())


def warn_of(found: list[InterruptedRestore]) -> None:
    """Tells of each on stderr, with what to do."""
    for half in found:
        warn(_("lilfox: {message}", message=half.message))
        warn(_("hint: {hint}", hint=half.hint))
