"""Operations from the screen: choose one for the selection, show what it will run and change, start its job."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.job_output import JobOutput
from lilfox_tui.app.dialogs.messages import AskDialog
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.job_words import job_kind_text
from lilfox_tui.app.rows.processes import process_text
from lilfox_tui.backends.model import ClientSession, Ending, EndsSessions
from lilfox_tui.config.model import HostConfig
from lilfox_tui.containers.model import ContainerView, EngineView
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, clauses, ngettext, tr
from lilfox_tui.core.text import clean, fit, human_bytes, human_duration
from lilfox_tui.hosts.addresses import own_addresses_here
from lilfox_tui.jobs import listing, start
from lilfox_tui.metrics.model import ProcessUsage
from lilfox_tui.monitor.model import BackendView, HostView, ServiceView, View
from lilfox_tui.operations.addresses import addresses_in, ban_operation, bans, check_ban, unban_operation, why_never
from lilfox_tui.operations.containers import CONTAINER_VERBS, ContainerVerb, container_operation
from lilfox_tui.operations.job import request_of as request_of_operation
from lilfox_tui.operations.model import (
    Operation,
    Signal,
    Verb,
    read_unit,
    service_units,
    signal_operation,
    unit_operation,
)
from lilfox_tui.operations.sessions import request_of, session_operation

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import JobRequest


HERE = "localhost"
"""As jobs call this machine where the configuration has no local host."""
_LABEL = 10


class Chosen(Struct, frozen=True):
    """An operation to confirm, and the job request that carries it out."""

    operation: Operation
    request: JobRequest


class Act(Struct, frozen=True):
    """An operation that can be chosen, disabled if ``why_not`` is set. ``choose`` asks for what is missing (such as a
    process or a duration), returns None on cancel, and raises LilFoxError."""

    id: str
    title: str
    note: str
    choose: Callable[[Console], Awaitable[Chosen | None]]
    why_not: Message | str | None = None


def why_unchanged(app: Console, name: str) -> Message | None:
    """Why the host with that name cannot be changed; None if it can."""
    if app.rewound is not None:
        return tr("you are viewing the past; ` returns to now")
    if app.config.read_only:
        return tr("changes are disabled in read_only mode")
    found = app.config.hosts.get(name)
    return tr("{name} is protected in the configuration", name=name) if found and found.protected else None


def name_for_jobs(app: Console, name: str) -> str:
    """The name under which a job finds a host that this console monitors."""
    return name if name in app.config.hosts else HERE


def host_config(app: Console, name: str) -> HostConfig:
    """The config of a host that this console monitors."""
    return app.config.hosts.get(name) or HostConfig(local=True)


def made_by_job(app: Console, operation: Operation) -> Chosen:
    """An operation on a host with its job request."""
    return Chosen(operation, request_of_operation(operation, app.monitor.backups.config_path))


async def one_of(app: Console, title: str, choices: Sequence[Choice]) -> str | None:
    """Lets the user choose; returns the id of the choice, or None."""
    return await app.push_screen_wait(Chooser(title, choices, wide=True))


def choice_of(id_: str, name: str, note: str, *, width: int, why_not: Message | None = None) -> Choice:
    """A line of a list: a name in a column, then its description."""
    row = (Piece(fit(name, width) + "  ", "strong"), Piece(str(why_not or note), "muted"))
    return Choice(id_, row, f"{name} {note}", why_not is None)


async def carry_out(app: Console, act: Act) -> None:
    """Asks for what is missing, shows what will run, starts the job and shows its progress. Raises LilFoxError."""
    chosen = await act.choose(app)
    if chosen is None or not await _confirmed(app, chosen.operation):
        return
    job = await asyncio.to_thread(start.start, chosen.request)
    found = await asyncio.to_thread(listing.find_job, job)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    app.push_screen(JobOutput(found, glyphs=app.glyphs, zone=zone, slow=app.slow_link))


async def _confirmed(app: Console, operation: Operation) -> bool:
    rows = shown_rows(operation)
    title = operation.title[:1].upper() + operation.title[1:]
    if operation.confirm:
        return await app.confirm(title, rows, operation.confirm)
    return await app.push_screen_wait(AskDialog(title, rows, does=job_kind_text(operation.kind), stays=_("go back")))


def shown_rows(operation: Operation) -> list[Row]:
    """The host, the exact commands, and what they change."""
    where = _("via") if operation.statement else _("host")
    rows: list[Row] = [(_label(where), Piece(operation.host, "accent"))]
    for place, line in enumerate(operation.shown):
        rows.append((_label(_("runs") if place == 0 else ""), Piece(line, "strong")))
    rows.append(BLANK)
    for place, line in enumerate(operation.changes):
        rows.append((_label(_("changes") if place == 0 else ""), Piece(line)))
    if operation.undo:
        rows += [BLANK, (_label(_("undo")), Piece(shlex.join(operation.undo)))]
    return rows


def _label(text: str) -> Piece:
    return Piece("  " + fit(text, _LABEL), "muted")


# Operations on a host, on a service's unit, and on the addresses that a log record names.


TIMES_S = (600, 3600, 6 * 3600, 24 * 3600)
_NAME = 42


def ban_acts(app: Console, texts: Iterable[str], first: str | None) -> list[Act]:
    """Return the operations that ban the addresses found in the first of ``texts`` that contains any. ``first`` is the
    host offered first; None if none is known."""
    acts = []
    for each in next(filter(None, map(addresses_in, texts)), []):
        why: Message | str | None
        try:
            why = why_never(app.config, each, tuple(own_addresses_here()))
        except LilFoxError as error:
            why = error.message
        if app.config.read_only or app.rewound is not None:
            why = why_unchanged(app, first or "")
        title = _("ban {address}", address=each)
        acts.append(
            Act(f"ban {each}", title, _("temporarily, on one host"), partial(_ban, text=each, first=first), why)
        )
    return acts


def unban_act(name: str, why: Message | None) -> Act:
    """The operation that lists the bans of a host and lifts one."""
    return Act("unban", _("lift a ban on {host}", host=name), _("banned addresses"),
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
    return _("permanent") if seconds is None else _("{time} left", time=human_duration(seconds))


_HOST_NAME = 34
_VERBS: tuple[Verb, ...] = ("restart", "start", "stop")


def host_acts(app: Console, view: HostView) -> list[Act]:
    """The operations on a host: on its failed units and those of ``recovery:``, on any other unit, on its processes,
    and on its bans."""
    why = _why_not(app, view)
    own = [each.unit for each in app.config.recovery.values() if each.host == view.name and each.unit]
    failed = () if view.summary is None else view.summary.failed_units or ()
    units = list(dict.fromkeys([*failed, *own]))
    acts = [_unit_act(verb, view.name, unit, why) for verb in _VERBS for unit in units]
    title, note = _("another unit on {host}", host=view.name), _("restart, start or stop one of its services")
    acts.append(Act("unit", title, note, partial(_any_unit, name=view.name), why))
    title, note = _("signal a process on {host}", host=view.name), _("TERM, HUP or KILL")
    unread = None if _processes(app, view.name) else tr("open the host's page to load its processes")
    acts.append(Act("process", title, note, partial(_signal, name=view.name), why or unread))
    engines = () if app.monitor.overview.value is None else app.monitor.overview.value.containers.get(view.name, ())
    if any(engine.containers for engine in engines):
        title, note = _("a container on {host}", host=view.name), _("restart, start, stop or kill it")
        acts.append(Act("container", title, note, partial(_any_container, name=view.name, engines=engines), why))
    return [*acts, unban_act(view.name, why)]


def service_acts(app: Console, view: ServiceView) -> list[Act]:
    """The operations on the units that the configuration names for the service."""
    own = [each for each in app.config.recovery.values() if each.service == view.name and each.unit]
    return [_unit_act(verb, each.host, each.unit, why_unchanged(app, each.host)) for verb in _VERBS for each in own]


def _why_not(app: Console, view: HostView) -> Message | None:
    if (why := why_unchanged(app, view.name)) is not None:
        return why
    return tr("{name} is currently unreachable", name=view.name) if isinstance(view.link, Unavailable) else None


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
    unit = await one_of(app, _("Which unit on {host}?", host=name), choices)
    if unit is None:
        return None
    now = await read_unit(host, unit)
    acts = {act.id: act for act in (_unit_act(verb, name, unit, None) for verb in _VERBS)}
    choices = [choice_of(each, act.title, act.note, width=_HOST_NAME) for each, act in acts.items()]
    title = _("{unit} is {active} ({sub})", unit=now.name, active=now.active, sub=now.sub)
    chosen = await one_of(app, title, choices)
    return None if chosen is None else await acts[chosen].choose(app)


async def _any_container(app: Console, name: str, engines: Sequence[EngineView]) -> Chosen | None:
    found = {each.container.id: (engine, each) for engine in engines for each in engine.containers}
    choices = [
        choice_of(
            id_, clean(each.container.name), clean(f"{each.container.state}  {clauses(map(str, each.reasons))}"),
            width=_HOST_NAME,
        )
        for id_, (_engine, each) in found.items()
    ]  # fmt: skip
    chosen = await one_of(app, _("Which container on {host}?", host=name), choices)
    if chosen is None:
        return None
    engine, view = found[chosen]
    sudo, there = host_config(app, name).sudo, name_for_jobs(app, name)
    offered = {verb: container_operation(verb, there, view, engine.version, sudo=sudo) for verb in CONTAINER_VERBS}
    choices = [choice_of(verb, each.title, each.changes[0], width=_HOST_NAME) for verb, each in offered.items()]
    verb = await one_of(app, clean(view.container.name), choices)
    return next((made_by_job(app, each) for known, each in offered.items() if known == verb), None)


def container_acts(app: Console, engine: EngineView, view: ContainerView) -> list[Act]:
    """The operations on one container."""
    why = why_unchanged(app, view.host)
    if why is None and engine.error is not None:
        why = tr("{reason}", reason=engine.error.message)
    name = clean(view.container.name or view.container.short_id)
    titles = {
        "restart": _("restart {unit}", unit=name),
        "stop": _("stop {unit}", unit=name),
        "start": _("start {unit}", unit=name),
        "kill": _("kill {unit}", unit=name),
    }
    note = _("on {host}", host=view.host)
    return [
        Act(f"{verb} {view.host} {view.container.short_id}", titles[verb], note,
            partial(_one_container, engine=engine, view=view, verb=verb), why or _why_not_verb(verb, view))
        for verb in CONTAINER_VERBS
    ]  # fmt: skip


def _why_not_verb(verb: ContainerVerb, view: ContainerView) -> Message | None:
    container = view.container
    if verb == "start" and container.running:
        return tr("{name} is already running", name=container.name)
    if verb in ("stop", "kill") and not container.running and container.state != "restarting":
        return tr("{name} is not running: {state}", name=container.name, state=container.state)
    return None


async def _one_container(app: Console, engine: EngineView, view: ContainerView, verb: ContainerVerb) -> Chosen | None:
    sudo, there = host_config(app, view.host).sudo, name_for_jobs(app, view.host)
    return made_by_job(app, container_operation(verb, there, view, engine.version, sudo=sudo))


def _processes(app: Console, name: str) -> list[ProcessUsage]:
    if name not in app.monitor.hosts:
        return []
    snapshot = app.monitor.snapshot(name).value
    found = None if snapshot is None else snapshot.processes
    return [each for each in found or () if each.start_ticks is not None and each.pid > 1]


async def _signal(app: Console, name: str) -> Chosen | None:
    processes = {str(each.pid): each for each in _processes(app, name)}
    choices = [choice_of(pid, f"{pid:>7} {clean(process_text(each))}", _told(each), width=_HOST_NAME)
               for pid, each in processes.items()]  # fmt: skip
    pid = await one_of(app, _("Which process on {host}?", host=name), choices)
    if pid is None:
        return None
    process = processes[pid]
    offered = dict(_signals(app, name, process))
    choices = [choice_of(signal, signal, operation.changes[0], width=6) for signal, operation in offered.items()]
    signal = await one_of(app, f"{pid} {clean(process_text(process))}", choices)
    return None if signal is None else made_by_job(app, offered[signal])


def _signals(app: Console, name: str, process: ProcessUsage) -> Iterator[tuple[str, Operation]]:
    signals: tuple[Signal, ...] = ("TERM", "HUP", "KILL")
    for signal in signals:
        yield signal, signal_operation(
            signal, name_for_jobs(app, name), process.pid, process.start_ticks or 0, clean(process.command),
            sudo=host_config(app, name).sudo,
        )  # fmt: skip


def _told(process: ProcessUsage) -> str:
    """The owner of a process, its start time and its resource usage."""
    cpu = "" if process.cpu_percent is None else f"{process.cpu_percent:.0f}% "
    since = "" if process.started_at is None else _("since {time}", time=f"{process.started_at:%m-%d %H:%M:%S}")
    return f"{clean(process.user)}  {cpu}{human_bytes(process.resident_bytes)}  {since}".rstrip()


# Operations on what is selected in the Metrics pane: hosts, services, and sessions of a database.


_SELECTION_NAME = 30


def backend_acts(app: Console, view: BackendView) -> list[Act]:
    """The operations on a backend's sessions, if its kind has them."""
    if view.config.kind != "postgresql":
        return []
    why = why_unchanged(app, view.config.host or HERE)
    if why is None and view.outage is not None:
        why = tr("{name} is not responding", name=view.name)
    title = _("cancel or terminate a session on {name}", name=view.name)
    return [
        Act("session", title, _("the current statement, or the whole session"), partial(_choose, name=view.name), why)
    ]


