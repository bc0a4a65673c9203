"""Detects changes of levels, links, boots, units, mounts and devices, including those that happened while LilFox was
not running.

The last known state is kept in ``seen.json`` in the state folder, so that the first look of a visit is compared with
the last look of the one before. Where the file cannot be read or written, changes are those of this run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import replace_file
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.paths import state_dir
from lilfox_tui.core.text import lasted_text
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.levels import lost_why, was_lost
from lilfox_tui.monitor.model import BackendView, HostView, Overview, PlanView, ServiceView, StatusChange, View

if TYPE_CHECKING:
    from lilfox_tui.clusters.model import ClusterView

KEPT = 1000
"""Changes that are remembered, and subjects whose state is kept."""
BOOT_TOLERANCE_S = 30.0
"""A boot time that moves by less is the clock, not a restart; asked only where the boot's own number is not known."""
SAVE_EVERY_S = 60.0
_FILE_LIMIT_BYTES = 8 * 1024 * 1024


class KnownState(msgspec.Struct, kw_only=True):
    """The last known state of one host, service or backend; None is unknown.

    Times are seconds since the epoch (UTC).
    """

    level: int | None = None
    since: float | None = None
    not_good_since: float | msgspec.UnsetType = msgspec.UNSET
    """Since when it has not been good, whatever levels it had meanwhile."""
    lost: bool = False
    booted_at: float | None = None
    boot_id: str = ""
    units: list[str] | None = None
    mounts: list[str] | None = None
    disks: list[str] | None = None
    interfaces: list[str] | None = None


