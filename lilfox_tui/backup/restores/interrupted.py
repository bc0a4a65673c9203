"""Interrupted restores: their journal, and how each is settled or undone."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from posixpath import normpath
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from lilfox_tui.backup.context import BackupContext, source_module
from lilfox_tui.backup.source import RetainedItem, Standing, Swap
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import Config, refuse_change
from lilfox_tui.core import paths
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, clauses, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.model import NoSuchJob, Run

# Which restores came to their renames, and how far. What is swapped is on the disk before it is: a crash between two
# renames is finished or undone at the next start, and a restore can be undone until what was there before is let go.
#
# They are noted in ``restores``, beside the jobs: in the user's state folder, of root and of service users in the
# system's, where others may read them if the folder lets them.


Stage = Literal["swapping", "swapped", "undoing", "undone", "forgetting", "forgotten", "aside"]
"""``aside``: it was interrupted, and nobody will settle it; what it staged and set apart still exists."""
SETTLED: frozenset[Stage] = frozenset({"swapped", "undone", "forgotten", "aside"})
OPEN: frozenset[Stage] = frozenset({"swapping", "undoing"})
RETAINING_NOTHING: frozenset[Stage] = frozenset({"forgotten"})
"""Only these records expire: without its record, what a restore keeps is neither undone nor found again."""
RETAINING: frozenset[Stage] = frozenset({"swapped", "undone", "forgetting", "aside"})
"""Retained data may still exist; it can be deleted."""
KNOWN_FOR = timedelta(days=90)
MOST_KNOWN = 200
_RESTORES = "restores"


class Restored(Struct, frozen=True, kw_only=True):
    """The journal's record of a restore that reached its renames. ``run`` is the job's id."""

    run: str
    set: str
    at: datetime
    stage: Stage
    swaps: tuple[Swap, ...]
    undone: int = 0
    """So many of ``swaps``, from the last on, are undone already while it is being undone."""


def write(restored: Restored) -> None:
    """Write the record to disk (fsync of file and folder): over its existing file, else into this process's state
    folder. Also delete records that retain nothing and are older than 90 days or beyond the newest 200. Raises
    BackupError; the renames must then not be made."""
    noted = _file_of(restored.run)
    folder = _own_folder() if noted is None else noted.parent
    file = folder / f"{restored.run}.json"
    part = file.with_suffix(".part")
    try:
        mode = paths.modes(folder)[1]
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(msgspec.json.encode(restored))
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
        _fsync_folder(folder)
    except OSError as error:
        raise BackupError(
            tr("{path}: cannot be written: {error}", path=part, error=error.strerror), _hint(restored, noted)
        ) from None
    _let_go(datetime.now(UTC))


def _hint(restored: Restored, noted: Path | None) -> Message:
    """Return what to do when the record cannot be written."""
    if noted is not None and not os.access(noted.parent, os.W_OK):
        return tr("nothing was changed; the restore was run as {user}: run this as {user} too", user=_owner(noted))
    if restored.stage in SETTLED or restored.undone:
        return tr(
            "the work is done but not recorded; make this path writable (is the disk full?): the next "
            "lilfox restore or undo records it"
        )
    if noted is not None:  # it may be settled: what was renamed before, or by this job, is in place
        return tr("make this path writable (is the disk full?), then try again")
    return tr("nothing was changed; make this path writable (is the disk full?), then try again")


def read_all() -> list[Restored]:
    """Return all known restores, newest first: the user's own, and those of root that the user may read. Skips
    unreadable files and files of other users, because the reader's process renames and removes what a record names."""
    return sorted((restored for _file, restored in _read()), key=lambda restored: restored.at, reverse=True)


def read_open() -> list[Restored]:
    """Return the restores of :func:`read_all` whose renames or undo did not finish, newest first. Other records are
    scanned, not decoded, so this is cheap enough for each start."""
    return sorted(
        (restored for _file, restored in _read(OPEN) if restored.stage in OPEN),
        key=lambda restored: restored.at,
        reverse=True,
    )


def may_write(restored: Restored) -> bool:
    """Return whether this process may record the outcome of the restore; if not, it must leave the restore alone."""
    noted = _file_of(restored.run)
    return noted is None or os.access(noted.parent, os.W_OK)


