"""Acts on the addresses that a log record names, and on the bans of a host."""

from __future__ import annotations

from collections.abc import Sequence
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
from lilfox_tui.app.shell import Shell
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.addresses import own_addresses_here
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.operations.addresses import ban_operation, bans, check_ban, unban_operation, why_never
from lilfox_tui.text import human_duration

TIMES_S = (600, 3600, 6 * 3600, 24 * 3600)
_NAME = 42


def ban_acts(app: Shell, addresses: Sequence[str], first: str | None) -> list[Act]:
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


async def _ban(app: Shell, text: str, first: str | None) -> Chosen | None:
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


async def _unban(app: Shell, name: str) -> Chosen | None:
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
