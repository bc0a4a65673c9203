"""Where nothing is changed: everywhere with ``--read-only`` or ``read_only: true``, else on ``protected`` hosts."""

from __future__ import annotations

from collections.abc import Iterable

from lilfox_tui.config.model import Config
from lilfox_tui.errors import NotAllowed
from lilfox_tui.i18n import Message, tr


def allows_no_change(config: Config, host: str | None) -> bool:
    """Whether nothing is changed on the host of that name. None, and a name that is not configured, are this machine,
    for which holds what any of its names says."""
    found = None if host is None else config.hosts.get(host)
    if config.read_only or (found is not None and found.protected):
        return True
    here = found is None or found.local
    return here and any(each.local and each.protected for each in config.hosts.values())


def refuse_change(config: Config, hosts: Iterable[str | None], why: Message | str = "") -> None:
    """Raises NotAllowed where something would be changed on one of these hosts and must not be; ``why`` says what makes
    a change of it."""
    for host in hosts:
        if not allows_no_change(config, host):
            continue
        name = host or tr("this machine")
        what = (
            tr("read only: nothing is changed on {host}", host=name)
            if config.read_only
            else tr("{host} is protected: nothing is changed there", host=name)
        )
        raise NotAllowed(
            tr("{what}; {why}", what=what, why=why) if why else what,
            tr("start without --read-only, or take read_only out of the configuration")
            if config.read_only
            else tr("take protected off this host in the configuration"),
        )
