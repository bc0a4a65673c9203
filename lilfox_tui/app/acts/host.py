"""Operations on a host, on a service's unit, and on the addresses that a log record names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import replace

from lilfox_tui.app.acts.doing import (
    Act,
    Chosen,
    choice_of,
    host_config,
    made_by_job,
    name_for_jobs,
    one_of,
    why_unchanged,
)
from lilfox_tui.app.console import Console
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Unavailable
from lilfox_tui.hosts.addresses import own_addresses_here
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.metrics.model import ProcessUsage
from lilfox_tui.monitor.model import HostView, ServiceView
from lilfox_tui.operations.addresses import ban_operation, bans, check_ban, unban_operation, why_never
from lilfox_tui.operations.model import Operation
from lilfox_tui.operations.units import Signal, Verb, read_unit, service_units, signal_operation, unit_operation
from lilfox_tui.text import clean, human_bytes, human_duration

TIMES_S = (600, 3600, 6 * 3600, 24 * 3600)
_NAME = 42


def ban_acts(app: Console, addresses: Sequence[str], first: str | None) -> list[Act]:
    """Bans of ``addresses``; ``first`` is the host that is offered first, None where nothing tells of one."""
    acts = []
    for each in addresses:
        why: Message | str | None
        try:
            why = why_never(app.config, each, tuple(own_addresses_here()))
        except LilFoxError as error:
            why = error.message
        if app.config.read_only or app.rewound is not None:
            why = why_unchanged(app, first or "")
        title = _("ban {address}", address=each)
        acts.append(Act(f"ban {each}", title, _("for a time, on a host"), partial(_ban, text=each, first=first), why))
    return acts


def unban_act(name: str, why: Message | None) -> Act:
    """What lists the bans of a host, to lift one."""
    return Act("unban", _("lift a ban on {host}", host=name), _("addresses that are banned there"),
               partial(_unban, name=name), why)  # fmt: skip


async def _ban(app: Console, text: str, first: str | None) -> Chosen | None:
    names = sorted(app.monitor.hosts, key=lambda each: each != first)
    choices = []
    for name in names:
        why = why_unchanged(app, name)
        for seconds in TIMES_S:
            title = _("on {host} for {time}", host=name, time=human_duration(seconds))
            choices.append(choice_of(f"{seconds} {name}", title, "", width=_NAME, why_not=why))
    chosen = await one_of(app, _("Ban {address}", address=text), choices)
    if chosen is None:
        return None
    length, _space, name = chosen.partition(" ")
    config = host_config(app, name)
    operation = ban_operation(name_for_jobs(app, name), text, int(length), sudo=config.sudo)
    if (unknown := await check_ban(app.monitor.host(name), operation, app.config, local=config.local)) is not None:
        operation = replace(operation, changes=(*operation.changes, str(unknown)))
    return made_by_job(app, operation)


async def _unban(app: Console, name: str) -> Chosen | None:
    sudo = host_config(app, name).sudo
    found = await bans(app.monitor.host(name), sudo=sudo)
    if not found:
        app.tell(tr("nothing is banned on {host}", host=name))
        return None
    choices = [choice_of(each.address, each.address, _left(each.left_s), width=_NAME) for each in found]
    chosen = await one_of(app, _("Lift which ban on {host}?", host=name), choices)
    return None if chosen is None else made_by_job(app, unban_operation(name_for_jobs(app, name), chosen, sudo=sudo))


def _left(seconds: int | None) -> str:
    return _("without an end") if seconds is None else _("{time} left", time=human_duration(seconds))


_HOST_NAME = 34
_VERBS: tuple[Verb, ...] = ("restart", "start", "stop")


def host_acts(app: Console, view: HostView) -> list[Act]:
    """On its failed units and those of ``recovery:``, on any other one, on its processes, and on its bans."""
    why = _why_not(app, view)
    own = [each.unit for each in app.config.recovery.values() if each.host == view.name]
    failed = () if view.summary is None else view.summary.failed_units or ()
    units = list(dict.fromkeys([*failed, *own]))
    acts = [_unit_act(verb, view.name, unit, why) for verb in _VERBS for unit in units]
    title, note = _("another unit of {host}", host=view.name), _("restart, start or stop one of its services")
    acts.append(Act("unit", title, note, partial(_any_unit, name=view.name), why))
    title, note = _("signal a process of {host}", host=view.name), _("TERM, HUP or KILL")
    unread = None if _processes(app, view.name) else tr("its processes are read while its page is open")
    acts.append(Act("process", title, note, partial(_signal, name=view.name), why or unread))
    return [*acts, unban_act(view.name, why)]


def service_acts(app: Console, view: ServiceView) -> list[Act]:
    """On the units that the configuration names for it."""
    own = [each for each in app.config.recovery.values() if each.service == view.name]
    return [_unit_act(verb, each.host, each.unit, why_unchanged(app, each.host)) for verb in _VERBS for each in own]


def _why_not(app: Console, view: HostView) -> Message | None:
    if (why := why_unchanged(app, view.name)) is not None:
        return why
    return tr("{name} is not reached now", name=view.name) if isinstance(view.link, Unavailable) else None


def _unit_act(verb: Verb, name: str, unit: str, why: Message | None) -> Act:
    titles = {
        "restart": _("restart {unit}", unit=unit),
        "start": _("start {unit}", unit=unit),
        "stop": _("stop {unit}", unit=unit),
    }
    return Act(f"{verb} {name} {unit}", titles[verb], _("on {host}", host=name), _unit(verb, name, unit), why)


def _unit(verb: Verb, name: str, unit: str) -> Callable[[Console], Awaitable[Chosen | None]]:
    async def choose(app: Console) -> Chosen | None:
        sudo = host_config(app, name).sudo
        return made_by_job(app, unit_operation(verb, name_for_jobs(app, name), unit, sudo=sudo))

    return choose


async def _any_unit(app: Console, name: str) -> Chosen | None:
    host = app.monitor.host(name)
    found = await service_units(host)
    choices = [choice_of(unit, unit, state, width=_HOST_NAME) for unit, state in found]
    unit = await one_of(app, _("Which unit of {host}?", host=name), choices)
    if unit is None:
        return None
    now = await read_unit(host, unit)
    acts = {act.id: act for act in (_unit_act(verb, name, unit, None) for verb in _VERBS)}
    choices = [choice_of(each, act.title, act.note, width=_HOST_NAME) for each, act in acts.items()]
    title = _("{unit} is {active} ({sub})", unit=now.name, active=now.active, sub=now.sub)
    chosen = await one_of(app, title, choices)
    return None if chosen is None else await acts[chosen].choose(app)


def _processes(app: Console, name: str) -> list[ProcessUsage]:
    if name not in app.monitor.hosts:
        return []
    snapshot = app.monitor.snapshot(name).value
    found = None if snapshot is None else snapshot.processes
    return [each for each in found or () if each.start_ticks is not None and each.pid > 1]


async def _signal(app: Console, name: str) -> Chosen | None:
    processes = {str(each.pid): each for each in _processes(app, name)}
    choices = [choice_of(pid, f"{pid:>7} {clean(each.command)}", _told(each), width=_HOST_NAME)
               for pid, each in processes.items()]  # fmt: skip
    pid = await one_of(app, _("Which process of {host}?", host=name), choices)
    if pid is None:
        return None
    process = processes[pid]
    offered = dict(_signals(app, name, process))
    choices = [choice_of(signal, signal, operation.changes[0], width=6) for signal, operation in offered.items()]
    signal = await one_of(app, f"{pid} {clean(process.command)}", choices)
    return None if signal is None else made_by_job(app, offered[signal])


def _signals(app: Console, name: str, process: ProcessUsage) -> Iterator[tuple[str, Operation]]:
    signals: tuple[Signal, ...] = ("TERM", "HUP", "KILL")
    for signal in signals:
        yield signal, signal_operation(
            signal, name_for_jobs(app, name), process.pid, process.start_ticks or 0, clean(process.command),
            sudo=host_config(app, name).sudo,
        )  # fmt: skip


def _told(process: ProcessUsage) -> str:
    """Whose it is, since when, and what it takes."""
    cpu = "" if process.cpu_percent is None else f"{process.cpu_percent:.0f}% "
    since = "" if process.started_at is None else _("since {time}", time=f"{process.started_at:%m-%d %H:%M:%S}")
    return f"{clean(process.user)}  {cpu}{human_bytes(process.resident_bytes)}  {since}".rstrip()
