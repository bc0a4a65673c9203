"""Opens hosts from their configuration: no other module names the classes, and SSH is imported only for an SSH host."""

from __future__ import annotations

import asyncio
import re
import socket

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host, OfferedKey
from lilfox_tui.hosts.local import LocalHost

_NAME_LENGTH = 64


def this_machine() -> str:
    """Return this machine's name in a form that a config accepts (``Name``)."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).lstrip("._-")
    return cleaned[:_NAME_LENGTH] or "localhost"


def open_host(
    name: str,
    config: HostConfig,
    ssh: SshConfig,
    *,
    read_only: bool = False,
    dials: asyncio.Semaphore | None = None,
) -> Host:
    """The host, not connected yet. ``dials`` limits the number of connections opened at the same time; share it among
    hosts."""
    if config.local:
        return LocalHost(name, config)
    from lilfox_tui.hosts.ssh.host import SshHost

    return SshHost(name, config, ssh, read_only=read_only, dials=dials)


async def offered_key(name: str, config: HostConfig, ssh: SshConfig) -> OfferedKey:
    """Return the key that the host presents now, without logging in. Raises HostUnreachable; UsageError for this
    machine."""
    _refuse_local(name, config)
    from lilfox_tui.hosts.ssh.connect import ask_key

    return await ask_key(name, config, ssh)


async def trust(name: str, config: HostConfig, ssh: SshConfig, fingerprint: str) -> OfferedKey:
    """Append the host's key to the first known_hosts file, if its fingerprint is still ``fingerprint``; before that,
    record it in the timeline of the open incident.

    Does nothing for a key that is trusted already. Raises HostKeyChanged for a changed or revoked key or another
    fingerprint, HostUnreachable, UsageError for this machine, FileRefused when the file cannot be written, NotRecorded.
    """
    _refuse_local(name, config)
    from lilfox_tui.hosts.ssh.connect import add_key

    return await add_key(name, config, ssh, fingerprint)


def _refuse_local(name: str, config: HostConfig) -> None:
    if config.local:
        raise UsageError(
            tr(
                "{host} is this machine: LilFox does not connect to it over SSH, so there is no host key to trust",
                host=name,
            )
        )