def owner_of(restored: Restored) -> str:
    """Return the user who owns the restore's record; empty if there is none."""
    noted = _file_of(restored.run)
    return "" if noted is None else _owner(noted)


def _read(stages: Collection[Stage] = ()) -> Iterator[tuple[Path, Restored]]:
    """Yield all records; with ``stages``, only those that mention one of these stages, which the caller must check."""
    words = [f'"{stage}"'.encode() for stage in stages]
    for file in _files():
        try:
            raw = file.read_bytes()
            if words and not any(word in raw for word in words):
                continue
            restored = msgspec.json.decode(raw, type=Restored)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if restored.run == file.stem:
            yield file, restored


def _files() -> Iterator[Path]:
    for folder in paths.all_folders(_RESTORES):
        if _is_trusted(folder.stat):
            with suppress(OSError):
                files = [file for file in folder.iterdir() if file.suffix == ".json"]
                yield from (file for file in files if _is_trusted(file.lstat))


def _is_trusted(look: Callable[[], os.stat_result]) -> bool:
    """Return whether a file or folder belongs to root or this user, and nobody else can write to it."""
    try:
        facts = look()
    except OSError:  # it is not there, or is for others alone
        return False
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _file_of(run: str) -> Path | None:
    return next((file for file in _files() if file.stem == run), None)


def _owner(file: Path) -> str:
    with suppress(OSError, KeyError):
        return file.owner()
    return _("another user")


def _let_go(now: datetime) -> None:
    ended = [(file, restored) for file, restored in _read(RETAINING_NOTHING) if restored.stage in RETAINING_NOTHING]
    ended.sort(key=lambda each: each[1].at, reverse=True)
    for number, (file, restored) in enumerate(ended):
        if number >= MOST_KNOWN or now - restored.at > KNOWN_FOR:
            with suppress(OSError):
                file.unlink()


def _own_folder() -> Path:
    try:
        return paths.own_folder(_RESTORES)
    except paths.FolderRefused as refused:
        raise BackupError(tr("{problem}; nothing was changed", problem=refused.message), refused.hint) from None


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Restores whose process died between their renames: what of them is in place, and what can be done.
#
# Nothing else tells of them: names and rows look right on each side, only they are of two days. So everybody who shows
# something of backups asks here. It costs the reading of some small files as long as there is none.


LONGEST_S = 5.0
"""A host may take so long to say what is in place."""


class SwapSide(Struct, frozen=True, kw_only=True):
    """Which data is in place at one target."""

    target: str
    host: str
    """Empty for this machine."""
    standing: Standing
    reason: Message | str = ""
    """Why it is not known."""


class InterruptedRestore(Struct, frozen=True, kw_only=True):
    """A restore or undo that ended between its renames."""

    restored: Restored
    sides: tuple[SwapSide, ...]
    owner: str = ""
    """The user who must settle it; empty where this one may."""

    @property
    def message(self) -> Message:
        """What was interrupted and when, and which data is in place at each target."""
        stage, at = self.restored.stage, f"{self.restored.at.astimezone():%Y-%m-%d %H:%M:%S}"
        what = tr("the restore of {set} was interrupted", set=self.restored.set)
        if stage == "undoing":
            what = tr("undoing the restore of {set} was interrupted", set=self.restored.set)
        return tr("{what} (since {at}, job {job}): {sides}", what=what, at=at, job=self.restored.run,
                  sides=clauses(map(str, self._told())))  # fmt: skip

    @property
    def hint(self) -> Message:
        """How to settle it: the command, and the user who must run it if that is somebody else."""
        if self.owner:
            return tr("run as {user}: lilfox backup settle {job}", user=self.owner, job=self.restored.run)
        if self.restored.stage == "undoing":
            return tr(
                "lilfox backup settle {job} --finish puts everything back as it was, --take-back puts all of the "
                "set in place",
                job=self.restored.run,
            )
        return tr(
            "lilfox backup settle {job} --finish puts all of the set in place, --take-back puts everything back "
            "as it was",
            job=self.restored.run,
        )

    def _told(self) -> list[Message]:
        texts: dict[Standing, Message] = {
            "restored": tr("restored data"),
            "before": tr("previous data"),
            "neither": tr("absent"),
        }
        told = []
        for standing, text in texts.items():
            names = [_name(side) for side in self.sides if side.standing == standing]
            if names:
                told.append(tr("{what}: {names}", what=text, names=listed(names)))
        for side in self.sides:
            if side.standing == "unknown":
                why = side.reason or tr("the names do not show which data is in place")
                told.append(tr("the state of {name} is unknown: {reason}", name=_name(side), reason=why))
        return told

    def document(self) -> dict[str, Any]:
        """Return the interrupted restore as a JSON document."""
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
    """Return the unfinished restores whose job is not running now. Blocks."""
    return [restored for restored in read_open() if not job_runs(restored.run)]


