"""All of an archive read and judged without a place for it: what verification needs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.source import Content
from lilfox_tui.backup.tar_scan import Member
from lilfox_tui.backup.tree.counting import Counting
from lilfox_tui.backup.tree.safe import Safe
from lilfox_tui.backup.tree.sifting import Sieve
from lilfox_tui.i18n import listed, tr


class _Judged:
    """Judges by name, then counts. Links that lead out are for a restore to refuse, by its Options."""

    def __init__(self, top: bytes) -> None:
        self._safe = Safe(b"", links_out=True, setuid=True)
        self.counting = Counting(top)

    def judged(self, member: Member) -> Member | None:
        self._safe.judged(member)
        return self.counting.judged(member)


async def read_archive(part: FoundPart, blocks: AsyncIterator[bytes]) -> Content:
    """Whether ``blocks`` is a whole archive that may be restored, and what it holds, in the words of the manifest."""
    said = part.said.detail if part.said is not None else {}
    judge = _Judged(os.fsencode(str(said.get("top", ""))))
    sieve = Sieve(judge)
    try:
        async for block in blocks:
            sieve.take(block)
        sieve.finish()
    except BrokenSet as error:
        return Content(error.message)
    detail = judge.counting.detail()
    if not sum(judge.counting.counts.values()):
        return Content(tr("the archive is empty: a run that failed"), detail)
    differing = [key for key in ("files", "folders", "links", "bytes") if key in said and said[key] != detail[key]]
    if differing:
        return Content(tr("it does not hold what its manifest says: {what}", what=listed(differing)), detail)
    return Content("", detail)
