"""What a receiver is told that groups, silences and repeats by itself: everything that fires, again and again.

As Prometheus tells an Alertmanager: what fires counts as resolved ``4 x max(interval, resend)`` after it was told
last, so that alerts of a LilFox that is gone end there by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import Notice
from lilfox_tui.alerts.outbox import Told
from lilfox_tui.alerts.telling import Plan, Receiver, concerned, ended, is_muted, leaving
from lilfox_tui.config.model import AlertsConfig
from lilfox_tui.metrics.model import Labels

_INTERVALS_VALID = 4


def tell_all(
    to: Receiver,
    config: AlertsConfig,
    alerts: Iterable[Alert],
    told: Mapping[Labels, Told],
    now: datetime,
    *,
    interval_s: float,
) -> Plan:
    """The whole message of ``now``, and what the receiver knows once it has taken it; without a message where there is
    nothing to say. ``look_at`` is when to tell again. ``interval_s`` is the longest between two evaluations.

    What is silenced or acknowledged here is not told anew; where the receiver knows it, it is told on, for else it
    would seem to be over.
    """
    known = concerned(to, alerts)
    firing = [
        alert
        for alert in known.values()
        if alert.state is AlertState.FIRING and (not is_muted(alert) or alert.labels in told)
    ]
    fires = {alert.labels for alert in firing}
    over = [one for labels, one in told.items() if labels not in fires]
    if not firing and not over:
        return Plan()
    again = timedelta(seconds=config.resend)
    last = min((min(told[alert.labels].at, now) for alert in firing if alert.labels in told), default=now)
    is_new = any(alert.labels not in told for alert in firing)
    if not is_new and not over and now < last + again:
        return Plan(look_at=last + again)
    notice = Notice(
        id="",
        thread="",
        at=now,
        receiver=to.name,
        reason="firing" if firing else "resolved",
        group=(),
        firing=tuple(leaving(alert, config.external_labels) for alert in firing),
        resolved=tuple(leaving(ended(one, known, now), config.external_labels) for one in over),
        valid_until=now + timedelta(seconds=_INTERVALS_VALID * max(interval_s, config.resend)),
        external_url=config.external_url,
    )
    knows = tuple(Told((), "", now, alert) for alert in firing)
    return Plan((notice,), knows, tuple(one.alert.labels for one in over), now + again)
