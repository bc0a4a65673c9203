"""Restores files next to the current ones and swaps them by rename; lists and deletes what a restore retained."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

import msgspec
from msgspec import Struct, structs

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.files.archive import PathFacts, inspect_place, program_checks
from lilfox_tui.backup.files.staging import (
    FILE,
    SYNC_S,
    TREE,
    StagingFolder,
    before_name,
    existing_names,
    finish_all,
    remove_empty,
    settle_all,
    staging_name,
    swap_in,
    take_back,
)
from lilfox_tui.backup.files.staging import standing as standing_now
from lilfox_tui.backup.local_folder import MOUNTS, mount_points
from lilfox_tui.backup.options import FileTreeOptions
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import (
    Comparison,
    Renames,
    RestoreChange,
    RestoreTask,
    RetainedItem,
    Settled,
    Standing,
    Swap,
)
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, clauses, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes, whole
from lilfox_tui.hosts.base import Host

# One thing that a restore puts in place: a folder from an archive, or a single file.


class PieceSpec(Struct, frozen=True, kw_only=True):
    """What to restore and where to. ``target`` is an absolute path; ``only`` a path below it, empty for everything."""

    host: Host
    options: FileTreeOptions
    task: RestoreTask
    part: FoundPart
    target: str
    only: str = ""

    @property
    def scratch(self) -> bool:
        """Whether it is a drill."""
        return self.task.scratch

    def blocks(self) -> AsyncGenerator[bytes, None]:
        """The part's raw bytes from the store."""
        return self.task.blocks(self.part)

    @property
    def told_bytes(self) -> int | None:
        """The size of the content in bytes, as recorded in the manifest; None if it is not recorded or there is no
        manifest."""
        told = self.part.said.detail.get("bytes") if self.part.said is not None else None
        return told if isinstance(told, int) else None

    @property
    def parent(self) -> str:
        """The folder that contains the target."""
        return self.target.rpartition("/")[0] or "/"

    @property
    def name(self) -> str:
        """The last component of the target's path."""
        return self.target.rpartition("/")[2]

    def staging(self) -> StagingFolder:
        """Return a staging folder beside the target, not created yet."""
        return StagingFolder(self.host, self.parent, self.name, sudo=self.options.sudo, scratch=self.scratch)


class RestorePiece(Protocol):
    """One piece of a restore. The calls come in this order; ``discard`` may come at any time."""

    spec: PieceSpec
    needed_bytes: int
    """Of room, once it was scanned."""
    needed_files: int

    async def scan(self, look: PathFacts, most_bytes: int | None) -> list[Check]:
        """Read the whole part, check it, and compute what a restore would change. A broken part results in a bad
        check."""
        ...

    async def changes(self) -> list[RestoreChange]:
        """What restoring would change."""
        ...

    async def stage(self, moved: Callable[[int], None]) -> None:
        """Restore into staging; ``moved`` is called with the number of bytes so far. Raises BackupError, HostError."""
        ...

    async def compare(self) -> Comparison:
        """Read what was staged back from the disk and compare it with the part."""
        ...

    def renames(self) -> Renames:
        """Return the renames that swap the piece in."""
        ...

    def close(self) -> None:
        """Release the index."""
        ...

    async def discard(self) -> None:
        """Remove the staged data that was not swapped in."""
        ...


