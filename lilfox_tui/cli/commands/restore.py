"""``lilfox restore``: shows what would happen, asks, restores beside the existing data, compares, and only then
swaps."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any, TextIO

from msgspec.structs import replace

from lilfox_tui.backup.checks import proof_text
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import RestoreSpec, plan_named
from lilfox_tui.backup.restores.retained import all_kept, all_left, chosen, kept_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.cli.backup_request import (
    NonEmptyValue,
    add_partial,
    add_plan,
    add_recovery,
    add_sources,
    do,
    print_changes,
    print_checks,
    request_from,
    restore_request_from,
    settings,
)
from lilfox_tui.cli.output import Cell, ask_line, print_json, print_line, print_table, shape, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.foreign import EnginePlan, own_plans
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.text import clean, human_bytes
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest, RequestKind
    from lilfox_tui.backup.restores.retained import RetainedRow
    from lilfox_tui.config.loader import LoadedConfig


# ``lilfox restore --kept`` and ``--forget``: what restores keep beside what is in place, shown and let go.


PARTLY = 3


def show_kept(args: argparse.Namespace) -> int:
    """Prints the retained items, of the given set or of all; returns 3 if not all could be checked."""
    lines = asyncio.run(_kept_lines(args.set, load_settings(args)))
    if args.json:
        print_json([kept_document(line) for line in lines])
    else:
        _print_kept(lines)
    return PARTLY if any(line.there is None for line in lines) else 0


def forget_kept(args: argparse.Namespace) -> int:
    """Shows what the restores of a set retain (without a set: what drills of the plan left), asks, and drops it."""
    loaded = settings(args)
    request = request_from(args, loaded)
    if not args.set and not request.plan:
        raise UsageError(tr("no set given"), tr("to see which restores keep data: lilfox restore --kept"))
    lines = asyncio.run(_chosen_kept(args.set, loaded) if args.set else _leftovers(request.plan, loaded))
    if not args.json:
        _print_kept(lines)
    elif not args.yes:  # stdout is for the document
        _print_kept(lines, sys.stderr)
    _confirm_forget(args, lines)
    code, result = do("forget", request)
    if args.json:
        print_json({"exit_code": code, "set": args.set, "forgotten": result.get("forgotten", [])})
    return code


def kept_document(line: RetainedRow) -> dict[str, Any]:
    """A retained item in the format of ``--json``."""
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


async def _kept_lines(words: str, loaded: LoadedConfig) -> list[RetainedRow]:
    if words:
        return await _chosen_kept(words, loaded)
    async with BackupContext(loaded.config) as context:
        return await all_kept(context) + await all_left(context, own_plans(loaded.config.backup).values())


async def _leftovers(plan: str, loaded: LoadedConfig) -> list[RetainedRow]:
    async with BackupContext(loaded.config) as context:
        return await all_left(context, [plan_named(loaded.config.backup, plan).config])


async def _chosen_kept(words: str, loaded: LoadedConfig) -> list[RetainedRow]:
    async with BackupContext(loaded.config) as context:
        return await kept_of(context, chosen(words))


def _confirm_forget(args: argparse.Namespace, lines: list[RetainedRow]) -> None:
    """Asks for confirmation. Raises UsageError without it."""
    there = [clean(line.name) for line in lines if line.there and not str(line.reason)]
    if args.yes or not there:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            tr("this deletes {names}, and there is no terminal to confirm it", names=listed(there)),
            tr("review it with --kept, then add --yes"),
        )
    if args.set:
        question = _(
            "This permanently deletes the retained data. Without that data, a restore cannot be undone. To confirm, "
            "type: {name}",
            name=there[0],
        )
    else:
        question = _("This permanently deletes the data left by drills and unfinished restores. To delete it, "
                     "type: {name}",
                     name=there[0])  # fmt: skip
    answer = ask_line(question)
    if (answer or "").strip() != there[0]:
        raise UsageError(tr("the input does not match: nothing was deleted"))


def _print_kept(lines: list[RetainedRow], stream: TextIO | None = None) -> None:
    zone = local_zone()
    rows = [
        [
            shape(_kept_level(line)),
            Cell(line.restored.set if line.restored else "-"),
            Cell(line.restored.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if line.restored else "-"),
            Cell(f"{line.host}:{line.target}" if line.host else line.target),
            Cell(line.name),
            Cell(human_bytes(line.size_bytes), right=True),
            Cell(str(line.state_text)),
        ]
        for line in lines
    ]
    print_table(rows or [[Cell(_("nothing is retained"))]], stream)


def _kept_level(line: RetainedRow) -> Level:
    if line.there is None:
        return Level.UNKNOWN
    return Level.GOOD if line.there and not str(line.reason) else Level.DEGRADED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``restore``."""
    add = parser.add_argument
    add(
        "set",
        nargs="?",
        action=NonEmptyValue,
        metavar="SET",
        help=_("set id, 20231230_020000, 'yesterday 02:00', tag:NAME or latest"),
    )
    add_partial(parser)
    add_plan(parser)
    add_sources(parser)
    add(
        "--only",
        metavar="PART",
        action=NonEmptyValue,
        default="",
        help=_("restore only this table (public.users), or this file or folder of the set"),
    )
    add(
        "--source",
        metavar="NAME",
        action=NonEmptyValue,
        default=[],
        help=_("restore only this source of the set; may be repeated"),
    )
    add_recovery(parser)
    _add_allowances(parser)
    add("--undo", action="store_true", help=_("undo the restore of SET: put the previous data back"))
    add("--kept", action="store_true", help=_("show the data that restores retain next to the live data"))
    add(
        "--forget",
        action="store_true",
        help=_("delete the data retained by restores of SET; SET may also be the id of a restore job"),
    )
    add("--dry-run", action="store_true", help=_("only show what would happen"))
    add("--yes", action="store_true", help=_("do not ask for confirmation"))
    add("--json", action="store_true", help=_("the result as one JSON document"))
    add("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def _add_allowances(parser: argparse.ArgumentParser) -> None:
    """Adds what allows a restore that a check would block, or another way of it."""
    add = parser.add_argument
    add("--other-server", action="store_true", help=_("allow restoring to a different server than the set comes from"))
    add("--end-sessions", action="store_true", help=_("terminate the sessions that block the swap"))
    add(
        "--run-code",
        action="store_true",
        help=_("allow the dump to run the code it contains, even with superuser rights"),
    )
    add(
        "--no-read-back",
        action="store_true",
        help=_(
            "faster for a database: compare the rows of its large tables with the set only while they are loaded, and "
            "do not read them back"
        ),
    )


def run(args: argparse.Namespace) -> int:
    """Restores a set, or undoes a restore, or shows or removes what restores retain; returns the exit code."""
    if sum((args.undo, args.kept, args.forget)) > 1:
        raise UsageError(tr("--undo, --kept and --forget cannot be combined"), tr("use only one of them"))
    if args.json_schema:
        print_schema("restore-kept" if args.kept else "restore-forget" if args.forget else "restore")
        return 0
    if args.kept or args.forget:
        return show_kept(args) if args.kept else forget_kept(args)
    if not args.set and not args.target:
        raise UsageError(
            tr("no set given"), tr("for example: lilfox restore latest; list the sets: lilfox backup list")
        )
    if args.only and not args.only.strip("/"):
        raise UsageError(
            tr("--only {part} selects everything", part=args.only), tr("to restore everything, omit --only")
        )
    loaded = settings(args)
    request = restore_request_from(args, loaded)
    spec = RestoreSpec(
        places=request.restore.places,
        sources=tuple(args.source),
        only=args.only,
        other_server=args.other_server,
        end_sessions=args.end_sessions,
        run_code=args.run_code,
        read_back=not args.no_read_back,
        target=args.target,
        into=args.into,
    )
    request = replace(request, restore=spec)
    if args.undo:
        return _done(args, "undo", request)
    driven = isinstance(loaded.config.backup.plans.get(request.plan), EnginePlan)
    if (args.target or args.into) and not driven:
        wrong = tr("--target is for a plan of kind pgbackrest, --into for one of kind pgbackrest or restic")
        raise UsageError(wrong, tr("name it: --plan NAME"))
    if args.dry_run or not args.yes:
        where, ready = asyncio.run(_show_plan(request, dry=args.dry_run, driven=driven))
        if args.dry_run:
            return 0 if ready else 1
        if not ready:
            warn(_("lilfox: blocked by the failed checks above; nothing was written"))
            return 1
        if driven:
            _confirm_directory(where[0])
        else:
            _confirm_restore(where)
    return _done(args, "restore", request)


async def _show_plan(request: BackupRequest, *, dry: bool, driven: bool) -> tuple[list[str], bool]:
    """Shows checks and changes before the decision (reads the existing data for that); returns the targets, and whether
    the checks allow the restore. If they do not, only a ``dry`` run shows the changes. ``driven``: by another program,
    whose restore replaces nothing."""
    from lilfox_tui.backup.effects import engine_restore, looked_at

    if driven:
        looked = await engine_restore(request)
        print_checks(looked.checks)
        return [looked.into], looked.ready
    async with looked_at(request) as (found, restore):
        print_line(_("{set}, {status}", set=found.id, status=proof_text(found.status, found.missing)))
        checks = await restore.checks()
        print_checks(checks)
        ready = all(check.state != "bad" for check in checks)
        if ready or dry:
            await print_changes(restore, blocked=not ready)
        return list(restore.where.values()), ready


def _confirm_directory(path: str) -> None:
    """Asks for confirmation of a restore into a new folder. Raises UsageError without it."""
    if not sys.stdin.isatty():
        raise UsageError(
            tr("this creates {path}, and there is no terminal to confirm it", path=path),
            tr("review it with --dry-run, then add --yes"),
        )
    answer = ask_line(_("A new folder is created; what exists is not touched. To restore, type: {where}", where=path))
    if (answer or "").strip() != path:
        raise UsageError(tr("the input does not match: nothing was written"))


def _confirm_restore(where: list[str]) -> None:
    """Asks for confirmation. Raises UsageError without it."""
    if not sys.stdin.isatty():
        raise UsageError(
            tr("this replaces {where}, and there is no terminal to confirm it", where=listed(where)),
            tr("review it with --dry-run, then add --yes"),
        )
    answer = ask_line(_("The current data is kept under another name. To restore, type: {where}", where=where[0]))
    if (answer or "").strip() != where[0]:
        raise UsageError(tr("the input does not match: nothing was written"))


def _done(args: argparse.Namespace, kind: RequestKind, request: BackupRequest) -> int:
    code, result = do(kind, request)
    if args.json:
        print_json({"exit_code": code, "set": request.set, "kept": [], **result})
    return code
