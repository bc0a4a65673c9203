"""``lilfox restore``: shows what would happen, asks, restores beside what is there, compares, and only then swaps."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from lilfox_tui.cli.backup_words import Given, add_partial, add_plan, add_sources, do, settings, wish_of
from lilfox_tui.cli.output import print_json, print_line, warn
from lilfox_tui.cli.questions import ask_line
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, tr

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import BackupRequest, RequestKind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``restore`` accepts."""
    add = parser.add_argument
    add(
        "set",
        nargs="?",
        action=Given,
        metavar="SET",
        help=_("its id, 20231230_020000, 'yesterday 02:00', tag:NAME, latest"),
    )
    add_partial(parser)
    add_plan(parser)
    add_sources(parser)
    add(
        "--only",
        metavar="PART",
        action=Given,
        default="",
        help=_("one table (public.users), or one file or folder within"),
    )
    add("--source", metavar="NAME", action=Given, default=[], help=_("only this source of the set; may be repeated"))
    add("--other-server", action="store_true", help=_("it is right that the server is not the one the set comes from"))
    add("--end-sessions", action="store_true", help=_("end the sessions that are in the way of the swap"))
    add("--run-code", action="store_true", help=_("what the dump executes is right, also with a superuser's rights"))
    add("--undo", action="store_true", help=_("put back what was there before SET was restored"))
    add("--kept", action="store_true", help=_("show what restores keep beside what is in place"))
    add("--forget", action="store_true", help=_("take away what the restores of SET keep, also by the id of their job"))
    add("--dry-run", action="store_true", help=_("only show what would happen"))
    add("--yes", action="store_true", help=_("do not ask"))
    add("--json", action="store_true", help=_("the result as one JSON document"))
    add("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Restores; 1 where it could not, with everything as it was before."""
    if sum((args.undo, args.kept, args.forget)) > 1:
        raise UsageError(tr("--undo, --kept and --forget are different things"), tr("say one of them"))
    if args.json_schema:
        print_schema("restore-kept" if args.kept else "restore-forget" if args.forget else "restore")
        return 0
    if args.kept or args.forget:
        from lilfox_tui.cli import kept

        return kept.show(args) if args.kept else kept.forget(args)
    if not args.set:
        raise UsageError(tr("no set is named"), tr("such as: lilfox restore latest; lilfox backup list shows them"))
    if args.only and not args.only.strip("/"):
        raise UsageError(tr("--only {part} is all of it", part=args.only), tr("leave it out to restore all"))
    loaded = settings(args)
    wish = msgspec.structs.replace(
        wish_of(args, loaded),
        only=args.only,
        sources=tuple(args.source),
        other_server=args.other_server,
        end_sessions=args.end_sessions,
        run_code=args.run_code,
    )
    if args.undo:
        return _done(args, "undo", wish)
    if args.dry_run or not args.yes:
        where, ready = asyncio.run(_shown(wish))
        if args.dry_run:
            return 0 if ready else 1
        if not ready:
            warn(_("lilfox: nothing was written: what is marked above forbids it"))
            return 1
        _confirm(where)
    return _done(args, "restore", wish)


async def _shown(wish: BackupRequest) -> tuple[list[str], bool]:
    """Shows checks and changes to who is to decide by them (what is there is read for that); gives where it would go,
    and whether nothing forbids it."""
    from lilfox_tui.backup.effects import looked_at
    from lilfox_tui.backup.labels import status_text
    from lilfox_tui.cli.backup_checks import print_changes, print_checks

    async with looked_at(wish) as (found, restore):
        print_line(_("{set}, {status}", set=found.id, status=status_text(found.status)))
        checks = await restore.checks()
        print_checks(checks)
        ready = all(check.state != "bad" for check in checks)
        if ready:
            await print_changes(restore)
        return list(restore.where.values()), ready


def _confirm(where: list[str]) -> None:
    """Raises UsageError where nobody said yes."""
    if not sys.stdin.isatty():
        raise UsageError(
            tr("this replaces {where}, and nobody is here to say yes", where=listed(where)),
            tr("look at it with --dry-run, then say --yes"),
        )
    answer = ask_line(_("What is there now is kept under another name. To restore, type: {where}", where=where[0]))
    if (answer or "").strip() != where[0]:
        raise UsageError(tr("that is something else: nothing was written"))


def _done(args: argparse.Namespace, kind: RequestKind, wish: BackupRequest) -> int:
    code, result = do(kind, wish)
    if args.json:
        print_json({"exit_code": code, "set": wish.set, "kept": [], **result})
    return code
