"""Operations that ban addresses: an nftables set with timeouts, evaluated before everything else, for IPv4 and IPv6.

nft(8). Table, sets and chain are those of the bundled runbooks, so that each sees and lifts the other's bans.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import CommandFailed, HostError, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import human_duration, later
from lilfox_tui.hosts.addresses import (
    Address,
    configured_addresses,
    denied,
    looked_up,
    or_none,
    own_addresses,
    why_denied,
)
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.process import last_words
from lilfox_tui.operations.model import Operation

SHORTEST_S, LONGEST_S = 1, 30 * 24 * 3600
_TABLE = "inet lilfox_ban"
_RULES = f"""\
table {_TABLE} {{
  set v4 {{ type ipv4_addr; flags timeout; size 65535; }}
  set v6 {{ type ipv6_addr; flags timeout; size 65535; }}
  chain banned {{ type filter hook prerouting priority -310; }}
}}
flush chain {_TABLE} banned
add rule {_TABLE} banned ip saddr @v4 drop
add rule {_TABLE} banned ip6 saddr @v6 drop
"""
"""One transaction, which may be repeated: all of it comes true or nothing."""
_OWN = "ip -o address; ip -o route show table all; ip -o -6 route show table all; cat /etc/resolv.conf 2>/dev/null; :"
_ADDRESS = re.compile(r"(?:inet6?|via|nameserver)\s+([0-9a-fA-F:.]+)")
_ANSWER_S = 20.0


class Ban(Struct, frozen=True):
    """An address banned on a host, and the seconds left; None for a ban without an end."""

    address: str
    left_s: int | None


def ban_operation(host: str, text: str, seconds: int, *, sudo: bool) -> Operation:
    """Return the operation that bans the address ``text`` on ``host`` for that long. Raises UsageError for an invalid
    address, or a time outside the limits of at most a month. Whether it may be banned is checked by :func:`why_never`
    and, on the host, :func:`check_ban`."""
    found = _read(text)
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise UsageError(tr("the duration of a ban must be between one second and thirty days"))
    element = f"{_TABLE} {_set_of(found)} {{ {found}"
    elements = f"add element {element} }}\ndelete element {element} }}\nadd element {element} timeout {seconds}s }}\n"
    time = human_duration(seconds)
    return Operation(
        kind="ban",
        host=host,
        subject=str(found),
        argv=("nft", "-f", "-"),
        stdin=_RULES + elements,
        sudo=sudo,
        title=_("ban {address} on {host} for {time}", address=str(found), host=host, time=time),
        changes=(
            _("traffic from {address} is blocked, including open connections", address=str(found)),
            _("the ban expires after {time}, or when the host reboots", time=time),
            _("everyone who shares that address is blocked too, for example behind a proxy or in an office"),
        ),
        confirm=host,
        lasts_s=seconds,
    )


def unban_operation(host: str, text: str, *, sudo: bool) -> Operation:
    """Return the operation that lifts the ban of an address. Raises UsageError for an invalid address."""
    found = _read(text)
    return Operation(
        kind="unban",
        host=host,
        subject=str(found),
        argv=("nft", "delete", "element", *_TABLE.split(), _set_of(found), f"{{ {found} }}"),
        sudo=sudo,
        title=_("unban {address} on {host}", address=str(found), host=host),
        changes=(_("traffic from {address} is no longer blocked", address=str(found)),),
    )


def why_never(config: Config, text: str, own: Sequence[Address] = ()) -> Message | None:
    """Return why an address must never be banned, as far as that is known without contacting a host: it is not public,
    listed in ``never_ban``, the configured address of a host, or one of ``own``. Raises UsageError, ConfigError."""
    return _why_never(config, _read(text), own, configured_addresses(config.hosts))


def _why_never(
    config: Config, found: Address, own: Iterable[Address], hosts: Iterable[tuple[str, Address]]
) -> Message | None:
    return why_denied(ipaddress.ip_network(found), denied(own, config.runbooks.never_ban, hosts))


async def check_ban(host: Host, operation: Operation, config: Config, *, local: bool) -> Message | None:
    """Check, right before the change, that the ban does not lock you out, and does not affect the host itself, its
    gateways and name servers, or the hosts of the configuration. Returns which of them could not be looked up. Raises
    NotAllowed; HostError if the host's addresses cannot be determined or nft is missing."""
    await check_nft(host, operation)
    found = _read(operation.subject)
    hosts = await looked_up(config.hosts, config.ssh)
    why = _why_never(config, found, await own_addresses(host, local=local), hosts.found)
    if why is None and found in await _of_host(host):
        why = tr("it is an address, gateway or name server of {host}", host=host.name)
    if why is not None:
        raise NotAllowed(
            tr("refused to ban {address}: {why}", address=operation.subject, why=why), tr("Nothing was changed.")
        )
    return hosts.warning


