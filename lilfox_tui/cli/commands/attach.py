"""``lilfox attach``: replays a job's events, then follows it until it ends. Exits with the job's exit code."""

from __future__ import annotations

import argparse

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.cli.job_output import attach_job
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.jobs.listing import list_jobs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``attach``."""
    parser.add_argument(
        "job", nargs="?", metavar="ID", help=_("job id, or its last characters; default: the only running job")
    )
    parser.add_argument("--json", action="store_true", help=_("each event as a line of JSON"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of each line"))


def run(args: argparse.Namespace) -> int:
    """Watches a job to its end. ctrl-c stops watching, not the job."""
    if args.json_schema:
        print_schema("attach")
        return 0
    settings(args)
    return attach_job(args.job or _only_running(), as_json=args.json)


def _only_running() -> str:
    running = [job.id for job in list_jobs() if job.state == "running"]
    if len(running) != 1:
        found = tr("several jobs are running: {ids}", ids=listed(running)) if running else tr("no job is running")
        raise UsageError(found, tr("choose one: lilfox attach ID; list jobs: lilfox jobs"))
    return running[0]
