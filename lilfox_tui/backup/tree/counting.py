"""What an archive that is being made holds, for the manifest and for the one who will restore it."""

from __future__ import annotations

from typing import Any

from lilfox_tui.backup.tar_scan import Member
from lilfox_tui.backup.tree.safe import leads_out
from lilfox_tui.text import clean

_MOST_NAMES = 100


class Counting:
    """Passes members on as they are, but for devices and pipes, which a restore could not make. ``top`` is the name of
    the folder that is dumped."""

    def __init__(self, top: bytes) -> None:
        self._top = top
        self.counts: dict[str, int] = {"file": 0, "folder": 0, "link": 0, "hard link": 0}
        self.bytes = 0
        self.special: list[bytes] = []
        self.links_out: list[bytes] = []
        self.owners: dict[str, int] = {}
        self.attributes = 0
        self.setuid = 0
        self.newest_ns = 0

    def judged(self, member: Member) -> Member | None:
        """``member``, or None for one that is left out."""
        if member.kind in ("device", "pipe"):
            self.special.append(member.name)
            return None
        self.counts[member.kind] += 1
        self.bytes += member.size
        self.attributes += bool(member.attributes)
        if member.kind == "file":
            self.setuid += bool(member.mode & 0o6000)
            self.newest_ns = max(self.newest_ns, member.mtime_ns)
        elif member.kind == "link" and leads_out(member.name[len(self._top) + 1 :], member.target):
            self.links_out.append(member.name)
        owner = f"{clean(member.user) or member.uid}:{clean(member.group) or member.gid}"
        if owner in self.owners or len(self.owners) < _MOST_NAMES:
            self.owners[owner] = self.owners.get(owner, 0) + 1
        return member

    def detail(self) -> dict[str, Any]:
        """What the manifest says of the part: ``top``, the folder's name in the archive, and what is counted."""
        return {
            "top": clean(self._top),
            "files": self.counts["file"] + self.counts["hard link"],
            "folders": self.counts["folder"],
            "links": self.counts["link"],
            "bytes": self.bytes,
            "owners": self.owners,
            "with_attributes": self.attributes,
            "setuid": self.setuid,
            "links_out": [clean(name) for name in self.links_out[:_MOST_NAMES]],
            "newest_ns": self.newest_ns,
        }
