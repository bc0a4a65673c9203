"""Addresses that must not be banned: the operator's own, those of the configured hosts, and non-public ones."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core.errors import ConfigError, HostError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.process import last_words

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
        "::/127", "fc00::/7", "fe80::/9", "ff00::/8",
    )
)  # fmt: skip
"""Not of the internet (RFC 6890): private, shared, loopback, link-local, multicast, reserved. Ranges for documentation
are not among them: they are nobody's."""
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_CARRIERS = ((ipaddress.IPv6Network("64:ff9b::/96"), 96), (ipaddress.IPv6Network("2002::/16"), 16))
"""IPv6 ranges in which an IPv4 address stands behind so many bits (RFC 6052, RFC 3056)."""


class Denied(Struct, frozen=True):
    """The addresses and ranges that no ban may include."""

    own: frozenset[Address] = frozenset()
    """From where the operator reaches the host, as the host sees it."""
    ranges: tuple[Network, ...] = ()
    """``never_ban`` of the configuration."""
    hosts: tuple[tuple[str, Address], ...] = ()
    """Hosts of the configuration by name, as far as their addresses are known."""


def denied(own: Iterable[Address], never_ban: Iterable[str], hosts: Iterable[tuple[str, Address]]) -> Denied:
    """Return the addresses and ranges that must not be banned. Raises ConfigError for an invalid range, which could
    otherwise be banned."""
    ranges = []
    for text in never_ban:
        try:
            ranges.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise ConfigError(
                tr("runbooks.never_ban: {range} is neither an address nor a range", range=text),
                hint=tr("Use addresses (203.0.113.7) and ranges (203.0.113.0/24)."),
            ) from None
    return Denied(frozenset(plain(each) for each in own), tuple(_plain_network(each) for each in ranges), tuple(hosts))


def address(text: str) -> Address:
    """Parse an address; an IPv4-mapped IPv6 address becomes IPv4. Raises ValueError, also for an address with a zone
    (``%eth0``)."""
    if "%" in text:
        raise ValueError(text)
    return plain(ipaddress.ip_address(text))


def or_none(text: str) -> Address | None:
    """Parse like :func:`address`; return None if ``text`` is not an address."""
    try:
        return address(text)
    except ValueError:
        return None


def is_loopback(text: str) -> bool:
    """Whether ``text`` is ``localhost`` or an address of it."""
    found = or_none(text)
    return text == "localhost" if found is None else found.is_loopback


def network(text: str) -> Network:
    """Parse a range like :func:`address`. Raises ValueError, also if host bits are set."""
    if "%" in text:
        raise ValueError(text)
    base, slash, length = text.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise ValueError(text)
    return _plain_network(ipaddress.ip_network(base + slash + length))


def plain(found: Address) -> Address:
    """Return the address as packets carry it: an IPv4-mapped one as IPv4."""
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def why_denied(wanted: Network, denied: Denied, deny: Collection[str] = ("self", "private")) -> Message | None:
    """Return why ``wanted`` must not be banned, or None. ``deny`` says whether the operator's own addresses and hosts
    (``self``) and non-public addresses (``private``) are protected."""
    if "self" in deny:
        for own in denied.own:
            if _within(own, wanted):
                return _own(own, wanted)
        for name, found in denied.hosts:
            if _within(found, wanted):
                return _of_host(found, name, wanted)
    if "private" in deny:
        for each in _overlapping(wanted, _PRIVATE):
            return tr("{range} is not a public address range", range=str(each))
    for each in _overlapping(wanted, denied.ranges):
        return tr("never_ban in the configuration contains {range}", range=str(each))
    return None


def _own(own: Address, wanted: Network) -> Message:
    if wanted.num_addresses == 1:
        return tr("{address} is your own address", address=str(own))
    return tr("it contains {address}, your own address", address=str(own))


def _of_host(found: Address, name: str, wanted: Network) -> Message:
    if wanted.num_addresses == 1:
        return tr("{address} is the address of {host}", address=str(found), host=name)
    return tr("it contains {address}, the address of {host}", address=str(found), host=name)


def _plain_network(found: Network) -> Network:
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def _within(own: Address, wanted: Network) -> bool:
    return any(own in each for each in _readings(wanted) if each.version == own.version)


def _overlapping(wanted: Network, ranges: Iterable[Network]) -> Iterator[Network]:
    for reading in _readings(wanted):
        for each in ranges:
            if isinstance(each, ipaddress.IPv4Network) and isinstance(reading, ipaddress.IPv4Network):
                if reading.overlaps(each):
                    yield each
            elif (
                isinstance(each, ipaddress.IPv6Network)
                and isinstance(reading, ipaddress.IPv6Network)
                and reading.overlaps(each)
            ):
                yield each


def _readings(wanted: Network) -> Iterator[Network]:
    """Yield ``wanted`` and the IPv4 networks that it embeds; a range that contains all mapped addresses embeds all of
    IPv4."""
    yield wanted
    if isinstance(wanted, ipaddress.IPv4Network):
        return
    if _MAPPED.subnet_of(wanted):
        yield ipaddress.IPv4Network("0.0.0.0/0")
    for carrier, bits in _CARRIERS:
        if carrier.subnet_of(wanted):
            yield ipaddress.IPv4Network("0.0.0.0/0")
        elif wanted.subnet_of(carrier):
            shift = 128 - bits - 32
            length = min(32, wanted.prefixlen - bits)
            inner = (int(wanted.network_address) >> shift) & 0xFFFFFFFF
            yield ipaddress.IPv4Network((inner, length), strict=False)


