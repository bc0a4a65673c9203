"""Addresses that may not be banned: one's own, those that are not of the internet, those of the configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import Message, tr

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
    """What no ban may hold."""

    own: frozenset[Address] = frozenset()
    """From where the operator reaches the host, as the host sees it."""
    ranges: tuple[Network, ...] = ()
    """``never_ban`` of the configuration."""
    hosts: tuple[tuple[str, Address], ...] = ()
    """Hosts of the configuration by name, as far as their addresses are known."""


def denied(own: Iterable[Address], never_ban: Iterable[str], hosts: Iterable[tuple[str, Address]]) -> Denied:
    """Raises ConfigError for a range that cannot be read: what is not understood cannot be kept from a ban."""
    ranges = []
    for text in never_ban:
        try:
            ranges.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise ConfigError(
                tr("runbooks.never_ban: {range} is no address and no range", range=text),
                hint=tr("Write addresses (203.0.113.7) and ranges (203.0.113.0/24)."),
            ) from None
    return Denied(frozenset(plain(each) for each in own), tuple(_plain_network(each) for each in ranges), tuple(hosts))


def address(text: str) -> Address:
    """The address that ``text`` writes; an IPv4 address that is written as an IPv6 one is one of IPv4. Raises
    ValueError, also for one with a zone (``%eth0``)."""
    if "%" in text:
        raise ValueError(text)
    return plain(ipaddress.ip_address(text))


def or_none(text: str) -> Address | None:
    """As :func:`address`; None for what is none."""
    try:
        return address(text)
    except ValueError:
        return None


def network(text: str) -> Network:
    """As :func:`address`, of a range. Raises ValueError, also where bits of a host are set."""
    if "%" in text:
        raise ValueError(text)
    base, slash, length = text.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise ValueError(text)
    return _plain_network(ipaddress.ip_network(base + slash + length))


def plain(found: Address) -> Address:
    """The address that packets have."""
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def why_denied(wanted: Network, denied: Denied, deny: Collection[str] = ("self", "private")) -> Message | None:
    """Why no ban may hold ``wanted``; ``deny`` says whether one's own addresses and hosts (``self``) and those that are
    not of the internet (``private``) count. None where nothing speaks against it."""
    if "self" in deny:
        for own in denied.own:
            if _within(own, wanted):
                return _own(own, wanted)
        for name, found in denied.hosts:
            if _within(found, wanted):
                return _of_host(found, name, wanted)
    if "private" in deny:
        for each in _overlapping(wanted, _PRIVATE):
            return tr("{range} is not of the internet", range=str(each))
    for each in _overlapping(wanted, denied.ranges):
        return tr("never_ban of the configuration has {range}", range=str(each))
    return None


def _own(own: Address, wanted: Network) -> Message:
    if wanted.num_addresses == 1:
        return tr("{address} is your own address", address=str(own))
    return tr("it holds {address}, your own address", address=str(own))


def _of_host(found: Address, name: str, wanted: Network) -> Message:
    if wanted.num_addresses == 1:
        return tr("{address} is the address of {host}", address=str(found), host=name)
    return tr("it holds {address}, the address of {host}", address=str(found), host=name)


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
    """``wanted``, and the IPv4 networks that it carries: a range around all mapped addresses is all of IPv4."""
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
