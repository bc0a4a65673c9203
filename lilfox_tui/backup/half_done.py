"""Restores whose process died between their renames: what of them is in place, and what can be done.

Nothing else tells of them: names and rows look right on each side, only they are of two days. So everybody who shows
something of backups asks here. It costs the reading of some small files as long as there is none.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from lilfox_tui.backup import journal
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.journal import Restored
from lilfox_tui.backup.opening import Opening, source_module
from lilfox_tui.backup.source import Standing, Swap
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, clauses, listed, tr
from lilfox_tui.jobs.errors import NoSuchJob
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.text import clean

LONGEST_S = 5.0
"""A host may take so long to say what is in place."""


class Side(Struct, frozen=True, kw_only=True):
    """What is in place of one target."""

    target: str
    host: str
    """Empty for this machine."""
    standing: Standing
    reason: Message | str = ""
    """Why it is not known."""


class HalfDone(Struct, frozen=True, kw_only=True):
    """One restore, or the undoing of one, that did not come to its end."""

    restored: Restored
    sides: tuple[Side, ...]
    owner: str = ""
    """The user who must settle it; empty where this one may."""

    @property
    def message(self) -> Message:
        """What is half done since when, and what is in place on both sides."""
        stage, at = self.restored.stage, f"{self.restored.at.astimezone():%Y-%m-%d %H:%M:%S}"
        what = tr("the restore of {set} is half done", set=self.restored.set)
        if stage == "undoing":
            what = tr("undoing the restore of {set} is half done", set=self.restored.set)
        return tr("{what} (since {at}, job {job}): {sides}", what=what, at=at, job=self.restored.run,
                  sides=clauses(map(str, self._told())))  # fmt: skip

    @property
    def hint(self) -> Message:
        """What to do."""
        if self.owner:
            return tr("do as {user}: lilfox backup settle {job}", user=self.owner, job=self.restored.run)
        if self.restored.stage == "undoing":
            return tr(
                "lilfox backup settle {job} --finish puts all back as it was, --take-back all of the set in place",
                job=self.restored.run,
            )
        return tr(
            "lilfox backup settle {job} --finish puts all of the set in place, --take-back all back as it was",
            job=self.restored.run,
        )

    def _told(self) -> list[Message]:
        texts: dict[Standing, Message] = {
            "restored": tr("of the set"),
            "before": tr("as before"),
            "neither": tr("not there"),
        }
        told = []
        for standing, text in texts.items():
            names = [_name(side) for side in self.sides if side.standing == standing]
            if names:
                told.append(tr("{what}: {names}", what=text, names=listed(names)))
        for side in self.sides:
            if side.standing == "unknown":
                why = side.reason or tr("its names tell nothing")
                told.append(tr("not known of {name}: {reason}", name=_name(side), reason=why))
        return told

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "set": self.restored.set,
            "job": self.restored.run,
            "at": self.restored.at.isoformat(),
            "undoing": self.restored.stage == "undoing",
            "sides": [
                {
                    "target": side.target,
                    "host": side.host or None,
                    "standing": side.standing,
                    "reason": str(side.reason),
                }
                for side in self.sides
            ],
            "message": str(self.message),
            "hint": str(self.hint),
        }


def open_restores() -> list[Restored]:
    """Those that did not come to their end, and whose job is not at it now. Blocks."""
    return [restored for restored in journal.read_open() if not job_runs(restored.run)]


def job_runs(job_id: str) -> bool:
    """Whether a job with that id runs. Blocks."""
    try:
        return find_job(job_id).state == "running"
    except NoSuchJob:
        return False


async def half_done(opening: Opening) -> list[HalfDone]:
    """All that are half done, newest first, with what is in place. Raises nothing that a host can cause."""
    found = await asyncio.to_thread(open_restores)
    return [await _looked_at(opening, restored) for restored in found]


async def chosen_half_done(words: str) -> Restored:
    """The one that ``words`` name (its set or its job), or the only one. Raises BackupError."""
    found = await asyncio.to_thread(open_restores)
    named = [each for each in found if words in ("", each.run, each.set, each.set[-15:])]
    if len(named) == 1:
        if not journal.may_write(named[0]):
            owner = journal.owner_of(named[0])
            raise BackupError(
                tr("the restore of {set} was done as {user}", set=named[0].set, user=owner),
                tr("do this as {user} too", user=owner),
            )
        return named[0]
    known = listed(each.run for each in found) or tr("none")
    if named:
        raise BackupError(tr("several restores are half done"), tr("name one by its job: {jobs}", jobs=known))
    raise BackupError(
        tr("no restore of {set} is half done", set=words) if words else tr("no restore is half done"),
        tr("known are: {sets}", sets=known),
    )


async def _looked_at(opening: Opening, restored: Restored) -> HalfDone:
    asked = await asyncio.gather(*(_sides(opening, swap) for swap in restored.swaps))
    owner = "" if journal.may_write(restored) else journal.owner_of(restored)
    return HalfDone(restored=restored, sides=tuple(side for sides in asked for side in sides), owner=owner)


async def _sides(opening: Opening, swap: Swap) -> list[Side]:
    reason: Message | str = ""
    found: list[Standing] = ["unknown"] * len(swap.renames)
    try:
        async with asyncio.timeout(LONGEST_S):
            found = await source_module(swap.kind).standing(swap, opening.host(swap.host or None))
    except LilFoxError as error:
        reason = error.message
    except TimeoutError:
        reason = tr("no answer within {timeout_s:g} s", timeout_s=LONGEST_S)
    return [
        Side(target=one.target, host=swap.host, standing=standing, reason=reason)
        for one, standing in zip(swap.renames, found, strict=True)
    ]


def _name(side: Side) -> str:
    return clean(f"{side.host}:{side.target}" if side.host else side.target)
