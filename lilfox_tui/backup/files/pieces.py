"""The pieces of a restore, a folder from an archive or a single file, and how each differs from the set."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from itertools import islice

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.files.archive import PathFacts, TarOutcome, named, refuse_incomplete
from lilfox_tui.backup.files.restore import PieceSpec, another_stream, counted
from lilfox_tui.backup.files.staging import FILE, TREE, StagingFolder
from lilfox_tui.backup.files.tar import SafeMembers, TarMember
from lilfox_tui.backup.files.tar_filter import Index, IndexEntry, TarFilter, filtered, list_folder, put_below
from lilfox_tui.backup.source import Comparison, Renames, RestoreChange
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import Message, clauses, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes, time_at, whole

# Where in an archive the folder stands that it was made of.


class BelowTop:
    """Checks members like :class:`SafeMembers`, below the folder that the manifest names. For an old set without one,
    it is the part of the first member's path that matches the end of the target's path (``public/uploads`` of
    ``/srv/lilfox/public/uploads``), or that member itself."""

    def __init__(self, spec: PieceSpec) -> None:
        said = spec.part.said.detail.get("top") if spec.part.said is not None else None
        self.prefix = os.fsencode(said) if isinstance(said, str) else b""
        self.dropped_rights = 0
        """Files that had set-user-ID or set-group-ID bits, or capabilities, and will not."""
        self._target = os.fsencode(spec.target)
        self._options = spec.options
        self._safe = self._below(self.prefix) if isinstance(said, str) else None

    def judged(self, member: TarMember) -> TarMember | None:
        """See :meth:`SafeMembers.judged`."""
        if self._safe is None:
            self.prefix = top_of(member, self._target)
            self._safe = self._below(self.prefix)
        found = self._safe.judged(member)
        if found is not None and (found.mode, found.attributes) != (member.mode, member.attributes):
            self.dropped_rights += 1
        return found

    def _below(self, prefix: bytes) -> SafeMembers:
        return SafeMembers(prefix, links_out=self._options.links_out, setuid=self._options.setuid)


def top_of(first: TarMember, target: bytes) -> bytes:
    """Return the folder that an archive was made from, derived from its first member and the restore target."""
    parts = [part for part in first.name.split(b"/") if part not in (b"", b".")]
    ends = target.strip(b"/").split(b"/")
    for count in range(len(ends), 0, -1):
        if parts[:count] == ends[-count:]:
            return b"/".join(parts[:count])
    return b"/".join(parts) if first.kind == "folder" else b""


# What is not equal: between the archive and what was restored of it, and between it and what is there now.


MOST_NAMED = 1000
_OTHER_CONTENT = (
    "o.kind != p.kind OR (o.kind != 'link' AND o.mode != p.mode) OR (o.kind = 'link' AND o.target != p.target)"
    " OR (o.kind = 'file' AND (o.size != p.size OR o.digest != p.digest OR o.mtime != p.mtime))"
)
_OTHER_NOW = (
    "o.kind != p.kind OR (o.kind = 'link' AND o.target != p.target) OR (o.kind != 'link' AND o.mode != p.mode)"
    " OR (o.kind = 'file' AND (o.size != p.size OR o.mtime != p.mtime))"
)


def comparison(index: Index, wanted: Callable[[bytes], bool]) -> Comparison:
    """Compare what was staged with the archive: names, kinds, modes, sizes, content, file times, and link targets.
    Owners and attributes that the account could not set are reported."""
    found: list[str] = []
    for entry in index.only("archive", "staged"):
        if wanted(entry.name):
            found.append(str(tr("{name} is missing", name=_shown(entry))))
        if len(found) >= MOST_NAMED:
            break
    found += [
        str(tr("{name} is not in the backup", name=_shown(entry)))
        for entry in islice(index.only("staged", "archive"), MOST_NAMED)
        if entry.kind != "folder"
    ]
    for then, now in islice(index.unequal("archive", "staged", _OTHER_CONTENT), MOST_NAMED):
        what = listed(_what_differs(then, now))
        found.append(str(tr("{name} differs: {what}", name=_shown(then), what=what)))
    totals = index.totals("staged")
    compared = str(tr(
        "{files}, {folders}, {links}: names, modes, times, {bytes} of content",
        files=ntr("{count} file", "{count} files", totals.files),
        folders=ntr("{count} folder", "{count} folders", totals.folders),
        links=ntr("{count} link", "{count} links", totals.links), bytes=human_bytes(totals.bytes),
    ))  # fmt: skip
    for lost, condition in (
        (tr("owner"), "o.user != p.user OR o.grp != p.grp"),
        (tr("attributes"), "o.attributes != p.attributes"),
    ):
        if of := [then.name or b"." for then, _ in islice(index.unequal("archive", "staged", condition), MOST_NAMED)]:
            compared = clauses(
                [compared, str(tr("different from the backup: {what} of {names}", what=lost, names=named(of)))]
            )
    return Comparison(tuple(found), compared)


def changes(index: Index, only: bytes, created: datetime) -> list[RestoreChange]:
    """Return what restoring ``only`` (everything, when empty) would change, newer files first."""
    made_ns = int(created.timestamp()) * 10**9

    def inside(name: bytes) -> bool:
        return not only or name == only or name.startswith(only + b"/")

    def extra(now: IndexEntry) -> RestoreChange:
        lost = now.kind != "folder" and now.mtime_ns > made_ns
        return RestoreChange(_shown(now), _told(now), "", lost_files=int(lost))

    def missing(then: IndexEntry) -> RestoreChange:
        return RestoreChange(_shown(then), "", _told(then))

    def other(pair: tuple[IndexEntry, IndexEntry]) -> RestoreChange:
        then, now = pair
        newer = now.kind == "file" and now.mtime_ns > then.mtime_ns
        return RestoreChange(_shown(then), _told(now), _told(then), lost_files=int(newer))

    found: list[RestoreChange] = []
    more = lost = 0
    for changed in (
        (extra(now) for now in index.only("there", "archive") if inside(now.name)),
        (missing(then) for then in index.only("archive", "there") if inside(then.name)),
        (other(pair) for pair in index.unequal("archive", "there", _OTHER_NOW) if inside(pair[0].name)),
    ):
        found += islice(changed, MOST_NAMED)
        for change in changed:
            more, lost = more + 1, lost + change.lost_files
    found.sort(key=lambda change: (not change.newer, change.what))
    return [*found, RestoreChange(str(tr("and {count} more", count=more)), "", "", lost_files=lost)] if more else found


def losses(index: Index, judge: BelowTop, *, root: bool) -> list[Check]:
    """Return checks for what the restore cannot reproduce: dropped permissions, and owners that only root can set."""
    checks = []
    if judge.dropped_rights:
        checks.append(
            Check(
                tr("file privileges"),
                "warning",
                ntr(
                    "{count} file will lose its set-user-ID bit or capabilities",
                    "{count} files will lose their set-user-ID bits or capabilities",
                    judge.dropped_rights,
                ),
                tr("to keep them, set setuid: true for this source"),
            )
        )
    if not root and (owners := list(islice(index.owners("archive"), 100))):
        told = listed(f"{clean(user)}:{clean(group)} ({count})" for user, group, count in owners)
        checks.append(
            Check(
                tr("file ownership"),
                "warning",
                tr(
                    "only root can restore file ownership; all files will belong to the account that runs the "
                    "restore instead of {owners}",
                    owners=told,
                ),
                tr("to keep them, set sudo: true for this source"),
            )
        )
    return checks


def _what_differs(then: IndexEntry, now: IndexEntry) -> Iterator[str]:
    if then.kind != now.kind:
        yield f"{then.kind} → {now.kind}"
    if then.mode != now.mode:
        yield f"{then.mode:04o} → {now.mode:04o}"
    if then.size != now.size:
        yield f"{then.size} → {now.size}"
    elif then.digest != now.digest:
        yield str(tr("content"))
    if then.mtime_ns != now.mtime_ns:
        yield str(tr("time"))
    if then.kind == "link" and then.target != now.target:
        yield f"{clean(then.target)} → {clean(now.target)}"


def _told(entry: IndexEntry) -> str:
    at = datetime.fromtimestamp(min(max(entry.mtime_ns // 10**9, 0), 2**35)).astimezone()
    if entry.kind == "file":
        return f"{entry.size} B  {entry.mode:04o}  {at:%Y-%m-%d %H:%M:%S}"
    return f"{entry.kind}  {entry.mode:04o}" if entry.kind != "link" else f"→ {clean(entry.target)}"


def _shown(entry: IndexEntry) -> str:
    return clean(entry.name) or "."


# A folder that is restored from an archive, or one path of it.


_KINDS_ON_THE_WAY = r"""
path=$1
shift
for part in "$@"; do
    path=$path/$part
    if [ -L "$path" ]; then echo link; elif [ -d "$path" ]; then echo folder
    elif [ -e "$path" ]; then echo file; else echo nothing; fi
