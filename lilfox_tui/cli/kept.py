"""``lilfox restore --kept`` and ``--forget``: what restores keep beside what is in place, shown and let go."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

from lilfox_tui.cli.backup_words import do, settings, wish_of
from lilfox_tui.cli.log_sources import zone_of_reader
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, shape
from lilfox_tui.cli.questions import ask_line
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.text import clean, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.retained import RetainedRow
    from lilfox_tui.config.loader import LoadedConfig

PARTLY = 3


def show(args: argparse.Namespace) -> int:
    """Prints what is kept, of the set named or of all; 3 where not all of it could be asked."""
    lines = asyncio.run(_lines(args.set, load_settings(args)))
    if args.json:
        print_json([document(line) for line in lines])
    else:
        _print(lines)
    return PARTLY if any(line.there is None for line in lines) else 0


def forget(args: argparse.Namespace) -> int:
    """Shows what the restores of a set keep (with no set: what drills of the plan left), asks, and lets go of it."""
    loaded = settings(args)
    wish = wish_of(args, loaded)
    if not args.set and not wish.plan:
        raise UsageError(tr("no set is named"), tr("lilfox restore --kept shows of which restores something is kept"))
    lines = asyncio.run(_chosen(args.set, loaded) if args.set else _left(wish.plan, loaded))
    if not args.json:
        _print(lines)
    _confirm(args, lines)
    code, result = do("forget", wish)
    if args.json:
        print_json({"exit_code": code, "set": args.set, "forgotten": result.get("forgotten", [])})
    return code


def document(line: RetainedRow) -> dict[str, Any]:
    """A line as ``--json`` has it."""
    return {
        "set": line.restored.set if line.restored else None,
        "job": line.restored.run if line.restored else None,
        "at": line.restored.at.isoformat() if line.restored else None,
        "stage": line.restored.stage if line.restored else "left",
        "host": line.host or None,
        "target": line.target,
        "name": line.name,
        "there": line.there,
        "size_bytes": line.size_bytes,
        "reason": str(line.reason),
    }


async def _lines(words: str, loaded: LoadedConfig) -> list[RetainedRow]:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.restores.retained import all_kept, all_left

    if words:
        return await _chosen(words, loaded)
    async with BackupContext(loaded.config) as opening:
        return await all_kept(opening) + await all_left(opening, loaded.config.backup.plans.values())


async def _left(plan: str, loaded: LoadedConfig) -> list[RetainedRow]:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.plan import plan_named
    from lilfox_tui.backup.restores.retained import all_left

    async with BackupContext(loaded.config) as opening:
        return await all_left(opening, [plan_named(loaded.config.backup, plan).config])


async def _chosen(words: str, loaded: LoadedConfig) -> list[RetainedRow]:
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.restores.retained import chosen, kept_of

    async with BackupContext(loaded.config) as opening:
        return await kept_of(opening, chosen(words))


def _confirm(args: argparse.Namespace, lines: list[RetainedRow]) -> None:
    """Raises UsageError where nobody said yes."""
    there = [clean(line.name) for line in lines if line.there]
    if args.yes or not there:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            tr("this takes away {names}, and nobody is here to say yes", names=listed(there)),
            tr("look at it with --kept, then say --yes"),
        )
    answer = ask_line(
        _("It is gone then, and the restore cannot be undone. To let go of it, type: {name}", name=there[0])
    )
    if (answer or "").strip() != there[0]:
        raise UsageError(tr("that is something else: nothing was taken away"))


def _print(lines: list[RetainedRow]) -> None:
    from lilfox_tui.backup.restores.retained import state_of

    zone = zone_of_reader()
    print_table(
        [
            shape(_level(line)),
            Cell(line.restored.set if line.restored else "-"),
            Cell(line.restored.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if line.restored else "-"),
            Cell(f"{line.host}:{line.target}" if line.host else line.target),
            Cell(line.name),
            Cell(human_bytes(line.size_bytes), right=True),
            Cell(str(state_of(line))),
        ]
        for line in lines
    )
    if not lines:
        print_line(_("nothing is kept"))


def _level(line: RetainedRow) -> Level:
    if line.there is None:
        return Level.UNKNOWN
    return Level.GOOD if line.there and not str(line.reason) else Level.DEGRADED