async def check_nft(host: Host, operation: Operation) -> None:
    """Raise HostError if nft does not run on the host: without it a ban could not expire by itself."""
    done = await host.run(["nft", "--version"], timeout_s=_ANSWER_S, sudo=operation.sudo)
    if not done.ok:
        raise HostError(
            host.name,
            tr("{host}: cannot run nft: {words}", host=host.name, words=last_words(done.stderr) or done.ending),
            tr(
                "Install nftables on the host (apt install nftables, dnf install nftables): LilFox needs it for "
                "bans that expire."
            ),
        )


async def prove_ban(host: Host, operation: Operation) -> str:
    """Return how long the address remains banned, or that it is not, as intended. Raises CommandFailed, HostError."""
    left = next((each for each in await bans(host, sudo=operation.sudo) if each.address == operation.subject), None)
    if operation.kind == "unban" and left is None:
        return _("{address} is no longer banned", address=operation.subject)
    if operation.kind == "ban" and left is not None and left.left_s is not None:
        until = later(datetime.now(UTC), left.left_s)
        return _("{address} is banned until {time:%Y-%m-%d %H:%M:%S} UTC", address=operation.subject, time=until)
    raise CommandFailed(
        host.name,
        tr(
            "{host}: the ban on {address} was changed in the meantime, or has already expired",
            host=host.name,
            address=operation.subject,
        ),
        tr("To list the current bans: nft list table {table}", table=_TABLE),
        outcome=None,
        stderr="",
    )


async def bans(host: Host, *, sudo: bool) -> list[Ban]:
    """Return the addresses that are banned on the host. Raises HostError."""
    done = await host.run(["nft", "--json", "list", "table", *_TABLE.split()], timeout_s=_ANSWER_S, sudo=sudo)
    if not done.ok and b"No such file" in done.stderr:
        return []
    try:
        if not done.ok:
            raise ValueError(last_words(done.stderr))
        listed = json.loads(done.stdout)["nftables"]
        return [_ban(each) for item in listed if "set" in item for each in item["set"].get("elem", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(host.name, tr("{host}: cannot read the bans: {reason}", host=host.name, reason=error)) from None


def addresses_in(text: str) -> list[str]:
    """Return the addresses in a text, in canonical form, in order."""
    found: dict[str, None] = {}
    for word in re.findall(r"[0-9a-fA-F:.]{3,45}", text):
        if (one := or_none(word.strip(".")) or or_none(word.partition(":")[0])) is not None:
            found.setdefault(str(one))
    return list(found)


def _ban(element: Any) -> Ban:
    value = element["elem"] if isinstance(element, dict) else {"val": element}
    return Ban(str(value["val"]), value.get("expires"))


async def _of_host(host: Host) -> set[Address]:
    done = await host.run(["sh", "-c", _OWN], timeout_s=_ANSWER_S)
    found = {or_none(text) for text in _ADDRESS.findall(done.stdout.decode("ascii", "replace"))} - {None}
    if not found:
        raise HostError(
            host.name,
            tr("cannot determine the addresses of {host}: {words}", host=host.name, words=last_words(done.stderr)),
            tr("LilFox bans nothing until it knows them. Install iproute2 on the host."),
        )
    return {each for each in found if each is not None}


def _read(text: str) -> Address:
    found = or_none(text)
    if found is None:
        raise UsageError(
            tr("{address} is not an IP address", address=text),
            tr("Enter an IP address, such as 203.0.113.7 or 2001:db8::7."),
        )
    return found


def _set_of(found: Address) -> str:
    return f"v{found.version}"
