"""``lilfox jobs``: running and ended jobs of this user and of the system."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from lilfox_tui.cli.job_output import interrupted_now, job_document, job_rows, warn_interrupted
from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.cli.output import no_colour, print_json, print_line, print_table
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import ConfigError, NotAllowed
from lilfox_tui.core.i18n import _, ngettext, tr
from lilfox_tui.jobs.listing import cancel, list_jobs, mark_checked, unsettled
from lilfox_tui.jobs.model import state_text

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``jobs``."""
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))
    parser.add_argument("--all", action="store_true", help=_("list all jobs, including older ones"))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    ending = actions.add_parser("cancel", help=_("cancel a job and wait for its clean-up"))
    ending.add_argument(
        "--timeout", type=duration, default=60.0, metavar="DURATION", help=_("how long to wait for its clean-up")
    )
    checked = actions.add_parser(
        "checked", help=_("mark a job of unknown state as checked, once someone has inspected what it left behind")
    )
    for action in (ending, checked):
        action.add_argument("job", metavar="ID", help=_("job id, or its last characters"))
        add_everywhere(action)


def run(args: argparse.Namespace) -> int:
    """Lists the jobs, cancels one, or marks one as checked. The list returns 1 if a job of unknown outcome needs
    attention or a restore was interrupted."""
    if args.json_schema:
        print_schema("jobs")
        return 0
    config = _config(args)
    read_only = config.read_only
    if args.action is not None:
        if read_only:
            raise NotAllowed(
                tr("jobs cannot be changed in read_only mode"),
                tr("leave out --read-only, or remove read_only from the configuration"),
            )
        return _cancel(args) if args.action == "cancel" else _checked(args)
    jobs = list_jobs()
    asked_for = unsettled(jobs)
    if not args.all:
        kept = {job.id for job in jobs if job.state == "running"} | {job.id for job in (*asked_for, *jobs[:_SHOWN])}
        left_out, jobs = len(jobs) - len(kept), [job for job in jobs if job.id in kept]
    else:
        left_out = 0
    interrupted_restores = interrupted_now(config)
    if args.json:
        print_json({
            "jobs": [job_document(job) for job in jobs],
            "interrupted_restores": [half.document() for half in interrupted_restores],
        })  # fmt: skip
    else:
        warn_interrupted(interrupted_restores)
        print_table(job_rows(jobs, datetime.now(UTC)))
        if not jobs:
            print_line(_("no jobs"))
        if left_out:
            print_line(
                ngettext(
                    "{count} older job not shown; list all: lilfox jobs --all",
                    "{count} older jobs not shown; list all: lilfox jobs --all",
                    left_out,
                )
            )
    return 1 if asked_for or interrupted_restores else 0


def settings(args: argparse.Namespace) -> bool:
    """Applies language and colours of the configuration; returns whether changes are forbidden."""
    return _config(args).read_only


def _config(args: argparse.Namespace) -> Config:
    """The configuration, with its language and colours applied; the defaults if it is unusable, so that a running job
    can still be reached."""
    try:
        return load_settings(args).config
    except ConfigError:
        if args.no_color:
            no_colour()
        return Config(read_only=bool(args.read_only))


def _cancel(args: argparse.Namespace) -> int:
    job = asyncio.run(cancel(args.job, wait_s=args.timeout))
    print_line(_("job {id}: {state}: {message}", id=job.id, state=state_text(job.state), message=job.message))
    return 0


def _checked(args: argparse.Namespace) -> int:
    job = mark_checked(args.job)
    print_line(_("job {id} is marked as checked: {title}", id=job.id, title=job.title))
    return 0