async def _choose(app: Console, name: str) -> Chosen | None:
    backend, sessions = await app.monitor.backends.sessions(name)
    if not sessions:
        app.tell(tr("{name} has no client sessions now", name=name))
        return None
    by_key = {f"{each.pid} {each.began}": each for each in sessions}
    choices = [choice_of(key, _who(each), _selection_told(each), width=_SELECTION_NAME) for key, each in by_key.items()]
    chosen = await one_of(app, _("Which session on {name}?", name=name), choices)
    if chosen is None:
        return None
    return await _how(app, name, backend, by_key[chosen])


async def _how(app: Console, name: str, backend: EndsSessions, session: ClientSession) -> Chosen | None:
    config = app.config.backends[name]
    idle: Message | None = None if session.state == "active" else tr("no statement is running")
    titles: dict[Ending, str] = {"cancel": _("cancel its statement"), "terminate": _("terminate the session")}
    offered = {how: session_operation(name, config.host, backend, session, how) for how in titles}
    choices = [
        choice_of(
            how, titles[how], operation.changes[0], width=_SELECTION_NAME, why_not=idle if how == "cancel" else None
        )
        for how, operation in offered.items()
    ]
    if idle is not None:
        choices.reverse()
    chosen = await one_of(app, _who(session).strip(), choices)
    found = next((each for how, each in offered.items() if how == chosen), None)
    if found is None:
        return None
    return Chosen(found, request_of(found, name, session, app.monitor.backups.config_path))


def _who(session: ClientSession) -> str:
    return clean(f"{session.pid:>7} {session.role or '-'}@{session.database or '-'}")


def _selection_told(session: ClientSession) -> str:
    """What a session does, for how long, whom it blocks, and its statement on one line."""
    blocks = ngettext("blocks {count}", "blocks {count}", session.blocks) if session.blocks else ""
    state = clean(session.state or "-")
    statement = clean(" ".join((session.statement or "").split()))
    return "  ".join(part for part in (blocks, state, human_duration(session.in_state_s), statement) if part)


def view_acts(app: Console, view: View | None) -> list[Act]:
    """The operations on a host, a service or a backend."""
    if view is None:
        return []
    if isinstance(view, HostView):
        return host_acts(app, view)
    return backend_acts(app, view) if isinstance(view, BackendView) else service_acts(app, view)