done
"""


class FolderPiece:
    """See :class:`~lilfox_tui.backup.files.restore.RestorePiece`."""

    def __init__(self, spec: PieceSpec) -> None:
        self.spec = spec
        self.needed_bytes = 0
        self.needed_files = 0
        self._index = Index()
        self._prefix = b""
        self._digest = b""
        self._only = os.fsencode(spec.only).strip(b"/")
        self._others: frozenset[bytes] = frozenset()
        self._root = False
        self._at = ""
        """What is swapped, below the target; empty for all of it."""
        self._there = False
        self._staging: StagingFolder | None = None

    async def scan(self, look: PathFacts, most_bytes: int | None) -> list[Check]:
        """See :meth:`RestorePiece.scan`."""
        spec, self._root = self.spec, look.root
        self._there = look["kind"] != "nothing"
        about = tr("{part} for {target}", part=clean(spec.part.name), target=clean(spec.target))
        self._index.clear("archive")
        self.needed_bytes = 0
        if look["kind"] not in ("nothing", "folder") and not spec.scratch:
            return [Check(about, "bad", tr("the target exists and is not a folder"), tr("move it out of the way"))]
        judge = BelowTop(spec)
        sieve = TarFilter(judge, index=self._index, most=most_bytes)
        try:
            async with aclosing(spec.blocks()) as blocks:
                async for block in blocks:
                    sieve.take(block)
                    self.needed_bytes += len(block)
            sieve.finish()
            found = self._index.totals("archive")
        except BrokenSet as error:
            if spec.told_bytes is None and most_bytes is not None and sieve.bytes > most_bytes:
                return [_no_room(about)]
            return [Check(about, "bad", error.message, error.hint)]
        self._prefix, self._digest = judge.prefix, sieve.digest()
        self.needed_files = found.files + found.folders + found.links
        if not self.needed_files:
            return [Check(about, "bad", tr("the archive is empty"), tr("choose another set"))]
        files = ntr("{count} file", "{count} files", found.files)
        folders = ntr("{count} folder", "{count} folders", found.folders)
        checks = [Check(about, "good", tr("{files}, {folders}", files=files, folders=folders))]
        if self._there and not spec.scratch:
            await list_folder(spec.host, spec.target, self._index, sudo=spec.options.sudo)
        if self._only and not spec.scratch:
            checks += await self._find_only()
        return checks + losses(self._index, judge, root=look.root)

    async def changes(self) -> list[RestoreChange]:
        """See :meth:`RestorePiece.changes`. Files of the same size and time count as equal; no content is read."""
        return changes(self._index, self._only, self.spec.task.set.created)

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`RestorePiece.stage`."""
        self._staging = staging = self.spec.staging()
        await staging.make(datetime.now())  # noqa: DTZ005 - names hold local time, as the manual's do
        safe = SafeMembers(self._prefix, links_out=self.spec.options.links_out, setuid=self.spec.options.setuid)
        sieve = TarFilter(safe, rename=self._staged, most=2**62)
        async with aclosing(self.spec.blocks()) as blocks:
            await staging.extract(filtered(counted(blocks, moved), sieve))
        if sieve.digest() != self._digest:
            raise another_stream(self.spec.part)
        await staging.sync()

    async def compare(self) -> Comparison:
        """See :meth:`RestorePiece.compare`."""
        assert self._staging is not None
        self._index.clear("staged")
        sieve = TarFilter(SafeMembers(TREE, links_out=True, setuid=True), index=self._index, side="staged")
        said = TarOutcome()
        async with aclosing(self._staging.read_tree(said)) as blocks:
            async for block in blocks:
                sieve.take(block)
        refuse_incomplete(said, self._staging.path)
        sieve.finish()
        return comparison(self._index, self._is_wanted)

    def renames(self) -> Renames:
        """See :meth:`RestorePiece.renames`."""
        assert self._staging is not None
        below = f"/{self._at}" if self._at else ""
        before = self._staging.before(self.spec.name) + below if self._there else ""
        return Renames(self.spec.target + below, f"{self._staging.path}/{TREE.decode()}{below}", before)

    async def discard(self) -> None:
        """See :meth:`RestorePiece.discard`."""
        self.close()
        if self._staging is not None:
            await self._staging.remove()

    def close(self) -> None:
        """See :meth:`RestorePiece.close`."""
        self._index.close()

    def _staged(self, member: TarMember) -> TarMember | None:
        return put_below(member, TREE) if self._is_wanted(member.name) else None

    def _is_wanted(self, name: bytes) -> bool:
        """Return whether an entry is restored: with ``only``, the path itself, what is below it, its parent folders,
        and the files that it is hard-linked to; else every entry."""
        only = self._only
        return (
            not only
            or not name
            or name == only
            or name.startswith(only + b"/")
            or only.startswith(name + b"/")
            or name in self._others
        )

    async def _find_only(self) -> list[Check]:
        """Find what must be swapped to restore one path: the path itself, or the topmost parent folder that does not
        exist."""
        about = tr("{path} in the archive", path=clean(self._only))
        if self._index.get("archive", self._only) is None:
            return [
                Check(
                    about,
                    "bad",
                    tr("not found"),
                    tr("give the path relative to {target}", target=clean(self.spec.target)),
                )
            ]
        self._others = frozenset(
            entry.target for entry in self._index.within("archive", self._only) if entry.kind == "file" and entry.target
        )
        if not self._there:
            return [Check(about, "good", tr("found"))]
        parts = os.fsdecode(self._only).split("/")
        done = await self.spec.host.run_script(
            _KINDS_ON_THE_WAY, [self.spec.target, *parts], sudo=self.spec.options.sudo
        )
        kinds = done.stdout.decode().split()
        for depth, kind in enumerate(kinds[:-1], 1):
            if kind == "nothing":
                self._at, self._there = "/".join(parts[:depth]), False
                return [Check(about, "good", tr("found"))]
            if kind != "folder":
                return [
                    Check(
                        about,
                        "bad",
                        tr("{path} is no longer a folder", path=clean("/".join(parts[:depth]))),
                        tr("restore the whole source"),
                    )
                ]
        self._at, self._there = "/".join(parts), kinds[-1] != "nothing"
        return [Check(about, "good", tr("found"))]


