"""The job of an operation: makes the change on its host, verifies it, and records lasting changes in the incident."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, HostConfig, refuse_change
from lilfox_tui.core.errors import (
    CommandFailed,
    CommandTimeout,
    CommandUnknown,
    HostError,
    HostUnreachable,
    LilFoxError,
    NotBegun,
    UsageError,
)
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.hosts.open import open_host
from lilfox_tui.incident import incidents
from lilfox_tui.incident.model import Changed, Reverted
from lilfox_tui.jobs.model import JobRequest, Outcome, Run
from lilfox_tui.operations.addresses import check_ban, check_nft, prove_ban
from lilfox_tui.operations.containers import CONTAINER_KINDS, prove_container
from lilfox_tui.operations.model import ANOTHER, SETTLES_S, Kind, Operation, prove_signal, prove_unit

# What operations leave otherwise than it was, in the timeline of the incident that is open: until when, and how it is
# taken back.


_LASTS: dict[Kind, str] = {
    "stop": "stopped", "ban": "banned", "stop container": "stopped", "kill container": "stopped",
    "set image": "rolled out", "undo rollout": "rolled out", "scale workload": "scaled", "pause rollout": "paused",
    "cordon": "cordoned", "drain": "cordoned",
}  # fmt: skip
_TAKES_BACK: dict[Kind, str] = {
    "start": "stopped", "restart": "stopped", "unban": "banned", "start container": "stopped",
    "restart container": "stopped", "resume rollout": "paused", "uncordon": "cordoned",
}  # fmt: skip

_NAMES_UNDO = frozenset({"set image", "undo rollout", "scale workload", "pause rollout", "cordon", "drain"})
"""Those that name what takes them back; one without has left things as they were."""


async def record_change(run: Run, operation: Operation, now: str, *, known: bool = True) -> None:
    """Record in the incident's timeline that a change lasts, or that it reverts an earlier one. If it is not ``known``
    whether the change was made, record that it may last. A failure to write is reported and stops nothing."""
    try:
        await asyncio.to_thread(_tell, operation, now, known)
    except LilFoxError as error:
        run.say(_("not recorded in the incident's timeline: {reason}", reason=error.message), "warning")


def _tell(operation: Operation, now: str, known: bool) -> None:
    lasting = _LASTS.get(operation.kind) or _TAKES_BACK.get(operation.kind)
    if lasting is None:
        return
    change = _id(lasting, operation)
    text = f"{operation.host}: {now}" if known else _("possibly done: {title}", title=operation.title)
    folder = incidents.current_folder(own=True)
    there = None if folder is None else incidents.read_incident(folder).in_force.get(change)
    undoes = operation.kind in _TAKES_BACK or (there is not None and there.undo == _command_on(operation))
    if undoes:
        if known and folder is not None and there is not None:
            incidents.append_in(folder, Reverted(change=change, text=text))
    elif operation.kind not in _NAMES_UNDO or operation.undo:
        ends = None if operation.lasts_s is None else datetime.now(UTC) + timedelta(seconds=operation.lasts_s)
        incidents.record(Changed(change=change, text=text, undo=_undo(operation), ends=ends))


def _id(lasting: str, operation: Operation) -> str:
    return f"{lasting} {operation.host} {operation.subject}"


def _command_on(operation: Operation) -> str:
    return _("on {host}: {command}", host=operation.host, command=shlex.join(operation.argv))


def _undo(operation: Operation) -> str:
    if operation.undo:
        return _("on {host}: {command}", host=operation.host, command=shlex.join(operation.undo))
    if operation.kind == "stop":
        return _("on {host}: {command}", host=operation.host, command=f"systemctl start -- {operation.subject}")
    if operation.kind in ("stop container", "kill container"):
        start = shlex.join((*operation.argv[:-2], "start", operation.argv[-1]))
        return _("on {host}: {command}", host=operation.host, command=start)
    family = "v6" if ":" in operation.subject else "v4"
    command = f"nft delete element inet lilfox_ban {family} '{{ {operation.subject} }}'"
    return _("on {host}: {command}", host=operation.host, command=command)


# The job of an operation: it is written down, made on its host so that a lost link does not end it, and looked at.


HERE = "localhost"
_OUTPUT_BYTES = 64 * 1024
_WAITS_S, _TRIES_S = 600.0, 5.0
"""For a way that is cut while what is there is looked at, and between two tries."""
_WAY = (HostUnreachable, CommandUnknown, CommandTimeout)
"""What a way that is cut raises."""
T = TypeVar("T")
_PROOFS: dict[Kind, Callable[[Host, Operation], Awaitable[str]]] = {
    "signal": prove_signal,
    "ban": prove_ban,
    "unban": prove_ban,
}
"""What looks whether it came true; of units ``prove_unit``, of containers ``prove_container``."""


class OperationRequest(Struct, frozen=True):
    """``JobRequest.arguments``. ``config``: the path of the configuration, None for none."""

    config: str | None
    operation: Operation


def request_of(operation: Operation, config: str | None) -> JobRequest:
    """Return the request for a job that makes ``operation`` on a host; ``config`` is the path of the configuration."""
    return JobRequest(
        entry=f"{__name__}:run",
        kind=operation.kind,
        title=operation.title,
        key=operation.key,
        arguments=msgspec.to_builtins(OperationRequest(config, operation)),
    )


async def run(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Make one operation, as a job."""
    asked = msgspec.convert(arguments, OperationRequest)
    config = Config() if asked.config is None else load(Path(asked.config)).config
    operation = asked.operation
    host = opened_host(config, operation.host)
    try:
        if operation.kind == "ban":
            found = config.hosts.get(operation.host)
            if (unknown := await check_ban(host, operation, config, local=found is None or found.local)) is not None:
                run.say(str(unknown), "warning")
        elif operation.kind == "unban":
            await check_nft(host, operation)
        return Outcome("ok", await make_change(run, host, operation))
    except NotProved as error:
        return error.outcome
    finally:
        await host.close()


