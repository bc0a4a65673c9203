"""``lilfox runbook run``: a run in a job of its own, ordered from this terminal or going on by itself.

Exit code 0: all is done; 1: it failed, and nothing is otherwise than before; 2: it cannot be run as it is asked for;
3: not all of it is done, and something was changed or skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import print_json
from lilfox_tui.cli.runbooks.choosing import sound_document
from lilfox_tui.cli.runbooks.values import ask, given, missing, offers, pair
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.runbook.run.state import asks, runnable
from lilfox_tui.runbook.run.targets import refuse_unknown

if TYPE_CHECKING:
    from lilfox_tui.cli.runbooks.attending import Answer, Attending
    from lilfox_tui.config.loader import LoadedConfig
    from lilfox_tui.config.model import Config
    from lilfox_tui.runbook.model import Command, Runbook, Variable

NEW = "new"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``runbook run`` accepts."""
    add = parser.add_argument
    add("runbook", nargs="?", default="", metavar="FILE|ID", help=_("a Markdown file, or a runbook that is listed"))
    add("--runbook", dest="title", default="", metavar="TITLE", help=_("which one of the file, by title or id"))
    add("--var", dest="vars", action="append", type=pair, default=[], metavar="NAME=VALUE",
        help=_("a value; of a secret one where it is: env:NAME, file:PATH, cmd:ARGV"))  # fmt: skip
    add(
        "--host",
        default="",
        metavar="HOSTS",
        help=_("where it runs, unless a command says itself: a name, a glob, all"),
    )
    add("--yes", action="store_true", help=_("run all of it and ask nothing"))
    add("--dry-run", action="store_true", help=_("show all of it and run nothing"))
    add("--on-failure", choices=["stop", "undo"], default="stop", help=_("with --yes: what is done when one fails"))
    add("--incident", default="", metavar="ID", help=_("the incident that it is part of; new: open one"))
    add("--resume", default="", metavar="RUN", help=_("go on with a run: one that waits, or whose job was killed"))
    add("--recorded", action="store_true", help=_("with --resume: where its file was changed, the text that it read"))
    add("--json", action="store_true", help=_("one JSON document at the end"))
    add("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Runs it; gives the exit code."""
    if args.json_schema:
        print_schema("runbook-run")
        return 0
    loaded = load_settings(args)
    if args.resume and not args.dry_run:
        return _resumed(args, loaded)
    if args.recorded:
        raise UsageError(tr("--recorded is for a run that is gone on with"), tr("such as: --resume RUN --recorded"))
    if not args.runbook:
        raise UsageError(tr("no runbook is named"), tr("name a file, or one of: lilfox runbook list"))
    runbook = _chosen(args, loaded)
    values = given(runbook, args.vars)
    refuse_unknown(loaded.config, runbook, values)
    if args.dry_run:
        from lilfox_tui.cli.runbooks.shown import dry_run

        return dry_run(loaded.config, runbook, values, as_json=args.json)
    _refuse_unasked(args, loaded.config, runbook, values)
    _allowed(args, loaded.config, runbook)
    for variable in missing(runbook, values):
        values[variable.name] = _asked(loaded.config, runbook, variable, values)
        refuse_unknown(loaded.config, runbook, values)
    if args.yes:
        from lilfox_tui.cli.runbooks.shown import refuse_unsafe

        refuse_unsafe(loaded.config, runbook, values)
    return _attended(args, loaded, runbook, values, _begun(args, loaded, runbook, values), begun=True)


def _chosen(args: argparse.Namespace, loaded: LoadedConfig) -> Runbook:
    from msgspec.structs import replace

    found = sound_document(args.runbook, loaded.config.runbooks)
    runbooks = [each for each in found.runbooks if not args.title or args.title in (each.id, each.title)]
    if len(runbooks) != 1:
        titles = listed(each.title for each in found.runbooks)
        what = (
            tr("{path}: several runbooks are in it", path=found.path)
            if runbooks
            else tr("{path}: it has no runbook {title}", path=found.path, title=args.title)
        )
        raise UsageError(what, tr("say which one, with --runbook: {titles}", titles=titles or "-"))
    return replace(runbooks[0], hosts=args.host) if args.host else runbooks[0]


def _refuse_unasked(args: argparse.Namespace, config: Config, runbook: Runbook, values: dict[str, str]) -> None:
    """Raises UsageError where something must be asked and nobody is here, and where saying yes would not help."""
    if sys.stdin.isatty():
        return
    if lacking := missing(runbook, values):
        names = listed(variable.name for variable in lacking)
        raise UsageError(tr("values are missing: {names}", names=names), tr("give them: --var NAME=VALUE"))
    if args.yes:
        return
    from lilfox_tui.cli.runbooks.shown import refuse_unsafe, with_defaults
    from lilfox_tui.runbook.library import refuse_first_run
    from lilfox_tui.runbook.run.gate import asks_with

    refuse_unsafe(config, runbook, values)
    refuse_first_run(runbook, config.runbooks)
    commands = [command for step in runbook.steps for command in step.commands if runnable(command)]
    values = with_defaults(runbook, values)

    def asked(command: Command) -> bool:
        """What a value that only comes later makes of it, the job judges."""
        known = all(placeholder.name in values for placeholder in command.placeholders)
        return command.kind == "interactive" or (asks_with(command, values, runbook) if known else asks(command))

    if any(map(asked, commands)):
        raise UsageError(
            tr("this changes something, and nobody is here to say yes"), tr("look at it with --dry-run, then say --yes")
        )


def _allowed(args: argparse.Namespace, config: Config, runbook: Runbook) -> None:
    from lilfox_tui.cli.runbooks.first_run import allow_first_run

    allow_first_run(runbook, config.runbooks, yes=args.yes)


def _asked(config: Config, runbook: Runbook, variable: Variable, values: dict[str, str]) -> str:
    """A value that somebody here gives. What is offered is read where the first command runs that has the variable."""
    from lilfox_tui.runbook.run.state import hosts_of
    from lilfox_tui.runbook.run.targets import words

    hosts: tuple[str, ...] = ()
    for command in (command for step in runbook.steps for command in step.commands):
        if any(placeholder.name == variable.name for placeholder in command.placeholders):
            hosts = hosts_of(command, runbook, words(config, runbook), values)
            break
    return ask(variable, asyncio.run(offers(config, variable, hosts)))


def _begun(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], resumes: str = ""
) -> str:
    """The job of the run, begun."""
    from lilfox_tui.monitor.runbook_orders import begin

    return begin(
        runbook,
        loaded.config,
        loaded.path,
        hosts=args.host,
        values=values,
        resumes=resumes,
        incident=_incident(args.incident, runbook) if args.incident else "",
        without=[value.removeprefix("env:") for _name, value in args.vars if value.startswith("env:")],
    )


