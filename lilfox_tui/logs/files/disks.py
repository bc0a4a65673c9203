"""Which disk a host's files are read through."""

from __future__ import annotations

from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.files.disk import Disk
from lilfox_tui.logs.files.local import LocalDisk


def disk_of(host: Host, *, sudo: bool, following: bool) -> Disk:
    """The host's files. With ``sudo`` they may be read as root; who follows has a way of its own to ask."""
    if isinstance(host, LocalHost):
        return LocalDisk(host)
    from lilfox_tui.logs.files.remote import RemoteDisk

    return RemoteDisk(host, sudo=sudo, following=following)
