"""Private key files: which ones a login uses, and which of them stay shut without the right passphrase."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from lilfox_tui.config.types import SecretRef
from lilfox_tui.errors import AuthRefused
from lilfox_tui.hosts.sudo import secret
from lilfox_tui.i18n import Message, listed, tr

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


async def opened(host: str, files: Sequence[str], ref: SecretRef) -> list[str | asyncssh.SSHKey]:
    """``files`` as asyncssh is to be given them with a passphrase: it cannot open one whose public key it does not
    see, neither beside it nor in it (the PEM format), so that one is opened here. Raises AuthRefused."""
    here = await asyncio.to_thread(lambda: [file for file in files if _is_shut(file, None) and not _shows_public(file)])
    return [await _opened(host, file, ref) if file in here else file for file in files]


async def _opened(host: str, file: str, ref: SecretRef) -> asyncssh.SSHKey:
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
