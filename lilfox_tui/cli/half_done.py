"""Restores that are half done, for commands that show something of backups or jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import warn
from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.backup.half_done import HalfDone
    from lilfox_tui.config.model import Config


def half_done_now(config: Config) -> list[HalfDone]:
    """All of them, with what is in place now."""
    from lilfox_tui.backup.half_done import half_done
    from lilfox_tui.backup.opening import Opening

    async def look() -> list[HalfDone]:
        async with Opening(config) as opening:
            return await half_done(opening)

    return asyncio.run(look())


def warn_of(found: list[HalfDone]) -> None:
    """Tells of each on stderr, with what to do."""
    for half in found:
        warn(_("lilfox: {message}", message=half.message))
        warn(_("hint: {hint}", hint=half.hint))
