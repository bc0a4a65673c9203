"""A set as the catalogue shows it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from lilfox_tui.backup.manifest import Level, Manifest, Part, Proof, Signature
from lilfox_tui.backup.status import COUNTED, REFUSED, Status, state_of
from lilfox_tui.i18n import Message


class FoundPart(Struct, frozen=True, kw_only=True, gc=False):
    """A file of a set as it lies in the store. ``said`` is its line in the manifest; None in a set of the manual's
    scripts."""

    name: str
    source: str
    """Name of its source in the plan; of an old set ``database``, ``config``, ``uploads``."""
    source_kind: str
    """A kind of ``sources/``."""
    kind: str
    """A ``PartKind``."""
    size_bytes: int
    modified: datetime | None = None
    sha256: str | None = None
    """As the manifest or the proof has it; None when nobody has counted it yet."""
    said: Part | None = None
    trouble: Message | str = ""
    """Why it alone makes the set broken: missing, empty, of another size, cut."""


class BackupSet(Struct, frozen=True, kw_only=True, gc=False):
    """One set in one store, newest first in lists. ``created`` is aware UTC."""

    id: str
    created: datetime
    status: Status
    """As :func:`state_of` gave it."""
    reason: Message | str = ""
    """Why it is broken or not trusted, or what is missing of it."""
    parts: tuple[FoundPart, ...]
    plan: str = ""
    old: bool = False
    """Made by the manual's scripts: no manifest, dates of names in local time."""
    spread_s: float = 0.0
    """So far apart are the dates in the names of an old set's parts."""
    manifest: Manifest | None = None
    proof: Proof | None = None
    fault: Message | str = ""
    """Why what lies there cannot be whole, whatever a proof says; empty where nothing speaks against it."""
    missing: tuple[str, ...] = ()
    """Sources that are not in it."""
    checksum: str = ""
    """Of its manifest: what a proof is bound to."""
    signature: Signature = "none"
    untrusted: bool = False
    """The configuration does not accept its signature."""

    @property
    def size_bytes(self) -> int:
        """Of all its files in the store."""
        return sum([part.size_bytes for part in self.parts])

    @property
    def good(self) -> bool:
        """Whether retention may count on it: whole, and at least read back."""
        return self.status in COUNTED

    @property
    def refused(self) -> bool:
        """Whether it is never restored."""
        return self.status in REFUSED

    @property
    def complete(self) -> bool:
        """Whether ``latest`` and a tag may mean it: nothing is known to be missing or wrong."""
        return not self.refused and self.status != Status.PARTIAL

    def proven_as(self, level: Level) -> Status:
        """Its state once a proof says ``level``."""
        return state_of(fault=self.fault, untrusted=self.untrusted, missing=bool(self.missing), proven=level)