# Addresses of the configured hosts, also of those that are configured by a name: no ban may hold one of them.


WITHIN_S = 5.0
"""So long all names together are looked up."""


class HostAddresses(Struct, frozen=True):
    """The known addresses of the configured hosts."""

    found: tuple[tuple[str, Address], ...]
    """Hosts by name, each address of theirs."""
    unknown: tuple[str, ...] = ()
    """Hosts whose name nothing resolves, or not in time."""

    @property
    def warning(self) -> Message | None:
        """A warning if some hosts are not protected from a ban."""
        if not self.unknown:
            return None
        return tr(
            "hosts not protected from a ban, because their names cannot be resolved: {names}",
            names=listed(self.unknown),
        )


def configured_addresses(hosts: Mapping[str, HostConfig]) -> tuple[tuple[str, Address], ...]:
    """Return the hosts configured by an address, with that address."""
    named = ((name, or_none(host.address or name)) for name, host in hosts.items())
    return tuple((name, found) for name, found in named if found is not None)


async def looked_up(hosts: Mapping[str, HostConfig], ssh: SshConfig, *, within_s: float = WITHIN_S) -> HostAddresses:
    """Resolve all hosts but this machine within ``within_s``, after following ssh_config aliases."""
    found = dict.fromkeys(configured_addresses(hosts))
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
    """Return the address that SSH connects to."""
    from lilfox_tui.hosts.ssh.connect import SshTarget, resolve

    with suppress(HostError):
        return (await resolve(SshTarget.of(name, host), ssh)).address
    return host.address or name


async def _look_up(text: str) -> tuple[Address, ...]:
    """Resolve a name or an address with the system's resolver, in a thread that is never joined: the resolver may hang
    indefinitely."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Address, ...]] = loop.create_future()

    def tell(found: tuple[Address, ...]) -> None:
        if not answer.done():
            answer.set_result(found)

    def ask() -> None:
        found: tuple[Address, ...] = ()
        with suppress(OSError, UnicodeError):
            found = _distinct_addresses(socket.getaddrinfo(text, None, type=socket.SOCK_STREAM))
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name="look up", daemon=True).start()
    return await answer


def _distinct_addresses(
    told: Iterable[tuple[object, object, object, object, tuple[object, ...]]],
) -> tuple[Address, ...]:
    found = (or_none(str(place[0]).partition("%")[0]) for *_kind, place in told)
    return tuple(dict.fromkeys(each for each in found if each is not None))


# From where the operator reaches a host, as that host sees it: what a ban must never hold.


_VARIABLE = "SSH_CONNECTION"
"""sshd(8): address and port of the client, address and port of the server."""
_SSH = "22"


async def own_addresses(host: Host, *, local: bool = False) -> frozenset[Address]:
    """Return both ends of the SSH connection to ``host`` (behind a jump host, those of the last hop) and of the
    operator's SSH connection to this machine, if any. ``local``: the host is this machine and needs no connection; if
    the environment names no SSH connection, as under sudo, all SSH connections to it count.

    Raises HostError, also when the host does not tell: what is not known cannot be kept from a ban.
    """
    found = own_addresses_here()
    if local:
        return found or await _connected(host)
    completed = await host.run(["printenv", _VARIABLE], timeout_s=15)
    ends = _addresses_of_line(completed.stdout.decode("ascii", "replace"))
    if not ends:
        raise HostError(
            host.name,
            tr("{host} does not report the address you connect from ({variable} is not set)",
               host=host.name, variable=_VARIABLE),
            hint=tr("Without this address, LilFox bans nothing. Ban manually, and take care not to ban your own "
                    "address."),
        )  # fmt: skip
    return found | set(ends)


def own_addresses_here() -> frozenset[Address]:
    """Return both ends of the SSH connection through which this machine is used; empty without one."""
    return frozenset(_addresses_of_line(os.environ.get(_VARIABLE, "")))


async def _connected(host: Host) -> frozenset[Address]:
    """Return both ends of all connections held by an SSH server on ``host`` (ss(8): only root sees the process that
    owns them)."""
    completed = await host.run(["ss", "-Htnp", "state", "established"], timeout_s=15)
    if not completed.ok:
        raise HostError(
            host.name,
            tr("cannot list the SSH connections to {host}: {words}", host=host.name,
               words=last_words(completed.stderr)),
            hint=tr("Without this information, LilFox bans nothing. Install iproute2 on the host."),
        )  # fmt: skip
    found: set[Address] = set()
    for line in completed.stdout.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        (here, port), (there, _port) = (end.rsplit(":", 1) for end in words[2:4])
        if port == _SSH or '"sshd' in line:
            found |= {address(end.strip("[]").partition("%")[0]) for end in (here, there)}
    return frozenset(found)


def _addresses_of_line(words: str) -> list[Address]:
    """Return both addresses of a line of four words, as in SSH_CONNECTION; none for any other line. The zone of a
    link-local address is dropped, because packets do not carry it."""
    parts = words.split()
    if len(parts) != 4:
        return []
    try:
        return [address(part.partition("%")[0]) for part in (parts[0], parts[2])]
    except ValueError:
        return []
