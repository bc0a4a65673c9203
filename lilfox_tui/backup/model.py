"""A set as the catalogue shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.backup.manifest import Manifest, Part, Proof
from lilfox_tui.i18n import Message

Status = Literal["unverified", "intact", "restored", "broken"]
"""○ nobody looked · ◐ checksums, trailer and full decode · ● restored and compared · ✖ not to be restored."""


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
    reason: Message | str = ""
    """Why it is broken, or what is missing of it."""
    parts: tuple[FoundPart, ...]
    plan: str = ""
    old: bool = False
    """Made by the manual's scripts: no manifest, dates of names in local time."""
    spread_s: float = 0.0
    """So far apart are the dates in the names of an old set's parts."""
    manifest: Manifest | None = None
    proof: Proof | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its files in the store."""
        return sum([part.size_bytes for part in self.parts])

    @property
    def good(self) -> bool:
        """Whether retention may count on it."""
        whole = self.manifest is None or not self.manifest.missing
        return whole and self.status in ("intact", "restored")
