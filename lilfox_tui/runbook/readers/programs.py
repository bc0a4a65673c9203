"""Every program of which something is known."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from lilfox_tui.runbook.readers.spec import Spec, Verdict

_TABLES = (
    "builtins", "runners", "files", "text", "processes", "systemd", "network", "packet_filters", "web", "tls",
    "packages", "storage", "databases", "queues", "containers", "kubernetes", "clusters", "clouds", "version_control",
)  # fmt: skip
_CHANGES = frozenset(
    "chgrp chmod chown chpasswd cp dd ed gpasswd groupadd gunzip gzip halt install ip6tables-restore "
    "iptables-restore kill killall ln logrotate mkdir mkfs mv parted patch pkill poweroff reboot rm rmdir rsync scp "
    "sftp "
    "shutdown swapoff touch truncate umount unzip useradd userdel usermod".split()
)
_OPENS = frozenset("emacs ftp joe lnav man micro more most nano ncdu nvim pico telnet vi view vim zless".split())
"""Want a terminal, and are given files, hosts or pages; behind a ``+`` some are given commands."""
_ALONE = frozenset(
    "aptitude atop btop dash glances htop iftop ipython irb k9s lazygit mc mutt nethogs nmon node passwd python "
    "python3 "
    "screen tig tmux vipw visudo zsh".split()
)
"""Want a terminal, without any words."""
_OPENED = Spec(operands="/[^+].*/*", verdict="interactive")
_BY_ITSELF = Spec(verdict="interactive")


@cache
def programs() -> dict[str, Spec]:
    """By name."""
    found: dict[str, Spec] = {}
    for name in _TABLES:
        table: dict[str, Spec] = import_module(f"lilfox_tui.runbook.readers.{name}").TABLE
        if twice := found.keys() & table.keys():
            raise ValueError(f"{sorted(twice)} are in two tables")
        found |= table
    return found


def known_program(name: str) -> Spec | Verdict:
    """Its table, or what it is whatever it is given."""
    if name in _CHANGES:
        return "change"
    if name in _OPENS:
        return _OPENED
    if name in _ALONE:
        return _BY_ITSELF
    return programs().get(name, "unknown")
