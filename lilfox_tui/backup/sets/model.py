"""A set as the catalogue shows it: its parts, its state (derived in one place) and its tag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from lilfox_tui.backup.sets.manifest import Level, Manifest, ManifestPart, Proof, Signature
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, tr


class Status(StrEnum):
    """The states of a set: :func:`state_of` derives them, and every face reads them."""

    UNVERIFIED = "unverified"
    """○ Nobody has looked."""
    INTACT = "intact"
    """◐ Digests, trailers and content are right."""
    RESTORED = "restored"
    """● A drill has restored it and found it equal."""
    PARTIAL = "partial"
    """◐ A source of its plan is not in it, whatever the rest has been proven to be."""
    UNTRUSTED = "untrusted"
    """✖ Its signature is forged, or the configuration wants one that it does not have."""
    BROKEN = "broken"
    """✖ Not to be restored."""


COUNTED = frozenset({Status.INTACT, Status.RESTORED})
"""Retention counts these as sets to keep, and a plan is late without a new one."""
REFUSED = frozenset({Status.BROKEN, Status.UNTRUSTED})
"""Never restored."""


def state_of(*, fault: object, untrusted: bool, missing: bool, proven: str | None) -> Status:
    """The state of a set. ``fault``: why what lies in the store cannot be whole, whatever a proof says; ``untrusted``:
    its signature is not accepted; ``missing``: a source of the plan is not in it; ``proven``: what its proof says."""
    if fault:
        return Status.BROKEN
    if untrusted:
        return Status.UNTRUSTED
    if proven == "broken":
        return Status.BROKEN
    if missing:
        return Status.PARTIAL
    return Status.UNVERIFIED if proven is None else Status(proven)


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
    said: ManifestPart | None = None
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


WORD = "tag:"
"""Before a tag where a set is named."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}")


def checked_tag(tag: str) -> str:
    """``tag``, where that can be one. Raises UsageError."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            tr("{tag} cannot be a set's tag", tag=tag),
            tr("letters, digits and . _ + @ - after the first, 100 at most: such as 1.4.0 or before-migration"),
        )
    return tag


def tag_of(found: BackupSet) -> str:
    """The set's tag; empty where it has none."""
    return "" if found.manifest is None else found.manifest.tag


def newest_of_each(newest_first: Iterable[BackupSet]) -> dict[str, BackupSet]:
    """By its tag the set that is meant by it: the newest that is neither broken nor partial."""
    found: dict[str, BackupSet] = {}
    for each in newest_first:
        if each.complete and (tag := tag_of(each)):
            found.setdefault(tag, each)
    return found