def job_runs(job_id: str) -> bool:
    """Whether a job with that id is running. Blocks."""
    try:
        return find_job(job_id).state == "running"
    except NoSuchJob:
        return False


async def interrupted_restores(context: BackupContext) -> list[InterruptedRestore]:
    """Return all interrupted restores, newest first, with the data that is in place. If a host fails, its error is
    given as the reason why that is unknown."""
    found = await asyncio.to_thread(open_restores)
    return [await _looked_at(context, restored) for restored in found]


async def chosen_interrupted_restore(words: str) -> Restored:
    """Return the interrupted restore whose set or job ``words`` name, or the only one if ``words`` is empty. Raises
    BackupError."""
    found = await asyncio.to_thread(open_restores)
    named = [each for each in found if words in ("", each.run, each.set, each.set[-15:])]
    if len(named) == 1:
        if not may_write(named[0]):
            owner = owner_of(named[0])
            raise BackupError(
                tr("the restore of {set} was run as {user}", set=named[0].set, user=owner),
                tr("run this as {user}", user=owner),
            )
        return named[0]
    known = listed(each.run for each in found) or tr("none")
    if named:
        raise BackupError(tr("several restores are interrupted"), tr("specify one by job id: {jobs}", jobs=known))
    raise BackupError(
        tr("no restore of {set} is interrupted", set=words) if words else tr("no restore is interrupted"),
        tr("known: {sets}", sets=known),
    )


async def _looked_at(context: BackupContext, restored: Restored) -> InterruptedRestore:
    asked = await asyncio.gather(*(_sides(context, swap) for swap in restored.swaps))
    owner = "" if may_write(restored) else owner_of(restored)
    return InterruptedRestore(restored=restored, sides=tuple(side for sides in asked for side in sides), owner=owner)


async def _sides(context: BackupContext, swap: Swap) -> list[SwapSide]:
    reason: Message | str = ""
    found: list[Standing] = ["unknown"] * len(swap.renames)
    try:
        async with asyncio.timeout(LONGEST_S):
            found = await source_module(swap.kind).standing(swap, context.host(swap.host or None))
    except LilFoxError as error:
        reason = error.message
    except TimeoutError:
        reason = tr("no answer within {timeout_s:g} s", timeout_s=LONGEST_S)
    return [
        SwapSide(target=one.target, host=swap.host, standing=standing, reason=reason)
        for one, standing in zip(swap.renames, found, strict=True)
    ]


def _name(side: SwapSide) -> str:
    return clean(f"{side.host}:{side.target}" if side.host else side.target)


# Renames of a restore that did not come to their end: finished or reverted; and the way back of a whole restore.


async def undo_swap(context: BackupContext, swap: Swap) -> None:
    """Undo one swap: put the previous data back in place. Raises BackupError, HostError."""
    await source_module(swap.kind).undo(swap, context.host(swap.host or None))


