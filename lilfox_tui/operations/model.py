"""An operation: one change of a host as it is shown and requested, and whether it may lock you out."""

from __future__ import annotations

import shlex
from typing import Literal

from msgspec import Struct

from lilfox_tui.i18n import _

# One change, as it is shown before it is made and as its job is asked for it.


Kind = Literal["restart", "stop", "start", "signal", "ban", "unban", "cancel query", "terminate"]


class Operation(Struct, frozen=True, kw_only=True):
    """A command on one host, or a statement on one backend. No shell reads it."""

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

    @property
    def key(self) -> str:
        """Of its job: two operations on one thing are not made at once."""
        return f"operation {self.host} {self.subject}"

    @property
    def command(self) -> str:
        """In one line, as errors name it."""
        return self.statement or shlex.join(self.argv)

    @property
    def shown(self) -> tuple[str, ...]:
        """All that will run, a line each."""
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
    """What is to be said before the unit or program of that name is touched; nothing for most."""
    base = name.strip().rpartition("/")[2].partition(".")[0].partition("@")[0].partition("-session")[0].lower()
    if base not in _DOORS:
        return ()
    return (_("You may reach the host by {name}: without it nobody may get in", name=name),)
