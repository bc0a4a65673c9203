"""Operations: changes to a host, as they are shown and requested; also the operations on systemd units and
processes."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.errors import CommandFailed, HostError, UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.hosts.process import last_words

# One change, as it is shown before it is made and as its job is asked for it.


Kind = Literal[
    "restart", "stop", "start", "signal", "ban", "unban", "cancel query", "terminate",
    "restart container", "stop container", "start container", "kill container",
    "restart workload", "set image", "undo rollout", "scale workload", "pause rollout", "resume rollout",
    "cordon", "uncordon", "drain", "delete pod",
]  # fmt: skip


class Operation(Struct, frozen=True, kw_only=True):
    """A command on one host, run without a shell, or a statement on one backend."""

    kind: Kind
    host: str
    """Its name in the configuration; ``localhost`` where that has no local host."""
    subject: str
    """What it acts on: a unit, ``process 4711``, an address, ``session 4711 of shop-db``."""
    argv: tuple[str, ...] = ()
    stdin: str = ""
    """What the command reads."""
    statement: str = ""
    """SQL that is run instead of a command."""
    sudo: bool = False
    title: str
    """What it does, in the language of the one who asks."""
    changes: tuple[str, ...] = ()
    """What will be otherwise than it was, a sentence each."""
    confirm: str = ""
    """The word that a person types before it is begun: of a host or a backend. Empty where one key is enough."""
    lasts_s: int | None = None
    """After so long it ends by itself."""
    undo: tuple[str, ...] = ()
    """The command that takes it back; of operations on clusters."""

    @property
    def key(self) -> str:
        """The key of the operation's job: two operations on the same object never run at once."""
        return f"operation {self.host} {self.subject}"

    @property
    def command(self) -> str:
        """The command in one line, as errors name it."""
        return self.statement or shlex.join(self.argv)

    @property
    def shown(self) -> tuple[str, ...]:
        """All that will run, one line each."""
        if self.statement:
            return tuple(self.statement.splitlines())
        words = ("sudo", *self.argv) if self.sudo else self.argv
        return (*shlex.join(words).splitlines(), *self.stdin.splitlines())


# Units and programs through which a host is reached: who stops one of them may have closed the door behind himself.


_DOORS = frozenset({
    "ssh", "sshd", "dropbear", "systemd-networkd", "networkmanager", "networking", "network", "wpa_supplicant",
    "dhclient", "dhcpcd", "systemd-resolved", "tailscaled", "openvpn", "wg-quick", "firewalld", "nftables",
})  # fmt: skip


def locks_out(name: str) -> tuple[str, ...]:
    """Return a warning if you may be connected through the unit or program of that name (sshd, a VPN); empty for
    most."""
    base = name.strip().rpartition("/")[2].partition(".")[0].partition("@")[0].partition("-session")[0].lower()
    if base not in _DOORS:
        return ()
    return (_("You may be connected to the host through {name}: without it, login may be impossible", name=name),)


# Operations on systemd units and on processes.


# Units of systemd: their state as ``systemctl show`` has it, and restarting, stopping and starting them.
#
# systemctl(1), systemd.unit(5), org.freedesktop.systemd1(5).


Verb = Literal["restart", "stop", "start"]
_NAME = re.compile(r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,254}")
_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "MainPID", "NRestarts"),
    "InvocationID",
)
_STOPPING, _STOPPED = "de5b426a63be47a7b6ac3eaac82e2f6f", "9d1aaa27d60140bd96365438aad20286"
_STARTED = ("7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf")
"""SD_MESSAGE_UNIT_STOPPING, _STOPPED, and _STARTING and _STARTED (sd-messages.h): systemd stops a unit by order only,
and of one that starts at once it writes only that it has. One that waits to be restarted, or has not started yet, is
stopped without a word before. An older systemd also writes that it has stopped what it restarts by itself, and it may
give up then."""
_ANSWER_S = 20.0
SETTLES_S = 10.0
"""So long a unit has to stay as an order made it: many end a few seconds after they have begun."""
_LOOKS_S = 1.0
"""Between two looks at it."""


class Unit(Struct, frozen=True, kw_only=True):
    """The state of a unit, in systemd's terms."""

    name: str
    """With its suffix, as systemd has it."""
    load: str
    """``loaded``, ``not-found``, ``masked``, …"""
    active: str
    """``active``, ``inactive``, ``failed``, ``activating``, ``deactivating``, ``reloading``."""
    sub: str
    """``running``, ``dead``, ``auto-restart``, …"""
    result: str
    """How its last run ended: ``success``, ``exit-code``, ``signal``, ``start-limit-hit``, …"""
    enabled: str
    """``enabled``, ``disabled``, ``static``, …; empty for a unit without a file."""
    pid: int | None
    restarts: int
    """How often systemd has restarted it by itself."""
    invocation: str = ""
    """Of this run of it; another one after each start. Empty where systemd is older than that."""

    @property
    def running(self) -> bool:
        """Whether it is up, or starting because somebody requested it."""
        return self.active in ("active", "reloading") or (self.active == "activating" and self.sub != "auto-restart")


