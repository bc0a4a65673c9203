"""``lilfox backup prune``: what a plan's retention lets go is shown, and removed with ``--yes``."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lilfox_tui.cli.backup_words import Given, do, settings, wish_of
from lilfox_tui.cli.output import Cell, print_line, print_table
from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.retention import RetentionVerdict
    from lilfox_tui.config.loader import LoadedConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup prune`` accepts."""
    parser.add_argument("plan", action=Given, metavar="PLAN", help=_("a plan of the configuration"))
    parser.add_argument("--yes", action="store_true", help=_("remove them, not only show"))


def run(args: argparse.Namespace) -> int:
    """Shows which sets go and why; removes them where that was asked for, and what restores left that did not come to
    their end."""
    loaded = settings(args)
    verdicts = asyncio.run(_verdicts(args.plan, loaded))
    print_table([Cell(verdict.set.id), Cell(str(verdict.why))] for verdict in verdicts if verdict.goes)
    going = sum(verdict.goes for verdict in verdicts)
    print_line(_("sets to remove: {going} of {count}", going=going, count=len(verdicts)))
    if not args.yes:
        return 0
    wish = wish_of(args, loaded, plan=args.plan)
    code, _result = do("prune", wish)
    return code


async def _verdicts(name: str, loaded: LoadedConfig) -> list[RetentionVerdict]:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.plan import plan_named
    from lilfox_tui.backup.sets.names import local_zone
    from lilfox_tui.backup.sets.retention import judge

    plan = plan_named(loaded.config.backup, name)
    verdicts: list[RetentionVerdict] = []
    async with BackupContext(loaded.config) as opening:
        for store, options in plan.stores.items():
            sets = [found for found in await opening.sets_in(opening.store(store, options)) if found.plan == name]
            verdicts += judge(sets, plan.config.keep, now=datetime.now(UTC), zone=local_zone())
    return verdicts
