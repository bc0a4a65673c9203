"""The job of a run: it holds the connections, accepts clients' orders, and knows each runbook command's result.

It outlives its clients. Killed, it loses nothing: another job goes on with what it wrote down, and asks the hosts how
that ended which ran when it was killed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.incident.incidents import current_folder, myself
from lilfox_tui.jobs.listing import find_folder
from lilfox_tui.jobs.model import Outcome, Run
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run import persistence
from lilfox_tui.runbook.run.dispatcher import OrderDispatcher, RunOwnership
from lilfox_tui.runbook.run.gate import Hosts, words
from lilfox_tui.runbook.run.persistence import RunbookFile, RunRecorder, copy_outputs, facts_of, mark_resumed, now
from lilfox_tui.runbook.run.protocol import (
    ClientActs,
    CommandEnded,
    RunAllStarted,
    RunbookReloaded,
    RunFact,
    RunOpened,
    RunRequest,
    RunResumed,
    listening,
)
from lilfox_tui.runbook.run.runner import Runner

_LOOK_S = 5.0


async def run(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Run a runbook as clients direct, until one of them ends the run."""
    request = msgspec.convert(arguments, RunRequest)
    config = Config() if request.config is None else load(Path(request.config)).config
    if request.read_only:
        config = replace(config, read_only=True)
    on_disk = RunbookFile(request.path, request.runbook)
    runbook = _read(on_disk, request)
    before = facts_of(request.resumes) if request.resumes else []
    record = RunRecorder(run, runbook)
    persistence.save_snapshot(run.folder, runbook)
    record.fact(_opened(run, runbook, config, request), sync=True)
    async with Hosts(config) as hosts:
        runner = Runner(config, hosts, record, on_disk)
        if request.resumes:
            _go_on(record, runner, before, request, words(config, runbook))
        _take_first_values(runner, runbook, request)
        ownership = RunOwnership(record)
        if request.client is not None:
            await ownership.take(request.client)
        dispatcher = OrderDispatcher(runner, ownership)
        looking = asyncio.create_task(_fail_without_folder(run.folder, dispatcher))
        try:
            async with listening(run.folder, dispatcher.handle):
                if request.resumes:
                    dispatcher.ask_hosts(_ask_hosts(runner))
                run.say(_("ready; waiting for requests"))
                return await dispatcher.ended
        finally:
            looking.cancel()
            await dispatcher.stop()
            await runner.close()
            ownership.close()


async def _fail_without_folder(folder: Path, dispatcher: OrderDispatcher) -> None:
    """End the run if its folder was removed: nothing can be recorded any more, and no client can reach it."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if not await asyncio.to_thread(folder.exists):
            break
    dispatcher.fail(LilFoxError(tr("{folder} was removed", folder=folder)))


def _read(on_disk: RunbookFile, request: RunRequest) -> Runbook:
    """Return the runbook as the user has seen it: from its file, or as the resumed run had it. Raises LilFoxError if
    neither matches."""
    runbook = None
    try:
        runbook = on_disk.read()
    except LilFoxError:
        if not request.resumes:
            raise
    if runbook is None or runbook.sha256 != request.sha256:
        runbook = _recorded(request)
    return replace(runbook, hosts=request.hosts) if request.hosts else runbook


def _recorded(request: RunRequest) -> Runbook:
    """Return the runbook that the resumed run recorded, if that is what the user saw. Raises LilFoxError."""
    folder = find_folder(request.resumes) if request.resumes else None
    if folder is not None and persistence.read_snapshot(folder).sha256 == request.sha256:
        return persistence.read_full_snapshot(folder)
    raise LilFoxError(
        tr("{path} has changed since it was read; nothing was run", path=request.path),
        tr("review its current text, then start again"),
    )


def _opened(run: Run, runbook: Runbook, config: Config, request: RunRequest) -> RunOpened:
    incident = ""
    with suppress(LilFoxError):
        folder = current_folder(own=True)
        incident = "" if folder is None else folder.name
    return RunOpened(
        at=now(),
        run=run.id,
        runbook=runbook.id,
        title=runbook.title,
        path=runbook.path,
        sha256=runbook.sha256,
        hosts=words(config, runbook),
        by=myself(),
        incident=incident,
        resumes=request.resumes,
    )


def _take_first_values(runner: Runner, runbook: Runbook, request: RunRequest) -> None:
    """Set the values of the request, and defaults for those that the earlier run does not already have."""
    defaults = {each.name: each.default for each in runbook.variables if each.default is not None}
    known = runner.reducer.known.names() | runner.reducer.hidden.names()
    runner.take_given({name: value for name, value in defaults.items() if name not in known} | request.values)


def _go_on(
    record: RunRecorder, runner: Runner, before: list[RunFact], request: RunRequest, hosts: dict[str, tuple[str, ...]]
) -> None:
    """Take over the facts of the earlier run. First mark it as resumed by this one, so that no two runs continue from
    the same point; until ``RunResumed`` is on disk, this run has done nothing."""
    opened = [fact for fact in before if isinstance(fact, RunOpened)]
    if any(fact.runbook != request.runbook or fact.path != request.path for fact in opened[:1]):
        raise LilFoxError(tr("run {run} does not belong to this runbook", run=request.resumes))
    read = [fact.sha256 for fact in before if isinstance(fact, RunOpened | RunbookReloaded)]
    if read and read[-1] != request.sha256:
        raise LilFoxError(
            tr("{path} has changed since run {run}: its commands are no longer the same", path=request.path,
               run=request.resumes),
            tr("restore the original text and resume, or start a new run"),
        )  # fmt: skip
    mark_resumed(request.resumes, record.run_id)
    for fact in before:
        if not isinstance(fact, RunAllStarted | ClientActs):
            record.fact(fact)
    copy_outputs(request.resumes, record.folder)
    runner.values.take_all(runner.reducer.known)
    record.fact(RunResumed(at=now(), run=request.resumes, hosts=hosts), sync=True)


async def _ask_hosts(runner: Runner) -> None:
    """Find out the outcome of the commands that were running when the earlier job was killed."""
    for result in runner.reducer.running():
        place = runner.reducer.place(result.run)
        if place is not None and result.kind == "change":
            try:
                await runner.look_again(result.run)
                continue
            except LilFoxError as error:
                message = str(error.message)
        else:
            message = _("the job that ran it is gone, and its outcome is unknown")
        await runner.told_end(CommandEnded(at=now(), run=result.run, state="unknown", message=message))