# A single file that is restored as it is: the manual's ``.env``.


_STATE = r"""
[ -f "$1" ] && [ ! -L "$1" ] || exit 0
stat -c '%s %Y' -- "$1"
sha256sum < "$1"
"""


class _Counted:
    """Counts the bytes that pass through and computes their SHA-256."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0

    async def passing(self, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for block in blocks:
            self.digest.update(block)
            self.bytes += len(block)
            yield block


def _no_room(about: Message) -> Check:
    """Return the check of a part without a manifest that is larger than the free space."""
    return Check(about, "bad", tr("not enough space"), tr("free up space on that file system"))


class FilePiece:
    """See :class:`~lilfox_tui.backup.files.restore.RestorePiece`."""

    def __init__(self, spec: PieceSpec) -> None:
        self.spec = spec
        self.needed_bytes = 0
        self.needed_files = 1
        self._digest = ""
        self._there = False
        self._staging: StagingFolder | None = None

    async def scan(self, look: PathFacts, most_bytes: int | None) -> list[Check]:
        """See :meth:`RestorePiece.scan`."""
        self._there = look["kind"] != "nothing"
        about = tr("{part} for {target}", part=clean(self.spec.part.name), target=clean(self.spec.target))
        if look["kind"] not in ("nothing", "file") and not self.spec.scratch:
            return [Check(about, "bad", tr("the target exists and is not a file"), tr("move it out of the way"))]
        counted_now = _Counted()
        try:
            async with aclosing(self.spec.blocks()) as blocks:
                async for _ in counted_now.passing(blocks):
                    if most_bytes is not None and counted_now.bytes > most_bytes:
                        return [_no_room(about)]
        except BrokenSet as error:
            return [Check(about, "bad", error.message, error.hint)]
        self._digest, self.needed_bytes = counted_now.digest.hexdigest(), counted_now.bytes
        return [Check(about, "good", tr("{count} bytes", count=counted_now.bytes))]

    async def changes(self) -> list[RestoreChange]:
        """See :meth:`RestorePiece.changes`. The content is compared and never shown: it holds secrets."""
        spec = self.spec
        done = await spec.host.run_script(_STATE, [spec.target], sudo=spec.options.sudo)
        words = done.stdout.decode("ascii", "replace").split()
        then = str(tr("{count} bytes", count=self.needed_bytes))
        if len(words) < 3:
            return [RestoreChange(spec.name, "", then)]
        if words[2] == self._digest:
            return []
        modified = time_at(whole(words[1]))
        now = str(tr("{count} bytes, modified {at}", count=words[0], at=f"{modified.astimezone():%Y-%m-%d %H:%M:%S}"))
        return [RestoreChange(spec.name, now, then, lost_files=int(modified > spec.task.set.created))]

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`RestorePiece.stage`."""
        self._staging = staging = self.spec.staging()
        await staging.make(datetime.now())  # noqa: DTZ005 - names hold local time, as the manual's do
        counted_now = _Counted()
        async with aclosing(self.spec.blocks()) as blocks:
            await staging.write(counted_now.passing(counted(blocks, moved)), self.spec.target)
        if counted_now.digest.hexdigest() != self._digest:
            raise another_stream(self.spec.part)

    async def compare(self) -> Comparison:
        """See :meth:`RestorePiece.compare`."""
        assert self._staging is not None
        digest = hashlib.sha256()
        async with aclosing(self._staging.read_file()) as blocks:
            async for block in blocks:
                digest.update(block)
        same = digest.hexdigest() == self._digest
        differences = () if same else (str(tr("{name} has different content", name=self.spec.name)),)
        return Comparison(differences, str(tr("the content of {name}", name=self.spec.name)))

    def renames(self) -> Renames:
        """See :meth:`RestorePiece.renames`."""
        assert self._staging is not None
        before = self._staging.before(self.spec.name) if self._there else ""
        return Renames(self.spec.target, f"{self._staging.path}/{FILE}", before)

    def close(self) -> None:
        """See :meth:`RestorePiece.close`."""

    async def discard(self) -> None:
        """See :meth:`RestorePiece.discard`."""
        if self._staging is not None:
            await self._staging.remove()
