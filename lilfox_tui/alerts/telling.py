"""Who is to be told what, and when: alerts grouped, each firing and each end told once, reminders. No clock, no I/O.

As Alertmanager does it, with these differences: a group that is over as a whole is told at once and not after the
group's interval, and the end of an alert that was told is told too when it has been silenced or acknowledged since,
so that no receiver keeps an incident open for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, AlertState, SilenceMatcher
from lilfox_tui.alerts.notifier import Notice, Reason
from lilfox_tui.alerts.outbox import Told
from lilfox_tui.alerts.silences import parse_matchers, takes
from lilfox_tui.config.model import AlertsConfig, NotifierConfig
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.model import Labels

CHECK_S = 1.0
"""What is due within so short a time is done now: clocks and timers are not exact."""


class Receiver(Struct, frozen=True):
    """A notifier as planning sees it. ``only`` must take an alert's labels."""

    name: str
    only: tuple[SilenceMatcher, ...]
    resolved: bool


def receiver(name: str, options: NotifierConfig) -> Receiver:
    """The receiver of a notifier. Raises UsageError where its ``only`` is not understood."""
    try:
        only = tuple(one for text in options.only for one in parse_matchers(text))
    except UsageError as error:
        raise UsageError(tr("notifier {name}: only: {reason}", name=name, reason=error.message), error.hint) from None
    return Receiver(name, only, options.resolved)


class Plan(Struct, frozen=True):
    """What to put into the outbox, what the receiver knows then, and when to look again (None: when alerts change)."""

    notices: tuple[Notice, ...] = ()
    told: tuple[Told, ...] = ()
    over: tuple[Labels, ...] = ()
    look_at: datetime | None = None


class Telling:
    """Plans for one receiver. ``new_id`` gives a text that is never given twice."""

    def __init__(self, to: Receiver, config: AlertsConfig, new_id: Callable[[], str]) -> None:
        self._to, self._config, self._new_id = to, config, new_id

    def plan(
        self,
        alerts: Iterable[Alert],
        told: Mapping[Labels, Told],
        now: datetime,
        *,
        waiting: Collection[Labels] = (),
    ) -> Plan:
        """``alerts`` as they are at ``now``, ``told`` what the receiver knows. Groups in ``waiting`` have messages
        that were not taken yet: they are not reminded."""
        known = concerned(self._to, alerts)
        groups: dict[Labels, _Group] = {}
        for labels, alert in known.items():
            if alert.state is AlertState.FIRING:
                groups.setdefault(self._group_of(labels), _Group()).firing.append(alert)
        for one in told.values():
            groups.setdefault(one.group, _Group()).told[one.alert.labels] = one
        plans = [self._of_group(name, group, known, now, name in waiting) for name, group in groups.items()]
        return Plan(
            tuple(notice for each in plans for notice in each.notices),
            tuple(one for each in plans for one in each.told),
            tuple(labels for each in plans for labels in each.over),
            min((each.look_at for each in plans if each.look_at is not None), default=None),
        )

    def _waited(self, alert: Alert, now: datetime) -> datetime:
        """When others of its group have had their time; at once where the clock was set back since it fired."""
        fired_at = alert.fired_at or alert.active_at
        return now if fired_at > now else fired_at + timedelta(seconds=self._config.group_wait)

    def _group_of(self, labels: Labels) -> Labels:
        by = self._config.group_by
        return tuple(pair for pair in labels if pair[0] in by)

    def _of_group(self, name: Labels, group: _Group, known: Mapping[Labels, Alert], now: datetime, waits: bool) -> Plan:
        config = self._config
        open_ones = [alert for alert in group.firing if not is_muted(alert)]
        new = [alert for alert in open_ones if not group.knows(alert)]
        over = group.over()
        still = len(over) < len(group.told)
        last = max((min(one.at, now) for one in group.told.values()), default=None)  # a clock may be set back
        times: list[datetime] = []
        reason: Reason | None = None
        if new:
            times.append(
                last + timedelta(seconds=config.group_interval)
                if last is not None and still
                else min(self._waited(alert, now) for alert in new)
            )
            reason = "firing"
        if over and self._to.resolved and last is not None:
            times.append(last + timedelta(seconds=config.group_interval) if still else now)
            reason = reason or "resolved"
        if reason is None and config.remind is not None and last is not None and any(map(group.knows, open_ones)):
            times.append(last + timedelta(seconds=config.remind))
            reason = None if waits else "reminder"
        silent = () if self._to.resolved else tuple(one.alert.labels for one in over)
        if reason is None or min(times) > now + timedelta(seconds=CHECK_S):
            return Plan(over=silent, look_at=min(times, default=None) if not waits or reason else None)
        return self._message(name, group, known, now, reason, open_ones, over)

    def _message(
        self,
        name: Labels,
        group: _Group,
        known: Mapping[Labels, Alert],
        now: datetime,
        reason: Reason,
        firing: list[Alert],
        over: list[Told],
    ) -> Plan:
        gone, fires = {one.alert.labels for one in over}, {alert.labels for alert in firing}
        threads = [one.thread for labels, one in group.told.items() if labels not in gone]
        thread = (threads or [one.thread for one in over] or [self._new_id()])[0]
        external = self._config.external_labels
        resolved = tuple(leaving(ended(one, known, now), external) for one in over if one.alert.labels not in fires)
        notice = Notice(
            id=self._new_id(),
            thread=thread,
            at=now,
            receiver=self._to.name,
            reason=reason,
            group=name,
            firing=tuple(leaving(alert, external) for alert in firing),
            resolved=resolved if self._to.resolved else (),
            external_url=self._config.external_url,
        )
        told = tuple(Told(name, thread, now, alert) for alert in firing)
        return Plan((notice,) if notice.firing or notice.resolved else (), told, tuple(gone))