class ChangeLog:
    """Compares successive overviews and records what changed; ``path`` is where the last known state is saved, if at
    all.

    Levels are compared twice: as they are shown, and as they were measured, without those that alerts and clients give.
    Only the measured ones are saved: whether an alert still fires is not known when LilFox begins."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._shown: deque[StatusChange] = deque(maxlen=KEPT)
        self._measured: deque[StatusChange] = deque(maxlen=KEPT)
        self._known: dict[str, KnownState] = _load(path)
        self._levels = {
            subject: KnownState(level=each.level, since=each.since, not_good_since=each.not_good_since)
            for subject, each in self._known.items()
        }
        """The last shown level of each subject."""
        self._first: dict[str, StatusChange | None] = {}
        """How each subject was when it was first seen, None for good: no change, but what was so from then on."""

    def observe(self, overview: Overview, *, unsettled: Collection[str] = ()) -> list[StatusChange]:
        """Record what changed since the last overview, and return what of it is shown.

        The level of a subject in ``unsettled`` (``host/NAME``) is not yet to be believed: it is not compared.
        """
        measured = self._compare(overview.measured, unsettled)
        shown = list(self._as_shown(overview, measured, unsettled))
        self._measured.extend(measured)
        self._shown.extend(shown)
        return shown

    def _compare(self, overview: Overview, unsettled: Collection[str]) -> list[StatusChange]:
        found: list[StatusChange] = []
        for name, host in overview.hosts.items():
            subject = f"host/{name}"
            found += self._host(subject, host, overview.at, settled=subject not in unsettled)
        for name, service in overview.services.items():
            subject = f"service/{name}"
            found += _level_changes(subject, service, _known_of(self._known, subject), overview.at)
        for name, backend in overview.backends.items():
            subject = f"backend/{name}"
            found += _level_changes(subject, backend, _known_of(self._known, subject), overview.at)
        for plan in overview.backups.plans.values() if overview.backups is not None else ():
            if plan.config is not None:
                subject = f"plan/{plan.name}@{plan.store}" if plan.copy else f"plan/{plan.name}"
                found += _level_changes(subject, plan, _known_of(self._known, subject), overview.at)
        for name, cluster in overview.clusters.items():
            subject = f"cluster/{name}"
            found += _level_changes(subject, cluster, _known_of(self._known, subject), overview.at)
        return found

    def _as_shown(
        self, overview: Overview, measured: Sequence[StatusChange], unsettled: Collection[str]
    ) -> Iterator[StatusChange]:
        """Yield the ``measured`` changes with those of the shown levels in place of those of the measured ones."""
        links = {each.subject for each in measured if each.kind in _LINK}
        for name, host in overview.hosts.items():
            subject = f"host/{name}"
            known = _known_of(self._levels, subject)
            if subject in links:
                known.level = known.since = None
            elif subject not in unsettled and not self._known[subject].lost and _is_fresh(host):
                self._note_first(subject, host, overview.at)
                yield from _level_changes(subject, host, known, overview.at)
        for kind, views in (("service", overview.services), ("backend", overview.backends)):
            for name, view in views.items():
                subject = f"{kind}/{name}"
                self._note_first(subject, view, overview.at)
                yield from _level_changes(subject, view, _known_of(self._levels, subject), overview.at)
        alone = ("plan/", "cluster/")
        yield from (each for each in measured if each.kind != "level" or each.subject.startswith(alone))

    def _note_first(self, subject: str, view: View, at: datetime) -> None:
        if subject not in self._first and view.level is not Level.UNKNOWN:
            is_good = view.level is Level.GOOD
            self._first[subject] = None if is_good else _turned(subject, view, min(view.since, at))

    def levels(self) -> list[StatusChange]:
        """Return the changes of :meth:`all`, preceded by how each subject was when it was first seen."""
        return [*filter(None, self._first.values()), *self._shown]

    def all(self) -> list[StatusChange]:
        """Return the changes since the end of the previous visit, oldest first; at most the newest thousand."""
        return list(self._shown)

    def measured(self) -> list[StatusChange]:
        """Return the changes of :meth:`all`, with those of the levels that LilFox measured itself."""
        return list(self._measured)

    def save(self) -> None:
        """Save the last known state for the next visit, atomically; ignore errors."""
        self._write(msgspec.json.encode(self._known))

    async def save_each_minute(self) -> None:
        """Save until cancelled, so that a crash loses little. A thread waits for the disk, which may be slow."""
        while self._path is not None:
            await asyncio.sleep(SAVE_EVERY_S)
            await asyncio.to_thread(self._write, msgspec.json.encode(self._known))

    def _write(self, content: bytes) -> None:
        if self._path is not None:
            with suppress(OSError):
                replace_file(self._path, content)

    def _host(self, subject: str, view: HostView, at: datetime, *, settled: bool) -> list[StatusChange]:
        known = _known_of(self._known, subject)
        found = list(_link_changes(subject, view, known, at))
        if found:
            known.level = known.since = None  # the level of a link that turned is part of that event
        elif settled and not known.lost and _is_fresh(view):
            found += _level_changes(subject, view, known, at)
        if view.summary is not None and not known.lost:
            found += _restart(subject, view, known, at)
            found += _units(subject, view, known, at)
            found += _came_and_gone(subject, view, known, at)
        return found


def _known_of(states: dict[str, KnownState], subject: str) -> KnownState:
    known = states.pop(subject, None) or KnownState()
    states[subject] = known  # the newest last: the oldest subjects are the ones that go
    if len(states) > KEPT:
        del states[next(iter(states))]
    return known


def _is_fresh(view: HostView) -> bool:
    """Return whether the numbers were read after the connection was made: just after a reconnect they are still the old
    ones."""
    return view.summary is None or not isinstance(view.link, Ready) or view.summary.at >= view.link.value.since


def _known_level(view: View | PlanView | ClusterView) -> tuple[int | None, float | None]:
    return (None, None) if view.level is Level.UNKNOWN else (int(view.level), view.since.timestamp())


def _level_changes(
    subject: str, view: View | PlanView | ClusterView, known: KnownState, at: datetime
) -> Iterator[StatusChange]:
    """Yield a change of level; unknown does not count as a level, so a start or a gap is no event."""
    if view.level is Level.UNKNOWN:
        return
    before, since = known.level, known.since
    known.level, known.since = _known_level(view)
    if before == view.level:
        known.since = since
        return
    when = min(view.since, at)
    if before is None or before == Level.GOOD:
        known.not_good_since = when.timestamp()
    if before is None:
        return
    if since is not None and when.timestamp() < since:  # not before the change that came before it
        when = at
    if view.level is Level.GOOD:
        not_good_since = since if known.not_good_since is msgspec.UNSET else known.not_good_since
        lasted = "" if not_good_since is None else lasted_text(when.timestamp() - not_good_since)
        again = tr("good again after {lasted}", lasted=lasted) if lasted else tr("good again")
        yield StatusChange(when, subject, again, Level.GOOD, "level")
        return
    if before == Level.FAILING:
        told = tr("no longer failing, degraded: {why}", why=view.reasons[0] if view.reasons else "")
        yield StatusChange(when, subject, told, Level.DEGRADED, "level")
    else:
        yield _turned(subject, view, when)


def _turned(subject: str, view: View | PlanView | ClusterView, when: datetime) -> StatusChange:
    why: Message | str = view.reasons[0] if view.reasons else ""
    what = tr("failing: {why}", why=why) if view.level is Level.FAILING else tr("degraded: {why}", why=why)
    return StatusChange(when, subject, what, view.level, "level")


def _link_changes(subject: str, view: HostView, known: KnownState, at: datetime) -> Iterator[StatusChange]:
    if isinstance(view.link, Unavailable):
        if not known.lost:
            known.lost = True
            what = lost_text(view, view.link.error)
            yield StatusChange(min(view.link.since, at), subject, what, Level.FAILING, "lost")
    elif known.lost and view.summary is not None and not isinstance(view.link, Pending) and _is_fresh(view):
        known.lost = False  # not with the connection alone: where the first sample fails, it would be lost once more
        yield StatusChange(min(view.summary.at, at), subject, tr("reachable again"), view.level, "back")


def lost_text(view: HostView, error: LilFoxError) -> Message:
    """Return that a host cannot be reached: that it was lost only where it was reached since LilFox began."""
    if not str(why := lost_why(error)):
        return tr("lost")
    if view.summary is None and not was_lost(error):
        return tr("cannot be reached: {why}", why=why)
    return tr("lost: {why}", why=why)


def _restart(subject: str, view: HostView, known: KnownState, at: datetime) -> Iterator[StatusChange]:
    if view.summary is None:
        return
    booted, boot_id = view.summary.booted_at, view.summary.boot_id
    restarted = False
    if boot_id and known.boot_id:
        restarted = boot_id != known.boot_id
    elif booted is not None and known.booted_at is not None:
        restarted = booted.timestamp() - known.booted_at > BOOT_TOLERANCE_S
    known.boot_id = boot_id or known.boot_id
    if booted is not None:
        known.booted_at = booted.timestamp()
    if restarted:
        yield StatusChange(min(booted or at, at), subject, tr("restarted"), Level.DEGRADED, "restarted")


def _units(subject: str, view: HostView, known: KnownState, at: datetime) -> Iterator[StatusChange]:
    if view.summary is None or view.summary.failed_units is None:
        return
    now = view.summary.failed_units
    before, known.units = known.units, sorted(now)
    if before is None:
        return
    for unit in sorted(set(now) - set(before)):
        yield StatusChange(at, subject, tr("unit {unit} failed", unit=unit), Level.DEGRADED, f"unit {unit}")
    for unit in sorted(set(before) - set(now)):
        yield StatusChange(at, subject, tr("unit {unit} is no longer failed", unit=unit), Level.GOOD, f"unit {unit}")


def _came_and_gone(subject: str, view: HostView, known: KnownState, at: datetime) -> Iterator[StatusChange]:
    """Yield changes of mounts, disks and interfaces. An empty list means that they could not be read, not that the host
    has none."""
    summary = view.summary
    if summary is None:
        return
    if mounts := sorted(mount.mountpoint for mount in summary.filesystems):
        before, known.mounts = known.mounts, mounts
        came, gone = _differ(before, mounts)
        yield from (_came(at, subject, tr("{mount} mounted", mount=name), f"mount {name}") for name in came)
        yield from (_went(at, subject, tr("{mount} no longer mounted", mount=name), f"mount {name}") for name in gone)
    if disks := sorted(disk.device for disk in summary.disks):
        before, known.disks = known.disks, disks
        came, gone = _differ(before, disks)
        yield from (_came(at, subject, tr("disk {disk} appeared", disk=name), f"disk {name}") for name in came)
        yield from (_went(at, subject, tr("disk {disk} is gone", disk=name), f"disk {name}") for name in gone)
    if interfaces := sorted(interface.device for interface in summary.interfaces):
        before, known.interfaces = known.interfaces, interfaces
        came, gone = _differ(before, interfaces)
        yield from (
            _came(at, subject, tr("interface {name} appeared", name=name), f"interface {name}") for name in came
        )
        yield from (_went(at, subject, tr("interface {name} is gone", name=name), f"interface {name}") for name in gone)


def _came(at: datetime, subject: str, what: Message, kind: str) -> StatusChange:
    return StatusChange(at, subject, what, Level.GOOD, kind)


def _went(at: datetime, subject: str, what: Message, kind: str) -> StatusChange:
    return StatusChange(at, subject, what, Level.DEGRADED, kind)


def _differ(before: list[str] | None, now: list[str]) -> tuple[list[str], list[str]]:
    if before is None or before == now:
        return [], []
    return sorted(set(now) - set(before)), sorted(set(before) - set(now))


_AnyView = TypeVar("_AnyView", HostView, ServiceView, BackendView)
_LINK = ("lost", "back")
_OF_LEVEL = ("level", *_LINK)
"""Kinds of changes after which a subject has the level that the change tells."""


def as_changes_tell(then: Overview, changes: Sequence[StatusChange], present: Overview | None = None) -> Overview:
    """Return the overview of a past moment with the levels that ``changes`` (oldest first) tell of it, where they are
    worse than what was recorded; with the ``present`` overview also with since when each level had held."""
    of_subject: dict[str, list[StatusChange]] = {}
    for each in changes:
        if each.kind in _OF_LEVEL and each.at <= then.at:
            of_subject.setdefault(each.subject, []).append(each)

    def told(kind: str, views: Mapping[str, _AnyView], now: Mapping[str, _AnyView]) -> dict[str, _AnyView]:
        newest = {name: of_subject[f"{kind}/{name}"][-1] for name in views if f"{kind}/{name}" in of_subject}
        found = {name: _not_better(view, newest.get(name)) for name, view in views.items()}
        if present is None:
            return found
        return {name: _with_since(view, now.get(name), newest.get(name), then.at) for name, view in found.items()}

    now = present or then
    return replace(
        then,
        hosts=told("host", then.hosts, now.hosts),
        services=told("service", then.services, now.services),
        backends=told("backend", then.backends, now.backends),
    )


def _not_better(view: _AnyView, newest: StatusChange | None) -> _AnyView:
    """Return the view with the level that the newest change before its moment tells, if that is worse. What that change
    says is so then, also where the values are those of a moment before, or none were recorded as nothing answered."""
    if newest is None or newest.kind == "back" or newest.level <= max(view.level, Level.GOOD):
        return view
    why = newest.what.values.get("why") or newest.what
    reason = why if isinstance(why, Message) else tr("{why}", why=why)
    return replace(view, level=newest.level, reasons=(reason,), since=newest.at)


def _with_since(view: _AnyView, present: _AnyView | None, newest: StatusChange | None, at: datetime) -> _AnyView:
    """Return the view of ``at`` with since when its level had held: what ``present`` tells if that level still holds,
    else the newest change before; unchanged if neither tells it."""
    if view.level is Level.UNKNOWN:
        return view
    if present is not None and present.level is view.level and present.since <= at:
        return replace(view, since=present.since)
    return view if newest is None or newest.level is not view.level else replace(view, since=newest.at)


def _load(path: Path | None) -> dict[str, KnownState]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_LIMIT_BYTES)
        return msgspec.json.decode(text, type=dict[str, KnownState])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def seen_file() -> Path | None:
    """Return the file of the last known state; None without a state folder."""
    try:
        return state_dir() / "seen.json"
    except (OSError, RuntimeError):
        return None