async def settle(context: BackupContext, restored: Restored) -> str:
    """Settle a restore whose process died between the renames: make the remaining ones (all data was compared before
    the first), or finish its undo. If a swap cannot be finished, undo all of them, and remove what was staged for those
    that were not started. Returns a sentence. Raises BackupError, HostError."""
    if restored.stage == "undoing":
        await undo_rest(context, restored)
        return str(tr("the interrupted restore of {set} was undone", set=restored.set))
    for number, swap in enumerate(restored.swaps):
        if await source_module(swap.kind).settle(swap, context.host(swap.host or None)) == "undone":
            await _all_back(context, restored, restored.swaps[number + 1 :])
            return str(
                tr("the interrupted restore of {set} was reverted: everything is as it was before", set=restored.set)
            )
    write(msgspec.structs.replace(restored, stage="swapped"))
    return str(tr("the interrupted restore of {set} was finished", set=restored.set))


async def finish(context: BackupContext, restored: Restored) -> str:
    """Put all restored data in place, whichever renames were made; for an undo, put all previous data back. Returns a
    sentence. Raises BackupError, HostError; completed steps stay, and the restore stays interrupted."""
    if restored.stage == "undoing":
        return await _all_back(context, restored, restored.swaps)
    return await _all_in_place(context, restored)


async def take_back(context: BackupContext, restored: Restored) -> str:
    """Put all previous data back; for an undo, put all restored data in place again. Raises BackupError, HostError."""
    if restored.stage == "undoing":
        return await _all_in_place(context, restored)
    return await _all_back(context, restored, restored.swaps)


async def _all_in_place(context: BackupContext, restored: Restored) -> str:
    restored = msgspec.structs.replace(restored, stage="swapping", undone=0)
    write(restored)
    for swap in restored.swaps:
        await source_module(swap.kind).finish(swap, context.host(swap.host or None))
    write(msgspec.structs.replace(restored, stage="swapped"))
    return str(tr("all of {set} is in place; to undo: lilfox restore --undo {set}", set=restored.set))


async def _all_back(context: BackupContext, restored: Restored, rest: Sequence[Swap]) -> str:
    """Put all previous data back. ``rest``: swaps that may not have been started; the staged data of those that were
    not is removed too."""
    idle = [each for each in rest if await _is_staged_alone(context, each)]
    await undo_rest(context, restored)
    for each in idle:
        with suppress(LilFoxError):  # it stays and is shown with what restores keep
            await source_module(each.kind).forget(each, context.host(each.host or None))
    return str(tr("everything is back as it was before {set} was restored", set=restored.set))


async def _is_staged_alone(context: BackupContext, swap: Swap) -> bool:
    """Return whether none of the swap's renames was made; its staged data was then never in use and can be removed."""
    try:
        kept: list[RetainedItem] = await source_module(swap.kind).kept(swap, context.host(swap.host or None))
    except LilFoxError:
        return False
    before = {one.before for one in swap.renames}
    return len(kept) == len(swap.renames) and not any(each.name in before for each in kept)


async def undo_rest(
    context: BackupContext,
    restored: Restored,
    intend: Callable[[Swap], None] = lambda _swap: None,
    tell: Callable[[Swap], None] = lambda _swap: None,
) -> None:
    """Undo the swaps that are not undone yet, last first, and record each one on disk. If the first undo of a finished
    restore fails, the restore is recorded as finished again."""
    stood = restored.stage == "swapped"
    restored = msgspec.structs.replace(restored, stage="undoing")
    write(restored)
    for swap in reversed(restored.swaps[: len(restored.swaps) - restored.undone]):
        intend(swap)
        try:
            await undo_swap(context, swap)
        except LilFoxError:
            if stood and not restored.undone:
                write(msgspec.structs.replace(restored, stage="swapped"))
            raise
        restored = msgspec.structs.replace(restored, undone=restored.undone + 1)
        write(restored)
        tell(swap)
    write(msgspec.structs.replace(restored, stage="undone"))


# What jobs do about interrupted restores: a job that only reads or copies reports them; a job that changes what
# restores left settles them first, and never touches what one of them that cannot be settled may still rename.


class RestorePlace(NamedTuple):
    """What a restore replaces: a database, or a folder or file by its path."""

    host: str
    """Empty for this machine."""
    name: str


async def tell_open(run: Run) -> list[Restored]:
    """Warn about each interrupted restore, say how to settle it, and return them all. Changes nothing."""
    found = await asyncio.to_thread(open_restores)
    for restored in found:
        run.say(_told(restored), "warning")
    return found


