"""The model of alerts: the engine makes them; the screen, the command line and the notifiers read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import Message, _, listed
from lilfox_tui.metrics.model import Labels


class AlertState(IntEnum):
    """The state of one alert, worst last."""

    RESOLVED = 0
    PENDING = 1
    FIRING = 2


class RuleHealth(IntEnum):
    """The result of a rule's last evaluation. ``NO_DATA``: its selectors found no series, so nothing is known about the
    condition."""

    UNKNOWN = 0
    GOOD = 1
    NO_DATA = 2
    FAILED = 3


# What is there ten thousand times holds no circles and is left out of garbage collection, which stops all threads.


class Acknowledgement(Struct, frozen=True, gc=False):
    """Who acknowledged an alert, and when. Until the alert resolves, it rings no bell and sends no reminders."""

    by: str
    at: datetime
    note: str = ""


class SilenceMatcher(Struct, frozen=True):
    """A matcher as in Alertmanager: ``is_regex`` patterns are RE2, anchored."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class Silence(Struct, frozen=True):
    """A silence: alerts that match all ``matchers`` cause no notifications from ``starts_at`` to ``ends_at`` (aware
    UTC)."""

    id: str
    matchers: tuple[SilenceMatcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str = ""
    until_resolved: bool = False
    """It ends by itself once no pending or firing alert fits it any more."""


_URGENCY = {
    **dict.fromkeys(("emergency", "critical", "crit", "fatal", "page", "p1"), 3),
    **dict.fromkeys(("warning", "warn", "minor", "ticket", "p3"), 1),
    **dict.fromkeys(("info", "information", "notice", "none", "debug", "p4", "p5"), 0),
}
"""Of the words that rule files have for ``severity``; no standard names them."""
_URGENCY_UNKNOWN = 2


def urgency_of(severity: str) -> int:
    """Return the rank of a ``severity``, the worst highest; an unknown or missing one is between a warning and
    critical."""
    return _URGENCY.get(severity.lower(), _URGENCY_UNKNOWN)


SAYING = ("summary", "message", "description")
"""The annotations in which public rules say to people what is the matter."""


MUTED, OUTSIDE, INHIBITED, HOST_DOWN = "mute ", "outside ", "inhibited by ", "host down "
"""What entries of ``silenced_by`` begin with that are no IDs of silences; the name of a time interval, the inhibiting
alert, or the host follows."""


class Alert(Struct, frozen=True, gc=False):
    """One alert. ``labels`` (with ``alertname``, without ``__name__``) are its identity; all times are aware UTC.

    ``labels`` and ``annotations`` hold untrusted text (label values come from targets).
    """

    labels: Labels
    annotations: Labels
    state: AlertState
    active_at: datetime
    """Since when its expression has held."""
    value: float
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    keep_firing_since: datetime | None = None
    rule: str = ""
    """Key of its rule: ``FILE;GROUP;INDEX``, of a Prometheus elsewhere with its address first; of an alert of an
    Alertmanager its address alone."""
    acknowledged: Acknowledgement | None = None
    silenced_by: tuple[str, ...] = ()
    """IDs of silences, ``maintenance NAME``, ``mute NAME`` of a time interval, ``inhibited by ALERT``, ``host down
    NAME``."""
    as_of: datetime | None = None
    """When its value and its texts were so, where that is earlier than the time of which it is told."""
    no_data_since: datetime | None = None
    """Of a resolved one that ended for lack of data: when the last sample was. Whether its condition holds is not
    known."""

    @property
    def name(self) -> str:
        """Its ``alertname``."""
        return self.label("alertname")

    @property
    def severity(self) -> str:
        """Its ``severity`` label, empty when there is none."""
        return self.label("severity")

    @property
    def summary(self) -> str:
        """The value of the first annotation named in SAYING that is not empty; empty if there is none."""
        known = dict(self.annotations)
        return next((text for name in SAYING if (text := known.get(name, ""))), "")

    @property
    def is_firing(self) -> bool:
        """Whether its state is firing. For modules that must not import the alerts package before the first frame."""
        return self.state is AlertState.FIRING

    @property
    def is_resolved(self) -> bool:
        """Whether its state is resolved."""
        return self.state is AlertState.RESOLVED

    @property
    def urgency(self) -> int:
        """The rank of its ``severity`` (:func:`urgency_of`)."""
        return urgency_of(self.severity)

    @property
    def suppression(self) -> str:
        """By which mute windows, alerts and hosts the configuration silences it, in words; empty if it does not."""
        muted = [each.removeprefix(MUTED) for each in self.silenced_by if each.startswith(MUTED)]
        inhibited = [each.removeprefix(INHIBITED) for each in self.silenced_by if each.startswith(INHIBITED)]
        down = [each.removeprefix(HOST_DOWN) for each in self.silenced_by if each.startswith(HOST_DOWN)]
        return listed(
            [
                *(
                    _("muted outside {name}", name=name.removeprefix(OUTSIDE))
                    if name.startswith(OUTSIDE)
                    else _("muted by {name}", name=name)
                    for name in muted
                ),
                *(_("inhibited by {name}", name=name) for name in inhibited),
                *(_("suppressed by host {name}, which is down", name=name) for name in down),
            ]
        )

    def label(self, name: str) -> str:
        """Return the value of one label, empty if it is missing."""
        return next((value for key, value in self.labels if key == name), "")


def worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return the alerts sorted: firing, pending, resolved; within each state by severity, worst first, then oldest
    first."""
    return tuple(sorted(alerts, key=lambda one: (-one.state, -one.urgency, one.active_at, one.labels)))


class RuleView(Struct, frozen=True):
    """One rule and its last evaluation. ``kind`` is ``alert`` or ``record``; ``name`` is the name of the alert or of
    the recorded series."""

    key: str
    kind: str
    name: str
    group: str
    expression: str
    for_s: float
    health: RuleHealth
    error: Message | None = None
    failing_since: datetime | None = None
    evaluated_at: datetime | None = None
    took_s: float | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    every_s: float | None = None
    """Between two evaluations; None if that is not known."""


EventKind = Literal["fired", "resolved", "acknowledged", "unacknowledged", "silenced", "expired", "told", "not told"]


class Event(Struct, frozen=True):
    """An event of one alert, or of all alerts that share ``labels``, at ``at`` (aware UTC).

    ``lasted_s`` is how long it had fired when it resolved. ``by`` is a person, or the notifier that told it; ``note``
    what they said.
    """

    at: datetime
    kind: EventKind
    labels: Labels
    rule: str = ""
    value: float | None = None
    lasted_s: float | None = None
    by: str = ""
    note: str = ""


class Trouble(Struct, frozen=True):
    """A problem, as a sentence (``str(trouble)``). ``blind``: rules are not evaluated or a receiver is not notified, so
    that the absence of alerts means nothing. ``key`` stays the same while the problem lasts, even if numbers in the
    sentence change."""

    key: str
    text: Message
    blind: bool = False

    def __str__(self) -> str:
        return str(self.text)


class Alerts(Struct, frozen=True):
    """The state of alerting at one time. ``alerts`` are the pending and firing ones and those resolved within the last
    15 minutes, worst first, then oldest first. ``evaluated_here`` is False if another LilFox with the same state folder
    evaluates, or if they come from a Prometheus or an Alertmanager; ``told_by`` is then that server's address.
    ``troubles`` are problems, such as an unreachable notifier or missed evaluations."""

    at: datetime
    rules: tuple[RuleView, ...]
    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...] = ()
    evaluated_here: bool = True
    told_by: str = ""
    troubles: tuple[Trouble, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether alerts may be missing or not notified: a rule fails, a rule file is broken or a notifier is
        unreachable."""
        return any(each.blind for each in self.troubles) or any(rule.error is not None for rule in self.rules)

    @property
    def firing(self) -> int:
        """The number of firing alerts that are not silenced."""
        return self.count(AlertState.FIRING)

    @property
    def acknowledged(self) -> int:
        """The number of pending and firing alerts that are acknowledged and not silenced."""
        active = (each for each in self.alerts if each.resolved_at is None and not each.silenced_by)
        return sum(each.acknowledged is not None for each in active)

    @property
    def new_firing(self) -> int:
        """The number of firing alerts that are neither silenced nor acknowledged."""
        return sum(self._unacknowledged(alert, AlertState.FIRING) for alert in self.alerts)

    @property
    def new_firing_urgency(self) -> int:
        """The highest ``urgency`` among those; 0 if there are none."""
        firing = (alert for alert in self.alerts if self._unacknowledged(alert, AlertState.FIRING))
        return max((alert.urgency for alert in firing), default=0)

    @property
    def new_pending(self) -> int:
        """The number of pending alerts that are neither silenced nor acknowledged."""
        return sum(self._unacknowledged(alert, AlertState.PENDING) for alert in self.alerts)

    @staticmethod
    def _unacknowledged(alert: Alert, state: AlertState) -> bool:
        return alert.state is state and not alert.silenced_by and alert.acknowledged is None

    @property
    def pending(self) -> int:
        """The number of pending alerts that are not silenced."""
        return self.count(AlertState.PENDING)

    def count(self, state: AlertState) -> int:
        """Return the number of alerts in that state that are not silenced."""
        return sum(alert.state is state and not alert.silenced_by for alert in self.alerts)