class _Group:
    """The alerts of one group that fire, and what the receiver knows of it."""

    def __init__(self) -> None:
        self.firing: list[Alert] = []
        self.told: dict[Labels, Told] = {}

    def knows(self, alert: Alert) -> bool:
        """Whether the receiver was told of this firing, and not only of one before."""
        one = self.told.get(alert.labels)
        return one is not None and one.alert.fired_at == alert.fired_at

    def over(self) -> list[Told]:
        """What was told and fires no more, or fires anew."""
        going_on = {alert.labels for alert in self.firing if self.knows(alert)}
        return [one for labels, one in self.told.items() if labels not in going_on]


def is_muted(alert: Alert) -> bool:
    """Whether nobody is to be told that it fires."""
    return bool(alert.silenced_by) or alert.acknowledged is not None


def concerned(to: Receiver, alerts: Iterable[Alert]) -> dict[Labels, Alert]:
    """The alerts that a receiver is told of, by labels. Of several rules' alerts with the same labels, the worst: a
    receiver cannot tell them apart."""
    worst: dict[Labels, Alert] = {}
    for alert in alerts:
        if takes(to.only, alert.labels):
            other = worst.get(alert.labels)
            if other is None or alert.state > other.state:
                worst[alert.labels] = alert
    return worst


def leaving(alert: Alert, external: Mapping[str, str]) -> Alert:
    """The alert with the external labels that it does not have itself."""
    if not external:
        return alert
    return replace(alert, labels=tuple(sorted({**external, **dict(alert.labels)}.items())))


def ended(one: Told, known: Mapping[Labels, Alert], now: datetime) -> Alert:
    """The alert as it ended; ``now`` counts as its end where it is not known any more."""
    alert = known.get(one.alert.labels)
    if alert is not None and alert.state is AlertState.RESOLVED and alert.fired_at == one.alert.fired_at:
        return alert
    return replace(one.alert, state=AlertState.RESOLVED, resolved_at=now)
