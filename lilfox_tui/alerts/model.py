"""Alerts as everybody sees them: the engine makes them, the screen, the command line and the notifiers read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.model import Labels


class AlertState(IntEnum):
    """Of one alert, worst last."""

    RESOLVED = 0
    PENDING = 1
    FIRING = 2


class RuleHealth(IntEnum):
    """How the last evaluation of a rule went. ``NO_DATA``: its selectors found no series, which is not "good"."""

    UNKNOWN = 0
    GOOD = 1
    NO_DATA = 2
    FAILED = 3


# What is there ten thousand times holds no circles and is left out of garbage collection, which stops all threads.


class Acknowledgement(Struct, frozen=True, gc=False):
    """Somebody has seen it: no bell and no reminders until it resolves."""

    by: str
    at: datetime
    note: str = ""


class SilenceMatcher(Struct, frozen=True):
    """As Alertmanager has it: ``is_regex`` patterns are RE2, anchored."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class Silence(Struct, frozen=True):
    """Alerts that all ``matchers`` take are not told from ``starts_at`` to ``ends_at`` (aware UTC)."""

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


SAYING = ("summary", "message", "description")
"""The annotations in which public rules say to people what is the matter."""


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
        """What its rule says of it: the first of SAYING that it has as an annotation; empty when it has none."""
        known = dict(self.annotations)
        return next((text for name in SAYING if (text := known.get(name, ""))), "")

    @property
    def is_firing(self) -> bool:
        """Whether its state is firing. Asked by modules that import nothing of alerts for the first frame."""
        return self.state is AlertState.FIRING

    @property
    def is_resolved(self) -> bool:
        """Whether its state is resolved."""
        return self.state is AlertState.RESOLVED

    @property
    def urgency(self) -> int:
        """How bad its ``severity`` is; what is not known, or not said, is between a warning and what is critical."""
        return _URGENCY.get(self.severity.lower(), _URGENCY_UNKNOWN)

    def label(self, name: str) -> str:
        """The value of one label, empty when it is not there."""
        return next((value for key, value in self.labels if key == name), "")


def worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """What fires, what is pending, what has resolved; of each the worst severity and then the oldest first."""
    return tuple(sorted(alerts, key=lambda one: (-one.state, -one.urgency, one.active_at, one.labels)))


class RuleView(Struct, frozen=True):
    """One rule after its last evaluation. ``kind`` is ``alert`` or ``record``, ``name`` the alert's or the series'."""

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


EventKind = Literal["fired", "resolved", "acknowledged", "unacknowledged", "silenced", "expired", "told", "not told"]


class Event(Struct, frozen=True):
    """Something that happened to an alert, or to those that ``labels`` have in common, at ``at`` (aware UTC).

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
    """Something that does not go as it should, as a sentence (``str(trouble)``). While one is ``blind``, rules are not
    evaluated or somebody is not told: that nothing fires is then no good news. ``key`` is the same as long as it lasts,
    whatever its sentence counts."""

    key: str
    text: Message
    blind: bool = False

    def __str__(self) -> str:
        return str(self.text)


class Alerts(Struct, frozen=True):
    """Everything at one moment. ``alerts`` are pending, firing, and resolved within the last 15 minutes, worst and then
    oldest first. ``evaluated_here`` is False where another LilFox of this state folder evaluates, or where a Prometheus
    or an Alertmanager tells them: ``told_by`` is then its address. ``troubles`` are what does not go as it should: a
    notifier that is not reached, evaluations that were missed."""

    at: datetime
    rules: tuple[RuleView, ...]
    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...] = ()
    evaluated_here: bool = True
    told_by: str = ""
    troubles: tuple[Trouble, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether an alert may be missing, or not be told: a rule fails, a file is broken, a notifier is away."""
        return any(each.blind for each in self.troubles) or any(rule.error is not None for rule in self.rules)

    @property
    def firing(self) -> int:
        """How many fire, silenced ones not among them."""
        return self.count(AlertState.FIRING)

    @property
    def pending(self) -> int:
        """How many are pending, silenced ones not among them."""
        return self.count(AlertState.PENDING)

    def count(self, state: AlertState) -> int:
        """How many alerts are in that state, silenced ones not among them."""
        return sum(alert.state is state and not alert.silenced_by for alert in self.alerts)
