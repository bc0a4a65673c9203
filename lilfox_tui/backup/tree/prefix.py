"""Where in an archive the folder stands that it was made of."""

from __future__ import annotations

import os

from lilfox_tui.backup.tar_scan import Member
from lilfox_tui.backup.tree.piece import Wish
from lilfox_tui.backup.tree.safe import Safe


class BelowTop:
    """Judges as :class:`Safe` does, below the folder that the manifest names. Of an old set it is what the first member
    shares with the end of the target's path (``public/uploads`` of ``/srv/lilfox/public/uploads``), or that member."""

    def __init__(self, wish: Wish) -> None:
        said = wish.part.said.detail.get("top") if wish.part.said is not None else None
        self.prefix = os.fsencode(said) if isinstance(said, str) else b""
        self.dropped_rights = 0
        """Files that had set-user-ID or set-group-ID bits, or capabilities, and will not."""
        self._target = os.fsencode(wish.target)
        self._options = wish.options
        self._safe = self._below(self.prefix) if isinstance(said, str) else None

    def judged(self, member: Member) -> Member | None:
        """See :meth:`Safe.judged`."""
        if self._safe is None:
            self.prefix = top_of(member, self._target)
            self._safe = self._below(self.prefix)
        found = self._safe.judged(member)
        if found is not None and (found.mode, found.attributes) != (member.mode, member.attributes):
            self.dropped_rights += 1
        return found

    def _below(self, prefix: bytes) -> Safe:
        return Safe(prefix, links_out=self._options.links_out, setuid=self._options.setuid)


def top_of(first: Member, target: bytes) -> bytes:
    """The folder that an archive was made of, by its first member and the path that it is to be restored to."""
    parts = [part for part in first.name.split(b"/") if part not in (b"", b".")]
    ends = target.strip(b"/").split(b"/")
    for count in range(len(ends), 0, -1):
        if parts[:count] == ends[-count:]:
            return b"/".join(parts[:count])
    return b"/".join(parts) if first.kind == "folder" else b""
