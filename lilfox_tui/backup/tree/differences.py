"""What is not equal: between the archive and what was restored of it, and between it and what is there now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.source import Change, Comparison
from lilfox_tui.backup.tree.dumping import named
from lilfox_tui.backup.tree.index import Entry, Index
from lilfox_tui.backup.tree.prefix import BelowTop
from lilfox_tui.i18n import clauses, listed, ntr, tr
from lilfox_tui.text import clean, human_bytes

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
    """What was staged against the archive: names, kinds, modes, sizes, content, times of files, and where links lead.
    Owners and attributes that the account could not give are told, for they cannot be as they were."""
    found: list[str] = []
    for entry in index.only("archive", "staged"):
        if wanted(entry.name):
            found.append(str(tr("{name} is missing", name=_shown(entry))))
        if len(found) >= MOST_NAMED:
            break
    found += [
        str(tr("{name} is too much", name=_shown(entry)))
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
            compared = clauses([compared, str(tr("not as it was: {what} of {names}", what=lost, names=named(of)))])
    return Comparison(tuple(found), compared)


def changes(index: Index, only: bytes, created: datetime) -> list[Change]:
    """What a restore of ``only`` (all, when empty) would do to what is there, the newer ones first."""
    made_ns = int(created.timestamp()) * 10**9

    def inside(name: bytes) -> bool:
        return not only or name == only or name.startswith(only + b"/")

    def extra(now: Entry) -> Change:
        lost = now.kind != "folder" and now.mtime_ns > made_ns
        return Change(_shown(now), _told(now), "", lost_files=int(lost))

    def missing(then: Entry) -> Change:
        return Change(_shown(then), "", _told(then))

    def other(pair: tuple[Entry, Entry]) -> Change:
        then, now = pair
        newer = now.kind == "file" and now.mtime_ns > then.mtime_ns
        return Change(_shown(then), _told(now), _told(then), lost_files=int(newer))

    found: list[Change] = []
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
    return [*found, Change(str(tr("and {count} more", count=more)), "", "", lost_files=lost)] if more else found


def losses(index: Index, judge: BelowTop, *, root: bool) -> list[Check]:
    """What of the archive will not be as it was: rights that are dropped, owners that only root can give."""
    checks = []
    if judge.dropped_rights:
        checks.append(
            Check(
                tr("rights of programs"),
                "warning",
                ntr(
                    "set-user-ID bits or capabilities of {count} file are dropped",
                    "set-user-ID bits or capabilities of {count} files are dropped",
                    judge.dropped_rights,
                ),
                tr("set setuid: true of this source to keep them"),
            )
        )
    if not root and (owners := list(islice(index.owners("archive"), 100))):
        told = listed(f"{clean(user)}:{clean(group)} ({count})" for user, group, count in owners)
        checks.append(
            Check(
                tr("owners"),
                "warning",
                tr(
                    "only root can give files to others; all will belong to the account that restores: {owners}",
                    owners=told,
                ),
                tr("set sudo: true of this source to keep them"),
            )
        )
    return checks


def _what_differs(then: Entry, now: Entry) -> Iterator[str]:
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


def _told(entry: Entry) -> str:
    at = datetime.fromtimestamp(min(max(entry.mtime_ns // 10**9, 0), 2**35)).astimezone()
    if entry.kind == "file":
        return f"{entry.size} B  {entry.mode:04o}  {at:%Y-%m-%d %H:%M:%S}"
    return f"{entry.kind}  {entry.mode:04o}" if entry.kind != "link" else f"→ {clean(entry.target)}"


def _shown(entry: Entry) -> str:
    return clean(entry.name) or "."