async def read_unit(host: Host, unit: str) -> Unit:
    """Return the unit's current state. Raises UsageError for an invalid name or a missing unit, HostError."""
    properties = [f"--property={','.join(_PROPERTIES)}"]
    done = await host.run(["systemctl", "show", *properties, "--", checked(unit)], timeout_s=_ANSWER_S)
    if not done.ok:
        raise HostError(
            host.name, tr("{host}: systemctl show failed for {unit}: {words}", host=host.name, unit=unit,
                          words=last_words(done.stderr)),
        )  # fmt: skip
    shown = dict(line.partition("=")[::2] for line in done.stdout.decode("utf-8", "replace").splitlines())
    if shown.get("LoadState") == "not-found":
        raise UsageError(
            tr("{host} has no unit {unit}", host=host.name, unit=unit),
            tr("Run systemctl list-units --all on the host to see the names."),
        )
    pid, restarts = shown.get("MainPID", "0"), shown.get("NRestarts", "0")
    return Unit(
        name=shown.get("Id") or unit,
        load=shown.get("LoadState", ""),
        active=shown.get("ActiveState", ""),
        sub=shown.get("SubState", ""),
        result=shown.get("Result", ""),
        enabled=shown.get("UnitFileState", ""),
        pid=int(pid) if pid.isdecimal() and pid != "0" else None,
        restarts=int(restarts) if restarts.isdecimal() else 0,
        invocation=shown.get("InvocationID", ""),
    )


async def service_units(host: Host) -> list[tuple[str, str]]:
    """Return the host's services by name, each with its state (``active running``). Raises HostError."""
    argv = ["systemctl", "list-units", "--type=service", "--all", "--plain", "--no-legend", "--no-pager", "--full"]
    done = await host.run(argv, timeout_s=_ANSWER_S)
    if not done.ok:
        words = last_words(done.stderr)
        raise HostError(host.name, tr("{host}: systemctl list-units failed: {words}", host=host.name, words=words))
    lines = [line.split() for line in done.stdout.decode("utf-8", "replace").splitlines()]
    return [(line[0], f"{line[2]} {line[3]}") for line in lines if len(line) > 3 and line[1] == "loaded"]


async def stopped_by_order(host: Host, unit: Unit, *, sudo: bool) -> bool:
    """Whether a unit that is down was stopped deliberately: the newest request in the journal is to stop it, or, if the
    journal has none (or may not be read), its last run succeeded. Raises HostError."""
    if unit.running:
        return False
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE_ID", "--lines=1"]
    messages = [f"MESSAGE_ID={each}" for each in (_STOPPING, _STOPPED, *_STARTED)]
    done = await host.run([*argv, f"UNIT={unit.name}", *messages], timeout_s=_ANSWER_S, sudo=sudo)
    newest = _message_id(done)
    if newest is None:
        return unit.active == "inactive" and unit.result == "success"
    return newest == _STOPPING or (newest == _STOPPED and unit.result != "start-limit-hit")


def _message_id(done: Completed) -> str | None:
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if not done.ok or not lines:
        return None
    try:
        found = json.loads(lines[-1])
    except json.JSONDecodeError:
        return None
    return found.get("MESSAGE_ID") if isinstance(found, dict) else None


def unit_operation(verb: Verb, host: str, unit: str, *, sudo: bool) -> Operation:
    """Return the operation ``systemctl VERB`` on ``host``. Raises UsageError for an invalid unit name."""
    titles = {
        "restart": _("restart {unit} on {host}", unit=unit, host=host),
        "stop": _("stop {unit} on {host}", unit=unit, host=host),
        "start": _("start {unit} on {host}", unit=unit, host=host),
    }
    changes = {
        "restart": _("{unit} is down until it has restarted; its connections are closed", unit=unit),
        "stop": _("{unit} stays down until it is started again; automatic recovery leaves it alone", unit=unit),
        "start": _("{unit} is started, with the units that it requires", unit=unit),
    }
    warning = () if verb == "start" else locks_out(unit)
    return Operation(
        kind=verb,
        host=host,
        subject=unit,
        argv=("systemctl", verb, "--", checked(unit)),
        sudo=sudo,
        title=titles[verb],
        changes=(changes[verb], *warning),
        confirm=host if verb == "stop" or warning else "",
    )


