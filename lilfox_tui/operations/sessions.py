"""Operations on database sessions: cancel a session's statement, or terminate the session, over the backend's own
connection."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backends.model import BackendError, BackendRefused, ClientSession, Ending, EndsSessions, load
from lilfox_tui.config.loader import load as load_config
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import HostError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, ngettext, tr
from lilfox_tui.jobs.model import JobRequest, Outcome, Run
from lilfox_tui.operations.job import HERE, NotProved, opened_host
from lilfox_tui.operations.model import Operation

_LOOKS, _BETWEEN_S = 12, 0.5
_WAITS_S, _TRIES_S = 600.0, 5.0
"""For a way that is cut, and between two tries."""


class SessionRequest(Struct, frozen=True):
    """``JobRequest.arguments``. ``config``: the path of the configuration, None for none."""

    config: str | None
    backend: str
    session: ClientSession
    operation: Operation


def session_operation(
    name: str, host: str | None, backend: EndsSessions, session: ClientSession, how: Ending
) -> Operation:
    """Return the operation that cancels the statement that ``session`` of the backend ``name`` runs, or terminates the
    session."""
    pid, who = session.pid, f"{session.role or '-'}@{session.database or '-'}"
    if how == "cancel":
        title = _("cancel the statement of session {pid} ({who}) on {name}", pid=pid, who=who, name=name)
        changes = [
            _(
                "its statement fails with an error; its transaction is rolled back, or waits for the client to "
                "roll it back"
            )
        ]
    else:
        title = _("terminate session {pid} ({who}) on {name}", pid=pid, who=who, name=name)
        changes = [_("its connection is closed, and uncommitted work is rolled back")]
    if session.blocks:
        changes.append(
            ngettext(
                "{count} session waiting for its locks can continue",
                "{count} sessions waiting for its locks can continue",
                session.blocks,
            )
        )
    return Operation(
        kind="cancel query" if how == "cancel" else "terminate",
        host=host or HERE,
        subject=f"session {pid} of {name}",
        statement=backend.ending(session, how),
        title=title,
        changes=tuple(changes),
        confirm="" if how == "cancel" else name,
    )


def request_of(operation: Operation, backend: str, session: ClientSession, config: str | None) -> JobRequest:
    """Return the request for a job that makes ``operation`` on a backend; ``config`` is the path of the
    configuration."""
    request = SessionRequest(config, backend, msgspec.structs.replace(session, statement=None), operation)
    return JobRequest(
        entry=f"{__name__}:run",
        kind=operation.kind,
        title=operation.title,
        key=operation.key,
        arguments=msgspec.to_builtins(request),
    )


async def run(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Cancel the statement of one session or terminate the session, as a job."""
    asked = msgspec.convert(arguments, SessionRequest)
    config = Config() if asked.config is None else load_config(Path(asked.config)).config
    found = config.backends.get(asked.backend)
    if found is None:
        raise UsageError(tr("there is no backend {name} in the configuration", name=asked.backend))
    if config.read_only:
        raise NotAllowed(tr("{name}: nothing was changed because read_only is set", name=asked.backend),
                         tr("Remove read_only: from the configuration."))  # fmt: skip
    host = None if found.host is None else opened_host(config, found.host)
    backend = load(found.kind).open_backend(asked.backend, found, host)
    try:
        if not isinstance(backend, EndsSessions):
            raise UsageError(tr("{name} does not support ending sessions", name=asked.backend))
        how: Ending = "cancel" if asked.operation.kind == "cancel query" else "terminate"
        run.intent(asked.operation.title)
        told: bool | None = None
        try:
            told = await backend.end(backend.ending(asked.session, how))
        except BackendRefused:
            raise
        except (BackendError, HostError) as error:
            run.say(str(error.message), "warning")  # it may have come there: what is there now tells
        now = await _proved(run, backend, asked.session, how, told)
        run.done(now)
        return Outcome("ok", now)
    except NotProved as error:
        return error.outcome
    finally:
        await backend.close()
        if host is not None:
            await host.close()


async def _proved(run: Run, backend: EndsSessions, session: ClientSession, how: Ending, told: bool | None) -> str:
    """Return what happened to the session, in a sentence; ``told`` is None if it is unknown whether it was signalled.
    Raises BackendError if the result is not the intended one, NotProved if it is unknown."""
    there: ClientSession | None = None
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_BETWEEN_S)
        there = await _found(run, backend, session)
        if there is None:
            if told is False:
                break
            return _("session {pid} has ended", pid=session.pid)
        if how == "cancel" and (there.state != "active" or there.statement_began != session.statement_began):
            if told is False:
                break
            return _("session {pid} is no longer running that statement", pid=session.pid)
    if told is False:
        raise BackendError(
            tr("session {pid} had already ended, or was running another statement; nothing was done", pid=session.pid),
            tr("Check the current sessions."),
        )
    if told is None:
        raise NotProved(
            tr("it is unknown whether session {pid} received the request; it has not stopped", pid=session.pid)
        )
    raise BackendError(
        tr("session {pid} received the request but has not stopped", pid=session.pid),
        tr("It may be waiting for a disk or a client, and stops when that responds. Check again, then retry."),
    )


async def _found(run: Run, backend: EndsSessions, session: ClientSession) -> ClientSession | None:
    """Return the current state of that exact session; None if it has ended. Waits for a lost connection to return.
    Raises LilFoxError, NotProved if it stays lost."""
    last = asyncio.get_running_loop().time() + _WAITS_S
    while True:
        try:
            now = await backend.sessions(session.pid)
        except BackendRefused:
            raise
        except (BackendError, HostError) as error:
            if asyncio.get_running_loop().time() > last:
                raise NotProved(
                    tr(
                        "could not check whether session {pid} has ended: {reason}",
                        pid=session.pid,
                        reason=error.message,
                    )
                ) from None
            run.say(str(error.message), "warning")
            await asyncio.sleep(_TRIES_S)
        else:
            return next((each for each in now if each.began == session.began), None)
