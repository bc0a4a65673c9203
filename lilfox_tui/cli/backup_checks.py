"""What is looked at before anything is written, printed: of a backup and of a restore."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from lilfox_tui.backup.labels import lost_text
from lilfox_tui.cli.output import Cell, print_line, print_table, shape
from lilfox_tui.i18n import _
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.restores.restore import Restore

_LEVELS = {"good": Level.GOOD, "warning": Level.DEGRADED, "bad": Level.FAILING}
PARTLY = 3
LINES = 40
"""So many changes of each source are shown."""


def print_preflight(wish: BackupRequest) -> int:
    """Looks whether a backup could run; gives the exit code that it would end with as far as that is known: 1 when
    nothing could be backed up, 3 when a part of it could."""
    return asyncio.run(_preflight(wish))


async def _preflight(wish: BackupRequest) -> int:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.effects import opened
    from lilfox_tui.backup.errors import NotReady
    from lilfox_tui.backup.run import preflight

    _wish, config, plan = opened(msgspec.to_builtins(wish))
    async with BackupContext(config) as opening:
        looked = await preflight(opening, plan)
    print_checks(looked.checks)
    try:
        looked.refuse(plan.main)
    except NotReady:
        return 1
    return PARTLY if looked.bad_sources() or looked.bad_stores() else 0


def print_checks(checks: Sequence[Check]) -> None:
    """A line for each, with its hint where it is not good."""
    rows = []
    for check in checks:
        rows.append([shape(_LEVELS[check.state]), Cell(str(check.about)), Cell(str(check.found))])
        if check.state != "good" and str(check.hint):
            rows.append([Cell(""), Cell(""), Cell(_("→ {hint}", hint=check.hint))])
    print_table(rows)


async def print_changes(restore: Restore) -> None:
    """What restoring would change, a block for each source."""
    for source, changes in (await restore.changes()).items():
        print_line(f"{source} → {restore.where[source]}")
        if not changes:
            print_line("  " + _("nothing would change"))
        print_table(
            [Cell("  " + change.what), Cell(change.now, right=True), Cell("→"), Cell(change.then), _newer(change.newer)]
            for change in changes[:LINES]
        )
        if len(changes) > LINES:
            print_line("  " + _("and {count} more", count=len(changes) - LINES))
        if lost := lost_text(changes):
            print_line(f"  {lost}")


def _newer(newer: bool) -> Cell:
    return Cell(_("newer than the backup: would be lost"), Level.DEGRADED) if newer else Cell("")
