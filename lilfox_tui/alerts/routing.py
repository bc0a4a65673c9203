"""Which receivers an alert goes to, and how its notifications are grouped: a tree of routes, as Alertmanager has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from lilfox_tui.alerts.model import MUTED, OUTSIDE, SilenceMatcher
from lilfox_tui.alerts.silences import matches_all
from lilfox_tui.core.time_intervals import TimePeriod
from lilfox_tui.metrics.model import Labels

Intervals = Mapping[str, tuple[TimePeriod, ...]]


class AlertGrouping(Struct, frozen=True):
    """How the alerts of one route are grouped, and when their notifications are sent. ``key`` is unique among the
    routes. ``group_by``: None for each alert on its own. ``remind_s``: None for no reminders."""

    key: str
    group_by: tuple[str, ...] | None
    wait_s: float
    interval_s: float
    remind_s: float | None
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()

    def group_of(self, labels: Labels) -> Labels:
        """Return the labels that name the group of an alert."""
        by = self.group_by
        return labels if by is None else tuple(pair for pair in labels if pair[0] in by)

    def muted_by(self, intervals: Intervals, now: datetime) -> str | None:
        """Return what mutes the route at ``now``: the name of an interval, or that of one it lies outside of; None if
        nothing does."""
        for name in self.mute:
            if any(period.contains(now) for period in intervals[name]):
                return name
        if self.active and not any(period.contains(now) for name in self.active for period in intervals[name]):
            return OUTSIDE + self.active[0]
        return None


class AlertRoute(Struct, frozen=True):
    """A node of the tree: alerts that all ``matchers`` match go to its sub-routes, or else to its receiver.
    ``proceed``: its following siblings are tried too."""

    matchers: tuple[SilenceMatcher, ...]
    receiver: str
    grouping: AlertGrouping
    proceed: bool = False
    routes: tuple[AlertRoute, ...] = ()

    def match(self, labels: Labels) -> tuple[AlertRoute, ...]:
        """Return the routes that an alert takes; none if it does not match."""
        if not matches_all(self.matchers, labels):
            return ()
        found: list[AlertRoute] = []
        for route in self.routes:
            taken = route.match(labels)
            found += taken
            if taken and not route.proceed:
                break
        return tuple(found) or (self,)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, AlertRoute]]:
        """Yield this route and those below it, each with its depth."""
        yield depth, self
        for route in self.routes:
            yield from route.walk(depth + 1)


class RouteTree:
    """The tree of routes with the time intervals that it names. ``external`` labels are added to those of alerts before
    they are matched."""

    def __init__(self, root: AlertRoute, intervals: Intervals, external: Mapping[str, str]) -> None:
        self.root, self.intervals = root, intervals
        self._external = external
        self._taken: dict[Labels, tuple[AlertRoute, ...]] = {}

    @property
    def receivers(self) -> frozenset[str]:
        """The receivers that a route names."""
        return frozenset(route.receiver for _depth, route in self.root.walk())

    @property
    def is_timed(self) -> bool:
        """Whether a route is muted at times."""
        return any(route.grouping.mute or route.grouping.active for _depth, route in self.root.walk())

    def seen(self, labels: Labels) -> Labels:
        """Return the labels of an alert with the external ones that it lacks."""
        return tuple(sorted({**self._external, **dict(labels)}.items())) if self._external else labels

    def match(self, labels: Labels) -> tuple[AlertRoute, ...]:
        """Return the routes that an alert takes."""
        found = self._taken.get(labels)
        if found is None:
            if len(self._taken) >= _REMEMBERED:
                self._taken.clear()
            found = self._taken[labels] = self.root.match(self.seen(labels))
        return found

    def grouping(self, labels: Labels, receiver: str) -> AlertGrouping | None:
        """Return how an alert is grouped for a receiver; None if none of its routes leads there. If several do, the
        first one counts."""
        return next((route.grouping for route in self.match(labels) if route.receiver == receiver), None)

    def muted(self, labels: Labels, now: datetime) -> tuple[str, ...]:
        """Return what mutes an alert at ``now``, as in ``Alert.silenced_by``; empty unless all its routes are muted."""
        found = [route.grouping.muted_by(self.intervals, now) for route in self.match(labels)]
        return tuple(dict.fromkeys(MUTED + str(one) for one in found)) if None not in found else ()


_REMEMBERED = 20_000
