"""Host keys (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): what is known, and what a key that is shown means."""

from __future__ import annotations

import os
from typing import Literal

import asyncssh
from msgspec import Struct

from lilfox_tui.errors import HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.hosts.ssh_files_trusted import refuse_all
from lilfox_tui.i18n import listed, tr

DEFAULT_PORT = 22
"""The port that known_hosts lines leave out."""

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
Verdict = Literal["unknown", "trusted", "changed", "revoked"]


class KnownKeys(Struct, frozen=True):
    """What known_hosts files have for one place."""

    trusted: tuple[asyncssh.SSHKey, ...]
    authorities: tuple[asyncssh.SSHKey, ...]
    revoked: tuple[asyncssh.SSHKey, ...]

    def fingerprints(self) -> tuple[str, ...]:
        """Of the keys and authorities that are trusted."""
        return tuple(key.get_fingerprint() for key in (*self.trusted, *self.authorities))

    def algorithms(self) -> list[str]:
        """Key types to ask for: those that are known first, or a host with two keys would seem to have changed."""
        known = [name.decode() for key in self.trusted for name in key.sig_algorithms if name != b"ssh-rsa"]
        certified = [f"{name}-cert-v01@openssh.com" for name in KEY_TYPES] if self.authorities else []
        return list(dict.fromkeys([*certified, *known, *KEY_TYPES]))

    def verdict(self, key: asyncssh.SSHKey) -> Verdict:
        """What ``key`` is to these files."""
        if key in self.revoked:
            return "revoked"
        if key in self.trusted:
            return "trusted"
        return "changed" if self.trusted or self.authorities else "unknown"


def known_keys(files: tuple[str, ...], host: str, address: str, port: int) -> KnownKeys:
    """What the readable ones of ``files`` have for ``host``. Raises NotTrusted, ValueError for a line that is none."""
    readable = [file for file in files if os.access(file, os.R_OK)]
    refuse_all(readable)
    hosts = asyncssh.read_known_hosts(readable)
    trusted, authorities, revoked, *_ = hosts.match(host, address, port if port != DEFAULT_PORT else None)
    # asyncssh looks for the bare host where a port has no trusted key, and then misses the port's @revoked lines
    revoked = [*revoked, *hosts.match(place_of(host, port), address, None)[2]]
    return KnownKeys(tuple(trusted), tuple(authorities), tuple(revoked))


def place_of(host: str, port: int) -> str:
    """How known_hosts names a place."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def key_error(host: str, place: str, verdict: Verdict, key: asyncssh.SSHKey | None, known: KnownKeys) -> HostError:
    """The error for a key that is not trusted; ``key`` is None when only its being revoked is known."""
    fingerprint = key.get_fingerprint() if key is not None else "?"
    if verdict == "unknown":
        return HostKeyUnknown(
            host,
            tr("{place} shows a key that is not known: {fingerprint}", place=place, fingerprint=fingerprint),
            tr("Compare it with ssh-keygen -lf on the host, then run: lilfox hosts trust {host}", host=host),
            fingerprint=fingerprint,
            key_type=key.get_algorithm() if key is not None else "?",
        )
    if verdict == "revoked":
        message = tr("{place} shows a key that is marked @revoked: {fingerprint}", place=place, fingerprint=fingerprint)
    else:
        message = tr(
            "THE KEY OF {place} HAS CHANGED: it shows {fingerprint}, known is {known}",
            place=place, fingerprint=fingerprint, known=listed(known.fingerprints()),
        )  # fmt: skip
    return HostKeyChanged(
        host,
        message,
        tr("Somebody may be listening. If the host was set up anew, remove the old line: ssh-keygen -R '{place}'",
           place=place),
        fingerprint=fingerprint,
        known=listed(known.fingerprints()),
    )  # fmt: skip