async def prove_unit(host: Host, operation: Operation, settles_s: float = SETTLES_S) -> str:
    """Return the unit's state in a sentence, if it is the intended one and lasts for ``settles_s``. Raises
    CommandFailed if it is not: at once, or as soon as the unit is seen down, up again, or restarted by itself."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    first: Unit | None = None
    while True:
        unit = await read_unit(host, operation.subject)
        after_s = loop.time() - began_s
        text = _("{unit} is {active} ({sub})", unit=unit.name, active=unit.active, sub=unit.sub)
        if not _as_wanted(operation, unit):
            later = (
                ""
                if first is None
                else _("; before that, it was in the intended state for {seconds:.0f} s", seconds=after_s)
            )
            raise _not_so(host, operation, f"{text}{later}", unit)
        first = first or unit
        if (unit.restarts, unit.invocation) != (first.restarts, first.invocation):
            again = _("{unit} exited and was restarted within {seconds:.0f} s", unit=unit.name, seconds=after_s)
            raise _not_so(host, operation, again, unit)
        if after_s >= settles_s:
            return text
        await asyncio.sleep(min(_LOOKS_S, settles_s - after_s))


def _as_wanted(operation: Operation, unit: Unit) -> bool:
    if operation.kind == "stop":
        return unit.active in ("inactive", "failed")  # many end with a failure when they are told to stop
    return unit.running and unit.active != "activating"


def _not_so(host: Host, operation: Operation, state: str, unit: Unit) -> CommandFailed:
    return CommandFailed(
        host.name,
        tr("{host}: after {command}: {state}", host=host.name, command=" ".join(operation.argv), state=state),
        tr("Check its log: journalctl -u {unit} -n 50", unit=unit.name),
        outcome=unit.result,
        stderr="",
    )


def checked(unit: str) -> str:
    """Return ``unit`` if it is a valid unit name. Raises UsageError."""
    if not _NAME.fullmatch(unit):
        raise UsageError(
            tr("{unit} is not a valid unit name", unit=unit),
            tr("Enter the name of a unit, such as lilfox-backend.service."),
        )
    return unit


# Signals to a process. Its start time goes along: a number that was given again is another process, and is left alone.
#
# kill(1), proc_pid_stat(5).


Signal = Literal["TERM", "KILL", "HUP"]
ANOTHER = 3
"""Exit status: the process is gone, or the number is another process's now."""
_STAT = 's=$(cat "/proc/$1/stat" 2>/dev/null) || exit 3; set -- "$@" ${s##*) }; '
"""Behind the name, which may hold anything, stand field 3 (the state) and those after it; 22 is the start time."""
_SEND = _STAT + '[ "${23}" = "$2" ] || exit 3; kill -s "$3" -- "$1"'
_LOOK = _STAT + '[ "${22}" = "$2" ] || exit 3; echo "$3"'
_LOOKS, _BETWEEN_S, _SIGNAL_ANSWER_S = 10, 0.5, 20.0


def signal_operation(
    signal: Signal, host: str, pid: int, start_ticks: int, command: str, *, sudo: bool, confirm: str = ""
) -> Operation:
    """Return the operation that sends ``signal`` to the process ``pid`` that started ``start_ticks`` after the boot
    (clock ticks); ``command`` is its name, untrusted text. Raises UsageError for the first process of a host."""
    if pid <= 1:
        raise UsageError(
            tr("{pid} is the init process of {host}", pid=pid, host=host),
            tr("Restart or stop individual units instead."),
        )
    changes = {
        "TERM": _("{command} is asked to terminate and can save its data first", command=command),
        "KILL": _("{command} ends at once: unsaved data is lost", command=command),
        "HUP": _("a daemon reloads its configuration; a program that does not handle HUP ends"),
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
    """Return what happened to the process, in a sentence. Raises CommandFailed if KILL did not end it, HostError."""
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
            tr(
                "{host}: process {pid} was sent KILL but still exists, in state {state}",
                host=host.name,
                pid=pid,
                state=state,
            ),
            tr("A process in state D waits for a disk or a network file system; it ends when that responds."),
            outcome=state,
            stderr="",
        )
    return _("{pid} received {signal} and is still running", pid=pid, signal=signal)


async def _state(host: Host, pid: str, start: str, *, sudo: bool) -> str | None:
    """Return the state letter of that exact process; None if it has ended (or is a zombie)."""
    done = await host.run(["sh", "-c", _LOOK, "sh", pid, start], timeout_s=_SIGNAL_ANSWER_S, sudo=sudo)
    if done.exit_status == ANOTHER:
        return None
    if not done.ok:
        raise HostError(host.name, tr("{host}: cannot read the state of process {pid}", host=host.name, pid=pid))
    state = done.stdout.decode("ascii", "replace").strip()
    return None if state in ("Z", "X") else state