def opened_host(config: Config, name: str) -> Host:
    """Open the host of that name to change it. Raises UsageError for an unknown host, NotAllowed for a protected
    one."""
    found = config.hosts.get(name, HostConfig(local=True) if name == HERE else None)
    if found is None:
        raise UsageError(tr("there is no host {name} in the configuration", name=name))
    refuse_change(config, (name,))
    return open_host(name, found, config.ssh)


class NotProved(LilFoxError):
    """The outcome of a change, or the state after it, was not observed."""

    @property
    def outcome(self) -> Outcome:
        """The job's outcome for this error: ``unknown``."""
        return Outcome("unknown", str(self.message), str(self.hint), self.exit_code)


class ChangeProof(Protocol):
    """Looks what came of an operation, where that is not told by its kind alone."""

    lasts: bool
    """Whether the change is there, although it has not come to what it should."""

    async def failed(self, host: Host, operation: Operation, status: int | None, said: str) -> CommandFailed | None:
        """Return why the command failed; None if what it was to make may be there all the same. Raises NotProved,
        HostError."""
        ...

    async def proved(self, operation: Operation) -> str:
        """Return the resulting state in a sentence. Raises CommandFailed, NotProved, HostError."""
        ...


async def make_change(
    run: Run, host: Host, operation: Operation, settles_s: float = SETTLES_S, proof: ChangeProof | None = None
) -> str:
    """Make ``operation`` and return the resulting state in a sentence; for a unit, after the state has lasted for
    ``settles_s``. ``run.id`` names the command on the host: if the link is lost, it continues to run, and is found
    again after a reconnect. Lasting changes are recorded in the open incident. Raises CommandFailed, NotProved,
    HostError (nothing was done). If cancelled, it also ends the command on the host."""
    run.intent(operation.title)
    try:
        look, said = await _run(run, host, operation)
        if not look.ok:
            await _raise_failure(run, host, operation, look.exit_status, said, proof)
        now = await _proved(run, host, operation, settles_s, proof)
    except NotProved:
        await record_change(run, operation, "", known=False)
        raise
    except CommandFailed as error:
        if proof is not None and proof.lasts:
            await record_change(run, operation, str(error.message))
        raise
    except asyncio.CancelledError:
        with suppress(LilFoxError):
            await detached.cancel(host, run.id, sudo=operation.sudo)
        await record_change(run, operation, "", known=False)
        raise
    run.done(now)
    await record_change(run, operation, now)
    await detached.forget(host, run.id, sudo=operation.sudo)
    return now


