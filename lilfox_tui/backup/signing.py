"""Who wrote a manifest or a proof: HMAC-SHA-256 by a key of the configuration, at the end of the file.

Whoever has the key can write what passes for signed, and nobody else can: the machines that make sets need it, the
store does not. The id of a key tells which one it was, so that a signature by a key that is not here is told from one
that was forged.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.backup.manifest import TAIL_BYTES, Signature
from lilfox_tui.config.model import SigningConfig
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.types import SecretRef
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

LEAST_KEY = 32
"""Characters: what is shorter can be guessed."""
_PURPOSE = b"lilfox backup, signature 1\0"
_SIGNED = re.compile(rb',"signature":"hmac-sha256:([0-9a-f]{16}):([0-9a-f]{64})"\Z')
_LONGEST = 128


class Keys(Struct, frozen=True):
    """The keys of a configuration. ``own`` signs; ``known`` are all that are accepted, by their ids."""

    own: bytes = b""
    known: Mapping[str, bytes] = {}
    required: bool = False
    """What none of them has signed is not trusted."""

    def sign(self, text: bytes) -> bytes:
        """What is added to ``text``."""
        if not self.own:
            return b""
        return f',"signature":"hmac-sha256:{_id_of(self.own)}:{_mac(self.own, text)}"'.encode()

    def judge(self, raw: bytes) -> Signature:
        """Whose signature a whole file has."""
        found = _SIGNED.search(raw[-TAIL_BYTES - _LONGEST : -TAIL_BYTES])
        if found is None:
            return "none"
        key = self.known.get(found[1].decode())
        if key is None:
            return "other"
        signed = raw[: len(raw) - TAIL_BYTES - len(found[0])]
        return "good" if hmac.compare_digest(_mac(key, signed), found[2].decode()) else "forged"

    def refuses(self, signature: Signature) -> bool:
        """Whether a set with that signature is not trusted."""
        return signature == "forged" or (self.required and signature != "good")


NO_KEYS = Keys()


async def keys_of(config: SigningConfig | None) -> Keys:
    """The keys that ``config`` names. Raises LilFoxError for one that cannot be had, or is too short."""
    if config is None:
        return NO_KEYS
    own, *others = [await _key(reference) for reference in (config.key, *config.others)]
    return Keys(own, {_id_of(key): key for key in (own, *others)}, config.required)


async def _key(reference: SecretRef) -> bytes:
    key = (await resolve(reference)).encode()
    if len(key) < LEAST_KEY:
        raise LilFoxError(
            tr("{ref}: a key that signs backups has at least {count} characters", ref=reference, count=LEAST_KEY),
            tr("such as: openssl rand -hex 32 > FILE; chmod 600 FILE"),
        )
    return key


def _mac(key: bytes, text: bytes) -> str:
    return hmac.new(key, _PURPOSE + text, hashlib.sha256).hexdigest()


def _id_of(key: bytes) -> str:
    return hmac.new(key, b"lilfox backup, id of a key", hashlib.sha256).hexdigest()[:16]
