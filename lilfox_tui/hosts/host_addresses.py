"""Addresses of the configured hosts, also of those that are configured by a name: no ban may hold one of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress

from msgspec import Struct

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.errors import HostError
from lilfox_tui.hosts.addresses import Address, or_none
from lilfox_tui.i18n import Message, listed, tr

WITHIN_S = 5.0
"""So long all names together are looked up."""


class HostAddresses(Struct, frozen=True):
    """What is known of them."""

    found: tuple[tuple[str, Address], ...]
    """Hosts by name, each address of theirs."""
    unknown: tuple[str, ...] = ()
    """Hosts whose name nothing resolves, or not in time."""

    @property
    def warning(self) -> Message | None:
        """That some are not kept from a ban."""
        if not self.unknown:
            return None
        return tr("not kept from a ban, as their names cannot be looked up: {names}", names=listed(self.unknown))


def configured(hosts: Mapping[str, HostConfig]) -> tuple[tuple[str, Address], ...]:
    """Those that are configured by an address."""
    named = ((name, or_none(host.address or name)) for name, host in hosts.items())
    return tuple((name, found) for name, found in named if found is not None)


async def looked_up(hosts: Mapping[str, HostConfig], ssh: SshConfig, *, within_s: float = WITHIN_S) -> HostAddresses:
    """All of them but this machine, in ``within_s``; aliases of ssh_config are followed first."""
    found = dict.fromkeys(configured(hosts))
    known = {name for name, _address in found}
    names: dict[str, str] = {}
    for name, host in hosts.items():
        if name not in known and not host.local:
            names[name] = await _address_of(name, host, ssh)
    looks = {text: asyncio.ensure_future(_look_up(text)) for text in names.values()}
    if looks:
        await asyncio.wait(looks.values(), timeout=within_s)
    answers = {text: look.result() if look.done() else () for text, look in looks.items()}
    for look in looks.values():
        look.cancel()
    for name, text in names.items():
        found |= dict.fromkeys((name, each) for each in answers[text])
    return HostAddresses(tuple(found), tuple(name for name, text in names.items() if not answers[text]))


async def _address_of(name: str, host: HostConfig, ssh: SshConfig) -> str:
    """Where it is dialled."""
    from lilfox_tui.hosts.ssh_dial import Target, resolve

    with suppress(HostError):
        return (await resolve(Target.of(name, host), ssh)).address
    return host.address or name


async def _look_up(text: str) -> tuple[Address, ...]:
    """What the system's resolver says of a name, or the address that it is. In a thread that nobody waits for: the
    resolver may hang for as long as it likes."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Address, ...]] = loop.create_future()

    def tell(found: tuple[Address, ...]) -> None:
        if not answer.done():
            answer.set_result(found)

    def ask() -> None:
        found: tuple[Address, ...] = ()
        with suppress(OSError, UnicodeError):
            found = _addresses(socket.getaddrinfo(text, None, type=socket.SOCK_STREAM))
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name="look up", daemon=True).start()
    return await answer


def _addresses(told: Iterable[tuple[object, object, object, object, tuple[object, ...]]]) -> tuple[Address, ...]:
    found = (or_none(str(place[0]).partition("%")[0]) for *_kind, place in told)
    return tuple(dict.fromkeys(each for each in found if each is not None))
