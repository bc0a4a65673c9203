"""Decides which notifications each receiver gets, and when. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, AlertState, SilenceMatcher
from lilfox_tui.alerts.notifier import Notification, Reason
from lilfox_tui.alerts.routing import AlertGrouping, RouteTree
from lilfox_tui.alerts.silences import matches_all, parse_matchers
from lilfox_tui.alerts.storage import NotifiedAlert
from lilfox_tui.config.model import AlertsConfig, NotifierConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Labels

# Who is to be told what, and when: alerts grouped, each firing and each end told once, reminders. No clock, no I/O.
#
# As Alertmanager does it, with these differences: a group that is over as a whole is told at once and not after the
# group's interval, and the end of an alert that was told is told too when it has been silenced or acknowledged since,
# so that no receiver keeps an incident open for ever.


CHECK_S = 1.0
"""What is due within so short a time is done now: clocks and timers are not exact."""


class Receiver(Struct, frozen=True):
    """A notifier as the planner sees it: it gets the alerts whose labels match ``only``."""

    name: str
    only: tuple[SilenceMatcher, ...]
    resolved: bool
    route: str = ""
    """The receiver of routes that it stands for."""


def receiver(name: str, options: NotifierConfig) -> Receiver:
    """Return the receiver of a notifier. Raises UsageError if its ``only`` is invalid."""
    try:
        only = tuple(one for text in options.only for one in parse_matchers(text))
    except UsageError as error:
        raise UsageError(
            tr("option only of notifier {name}: {reason}", name=name, reason=error.message), error.hint
        ) from None
    return Receiver(name, only, options.resolved, options.receiver or name)


class NotificationPlan(Struct, frozen=True):
    """The notifications for the outbox, the changes in what the receiver knows, and when to plan again (None: when
    alerts change)."""

    notices: tuple[Notification, ...] = ()
    told: tuple[NotifiedAlert, ...] = ()
    over: tuple[Labels, ...] = ()
    look_at: datetime | None = None


class NotificationPlanner:
    """Plans the notifications for one receiver. ``new_id`` returns a new unique ID on each call. With a ``tree``, it
    gets the alerts whose routes lead to it, grouped as they say."""

    def __init__(
        self, to: Receiver, config: AlertsConfig, new_id: Callable[[], str], tree: RouteTree | None = None
    ) -> None:
        self._to, self._config, self._new_id, self._tree = to, config, new_id, tree
        remind_s = None if config.remind is None else float(config.remind)
        self._default = AlertGrouping(
            "{}", tuple(config.group_by), float(config.group_wait), float(config.group_interval), remind_s
        )

    def plan(
        self,
        alerts: Iterable[Alert],
        told: Mapping[Labels, NotifiedAlert],
        now: datetime,
        *,
        waiting: Collection[Labels] = (),
    ) -> NotificationPlan:
        """Plan the notifications for ``alerts`` at ``now``; ``told`` are the alerts the receiver knows about. Groups in
        ``waiting`` have undelivered messages and get no reminder."""
        known = alerts_of_receiver(self._to, alerts)
        groups: dict[tuple[str, Labels], _AlertGroup] = {}
        for labels, alert in known.items():
            if alert.state is AlertState.FIRING and (how := self._grouping(labels)) is not None:
                seen = labels if self._tree is None else self._tree.seen(labels)
                groups.setdefault((how.key, how.group_of(seen)), _AlertGroup(how)).firing.append(alert)
        for one in told.values():
            how = self._grouping(one.alert.labels) or self._default
            groups.setdefault((how.key, one.group), _AlertGroup(how)).told[one.alert.labels] = one
        plans = [self._of_group(name, group, known, now, name in waiting) for (_key, name), group in groups.items()]
        return NotificationPlan(
            tuple(notice for each in plans for notice in each.notices),
            tuple(one for each in plans for one in each.told),
            tuple(labels for each in plans for labels in each.over),
            min((each.look_at for each in plans if each.look_at is not None), default=None),
        )

    def _grouping(self, labels: Labels) -> AlertGrouping | None:
        """Return how an alert is grouped; None if it does not come here."""
        return self._default if self._tree is None else self._tree.grouping(labels, self._to.route)

    def _is_muted(self, how: AlertGrouping, now: datetime) -> bool:
        return self._tree is not None and how.muted_by(self._tree.intervals, now) is not None

    def _of_group(
        self, name: Labels, group: _AlertGroup, known: Mapping[Labels, Alert], now: datetime, waits: bool
    ) -> NotificationPlan:
        how = group.how
        muted = self._is_muted(how, now)
        open_ones = [alert for alert in group.firing if not muted and not is_muted(alert)]
        new = [alert for alert in open_ones if not group.knows(alert)]
        over = group.over()
        still = len(over) < len(group.told)
        last = max((min(one.at, now) for one in group.told.values()), default=None)  # a clock may be set back
        times: list[datetime] = []
        reason: Reason | None = None
        if new:
            times.append(
                last + timedelta(seconds=how.interval_s)
                if last is not None and still
                else min(_waited(alert, how.wait_s, now) for alert in new)
            )
            reason = "firing"
        if over and self._to.resolved and last is not None:
            times.append(last + timedelta(seconds=how.interval_s) if still else now)
            reason = reason or "resolved"
        if reason is None and how.remind_s is not None and last is not None and any(map(group.knows, open_ones)):
            times.append(last + timedelta(seconds=how.remind_s))
            reason = None if waits else "reminder"
        if reason is None and muted:
            times.append(now.replace(second=0, microsecond=0) + timedelta(minutes=1))
        silent = () if self._to.resolved else tuple(one.alert.labels for one in over)
        if reason is None or min(times) > now + timedelta(seconds=CHECK_S):
            return NotificationPlan(over=silent, look_at=min(times, default=None) if not waits or reason else None)
        return self._message(name, group, known, now, reason, open_ones, over)

    def _message(
        self,
        name: Labels,
        group: _AlertGroup,
        known: Mapping[Labels, Alert],
        now: datetime,
        reason: Reason,
        firing: list[Alert],
        over: list[NotifiedAlert],
    ) -> NotificationPlan:
        gone, fires = {one.alert.labels for one in over}, {alert.labels for alert in firing}
        threads = [one.thread for labels, one in group.told.items() if labels not in gone]
        thread = (threads or [one.thread for one in over] or [self._new_id()])[0]
        external = self._config.external_labels
        resolved = tuple(
            with_external_labels(resolved_alert(one, known, now), external)
            for one in over
            if one.alert.labels not in fires
        )
        notice = Notification(
            id=self._new_id(),
            thread=thread,
            at=now,
            receiver=self._to.name,
            reason=reason,
            group=name,
            route=group.how.key,
            firing=tuple(with_external_labels(alert, external) for alert in firing),
            resolved=resolved if self._to.resolved else (),
            external_url=self._config.external_url,
        )
        told = tuple(NotifiedAlert(name, thread, now, alert) for alert in firing)
        return NotificationPlan((notice,) if notice.firing or notice.resolved else (), told, tuple(gone))


def _waited(alert: Alert, wait_s: float, now: datetime) -> datetime:
    """Return when the group wait of an alert ends; that is now if the clock was set back since it fired."""
    fired_at = alert.fired_at or alert.active_at
    return now if fired_at > now else fired_at + timedelta(seconds=wait_s)


class _AlertGroup:
    """The firing alerts of one group, and those that the receiver knows about."""

    def __init__(self, how: AlertGrouping) -> None:
        self.how = how
        self.firing: list[Alert] = []
        self.told: dict[Labels, NotifiedAlert] = {}

    def knows(self, alert: Alert) -> bool:
        """Return whether the receiver was notified of this firing, not only of an earlier one of the same alert."""
        one = self.told.get(alert.labels)
        return one is not None and one.alert.fired_at == alert.fired_at

    def over(self) -> list[NotifiedAlert]:
        """Return the notified alerts that no longer fire, or that have resolved and fire again."""
        going_on = {alert.labels for alert in self.firing if self.knows(alert)}
        return [one for labels, one in self.told.items() if labels not in going_on]


def is_muted(alert: Alert) -> bool:
    """Return whether the alert is silenced or acknowledged, so that no notification is sent when it fires."""
    return bool(alert.silenced_by) or alert.acknowledged is not None


def alerts_of_receiver(to: Receiver, alerts: Iterable[Alert]) -> dict[Labels, Alert]:
    """Return the alerts for a receiver, by labels. If alerts of several rules have the same labels, only the worst is
    kept: a receiver cannot tell them apart."""
    worst: dict[Labels, Alert] = {}
    for alert in alerts:
        if matches_all(to.only, alert.labels):
            other = worst.get(alert.labels)
            if other is None or alert.state > other.state:
                worst[alert.labels] = alert
    return worst


def with_external_labels(alert: Alert, external: Mapping[str, str]) -> Alert:
    """Return the alert with the external labels that it lacks."""
    if not external:
        return alert
    return replace(alert, labels=tuple(sorted({**external, **dict(alert.labels)}.items())))


def resolved_alert(one: NotifiedAlert, known: Mapping[Labels, Alert], now: datetime) -> Alert:
    """Return the alert as resolved; if the time of its end is unknown, it is ``now``."""
    alert = known.get(one.alert.labels)
    if alert is not None and alert.state is AlertState.RESOLVED and alert.fired_at == one.alert.fired_at:
        return alert
    return replace(one.alert, state=AlertState.RESOLVED, resolved_at=now)


# What a receiver is told that groups, silences and repeats by itself: everything that fires, again and again.
#
# As Prometheus tells an Alertmanager: what fires counts as resolved ``4 x max(interval, resend)`` after it was told
# last, so that alerts of a LilFox that is gone end there by themselves.


_INTERVALS_VALID = 4


def plan_resend(
    to: Receiver,
    config: AlertsConfig,
    alerts: Iterable[Alert],
    told: Mapping[Labels, NotifiedAlert],
    now: datetime,
    *,
    interval_s: float,
) -> NotificationPlan:
    """Plan the message with all alerts at ``now``, for a receiver that takes every alert; the plan has no message if
    there is nothing to send. ``look_at`` is when to send again. ``interval_s`` is the longest evaluation interval.

    What is silenced or acknowledged here is not told anew; where the receiver knows it, it is told on, for else it
    would seem to be over.
    """
    known = alerts_of_receiver(to, alerts)
    firing = [
        alert
        for alert in known.values()
        if alert.state is AlertState.FIRING and (not is_muted(alert) or alert.labels in told)
    ]
    fires = {alert.labels for alert in firing}
    over = [one for labels, one in told.items() if labels not in fires]
    if not firing and not over:
        return NotificationPlan()
    again = timedelta(seconds=config.resend)
    last = min((min(told[alert.labels].at, now) for alert in firing if alert.labels in told), default=now)
    is_new = any(alert.labels not in told for alert in firing)
    if not is_new and not over and now < last + again:
        return NotificationPlan(look_at=last + again)
    notice = Notification(
        id="",
        thread="",
        at=now,
        receiver=to.name,
        reason="firing" if firing else "resolved",
        group=(),
        firing=tuple(with_external_labels(alert, config.external_labels) for alert in firing),
        resolved=tuple(with_external_labels(resolved_alert(one, known, now), config.external_labels) for one in over),
        valid_until=now + timedelta(seconds=_INTERVALS_VALID * max(interval_s, config.resend)),
        external_url=config.external_url,
    )
    knows = tuple(NotifiedAlert((), "", now, alert) for alert in firing)
    return NotificationPlan((notice,), knows, tuple(one.alert.labels for one in over), now + again)
