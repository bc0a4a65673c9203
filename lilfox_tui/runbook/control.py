"""Starts and controls runs of runbooks, for the screen and the command line alike."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from msgspec import Struct

from lilfox_tui.config.model import Config, RunbooksConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import why_not
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.ssh.openssh import terminal_argv
from lilfox_tui.incident import incidents
from lilfox_tui.incident.incidents import open_incident
from lilfox_tui.incident.model import NAMED_BY, SeverityLevel, TookOver
from lilfox_tui.jobs.model import KeyHeld
from lilfox_tui.jobs.start import start
from lilfox_tui.runbook.bash import launcher
from lilfox_tui.runbook.bash.carrying import ShellVariables
from lilfox_tui.runbook.library import allow, first_run, refuse_first_run
from lilfox_tui.runbook.model import BUNDLED, Command, Runbook
from lilfox_tui.runbook.run.gate import host_config, interpreter_of, is_secret
from lilfox_tui.runbook.run.persistence import RunbookFile, command_moves, newest_run, request_of_run, runbook_of
from lilfox_tui.runbook.run.protocol import (
    RunOne,
    RunRequest,
    TakeOver,
    TerminalBegins,
    UseText,
    request_of,
    send,
    this_client,
)
from lilfox_tui.runbook.run.reducer import FenceCarryover, RunReducer
from lilfox_tui.runbook.run.state import Turn
from lilfox_tui.runbook.run.variables import fill

# A run whose file was changed in mid-run: what is told of that in a face, and the orders that it leads to.


class ChangedText(Struct, frozen=True, kw_only=True):
    """The file of a run differs from the text that the run uses."""

    what: tuple[Message, ...]
    """Sentences for people."""
    now: Runbook | None
    """What it says now; None where that cannot be run."""


def other_text(reducer: RunReducer) -> ChangedText | None:
    """Return the changed text; None if the file is unchanged, or the run is pinned to its text. Blocks."""
    runbook = reducer.runbook
    if reducer.stays or runbook.path.startswith(BUNDLED):
        return None
    file = RunbookFile(runbook.path, runbook.id)
    there = file.sha256()
    if there == reducer.sha256:
        return None
    if not there:
        return ChangedText(what=(tr("{path} can no longer be read", path=runbook.path),), now=None)
    changed = tr("{path} has changed since this run read it", path=runbook.path)
    try:
        now = file.read()
    except LilFoxError as error:
        return ChangedText(
            what=(changed, tr("its current text cannot be run: {reason}", reason=error.message)), now=None
        )
    commands = sum(len(step.commands) for step in now.steps)
    told = tr("unchanged commands: {count} of {all}", count=len(command_moves(runbook, now)), all=commands)
    others = why_not(Path(runbook.path))
    return ChangedText(what=(changed, *(() if others is None else (others.message,)), told), now=now)


def use_now(now: Runbook, config: RunbooksConfig) -> UseText:
    """Approve the file's current text, and return the order that continues the run with it. Blocks. Raises
    LilFoxError."""
    if (first := first_run(now, config)) is not None:
        allow(first)
    return UseText(sha256=now.sha256)


def stay(reducer: RunReducer) -> UseText:
    """Return the order that continues the run with the text that it has."""
    return UseText(sha256=reducer.sha256)


class TerminalCommand(Struct, frozen=True, kw_only=True):
    """An interactive command as a client runs it: the order that it sends to the run first, and the program in its
    terminal."""

    begins: TerminalBegins
    argv: list[str]


def begin(
    runbook: Runbook,
    config: Config,
    path: str | Path | None,
    *,
    hosts: str = "",
    values: Mapping[str, str] | None = None,
    resumes: str = "",
    incident: str = "",
    without: Iterable[str] = (),
) -> str:
    """Start the job of a run; return its id. ``path`` is that of ``config``. Secret ``values`` are left out: clients
    send them later. ``incident``: the id of the incident that it belongs to, if named. The job's commands do not
    inherit the environment variables ``without``. Blocks. Raises NotAllowedYet, KeyHeld, JobError."""
    refuse_first_run(runbook, config.runbooks)
    given = values or {}
    request = RunRequest(
        path=runbook.path,
        runbook=runbook.id,
        sha256=runbook.sha256,
        config=None if path is None else str(Path(path).absolute()),
        read_only=config.read_only,
        hosts=hosts,
        values={name: value for name, value in given.items() if not is_secret(name, value, runbook.variables)},
        resumes=resumes,
        client=this_client(),
    )
    left_out = set(without)
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    if incident:
        env[NAMED_BY] = incident
    try:
        return start(request_of(request, runbook), env=env)
    except KeyHeld as held:
        if held.holder is None:
            raise
        hint = tr("watch it: lilfox attach {id}; resume it: lilfox runbook run --resume {id}; cancel it: lilfox "
                  "jobs cancel {id}", id=held.holder.id)  # fmt: skip
        raise KeyHeld(held.message, hint, holder=held.holder) from None


def go_on(run: str, config: Config, path: str | Path | None) -> str:
    """Start a job that resumes a run whose job has ended, with its text; return its id. Blocks. Raises LilFoxError: the
    run cannot be read, another one has resumed it, its file is not approved here."""
    before, last = request_of_run(run), newest_run(run)
    return begin(runbook_of(last), config, path, hosts=before.hosts, values=before.values, resumes=last)


def open_incident_for(runbook: Runbook, *, cause: str = "", severity: str = "") -> str:
    """Open an incident for a run and return its id; ``cause`` is the name of the alert that the run responds to, if
    any, ``severity`` applies if the runbook has none. Blocks. Raises NotRecorded."""
    level = cast("SeverityLevel", runbook.severity or severity or "SEV-3")
    return open_incident(cause or runbook.title, level, cause=cause).id


def word_to_type(reducer: RunReducer, *turns: Turn) -> str:
    """Return what the user must type to confirm the commands of ``turns``: the hosts of those that need it; empty if a
    yes is enough for all."""
    hosts = (host for turn in turns if _is_typed(reducer.command(turn)) for host in turn.hosts)
    return ", ".join(dict.fromkeys(hosts))


def _is_typed(command: Command) -> bool:
    return command.attributes.confirm == "typed" or command.attributes.risk == "destroy"


def run_order(turn: Turn, sha256: str, values: Mapping[str, str], *, again: bool = False, seen: bool = False) -> RunOne:
    """Return the order to run the command of ``turn``. ``seen``: the user was shown it with these values, and
    confirmed."""
    return RunOne(
        step=turn.step,
        command=turn.command or 0,
        sha256=sha256,
        hosts=turn.hosts or None,
        values=dict(values),
        again=again,
        seen=seen,
    )


def once_more(reducer: RunReducer, turn: Turn) -> tuple[Turn, str]:
    """Return ``turn`` limited to the hosts where it has still to run, and the ``run`` of a result with an unknown
    outcome, or empty."""
    results = reducer.results(turn.step, turn.command or 0)
    unknown = [each.run for each in results.values() if each.state == "unknown"]
    return reducer.left(turn), unknown[0] if unknown else ""


def in_terminal(
    config: Config, reducer: RunReducer, turn: Turn, sha256: str, values: Mapping[str, str]
) -> TerminalCommand:
    """Return how the interactive command of ``turn`` runs in a terminal. Raises LilFoxError if it cannot: on several
    hosts, or with a secret that everybody on the host could read."""
    command, given = reducer.command(turn), reducer.known.on(next(iter(turn.hosts), "")) | dict(values)
    secret = {variable.name for variable in reducer.runbook.variables if variable.type == "secret"}
    if any(placeholder.name in secret for placeholder in command.placeholders) or len(turn.hosts) != 1:
        raise LilFoxError(
            tr(
                "this command cannot be run in your terminal: it is for several hosts, or would expose a secret "
                "to everyone on the host"
            )
        )
    unset = ShellVariables(reducer.runbook.steps)
    unset.refuse(command)
    (host,) = turn.hosts
    unset.refuse_lacking(command, host, given)
    names = {placeholder.name for placeholder in command.placeholders}
    mine = {name: value for name, value in given.items() if name in names}
    filled = fill(command, mine | unset.passed(command, given), reducer.runbook.variables)
    begins = TerminalBegins(step=turn.step, command=turn.command or 0, host=host, sha256=sha256, values=dict(values))
    bash = launcher.in_terminal(
        filled.script,
        fence=FenceCarryover(reducer).fence(turn, host),
        cwd=command.attributes.cwd or "",
        interpreter=interpreter_of(command),
        needed=unset.needed(command),
        keeps=launcher.KeptVariables(unset.keeps(command), launcher.kept_in(reducer.first_run, host)),
    )
    sudo = bool(command.attributes.sudo)
    argv = terminal_argv(host, host_config(config, host), config.ssh, bash, filled.env, sudo=sudo)
    return TerminalCommand(begins=begins, argv=argv)


async def take_over(incident: Path | None, runs: Sequence[Path]) -> None:
    """Make this client take over these runs (folders of their jobs) and the incident (its folder). Raises
    LilFoxError."""
    client = this_client()
    told = 0 if incident is None else (await asyncio.to_thread(incidents.read_incident, incident)).entries
    for folder in runs:
        await send(folder, TakeOver())
    if incident is not None and not await asyncio.to_thread(_is_told, incident, told, client.pid):
        await asyncio.to_thread(incidents.take_over, incident, by=client.name, who=client.who, process=client.pid)


def _is_told(incident: Path, since: int, process: int) -> bool:
    """Return whether a run has already recorded this client's takeover in the incident."""
    new = incidents.read_timeline(incident).entries[since:]
    return any(isinstance(each.what, TookOver) and each.what.process == process for each in new)