def _incident(words: str, runbook: Runbook) -> str:
    """The id of the incident that is named, or opened for the runbook. Raises LilFoxError."""
    from lilfox_tui.incident.incidents import chosen
    from lilfox_tui.monitor.runbook_orders import open_incident_for

    return chosen(words).name if words != NEW else open_incident_for(runbook)


def _attended(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], job: str, *, begun: bool
) -> int:
    from lilfox_tui.cli.runbooks.attending import Attending

    attending = Attending(job, quiet=args.json, begun=begun)
    code = asyncio.run(_until_end(args, loaded, runbook, values, attending))
    if args.json:
        from lilfox_tui.cli.runbooks.shown import document as as_json

        state = attending.state()
        print_json({"exit_code": code, **({} if state is None else as_json(state, attending.folder))})
    return code


async def _until_end(
    args: argparse.Namespace, loaded: LoadedConfig, runbook: Runbook, values: dict[str, str], attending: Attending
) -> int:
    from lilfox_tui.cli.runbooks.asking import Asking
    from lilfox_tui.runbook.run.protocol import RunAll, UseText

    answer: Answer | None = None
    if args.yes:
        if args.recorded:
            await attending.order(UseText(sha256=runbook.sha256))
        await attending.order(RunAll(sha256=runbook.sha256, values=values, on_failure=args.on_failure))
    else:
        answer = Asking(loaded.config, attending.folder, values, recorded=args.recorded).answer
    return await attending.until_end(answer)


def _resumed(args: argparse.Namespace, loaded: LoadedConfig) -> int:
    """Goes on with a run: as one more who orders it where its job is there, else by a job that takes it over."""
    from msgspec.structs import replace

    from lilfox_tui.jobs.listing import find_job
    from lilfox_tui.runbook.run.persistence import newest_run, request_of_run, runbook_of

    job = find_job(args.resume)
    before = request_of_run(job.id)
    goes_on = job.id if job.state == "running" else newest_run(job.id)
    runbook = runbook_of(goes_on)
    args.host = args.host or before.hosts
    runbook = replace(runbook, hosts=args.host) if args.host else runbook
    values = given(runbook, args.vars)
    refuse_unknown(loaded.config, runbook, values)
    if not sys.stdin.isatty() and not args.yes:
        raise UsageError(tr("nobody is here to say how it goes on"), tr("say --yes to run all that is left"))
    if loaded.config.read_only and job.state == "running" and not before.read_only:
        raise UsageError(
            tr("read only: nothing is ordered of a run that may change something"),
            tr("watch it: lilfox attach {id}", id=job.id),
        )
    begins = job.state != "running"
    if begins:
        _allowed(args, loaded.config, runbook)
        goes_on = _begun(args, loaded, runbook, before.values | values, goes_on)
    return _attended(args, loaded, runbook, values, goes_on, begun=begins)
