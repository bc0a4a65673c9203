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
_INTERACTIVE = frozenset(
    "aptitude atop btop emacs ftp glances htop iftop joe k9s lazygit lnav man mc micro more most mutt nano ncdu "
    "nethogs "
    "nmon nvim passwd pico screen telnet tig tmux vi view vim vipw visudo zless".split()
)
_SHELLS = frozenset("dash ipython irb node python python3 zsh".split())
_WITH_OPERANDS = Spec(operands="path*", verdict="interactive")
_ALONE = Spec(verdict="interactive")


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
    if name in _INTERACTIVE:
        return _WITH_OPERANDS
    if name in _SHELLS:
        return _ALONE
    return programs().get(name, "unknown")
