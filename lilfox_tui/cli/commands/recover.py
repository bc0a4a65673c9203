"""``lilfox recover``: checks the units of ``recovery:`` and restarts those that are due, once; ``lilfox monitor`` does
so continuously."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from lilfox_tui.cli.output import Cell, print_json, print_table, shape, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.config.loader import LoadedConfig
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.recovery.history import LEVELS, RecoveryHistory, UnitRecord, state_text
from lilfox_tui.recovery.watch import UnitWatch, open_units


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``recover``."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=_("a unit under recovery: in the configuration; default: all")
    )
    parser.add_argument("--dry-run", action="store_true", help=_("check once, restart nothing"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))


def run(args: argparse.Namespace) -> int:
    """Checks the units, restarts those that are due, and prints all states; returns 0 if all are well, 3 if some are
    not but this run recovered another, else 1."""
    loaded = load_settings(args)
    units = loaded.config.recovery
    if unknown := [name for name in args.names if name not in units]:
        raise UsageError(
            tr("no unit named {name} under recovery:", name=unknown[0]),
            tr("one of: {names}", names=listed(units) or "-"),
        )
    if not units:
        raise UsageError(
            tr("the configuration has no unit under recovery:"), tr("see config.example.yaml for an example")
        )
    if loaded.config.read_only and not args.dry_run:
        raise NotAllowed(
            tr("units cannot be restarted in read_only mode"),
            tr("use --dry-run; to restart units, leave out --read-only or remove read_only from the configuration"),
        )
    found, hints, recovered = asyncio.run(_look(loaded, args.names or list(units), restarts=not args.dry_run))
    if args.json:
        print_json({"units": {name: _document(record) for name, record in found.items()}})
    else:
        print_table([_row(name, record) for name, record in found.items()])
    for hint in hints:
        warn(_("hint: {hint}", hint=hint))
    ill = [record for record in found.values() if LEVELS[record.state] is not Level.GOOD]
    return 0 if not ill else 3 if recovered else 1


async def _look(
    loaded: LoadedConfig, names: Sequence[str], *, restarts: bool
) -> tuple[dict[str, UnitRecord], Sequence[str], bool]:
    """The record of each unit; the hints for units that could not be checked, each hint only once; and whether a unit
    was restarted here and is well."""
    async with AsyncExitStack() as stack:
        watches = await open_units(stack, loaded.config, loaded.path, names, RecoveryHistory())
        hints: dict[str, None] = {}
        looks = [_until_known(watch, hints, restarts=restarts) for watch in watches]
        found = await asyncio.gather(*looks)
    pairs = list(zip(watches, found, strict=True))
    recovered = any(watch.job and record.state == "well" for watch, record in pairs)
    return {watch.name: record for watch, record in pairs}, list(hints), recovered


async def _until_known(watch: UnitWatch, hints: dict[str, None], *, restarts: bool) -> UnitRecord:
    """Checks as many times as it takes to call a unit unhealthy; restarts it at most once."""
    try:
        record = await watch.look(restarts=restarts)
        for _more in range(watch.config.failures - 1 if restarts else 0):
            if record.state != "unhealthy":
                break
            await asyncio.sleep(watch.config.every)
            record = await watch.look()
    except LilFoxError as error:
        if str(error.hint):
            hints.setdefault(str(error.hint))
        return await asyncio.to_thread(watch.unknown, error)
    return record


def _row(name: str, record: UnitRecord) -> list[Cell]:
    return [shape(LEVELS[record.state]), Cell(name), Cell(state_text(record.state)), Cell(record.why)]


def _document(record: UnitRecord) -> dict[str, object]:
    return {
        "state": record.state,
        "since": record.since.isoformat(),
        "why": record.why,
        "restarts": [each.isoformat() for each in record.restarts],
        "job": record.job or None,
    }