async def counted(blocks: AsyncIterator[bytes], moved: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """Yield ``blocks``, and report the number of bytes so far to ``moved``."""
    done = 0
    async for block in blocks:
        done += len(block)
        moved(done)
        yield block


def another_stream(part: FoundPart) -> BackupError:
    """Return the error for a part whose bytes differ from those that were checked."""
    return BackupError(
        tr("{part} has changed since it was checked", part=clean(part.name)),
        tr("the existing data was not touched; check who can write to the store"),
    )


# Where folders and files go back to: staged beside, compared, swapped.


class FilesRestore:
    """See :class:`~lilfox_tui.backup.source.RestoreTarget`. ``missing`` are checks about parts that the set lacks."""

    def __init__(
        self,
        host: Host,
        options: FileTreeOptions,
        task: RestoreTask,
        pieces: list[RestorePiece],
        missing: list[Check],
    ) -> None:
        self._host, self._options, self._task, self._pieces, self._missing = host, options, task, pieces, missing
        self._swapped = False
        places = " + ".join(clean(piece.spec.target) for piece in pieces)
        if options.host is not None:
            places = f"{options.host}:{places}"
        self.where = str(tr("a scratch folder beside {place}", place=places)) if task.scratch else places

    @property
    def replaces(self) -> tuple[str, ...]:
        """See :attr:`RestoreTarget.replaces`."""
        return tuple(piece.spec.target for piece in self._pieces)

    async def checks(self) -> list[Check]:
        """See :meth:`RestoreTarget.checks`. Reads the whole archive, so what must not be restored is found before the
        first write."""
        found = list(self._missing)
        programs: list[Check] = []
        for piece in self._pieces:
            spec = piece.spec
            look = await inspect_place(self._host, spec.parent, spec.target, sudo=self._options.sudo)
            programs = programs or program_checks(self._host, look)
            place = _place_checks(spec, look)
            found += place
            if any(check.state == "bad" for check in (*place, *programs)):
                continue
            free = int(look["bytes"]) if look["bytes"].isdigit() else None
            found += await piece.scan(look, _most(spec, free))
            found.append(_room(piece, look, free))
        if not self._task.scratch and all(check.state != "bad" for check in found):
            found += await self._newer()
        return programs + found

    async def changes(self) -> list[RestoreChange]:
        """See :meth:`RestoreTarget.changes`."""
        return [change for piece in self._pieces for change in await piece.changes()]

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`RestoreTarget.stage`."""
        before = 0
        for piece in self._pieces:
            await piece.stage(lambda done, before=before: moved(before + done))  # type: ignore[misc]
            before += piece.needed_bytes

    async def compare(self) -> Comparison:
        """See :meth:`RestoreTarget.compare`."""
        found = [await piece.compare() for piece in self._pieces]
        return Comparison(
            tuple(line for comparison in found for line in comparison.differences),
            clauses(comparison.compared for comparison in found),
        )

    def swap_plan(self) -> Swap:
        """See :meth:`RestoreTarget.swap_plan`."""
        first, *others = (piece.renames() for piece in self._pieces)
        return Swap(
            kind=self._options.kind,
            set=self._task.set.id,
            target=first.target,
            staged=first.staged,
            before=first.before,
            also=tuple(others),
            host=self._options.host or "",
            options=msgspec.to_builtins(self._options),
        )

    async def swap(self) -> None:
        """See :meth:`RestoreTarget.swap`."""
        renames = tuple(piece.renames() for piece in self._pieces)
        await swap_in(self._host, renames, sudo=self._options.sudo)
        self._swapped = True
        for piece in self._pieces:
            with suppress(LilFoxError):  # it is in place; what is left beside goes when the restore is forgotten
                await piece.discard()

    async def discard(self) -> None:
        """See :meth:`RestoreTarget.discard`."""
        if self._swapped:
            return
        async with AsyncExitStack() as stack:
            for piece in self._pieces:
                stack.push_async_callback(piece.discard)

    async def leave(self) -> None:
        """See :meth:`RestoreTarget.leave`."""
        for piece in self._pieces:
            piece.close()

    async def _newer(self) -> list[Check]:
        newer = [change.what for change in await self.changes() if change.newer]
        if not newer:
            return []
        more = f" … +{len(newer) - 5}" if len(newer) > 5 else ""
        return [
            Check(
                tr("newer than the backup"),
                "warning",
                ntr("{count} file: {names}", "{count} files: {names}", len(newer), names=listed(newer[:5]) + more),
                tr("They will be missing from the restored data, but are kept with the previous data."),
            )
        ]


class _Rights(Struct, frozen=True):
    """The Options that undo needs."""

    sudo: bool = False


async def undo(swap: Swap, host: Host) -> None:
    """Put the earlier data back; the restored data gets its staging name again. Raises BackupError, HostError."""
    await take_back(host, swap, sudo=_rights(swap.options).sudo)


async def standing(swap: Swap, host: Host) -> list[Standing]:
    """See ``source.py``."""
    return await standing_now(host, swap, sudo=_rights(swap.options).sudo)


async def finish(swap: Swap, host: Host) -> None:
    """See ``source.py``."""
    await finish_all(host, swap, sudo=_rights(swap.options).sudo)


async def settle(swap: Swap, host: Host) -> Settled:
    """Finish renames that a crash interrupted; undo them if the staged data is missing. Raises BackupError,
    HostError."""
    return await settle_all(host, swap, sudo=_rights(swap.options).sudo)


def _rights(options: dict[str, Any]) -> _Rights:
    return msgspec.convert(options, _Rights)


def _place_checks(spec: PieceSpec, look: PathFacts) -> list[Check]:
    about = tr("target {target}", target=clean(spec.target))
    if not spec.name or spec.name in (".", ".."):
        return [
            Check(
                about,
                "bad",
                tr("/ and paths that end in . or .. cannot be renamed"),
                tr("specify the folder by its own name"),
            )
        ]
    if look["parent"] != "folder":
        return [
            Check(
                about,
                "bad",
                tr("{parent} does not exist", parent=clean(spec.parent)),
                tr("create it, or correct the path"),
            )
        ]
    if not look["writable"]:
        return [
            Check(
                about,
                "bad",
                tr("no write permission for {parent}", parent=clean(spec.parent)),
                tr("a restore is staged in this folder: grant write permission for it, or set sudo: true"),
            )
        ]
    devices = look["devices"].split()
    apart = len(devices) == 2 and devices[0] != devices[1]
    if (apart or look["mounted"]) and not spec.scratch:
        return [
            Check(
                about,
                "bad",
                tr("it is a mount point and cannot be renamed"),
                tr("restore to another folder, or mount its parent folder instead"),
            )
        ]
    if look["left"]:
        return [
            Check(
                about,
                "warning",
                tr("an earlier restore left {folder} next to it", folder=clean(look["left"])),
                tr("remove it when it is no longer needed"),
            )
        ]
    return [Check(about, "good", tr("it can be swapped"))]


def _most(spec: PieceSpec, free: int | None) -> int | None:
    """Return how many bytes of content an archive may have: the number in the manifest, else the free space."""
    return free if spec.told_bytes is None else spec.told_bytes


def _room(piece: RestorePiece, look: PathFacts, free: int | None) -> Check:
    about = tr("room for {target}", target=clean(piece.spec.target))
    inodes = look["inodes"].split()
    if free is not None and free < piece.needed_bytes:
        have, need = human_bytes(free), human_bytes(piece.needed_bytes)
        return Check(
            about,
            "bad",
            tr("{have} free, {need} needed", have=have, need=need),
            tr("free up space on that file system"),
        )
    told = len(inodes) == 2 and all(word.isdigit() for word in inodes) and inodes[0] != "0"
    if told and whole(inodes[1]) < piece.needed_files:
        return Check(
            about,
            "bad",
            ntr(
                "{count} more file can be created, {need} needed",
                "{count} more files can be created, {need} needed",
                whole(inodes[1]),
                need=piece.needed_files,
            ),
            tr("remove files from that file system, or restore to another one"),
        )
    return Check(about, "good", tr("{free} free", free=human_bytes(free)))


# What a restore of files keeps beside what is in place, and how that is let go.
#
# Nothing is removed by what the journal says alone: the names must be those that a restore of that target makes, what
# is in place must be there and be something else, and nobody may be working in what goes.


_STAGED = re.compile(r"\.lilfox_restore_(\d{8}_\d{6})$", re.ASCII)
_GLOB = re.compile(r"([\[\]*?\\])")
_LOOK = r"""
real=$(readlink -f -- "$2") || exit 1
if [ -e "$1" ] || [ -L "$1" ]; then echo live; fi
case "$(readlink -f -- "$1")/" in "$real"/*) echo same ;; esac
if size=$(timeout 3 du -s --block-size=1 -- "$2" 2>/dev/null); then printf 'size %s\n' "${size%%[!0-9]*}"; fi
found=$(find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/fd -maxdepth 1 \
    \( -lname "$3" -o -lname "$3/*" \) -print -quit 2>/dev/null)
found=${found#/proc/}
if [ -n "$found" ]; then printf 'used %s\n' "${found%%/*}"; fi
printf 'real %s' "$real"
"""
"""Of the target ``$1`` and of what is kept at ``$2``, ``$3`` as a pattern: what is said is bounded in time; the path
comes last, for it may hold anything."""
_REMOVE = r"""
cd -P -- "$1" || exit 1
shift
while [ $# -gt 1 ]; do
    here=$(pwd -P)
    cd -P -- "./$1" 2>/dev/null || exit 0
    [ "$(pwd -P)" = "${here%/}/$1" ] || { echo "$1 is a link" >&2; exit 97; }
    shift
done
if [ "$(id -u)" != 0 ] && [ -d "./$1" ] && [ ! -L "./$1" ]; then
    find "./$1" -type d ! -perm -700 -exec chmod u+rwx '{}' \; 2>/dev/null
fi
rm -rf --one-file-system -- "./$1"
"""
"""Removes the last name, gone to step by step, so that no link leads elsewhere; nothing where it is not there."""


_LEFT = 'find "$1" -maxdepth 1 -type d -name "$2*" -print0'
_IDLE = 'find "$1" -cmin -60 -print -quit'
"""Gives a line where something in the folder has changed within an hour."""
_STAMP = "20231230_020000"
_WHY_NOT: dict[str, tuple[Message | str, Message]] = {
    "drill": ("", tr("a drill wrote to it within the last hour")),
    "restore": (
        tr("LilFox does not delete it, because it may be the only copy of its data; check it, then delete it by hand"),
        tr("a restore wrote to it within the last hour"),
    ),
}
"""Why staged data stays that nobody writes to, and such that was written to just now."""


class _Names(Struct, frozen=True):
    """The names that one restore uses below ``parent``."""

    parent: str
    before: tuple[str, ...]
    staged: str
    """The folder of ours in which it was staged."""


async def kept(swap: Swap, host: Host) -> list[RetainedItem]:
    """Return the retained items next to the targets; an item that must stay has the reason. Raises BackupError,
    HostError."""
    found = []
    for one in swap.renames:
        _live, staged, before = await existing_names(host, one, sudo=_sudo(swap))
        path = one.before if before else one.staged if staged else ""
        if not path:
            continue
        names = _names(one)
        if names is None:
            why_not = tr("a restore of {target} would not use this name", target=clean(one.target))
            found.append(RetainedItem(target=one.target, name=path, why_not=why_not))
        elif staged and before:
            found.append(RetainedItem(target=one.target, name=path, why_not=tr("the restore did not finish")))
        else:
            top = path if before else f"{names.parent.rstrip('/')}/{names.staged}"
            found.append(await _look(host, one, top, needs_live=bool(one.before), sudo=_sudo(swap)))
    return found


async def forget(swap: Swap, host: Host) -> None:
    """Remove what :func:`kept` returns. Raises BackupError if an item must stay (then nothing is removed), or with the
    name of an item that could not be removed; HostError."""
    for each in await kept(swap, host):
        if str(each.why_not):
            raise BackupError(tr("{name} cannot be deleted: {reason}", name=clean(each.name), reason=each.why_not))
    for one in swap.renames:
        names = _names(one)
        if names is None:
            continue
        await _remove(host, names.parent, [names.staged], sudo=_sudo(swap))
        if names.before:
            await _remove(host, names.parent, names.before, sudo=_sudo(swap))
        if names.before[1:]:
            await remove_empty(host, one.before.rpartition("/")[0], sudo=_sudo(swap))


async def left(targets: Sequence[str], host: Host, *, sudo: bool) -> list[RetainedItem]:
    """Return what drills, and restores killed while staging, left behind next to ``targets``. What a restore left must
    stay: an undo keeps its data under such a name too. So must an item written to within the last hour, because its job
    may still be running. Raises BackupError, HostError."""
    found = []
    for target in targets:
        for purpose, (why_not, recent) in _WHY_NOT.items():
            for path in await _staged_beside(target, purpose, host, sudo=sudo):
                kept = await _look(host, Renames(target, path, ""), path, needs_live=False, sudo=sudo)
                idle = await host.run_script(_IDLE, [path], sudo=sudo)
                reasons = (kept.why_not, why_not if idle.ok and not idle.stdout else recent)
                found.append(structs.replace(kept, why_not=next(filter(str, reasons), "")))
    return found


async def _staged_beside(target: str, purpose: str, host: Host, *, sudo: bool) -> list[str]:
    parent, _, name = target.rpartition("/")
    begin = staging_name(name, _STAMP, purpose).removesuffix(_STAMP)
    done = await host.run_script(_LEFT, [parent or "/", _GLOB.sub(r"\\\1", begin)], sudo=sudo)
    return [
        path
        for path in filter(None, os.fsdecode(done.stdout).split("\0"))
        if re.fullmatch(r"\d{8}_\d{6}", path.rpartition("/")[2].removeprefix(begin), re.ASCII)
    ]


async def forget_left(targets: Sequence[str], host: Host, *, sudo: bool) -> list[str]:
    """Remove what :func:`left` returns, except what must stay. Raises BackupError, HostError."""
    gone = [each.name for each in await left(targets, host, sudo=sudo) if not str(each.why_not)]
    for path in gone:
        parent, _, name = path.rpartition("/")
        await _remove(host, parent or "/", [name], sudo=sudo)
    return gone


async def _look(host: Host, one: Renames, path: str, *, needs_live: bool, sudo: bool) -> RetainedItem:
    real_parent = await _real(host, path.rpartition("/")[0] or "/", sudo=sudo)
    pattern = _GLOB.sub(r"\\\1", f"{real_parent.rstrip('/')}/{path.rpartition('/')[2]}")
    done = await host.run_script(_LOOK, [one.target, path, pattern], sudo=sudo)
    said, _, real = done.stdout.partition(b"real ")
    if not done.ok or not real:
        raise BackupError(_failed(host, path, done.stderr))
    words = dict(line.partition(" ")[::2] for line in said.decode("ascii", "replace").splitlines())
    mounts = await host.run(["cat", str(MOUNTS)], sudo=sudo)
    why_not: Message | str = ""
    if needs_live and "live" not in words:
        why_not = tr("{target} does not exist: this may be the only copy left", target=clean(one.target))
    elif "same" in words:
        why_not = tr("{target} points to it", target=clean(one.target))
    elif "used" in words:
        why_not = tr("it is in use by process {pid}", pid=words["used"])
    elif not mounts.ok:
        why_not = tr("the mount table cannot be read, so a file system may be mounted in it")
    elif any(point == real or point.startswith(real + b"/") for point in mount_points(mounts.stdout)):
        why_not = tr("a file system is mounted in it")
    size = words.get("size", "")
    return RetainedItem(target=one.target, name=path, size_bytes=int(size) if size.isdigit() else None, why_not=why_not)


async def _real(host: Host, folder: str, *, sudo: bool) -> str:
    done = await host.run(["readlink", "-n", "-f", "--", folder], sudo=sudo)
    if not done.ok:
        raise BackupError(_failed(host, folder, done.stderr))
    return os.fsdecode(done.stdout)


async def _remove(host: Host, parent: str, names: Sequence[str], *, sudo: bool) -> None:
    done = await host.run_script(_REMOVE, [parent, *names], sudo=sudo, timeout_s=SYNC_S)
    if not done.ok:
        raise BackupError(_failed(host, "/".join((parent.rstrip("/"), *names)), done.stderr))


def _names(one: Renames) -> _Names | None:
    """Return the names that a restore used for ``one``; None if they are not exactly those that LilFox would choose."""
    target, staged = one.target.split("/"), one.staged.split("/")
    for depth in range(1, min(len(target), len(staged))):
        stamped = _STAGED.search(staged[depth])
        if stamped is None:
            continue
        stamp, name, below = stamped[1], target[depth], target[depth + 1 :]
        parent = "/".join(target[:depth])
        ours = staging_name(name, stamp)
        before = (before_name(name, stamp), *below)
        staged_here = {(ours, TREE.decode(), *below)} | ({(ours, FILE)} if not below else set())
        if staged[:depth] != target[:depth] or tuple(staged[depth:]) not in staged_here:
            return None
        if one.before not in ("", "/".join((parent, *before))):
            return None
        return _Names(parent or "/", before if one.before else (), ours)
    return None


def _sudo(swap: Swap) -> bool:
    return bool(swap.options.get("sudo", False))


def _failed(host: Host, path: str, stderr: bytes) -> Message:
    return tr("{path} on {host}: {words}", path=clean(path), host=host.name, words=clean(stderr.strip())[:300])
