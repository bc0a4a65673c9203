"""``lilfox backup list``: the sets, newest first; exit code 1 when there is none that may be restored, 3 when all that
may be are partial, or a store could not be read."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lilfox_tui.cli.backup_words import add_json, add_plan, wish_of
from lilfox_tui.cli.half_done import half_done_now, warn_of
from lilfox_tui.cli.output import Cell, print_error, print_json, print_line, print_table, shape
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, listed
from lilfox_tui.monitor.backup_view import SET_LEVELS
from lilfox_tui.text import human_bytes

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.config.loader import LoadedConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup list`` accepts."""
    add_plan(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints them."""
    if args.json_schema:
        print_schema("backup-list")
        return 0
    from lilfox_tui.backup.sets.catalogue import nothing_collected

    with nothing_collected():
        loaded = load_settings(args)
        stored, troubles = asyncio.run(_sets(args, loaded))
        for trouble in troubles:
            print_error(trouble)
        sets = [found for _store, found in stored]
        half_done = half_done_now(loaded.config)
        warn_of(half_done)
        if args.json:
            print_json([document(found, half_done) for found in sets])
        else:
            _print(stored, signed=loaded.config.backup.signing is not None)
    if troubles or half_done:
        return 3 if sets else 1
    if any(found.complete for found in sets):
        return 0
    return 1 if all(found.refused for found in sets) else 3


def document(found: BackupSet, half_done: Sequence[InterruptedRestore] = ()) -> dict[str, Any]:
    """A set as ``--json`` has it; what is missing of it, its signature, its tag and a restore of it
    that is half done only where there are such."""
    from lilfox_tui.backup.sets.model import tag_of

    tag = tag_of(found)
    half = [each.document() for each in half_done if each.restored.set == found.id]
    return {
        "id": found.id,
        "created": found.created.isoformat(),
        "status": found.status,
        "reason": str(found.reason),
        "parts": [
            {"name": part.name, "kind": part.kind, "size_bytes": part.size_bytes, "sha256": part.sha256}
            for part in found.parts
        ],
        **({"missing": list(found.missing)} if found.missing else {}),
        **({"signature": found.signature} if found.signature != "none" else {}),
        **({"tag": tag} if tag else {}),
        **({"half_done": half} if half else {}),
    }


async def _sets(
    args: argparse.Namespace, loaded: LoadedConfig
) -> tuple[list[tuple[str, BackupSet]], list[LilFoxError]]:
    """All sets of the store named, or of the configuration's plans, each with its store; and what could not be
    read."""
    from lilfox_tui.backup.context import BackupContext

    sets: list[tuple[str, BackupSet]] = []
    troubles: list[LilFoxError] = []
    async with BackupContext(loaded.config) as opening:
        for name, options in _stores(wish_of(args, loaded), loaded).items():
            try:
                store = opening.store(name, options)
                sets += [(store.where, found) for found in await opening.sets_in(store)]
            except LilFoxError as error:
                troubles.append(error)
    return sorted(sets, key=lambda each: each[1].created, reverse=True), troubles


def _stores(wish: BackupRequest, loaded: LoadedConfig) -> dict[str, Any]:
    from lilfox_tui.backup.plan import plan_named, plan_of

    if wish.plan:
        stores = plan_named(loaded.config.backup, wish.plan).stores
        return {wish.store: stores[wish.store]} if wish.store in stores else stores
    if wish.words.store or not loaded.config.backup.stores:
        return plan_of(wish.words, loaded.config.backup.stores).stores
    return loaded.config.backup.stores


def _print(sets: list[tuple[str, BackupSet]], *, signed: bool) -> None:
    """A line for each; with its tag where some have one, with its store where there are several, and with its signature
    where the configuration has keys (``signed``), or it has one."""
    from lilfox_tui.backup.labels import labelled, signature_text, status_text
    from lilfox_tui.backup.sets.model import tag_of
    from lilfox_tui.backup.sets.names import local_zone

    zone = local_zone()
    marks = {status: shape(level) for status, level in SET_LEVELS.items()}
    tagged = any(tag_of(found) for _where, found in sets)
    several = len({where for where, _found in sets}) > 1
    rows = []
    for where, found in sets:
        proof = status_text(found.status) if not found.reason else labelled(status_text(found.status), found.reason)
        if signed or found.signature != "none":
            proof += f"  [{signature_text(found.signature)}]"
        rows.append(
            [
                marks[found.status],
                Cell(found.id),
                Cell(found.created.astimezone(zone).isoformat(" ", "seconds")[:19]),
                Cell(human_bytes(found.size_bytes), right=True),
                Cell(listed(dict.fromkeys([part.source for part in found.parts]))),
                *([Cell(tag_of(found))] if tagged else []),
                *([Cell(where)] if several else []),
                Cell(proof),
            ]
        )
    print_table(rows)
    if not rows:
        print_line(_("no sets"))
