"""Signals to a process. Its start time goes along: a number that was given again is another process, and is left alone.

kill(1), proc_pid_stat(5).
"""

from __future__ import annotations

import asyncio
from typing import Literal

from lilfox_tui.errors import CommandFailed, HostError, UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import _, tr
from lilfox_tui.operations.lockout import locks_out
from lilfox_tui.operations.model import Operation

Signal = Literal["TERM", "KILL", "HUP"]
ANOTHER = 3
"""Exit status: the process is gone, or the number is another process's now."""
_STAT = 's=$(cat "/proc/$1/stat" 2>/dev/null) || exit 3; set -- "$@" ${s##*) }; '
"""Behind the name, which may hold anything, stand field 3 (the state) and those after it; 22 is the start time."""
_SEND = _STAT + '[ "${23}" = "$2" ] || exit 3; kill -s "$3" -- "$1"'
_LOOK = _STAT + '[ "${22}" = "$2" ] || exit 3; echo "$3"'
_LOOKS, _BETWEEN_S, _ANSWER_S = 10, 0.5, 20.0


def signal_operation(
    signal: Signal, host: str, pid: int, start_ticks: int, command: str, *, sudo: bool, confirm: str = ""
) -> Operation:
    """What sends ``signal`` to the process ``pid`` that was started ``start_ticks`` after the boot (clock ticks);
    ``command`` is its name, untrusted text. Raises UsageError for the first process of a host."""
    if pid <= 1:
        raise UsageError(
            tr("{pid} is the first process of {host}", pid=pid, host=host), tr("Restart or stop its units instead.")
        )
    changes = {
        "TERM": _("{command} is asked to end: it saves what it has to, and ends", command=command),
        "KILL": _("{command} ends at once: what it has not saved is lost", command=command),
        "HUP": _("a daemon reads its configuration again; a program that does not know HUP ends"),
    }
    warning = locks_out(command)
    return Operation(
        kind="signal",
        host=host,
        subject=f"process {pid}",
        argv=("sh", "-c", _SEND, "sh", str(pid), str(start_ticks), signal),
        sudo=sudo,
        title=_("send {signal} to {pid} ({command}) on {host}", signal=signal, pid=pid, command=command, host=host),
        changes=(changes[signal], *warning),
        confirm=(confirm or host) if signal == "KILL" or warning else "",
    )


async def prove_signal(host: Host, operation: Operation) -> str:
    """What became of the process, in a sentence. Raises CommandFailed where KILL did not end it, HostError."""
    pid, start, signal = operation.argv[-3:]
    state: str | None = None
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_BETWEEN_S)
        state = await _state(host, pid, start, sudo=operation.sudo)
        if state is None:
            return _("{pid} has ended", pid=pid)
        if signal == "HUP":
            break
    if signal == "KILL":
        raise CommandFailed(
            host.name,
            tr("{host}: {pid} got KILL and is still there, in state {state}", host=host.name, pid=pid, state=state),
            tr("In state D it waits for a disk or a network drive, and ends when that answers."),
            outcome=state,
            stderr="",
        )
    return _("{pid} has got {signal} and runs", pid=pid, signal=signal)


async def _state(host: Host, pid: str, start: str, *, sudo: bool) -> str | None:
    """The state letter of that very process; None where it has ended (a zombie has, too)."""
    done = await host.run(["sh", "-c", _LOOK, "sh", pid, start], timeout_s=_ANSWER_S, sudo=sudo)
    if done.exit_status == ANOTHER:
        return None
    if not done.ok:
        raise HostError(host.name, tr("{host} does not tell of process {pid}", host=host.name, pid=pid))
    state = done.stdout.decode("ascii", "replace").strip()
    return None if state in ("Z", "X") else state