async def _run(run: Run, host: Host, operation: Operation) -> tuple[detached.DetachedState, str]:
    """Return how the command ended, and its output. Raises NotProved if the outcome was not observed, HostError if it
    was not started."""
    await host.connect()
    begun: detached.Begun | None = None
    try:
        begun = await detached.start(
            host, run.id, operation.argv, stdin=operation.stdin.encode(), sudo=operation.sudo,
            limit_bytes=_OUTPUT_BYTES, label=operation.title, followed=True,
        )  # fmt: skip
    except _WAY as error:
        run.say(str(error.message), "warning")  # it may run there: what follows finds out
    said = bytearray()
    look: detached.DetachedState | None = None
    following = detached.follow(
        host, run.id, sudo=operation.sudo, begun=begun, lost=lambda error: run.say(str(error.message), "warning")
    )
    try:
        async with aclosing(following) as outputs:
            async for output in outputs:
                if isinstance(output, detached.DetachedState):
                    look = output
                else:
                    said += output.data[: _OUTPUT_BYTES - len(said)]
        if look is not None and look.state in ("absent", "unbegun"):
            look = await detached.cancel(host, run.id, sudo=operation.sudo)  # a start that is on its way runs nothing
    except HostError as error:
        raise _not_seen(host, operation, error.message) from None
    lines = [clean(line) for line in said.decode("utf-8", "replace").splitlines()]
    for line in lines:
        run.say(line)
    if look is None or look.state != "ended":
        raise _not_seen(host, operation, tr("it was killed, or the host went down"))
    if look.exit_status is None:
        raise NotBegun(
            host.name,
            tr(
                "{host}: the connection was lost before this command started, so nothing was done: {command}",
                host=host.name,
                command=operation.command,
            ),
        )
    return look, "\n".join(lines)


async def _raise_failure(
    run: Run, host: Host, operation: Operation, status: int | None, said: str, proof: ChangeProof | None
) -> None:
    """Raise CommandFailed for a command that failed, unless what it was to make may be there."""
    if proof is None:
        raise _failed(host, operation, status, said)
    error = await _looked(run, host, operation, lambda: proof.failed(host, operation, status, said))
    if error is not None:
        raise error


async def _proved(run: Run, host: Host, operation: Operation, settles_s: float, proof: ChangeProof | None) -> str:
    """Return the resulting state. Raises CommandFailed if the state is not the intended one, NotProved if the host
    cannot be reached."""

    async def prove() -> str:
        if proof is not None:
            return await proof.proved(operation)
        if operation.kind in CONTAINER_KINDS:
            return await prove_container(host, operation, settles_s)
        if operation.kind in _PROOFS:
            return await _PROOFS[operation.kind](host, operation)
        run.say(
            _(
                "checking that {unit} stays in the intended state for {seconds:g} s",
                seconds=settles_s,
                unit=operation.subject,
            )
        )
        return await prove_unit(host, operation, settles_s)

    return await _looked(run, host, operation, prove)


async def _looked(run: Run, host: Host, operation: Operation, look: Callable[[], Awaitable[T]]) -> T:
    """Return what a look finds. Waits for a lost link to return. Raises what it raises, NotProved if the host cannot be
    reached."""
    last = asyncio.get_running_loop().time() + _WAITS_S
    while True:
        try:
            return await look()
        except CommandFailed:
            raise
        except HostError as error:
            if not isinstance(error, _WAY) or asyncio.get_running_loop().time() > last:
                raise _not_seen(host, operation, error.message) from None
            run.say(str(error.message), "warning")
            await wait_until_reconnected(host, _TRIES_S)


def _not_seen(host: Host, operation: Operation, why: Message | str) -> NotProved:
    return NotProved(
        tr(
            "{host}: the outcome of “{command}” is unknown: {why}",
            host=host.name,
            command=operation.command,
            why=why,
        )
    )


def _failed(host: Host, operation: Operation, status: int | None, said: str) -> CommandFailed:
    message = tr(
        "{host}: {command} exited with status {status}", host=host.name, command=operation.command, status=status
    )
    hint: Message | str = ""
    if operation.kind == "signal" and status == ANOTHER:
        message = tr("{host}: {process} has already ended; no signal was sent", host=host.name,
                     process=operation.subject)  # fmt: skip
        hint = tr("Another process may have its PID by now; no signal was sent to that process.")
    elif operation.kind in ("restart", "stop", "start"):
        hint = tr("Check its log: journalctl -u {unit} -n 50", unit=operation.subject)
    elif said.strip():
        hint = said.strip().splitlines()[0]  # nft points at the place below it
    return CommandFailed(host.name, message, hint, outcome=status, stderr=said)