async def settle_open(run: Run, context: BackupContext, config: Config) -> list[Restored]:
    """Settle each interrupted restore that this user may record, if the configuration allows changes on its hosts.
    Returns those that could not be settled; each is reported and does not stop the others."""
    left = []
    for restored in await asyncio.to_thread(open_restores):
        if not may_write(restored):
            run.say(_told(restored), "warning")
            left.append(restored)
            continue
        try:
            refuse_hosts(config, restored)
            run.say(await settle(context, restored), "warning")
        except LilFoxError as error:
            run.say(f"{_told(restored)} ({error})", "warning")
            left.append(restored)
    return left


def refuse_hosts(config: Config, restored: Restored) -> None:
    """Raise NotAllowed if changes are forbidden on one of the restore's hosts."""
    refuse_change(config, [swap.host or None for swap in restored.swaps])


def refuse_shared(config: Config, left: Iterable[Restored], places: Collection[RestorePlace]) -> None:
    """Raise BackupError if an interrupted restore may still rename one of ``places``."""
    for restored in left:
        shared = [
            theirs.name
            for theirs in places_of(restored.swaps)
            if any(_meet(_here(config, theirs), _here(config, ours)) for ours in places)
        ]
        if shared:
            raise _interrupted_there(listed(map(clean, shared)), restored)


def refuse_on_hosts(config: Config, left: Iterable[Restored], hosts: Iterable[str | None]) -> None:
    """Raise BackupError if a restore is interrupted on one of ``hosts``, because its staged data would be mistaken for
    leftovers of drills."""
    ours = {_here(config, RestorePlace(name or "", "")).host for name in hosts}
    for restored in left:
        for place in places_of(restored.swaps):
            if _here(config, place).host in ours:
                raise _interrupted_there(clean(place.name), restored)


def _interrupted_there(names: Message | str, restored: Restored) -> BackupError:
    return BackupError(
        tr("a restore of {set} into {names} (job {job}) was interrupted; this job changed nothing",
           names=names, set=restored.set, job=restored.run),
        tr("settle it first: lilfox backup settle {job} --finish or --take-back; if its host is gone for good: "
           "--forget", job=restored.run),
    )  # fmt: skip


def places_of(swaps: Sequence[Swap]) -> list[RestorePlace]:
    """Return what ``swaps`` replace; for a table, its database."""
    return [
        RestorePlace(swap.host, name)
        for swap in swaps
        for name in ([swap.within] if swap.within else [one.target for one in swap.renames])
    ]


def what_stays(restored: Restored) -> str:
    """List, for each host, the names that the restore's renames may have left, for manual cleanup."""
    texts = []
    for swap in restored.swaps:
        names = [clean(name) for one in swap.renames for name in (one.target, one.staged, one.before) if name]
        within = f" ({clean(swap.within)})" if swap.within else ""
        host = clean(swap.host) or str(tr("this machine"))
        texts.append(f"{host}{within}: {listed(names)}")
    return str(clauses(texts))


def _told(restored: Restored) -> str:
    if may_write(restored):
        return str(
            tr(
                "the restore of {set} was interrupted: lilfox backup settle {job} --finish or --take-back",
                set=restored.set,
                job=restored.run,
            )
        )
    return str(
        tr(
            "the restore of {set} by {user} apparently did not finish; as {user}, run: lilfox backup settle "
            "{job} --finish or --take-back",
            set=restored.set,
            user=owner_of(restored),
            job=restored.run,
        )
    )


def _here(config: Config, place: RestorePlace) -> RestorePlace:
    """Return the place with an empty host if it is on this machine, whatever name the host has."""
    host = config.hosts.get(place.host)
    return RestorePlace("", place.name) if host is not None and host.local else place


def _meet(one: RestorePlace, other: RestorePlace) -> bool:
    """Whether the places are equal, or one path is within the other."""
    if one.host != other.host:
        return False
    if not (one.name.startswith("/") and other.name.startswith("/")):
        return one.name == other.name
    first, second = (f"{normpath(place.name).rstrip('/')}/" for place in (one, other))
    return first.startswith(second) or second.startswith(first)
