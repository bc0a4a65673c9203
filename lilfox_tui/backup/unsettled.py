"""What jobs do about restores that are half done: who only reads or copies tells of them; who is ordered to change what
restores left settles them first, and never touches what one of them that cannot be settled may still rename."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from posixpath import normpath
from typing import NamedTuple

from lilfox_tui.backup import journal
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.half_done import open_restores
from lilfox_tui.backup.journal import Restored
from lilfox_tui.backup.opening import Opening
from lilfox_tui.backup.settling import settle
from lilfox_tui.backup.source import Swap
from lilfox_tui.config.model import Config
from lilfox_tui.config.protection import refuse_change
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, clauses, listed, tr
from lilfox_tui.jobs.run import Run
from lilfox_tui.text import clean


class Place(NamedTuple):
    """Where a restore puts something: a database, or a folder or file by its path."""

    host: str
    """Empty for this machine."""
    name: str


async def tell_open(run: Run) -> list[Restored]:
    """Warns of each that is half done, with what settles it; changes nothing. Gives them."""
    found = await asyncio.to_thread(open_restores)
    for restored in found:
        run.say(_told(restored), "warning")
    return found


async def settle_open(run: Run, opening: Opening, config: Config) -> list[Restored]:
    """Finishes or undoes what a crash between two renames left, where this user and the configuration may change its
    hosts. Gives those that could not be settled; each is told, and keeps nothing else from being done."""
    left = []
    for restored in await asyncio.to_thread(open_restores):
        if not journal.may_write(restored):
            run.say(_told(restored), "warning")
            left.append(restored)
            continue
        try:
            refuse_hosts(config, restored)
            run.say(await settle(opening, restored), "warning")
        except LilFoxError as error:
            run.say(f"{_told(restored)} ({error})", "warning")
            left.append(restored)
    return left


def refuse_hosts(config: Config, restored: Restored) -> None:
    """Raises NotAllowed where nothing may be changed on one of its hosts."""
    refuse_change(config, [swap.host or None for swap in restored.swaps])


def refuse_shared(config: Config, left: Iterable[Restored], places: Collection[Place]) -> None:
    """Raises BackupError where one of ``places`` is of a restore that is half done: its renames are still to come."""
    for restored in left:
        shared = [
            theirs.name
            for theirs in places_of(restored.swaps)
            if any(_meet(_here(config, theirs), _here(config, ours)) for ours in places)
        ]
        if shared:
            raise _half_done_there(listed(map(clean, shared)), restored)


def refuse_on_hosts(config: Config, left: Iterable[Restored], hosts: Iterable[str | None]) -> None:
    """Raises BackupError where a restore is half done on one of ``hosts``: what it staged looks like what drills
    left."""
    ours = {_here(config, Place(name or "", "")).host for name in hosts}
    for restored in left:
        for place in places_of(restored.swaps):
            if _here(config, place).host in ours:
                raise _half_done_there(clean(place.name), restored)


def _half_done_there(names: Message | str, restored: Restored) -> BackupError:
    return BackupError(
        tr("{names}: the restore of {set} (job {job}) is half done there; nothing was changed",
           names=names, set=restored.set, job=restored.run),
        tr("settle it first: lilfox backup settle {job} --finish or --take-back; where its host is gone for good: "
           "--forget", job=restored.run),
    )  # fmt: skip


def places_of(swaps: Sequence[Swap]) -> list[Place]:
    """What these renames replace; of a table its database."""
    return [
        Place(swap.host, name)
        for swap in swaps
        for name in ([swap.within] if swap.within else [one.target for one in swap.renames])
    ]


def what_stays(restored: Restored) -> str:
    """The names that its renames may have left, of each host, for who looks after them by hand."""
    texts = []
    for swap in restored.swaps:
        names = [clean(name) for one in swap.renames for name in (one.target, one.staged, one.before) if name]
        within = f" ({clean(swap.within)})" if swap.within else ""
        host = clean(swap.host) or str(tr("this machine"))
        texts.append(f"{host}{within}: {listed(names)}")
    return str(clauses(texts))


def _told(restored: Restored) -> str:
    if journal.may_write(restored):
        return str(
            tr(
                "the restore of {set} is half done: lilfox backup settle {job} --finish or --take-back",
                set=restored.set,
                job=restored.run,
            )
        )
    return str(
        tr(
            "the restore of {set} by {user} did not come to its end, as far as can be seen; as {user}: "
            "lilfox backup settle {job} --finish or --take-back",
            set=restored.set,
            user=journal.owner_of(restored),
            job=restored.run,
        )
    )


def _here(config: Config, place: Place) -> Place:
    """All names of this machine are one."""
    host = config.hosts.get(place.host)
    return Place("", place.name) if host is not None and host.local else place


def _meet(one: Place, other: Place) -> bool:
    """Whether they are the same, or a path within the other."""
    if one.host != other.host:
        return False
    if not (one.name.startswith("/") and other.name.startswith("/")):
        return one.name == other.name
    first, second = (f"{normpath(place.name).rstrip('/')}/" for place in (one, other))
    return first.startswith(second) or second.startswith(first)
