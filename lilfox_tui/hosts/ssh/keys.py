"""Keys of SSH: which host keys are known and what a shown one means, which private keys a login uses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import asyncssh
from msgspec import Struct

from lilfox_tui.config.model import SecretRef
from lilfox_tui.errors import AuthRefused, HostError, HostKeyChanged, HostKeyUnknown
from lilfox_tui.hosts.ssh.openssh import refuse_all
from lilfox_tui.hosts.sudo import secret
from lilfox_tui.i18n import Message, listed, tr

# Host keys (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): what is known, and what a key that is shown means.


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


# Private key files: which ones a login uses, and which of them stay shut without the right passphrase.


USUAL = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")
"""In ~/.ssh, where no key is named (ssh(1), ``-i``)."""
_KEY_ERRORS = (asyncssh.KeyImportError, asyncssh.KeyEncryptionError)
_CORRECT = tr("Correct what passphrase of this host refers to, or load the key with ssh-add; then try again by hand.")


def identity_files(identity: str | None, of_config: Sequence[str]) -> tuple[str, ...]:
    """``identity`` and what ssh_config names; where neither names a key, the usual ones. Readable ones only, but
    that ``identity`` is always among them, so that its being missed is told."""
    named = [Path(file).expanduser() for file in of_config]
    if identity is None and not named:
        named = [Path("~/.ssh", name).expanduser() for name in USUAL]
    readable = [str(file) for file in named if os.access(file, os.R_OK)]
    return (str(Path(identity).expanduser()), *readable) if identity is not None else tuple(readable)


async def opened_keys(host: str, files: Sequence[str], ref: SecretRef) -> list[str | asyncssh.SSHKey]:
    """``files`` as asyncssh is to be given them with a passphrase: it cannot open one whose public key it does not
    see, neither beside it nor in it (the PEM format), so that one is opened here. Raises AuthRefused."""
    here = await asyncio.to_thread(lambda: [file for file in files if _is_shut(file, None) and not _shows_public(file)])
    return [await _opened_key(host, file, ref) if file in here else file for file in files]


async def _opened_key(host: str, file: str, ref: SecretRef) -> asyncssh.SSHKey:
    passphrase = await secret(ref)
    try:
        return await asyncio.to_thread(asyncssh.read_private_key, file, passphrase)
    except _KEY_ERRORS:
        raise AuthRefused(host, _not_opened(host, file), _CORRECT) from None


async def login_refused(where: str, host: str, user: str, files: Sequence[str], ref: SecretRef | None) -> AuthRefused:
    """The server took none of the keys; those that it never saw since they stayed shut are named."""
    passphrase = None if ref is None else await secret(ref)
    shut = listed(await asyncio.to_thread(lambda: [file for file in files if _is_shut(file, passphrase)]))
    refused = tr("{where} refused the login of {user}", where=where, user=user)
    if not shut:
        return AuthRefused(
            host,
            refused,
            tr("Check user, key and agent (ssh-add -l), then try again by hand: it is not retried by itself."),
        )
    if ref is None:
        why = tr("{keys} has a passphrase, and none is set", keys=shut)
        hint = tr(
            "Load it with ssh-add, or set passphrase of this host. If the agent has it: the server does not want it."
        )
    else:
        why, hint = _not_opened(host, shut), _CORRECT
    return AuthRefused(host, tr("{what}; {why}", what=refused, why=why), hint)


def _not_opened(host: str, keys: str) -> Message:
    return tr("the passphrase of {host} does not open {keys}", host=host, keys=keys)


def _is_shut(file: str, passphrase: str | None) -> bool:
    """Whether ``file`` is a private key that needs another passphrase. A file that is none is asyncssh's to tell."""
    try:
        asyncssh.read_private_key(file, passphrase)
    except _KEY_ERRORS as error:
        return str(error).startswith("Passphrase") if passphrase is None else _is_shut(file, None)
    except OSError:
        return False
    return False


def _shows_public(file: str) -> bool:
    """Whether the public half can be read without a passphrase."""
    for place in (f"{file}.pub", file):
        try:
            asyncssh.read_public_key(place)
        except (OSError, *_KEY_ERRORS):
            continue
        return True
    return False
