"""Units and programs through which a host is reached: who stops one of them may have closed the door behind himself."""

from __future__ import annotations

from lilfox_tui.i18n import _

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
