"""Which changes of what is watched are told in an incident's timeline, and which of them somebody else has told.

Whoever watches notices the same at a slightly other time, in other words and with another reason. So an entry of
another LilFox about the same, near in time, stands for one change of ours, and for one only: what went and came back
twice is told twice. What is so already by the last entry about it is not told again, however late one looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from lilfox_tui.incident.model import Noticed, TimelineEntry
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Change

SAME_WITHIN = timedelta(seconds=60)
"""Two who watch notice the same within so long: they ask at other times and wait for as many failures each."""
_LEVELS: dict[Level, Literal["good", "degraded", "failing"]] = {
    Level.GOOD: "good",
    Level.DEGRADED: "degraded",
    Level.UNKNOWN: "degraded",
    Level.FAILING: "failing",
}
_LINK = ("lost", "back")


class Noticing:
    """What is noticed while one incident is open."""

    def __init__(self) -> None:
        self._seen: set[tuple[datetime, str, str, Level]] = set()
        self._claimed: set[int] = set()
        """Numbers of the entries that stand for changes of ours."""
        self._failing: set[str] = set()

    def new(self, changes: Iterable[Change], opened: datetime) -> Iterator[Change]:
        """Those of ``changes`` that are to be told, each until the next one is asked for. ``opened`` is when the
        incident was."""
        for change in changes:
            key = (change.at, change.subject, change.kind, change.level)
            if change.at < opened or key in self._seen:
                continue
            if self._matters(change):
                yield change
            self._seen.add(key)
            if change.kind == "level":
                (self._failing.add if change.level is Level.FAILING else self._failing.discard)(change.subject)

    def told(self, change: Change, entries: Sequence[TimelineEntry]) -> bool:
        """Whether another one has told it; that entry then stands for nothing else."""
        about = [(number, what) for number, what in _noticed(entries) if _topic(what) == _topic(event_of(change))]
        if about and change.kind != "restarted" and _way(about[-1][1]) == _way(event_of(change)):
            self._claimed.add(about[-1][0])
            return True
        for number, what in about:
            near = abs(what.since - change.at) <= SAME_WITHIN
            if near and number not in self._claimed and _way(what) == _way(event_of(change)):
                self._claimed.add(number)
                return True
        return False

    def claim(self, entry: TimelineEntry) -> None:
        """What was written stands for a change of ours."""
        self._claimed.add(entry.number)

    def _matters(self, change: Change) -> bool:
        """A host that is only busy, or no more, is in its metrics: told are those that fail, and that they are well
        again. Mounts and interfaces come and go with every container. Backups have jobs, which tell of themselves."""
        kind = change.subject.partition("/")[0]
        if kind == "plan" or change.kind.startswith(("mount ", "disk ", "interface ")):
            return False
        if kind != "host" or change.kind != "level":
            return True
        return change.level is Level.FAILING or change.subject in self._failing


def event_of(change: Change) -> Noticed:
    """The change as the timeline has it."""
    return Noticed(
        subject=change.subject, kind=change.kind, level=_LEVELS[change.level], text=str(change.what), since=change.at
    )


def once_of(change: Change, entries: Sequence[TimelineEntry]) -> str:
    """A key that is the same for all who are about to write it now."""
    event = event_of(change)
    before = sum(_topic(what) == _topic(event) for _number, what in _noticed(entries))
    return f"noticed {change.subject} {change.kind} {_way(event)} {before}"


def _noticed(entries: Iterable[TimelineEntry]) -> Iterator[tuple[int, Noticed]]:
    return ((entry.number, entry.what) for entry in entries if isinstance(entry.what, Noticed))


def _topic(what: Noticed) -> tuple[str, str]:
    """What it is about: the newest of a topic tells how that is now."""
    return what.subject, "link" if what.kind in _LINK else what.kind


def _way(what: Noticed) -> str:
    return what.kind if what.kind in _LINK else what.level
