"""Asking a host for its key, and adding it to known_hosts after a yes (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncssh

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.errors import FileRefused, HostKeyChanged
from lilfox_tui.hosts.base import OfferedKey
from lilfox_tui.hosts.ssh_dial import Target, shown_key
from lilfox_tui.hosts.ssh_keys import KnownKeys, key_error, place_of
from lilfox_tui.i18n import _, tr
from lilfox_tui.incident.incidents import record
from lilfox_tui.incident.model import Did


async def ask_key(name: str, config: HostConfig, ssh: SshConfig) -> OfferedKey:
    """The key that the host shows now. Raises HostError."""
    offered, _key, _known = await _offered(name, config, ssh)
    return offered


async def add_key(name: str, config: HostConfig, ssh: SshConfig, fingerprint: str) -> OfferedKey:
    """See :func:`lilfox_tui.hosts.open.trust`."""
    offered, key, known = await _offered(name, config, ssh)
    if offered.known == "trusted" and offered.fingerprint == fingerprint:
        return offered
    if offered.known in ("changed", "revoked"):
        raise key_error(name, offered.place, offered.known, key, known)
    if offered.fingerprint != fingerprint:
        raise HostKeyChanged(
            name,
            tr("{place} now shows {fingerprint}, not the key that was agreed to", place=offered.place,
               fingerprint=offered.fingerprint),
            tr("Nothing was added. Look at the new fingerprint first."),
            fingerprint=offered.fingerprint,
            known=fingerprint,
        )  # fmt: skip
    shown = f"{offered.key_type} {offered.fingerprint}"
    said = Did(text=_("the key of {host} is trusted: {key}", host=name, key=shown))
    await asyncio.to_thread(record, said)
    _append(name, Path(offered.file), f"{offered.place} {key.export_public_key().decode().strip()}\n")
    return offered


async def _offered(name: str, config: HostConfig, ssh: SshConfig) -> tuple[OfferedKey, asyncssh.SSHKey, KnownKeys]:
    target = Target.of(name, config)
    resolved, key = await shown_key(target, ssh)
    offered = OfferedKey(
        fingerprint=key.get_fingerprint(),
        key_type=key.get_algorithm(),
        known=resolved.known.verdict(key),
        place=place_of(resolved.key_name, resolved.port),
        file=resolved.known_hosts[0],
        known_fingerprints=resolved.known.fingerprints(),
    )
    return offered, key, resolved.known


def _append(host: str, file: Path, line: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as known_hosts:
            size = known_hosts.seek(0, os.SEEK_END)
            ends_a_line = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            known_hosts.write(line.encode() if ends_a_line else b"\n" + line.encode())
            known_hosts.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise FileRefused(
            host, tr("{path} cannot be written: {reason}", path=file, reason=error.strerror or str(error))
        ) from None
