"""What a set says of itself: ``NAME_20231230_020000.manifest.json``, written last. A set without one never finished.

Manifests and proofs are JSON that ends with ``"checksum"``, the SHA-256 of all that stands before it in the file. It
tells integrity, not authenticity: who can write the store can write a manifest.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

SCHEMA = 1

PartKind = Literal["postgresql-custom", "postgresql-plain", "postgresql-globals", "files", "file"]
"""``files`` is a tar archive, ``file`` the file itself (the manual's ``env_DATE``)."""
_details = msgspec.json.Decoder(dict[str, Any])
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
"""SHA-256 in hexadecimal. That it is one is not asked of ten thousand sets: bytes of which it would be the digest are
never found."""
Packing = Literal["zstd", "gzip", "none"]


class Part(Struct, frozen=True, kw_only=True, gc=False):
    """One file of a set. ``raw`` is what the source gave, before packing and encryption."""

    name: Annotated[str, Meta(max_length=255)]
    """Beside the manifest; in the manual's format a database lies in ``postgresql/``."""
    source: str
    """The source's name in the plan."""
    source_kind: str
    """A kind of ``sources/``, which takes it back."""
    kind: PartKind
    packing: Packing = "none"
    encrypted: bool = False
    """With age (C2SP age-encryption.org/v1), around the packing."""
    size_bytes: Annotated[int, Meta(ge=0)]
    sha256: Digest
    raw_bytes: Annotated[int, Meta(ge=0)]
    raw_sha256: Digest
    detail_json: Raw = field(name="detail", default=Raw(b"{}"))
    """``detail`` as it stands in the manifest (:func:`detail_json` makes it): a list of sets does not read it."""

    @property
    def detail(self) -> dict[str, Any]:
        """What the source knows: ``postgresql/detail.py`` and ``tree/counting.py`` say it. Nothing where it cannot be
        read, as of a source that told nothing."""
        try:
            return _details.decode(self.detail_json)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}


class Manifest(Struct, frozen=True, kw_only=True, gc=False):
    """A set. Times are UTC; ``offset_s`` is what the local time in the names was ahead of it."""

    schema: int = SCHEMA
    id: str
    """``NAME_20231230_020000``: the plan's name and the local time at which the run began."""
    run: str
    """The job that made it."""
    plan: str
    created: datetime
    offset_s: int
    finished: datetime
    host: str
    """Of the machine where LilFox ran."""
    tool: str
    """``lilfox 0.4.0``."""
    tag: str = ""
    """What somebody called it (``tags.py``)."""
    parts: tuple[Part, ...]
    missing: dict[str, str] = {}
    """Sources of the plan that could not be dumped, each with the reason; the set is then not counted by retention."""
    notes: tuple[str, ...] = ()
    """What is not as it should be and no failure: files that changed while they were read."""


class Proof(Struct, frozen=True, kw_only=True, gc=False):
    """What verification found last, beside the manifest: ``NAME_20231230_020000.proof.json``. It holds for these
    digests only: of a part that has another one since nothing is proven."""

    schema: int = SCHEMA
    set: str
    level: Literal["intact", "restored", "broken"]
    at: datetime
    reason: str = ""
    """Why it is broken."""
    sha256: dict[str, str]
    """Part → digest of what was looked at."""
    size_bytes: dict[str, int] = {}
    """Part → size of what was looked at; of a set without a manifest, where nothing else tells."""
    took_s: float | None = None
    """How long restoring took (the RTO), when it was restored."""
    host: str = ""
    where: str = ""
    """Where it was restored to."""
    detail: dict[str, Any] = {}


_BEFORE, _BEHIND = b',"checksum":"', b'"}'
_TAIL_BYTES = len(_BEFORE) + 64 + len(_BEHIND)


def detail_json(detail: dict[str, Any]) -> Raw:
    """``detail`` as a part keeps it."""
    return Raw(msgspec.json.encode(detail))


def encoded(document: Manifest | Proof) -> bytes:
    """As it stands in the store."""
    text = msgspec.json.encode(document)[:-1]
    return text + _tail(text)


def is_unchanged(raw: bytes) -> bool:
    """Whether not one byte of what :func:`encoded` gave is another now."""
    return raw.endswith(_tail(memoryview(raw)[:-_TAIL_BYTES]))


def _tail(text: bytes | memoryview) -> bytes:
    return _BEFORE + hashlib.sha256(text).hexdigest().encode() + _BEHIND
