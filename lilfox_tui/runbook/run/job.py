"""The job of a run: it keeps the connections, takes orders, and knows what became of every command.

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


async def run(run: Run, wanted: dict[str, Any]) -> Outcome:
    """Runs a runbook by orders, until one ends it."""
    wish = msgspec.convert(wanted, RunRequest)
    config = Config() if wish.config is None else load(Path(wish.config)).config
    if wish.read_only:
        config = replace(config, read_only=True)
    on_disk = RunbookFile(wish.path, wish.runbook)
    runbook = _read(on_disk, wish)
    before = facts_of(wish.resumes) if wish.resumes else []
    record = RunRecorder(run, runbook)
    persistence.save_snapshot(run.folder, runbook)
    record.fact(_opened(run, runbook, config, wish), sync=True)
    async with Hosts(config) as hosts:
        runner = Runner(config, hosts, record, on_disk)
        if wish.resumes:
            _go_on(record, runner, before, wish, words(config, runbook))
        _take_first_values(runner, runbook, wish)
        lease = RunOwnership(record)
        if wish.face is not None:
            await lease.take(wish.face)
        handling = OrderDispatcher(runner, lease)
        looking = asyncio.create_task(_fail_without_folder(run.folder, handling))
        try:
            async with listening(run.folder, handling.handle):
                if wish.resumes:
                    handling.ask_hosts(_ask_hosts(runner))
                run.say(_("waiting for orders"))
                return await handling.ended
        finally:
            looking.cancel()
            await handling.stop()
            await runner.close()
            lease.close()


async def _fail_without_folder(folder: Path, handling: OrderDispatcher) -> None:
    """Ends the run where its folder was taken away: nothing can be written down any more, and nobody can order it."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if not await asyncio.to_thread(folder.exists):
            break
    handling.fail(LilFoxError(tr("{folder}: it was removed", folder=folder)))


def _read(on_disk: RunbookFile, wish: RunRequest) -> Runbook:
    """The runbook as the one who asks has seen it: as its file has it, or as the run had it that is gone on with.
    Raises LilFoxError where both say something else."""
    runbook = None
    try:
        runbook = on_disk.read()
    except LilFoxError:
        if not wish.resumes:
            raise
    if runbook is None or runbook.sha256 != wish.sha256:
        runbook = _recorded(wish)
    return replace(runbook, hosts=wish.hosts) if wish.hosts else runbook


def _recorded(wish: RunRequest) -> Runbook:
    """What the run that is gone on with had, if that is what was seen. Raises LilFoxError."""
    folder = find_folder(wish.resumes) if wish.resumes else None
    if folder is not None and persistence.read_snapshot(folder).sha256 == wish.sha256:
        return persistence.read_full_snapshot(folder)
    raise LilFoxError(
        tr("{path} has changed since it was read; nothing was run", path=wish.path),
        tr("review its current text, then start again"),
    )


def _opened(run: Run, runbook: Runbook, config: Config, wish: RunRequest) -> RunOpened:
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
        resumes=wish.resumes,
    )


def _take_first_values(runner: Runner, runbook: Runbook, wish: RunRequest) -> None:
    """Defaults, and what was given with the wish; an earlier run's values stay."""
    defaults = {each.name: each.default for each in runbook.variables if each.default is not None}
    known = runner.folding.known.names() | runner.folding.hidden.names()
    runner.take_given({name: value for name, value in defaults.items() if name not in known} | wish.values)


def _go_on(
    record: RunRecorder, runner: Runner, before: list[RunFact], wish: RunRequest, hosts: dict[str, tuple[str, ...]]
) -> None:
    """Takes over what the earlier run knew. From the first on that one is not gone on with again but by going on with
    this one, so that no two go on from the same place; before ``RunResumed`` is on the disk this one has done
    nothing."""
    opened = [fact for fact in before if isinstance(fact, RunOpened)]
    if any(fact.runbook != wish.runbook or fact.path != wish.path for fact in opened[:1]):
        raise LilFoxError(tr("run {run} does not belong to this runbook", run=wish.resumes))
    read = [fact.sha256 for fact in before if isinstance(fact, RunOpened | RunbookReloaded)]
    if read and read[-1] != wish.sha256:
        raise LilFoxError(
            tr("{path} has changed since run {run}: its commands are no longer the same", path=wish.path,
               run=wish.resumes),
            tr("put the original text back and continue, or start a new run"),
        )  # fmt: skip
    mark_resumed(wish.resumes, record.run_id)
    for fact in before:
        if not isinstance(fact, RunAllStarted | ClientActs):
            record.fact(fact)
    copy_outputs(wish.resumes, record.folder)
    runner.values.take_all(runner.folding.known)
    record.fact(RunResumed(at=now(), run=wish.resumes, hosts=hosts), sync=True)


async def _ask_hosts(runner: Runner) -> None:
    """Finds out how that ended which ran when the earlier job was killed."""
    for result in runner.folding.running():
        place = runner.folding.place(result.run)
        if place is not None and result.kind == "change":
            try:
                await runner.look_again(result.run)
                continue
            except LilFoxError as error:
                message = str(error.message)
        else:
            message = _("the job that ran it is gone, and its outcome is unknown")
        await runner.told_end(CommandEnded(at=now(), run=result.run, state="unknown", message=message))
