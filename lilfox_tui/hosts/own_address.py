"""From where the operator reaches a host, as that host sees it: what a ban must never hold."""

from __future__ import annotations

import os

from lilfox_tui.errors import HostError
from lilfox_tui.hosts.addresses import Address, address
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.output import last_words
from lilfox_tui.i18n import tr

_VARIABLE = "SSH_CONNECTION"
"""sshd(8): address and port of the client, address and port of the server."""
_SSH = "22"


async def own_addresses(host: Host, *, local: bool = False) -> frozenset[Address]:
    """Both ends of the SSH connection to ``host`` (behind a jump host, its end), and of the one through which this
    machine is used, if there is one. ``local``: the host is this machine, which needs no connection; where the
    environment tells of none, as under sudo, all that are connected to it by SSH count.

    Raises HostError, also when the host does not tell: what is not known cannot be kept from a ban.
    """
    found = own_addresses_here()
    if local:
        return found or await _connected(host)
    completed = await host.run(["printenv", _VARIABLE], timeout_s=15)
    ends = _addresses(completed.stdout.decode("ascii", "replace"))
    if not ends:
        raise HostError(
            host.name,
            tr("{host} does not tell from which address you reach it ({variable} is not set)",
               host=host.name, variable=_VARIABLE),
            hint=tr("Nothing is banned without knowing that. Ban by hand, and mind your own address."),
        )  # fmt: skip
    return found | set(ends)


def own_addresses_here() -> frozenset[Address]:
    """Both ends of the SSH connection through which this machine is used; none where it is used without."""
    return frozenset(_addresses(os.environ.get(_VARIABLE, "")))


async def _connected(host: Host) -> frozenset[Address]:
    """Both ends of all connections that an SSH server of ``host`` holds (ss(8): root alone is told who serves them)."""
    completed = await host.run(["ss", "-Htnp", "state", "established"], timeout_s=15)
    if not completed.ok:
        raise HostError(
            host.name,
            tr("{host} does not tell who is connected to it by SSH: {words}", host=host.name,
               words=last_words(completed.stderr)),
            hint=tr("Nothing is banned without knowing that. Install iproute2 there."),
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


def _addresses(words: str) -> list[Address]:
    """Those of a line of four words; none of one that is not such a line. A link-local one has a zone, which says
    nothing of packets."""
    parts = words.split()
    if len(parts) != 4:
        return []
    try:
        return [address(part.partition("%")[0]) for part in (parts[0], parts[2])]
    except ValueError:
        return []
