"""How the alerts of one rule start, fire and end, as in Prometheus (its ``rules/alerting.go``). No clock, no I/O.

An alert is its labels. It is *pending* while its expression holds, *firing* once that has been so for the rule's
``for``, and after its end *resolved* for 15 minutes, so that the end can be told again. Where this is not Prometheus:
an evaluation that fails for too many alerts leaves them as they are (Prometheus forgets them all), a clock that is set
back delays nothing, and alerts that fired go on firing after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import LabelSet, time_of

RESOLVED_KEPT_MS = 15 * 60_000
LOOKS_BEFORE_GONE = 3
"""So many evaluations with data must miss an alert that was brought over from before a restart, before it is taken for
gone: ``rate`` needs two samples, and the first evaluations may come before them."""
DATA_AWAITED_MS = 10 * 60_000
"""Evaluations that find no series at all do not count for that, so long after the restart."""


class AlertSample(Struct, frozen=True, gc=False):
    """The value and the expanded annotations of one alert in one evaluation."""

    value: float
    annotations: Labels = ()


class LiveAlert(Struct, frozen=True, gc=False):
    """One alert of one rule; all times are milliseconds since 1970 (UTC)."""

    labels: Labels
    """With ``alertname``, without ``__name__``, sorted by name."""
    annotations: Labels
    state: AlertState
    value: float
    active_at_ms: int
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None
    keep_firing_since_ms: int | None = None
    no_data_since_ms: int | None = None
    """Of a resolved one that ended for lack of data: when the last sample was."""


LastData = Callable[[LabelSet], int | None]
"""When the last sample was of the series of an alert, if there is none now; None if there is one, or if that is not
known."""


class AlertChangeKind(Enum):
    """What happened to an alert."""

    STARTED = "started"
    """It is pending now, or fires at once (then FIRED comes too)."""
    FIRED = "fired"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    """It was pending, and what it waited for is over: nobody is told."""


class AlertChange(Struct, frozen=True):
    """One change of an alert; ``alert`` is its state after the change (for DROPPED, before it)."""

    kind: AlertChangeKind
    alert: LiveAlert


class EvaluationGap(Struct, frozen=True):
    """A period without evaluation, for :meth:`RuleAlerts.restore`; the defaults are those of Prometheus' flags
    ``--rules.alert.for-outage-tolerance`` and ``--rules.alert.for-grace-period``."""

    from_ms: int
    to_ms: int
    tolerance_ms: int = 3_600_000
    """After a longer outage, pending alerts begin anew."""
    grace_ms: int = 600_000
    """A pending alert fires at the earliest so long after the outage; one whose ``for`` is shorter begins anew. 0 lets
    the time that is left simply go on."""
    blind_ms: int = 0
    """So long after the outage the expression does not see all that it looks at (its window began before): no alert
    from before the outage is taken for gone."""


class RuleAlerts:
    """The alerts of one rule. ``for_ms`` and ``keep_firing_ms`` are the rule's ``for`` and ``keep_firing_for``."""

    def __init__(self, for_ms: int, keep_firing_ms: int = 0) -> None:
        self._for_ms, self._keep_firing_ms = for_ms, keep_firing_ms
        self._alerts: dict[LabelSet, LiveAlert] = {}
        self._data_until_ms = self._blind_until_ms = 0
        self._brought: dict[LabelSet, int] = {}
        """Alerts from before a restart that no evaluation has found yet, and how many more may miss them."""

    @property
    def alerts(self) -> tuple[LiveAlert, ...]:
        """All alerts, including those resolved in the last 15 minutes, in the order in which they started."""
        return tuple(self._alerts.values())

    @property
    def active(self) -> tuple[tuple[LabelSet, LiveAlert], ...]:
        """The pending and firing alerts, with their labels as a set."""
        return tuple(pair for pair in self._alerts.items() if pair[1].state is not AlertState.RESOLVED)

    def count_after(self, found: Iterable[LabelSet], at_ms: int) -> int:
        """Return how many alerts would be pending or firing after ``take(found, at_ms)``, to compare with the group's
        ``limit``."""
        wanted = set(found)
        missing = (pair for pair in self._alerts.items() if pair[0] not in wanted)
        return len(wanted) + sum(
            self._brought.get(labels, 0) > 1 or self._keeps_firing(alert, at_ms) for labels, alert in missing
        )

    def take(
        self,
        found: Mapping[LabelSet, AlertSample],
        at_ms: int,
        *,
        no_data: bool = False,
        last_data: LastData = lambda _labels: None,
    ) -> list[AlertChange]:
        """Apply the result of an evaluation at ``at_ms``; return the changes. Do not call it for a failed evaluation,
        which changes nothing. With ``no_data`` (no selector found a series), alerts from before a restart are not
        ended. ``last_data`` is asked of those that resolve."""
        changes: list[AlertChange] = []
        self._not_in_the_future(at_ms)
        for labels, element in found.items():
            self._brought.pop(labels, None)
            changes += self._hold(labels, element, at_ms)
        for labels in [labels for labels in self._alerts if labels not in found]:
            changes += self._miss(labels, at_ms, last_data, no_data=no_data)
        return changes

    def restore(self, saved: Iterable[LiveAlert], outage: EvaluationGap) -> None:
        """Restore alerts from before an outage. Their pending time counts, the outage itself does not (see
        :class:`EvaluationGap`). Firing alerts keep firing, however long the outage was, because the people notified
        expect to hear when they resolve. No alert ends during ``outage.blind_ms``, nor before LOOKS_BEFORE_GONE
        evaluations have had data."""
        self._data_until_ms = outage.to_ms + DATA_AWAITED_MS
        self._blind_until_ms = outage.to_ms + outage.blind_ms
        for alert in saved:
            since_ms: int | None = alert.active_at_ms
            if alert.state is AlertState.PENDING:
                since_ms = self._pending_since(alert, outage)
            if since_ms is None:
                continue
            labels = LabelSet(alert.labels)
            self._alerts[labels] = replace(alert, active_at_ms=since_ms)
            if alert.state is not AlertState.RESOLVED:
                self._brought[labels] = LOOKS_BEFORE_GONE

    def continue_from(self, before: RuleAlerts) -> None:
        """Take over the alerts of ``before``, the same rule before its file was reloaded."""
        self._alerts.update(before._alerts)
        self._brought.update(before._brought)
        self._data_until_ms, self._blind_until_ms = before._data_until_ms, before._blind_until_ms

    def _hold(self, labels: LabelSet, element: AlertSample, at_ms: int) -> list[AlertChange]:
        changes = []
        alert = self._alerts.get(labels)
        if alert is None or alert.state is AlertState.RESOLVED:
            self._alerts.pop(labels, None)
            alert = LiveAlert(labels.pairs, element.annotations, AlertState.PENDING, element.value, at_ms)
            changes.append(AlertChange(AlertChangeKind.STARTED, alert))
        else:
            alert = replace(alert, value=element.value, annotations=element.annotations, keep_firing_since_ms=None)
        if alert.state is AlertState.PENDING and at_ms - alert.active_at_ms >= self._for_ms:
            alert = replace(alert, state=AlertState.FIRING, fired_at_ms=at_ms)
            changes.append(AlertChange(AlertChangeKind.FIRED, alert))
        self._alerts[labels] = alert
        return changes

    def _miss(self, labels: LabelSet, at_ms: int, last_data: LastData, *, no_data: bool) -> list[AlertChange]:
        awaits_data = no_data and at_ms < self._data_until_ms
        looks = self._brought.get(labels, 0)
        if looks > 1 or (looks and (awaits_data or at_ms < self._blind_until_ms)):
            self._brought[labels] = looks if awaits_data else max(looks - 1, 1)
            return []
        self._brought.pop(labels, None)
        alert = self._alerts[labels]
        if not self._keeps_firing(alert, at_ms):
            return self._end(labels, alert, at_ms, last_data)
        if alert.keep_firing_since_ms is None:
            self._alerts[labels] = replace(alert, keep_firing_since_ms=at_ms)
        return []

    def _keeps_firing(self, alert: LiveAlert, at_ms: int) -> bool:
        since_ms = at_ms if alert.keep_firing_since_ms is None else alert.keep_firing_since_ms
        return alert.state is AlertState.FIRING and at_ms - since_ms < self._keep_firing_ms

    def _end(self, labels: LabelSet, alert: LiveAlert, at_ms: int, last_data: LastData) -> list[AlertChange]:
        if alert.state is AlertState.PENDING:
            del self._alerts[labels]
            return [AlertChange(AlertChangeKind.DROPPED, alert)]
        if alert.state is AlertState.FIRING:
            ended = self._alerts[labels] = replace(
                alert, state=AlertState.RESOLVED, resolved_at_ms=at_ms, no_data_since_ms=last_data(labels)
            )
            return [AlertChange(AlertChangeKind.RESOLVED, ended)]
        if at_ms - (alert.resolved_at_ms or 0) > RESOLVED_KEPT_MS:
            del self._alerts[labels]
        return []

    def _pending_since(self, alert: LiveAlert, outage: EvaluationGap) -> int | None:
        """Return the start of a pending alert, corrected for the outage; None if it starts anew."""
        if outage.to_ms - outage.from_ms > outage.tolerance_ms or self._for_ms < outage.grace_ms:
            return None
        left_ms = self._for_ms - (outage.from_ms - alert.active_at_ms)
        if 0 < left_ms < outage.grace_ms:
            return outage.to_ms + outage.grace_ms - self._for_ms
        return alert.active_at_ms + (outage.to_ms - outage.from_ms if left_ms > 0 else 0)

    def _not_in_the_future(self, at_ms: int) -> None:
        """Move times that lie in the future, because the clock was set back, to ``at_ms``."""
        for labels, alert in self._alerts.items():
            if max(alert.active_at_ms, alert.resolved_at_ms or 0, alert.keep_firing_since_ms or 0) > at_ms:
                self._alerts[labels] = replace(
                    alert,
                    active_at_ms=min(alert.active_at_ms, at_ms),
                    resolved_at_ms=_earlier(alert.resolved_at_ms, at_ms),
                    keep_firing_since_ms=_earlier(alert.keep_firing_since_ms, at_ms),
                )


def _earlier(time_ms: int | None, at_ms: int) -> int | None:
    return None if time_ms is None else min(time_ms, at_ms)


def alert_view(rule_key: str, alert: LiveAlert) -> Alert:
    """Convert an alert to its public model; its acknowledgement and silences are unknown here."""
    return Alert(
        labels=alert.labels,
        annotations=alert.annotations,
        state=alert.state,
        active_at=time_of(alert.active_at_ms),
        value=alert.value,
        fired_at=optional_time(alert.fired_at_ms),
        resolved_at=optional_time(alert.resolved_at_ms),
        keep_firing_since=optional_time(alert.keep_firing_since_ms),
        rule=rule_key,
        no_data_since=optional_time(alert.no_data_since_ms),
    )


def optional_time(time_ms: int | None) -> datetime | None:
    """Return a time in milliseconds since 1970 as aware UTC; None if there is none."""
    return None if time_ms is None else time_of(time_ms)
