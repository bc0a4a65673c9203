"""Data that panes hand on: the alert for which a runbook or an incident was opened, and the selection as evidence for
an incident."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import clean
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert


class Selected(NamedTuple):
    """Evidence as ``incident.incidents.keep_evidence`` takes it: a file name, the bytes, and a one-line description for
    the timeline."""

    name: str
    data: bytes
    text: str


class Selection(NamedTuple):
    """The selection as evidence. ``title`` is the title of a new incident opened for the selection; ``read`` returns
    its current content and raises LilFoxError if it cannot be read."""

    title: str
    read: Callable[[], Awaitable[Selected]]


def text_of_rows(rows: Iterable[Row]) -> str:
    """Screen rows as lines of plain text, without terminal control sequences."""
    return "".join(clean("".join(piece.text for piece in row)).rstrip() + "\n" for row in rows)


# The alert that led to a runbook: what it is called, and what it tells of the runbook's values.


_SEVERITIES = {3: "SEV-2", 2: "SEV-3", 1: "SEV-3", 0: "SEV-4"}


class Cause(Struct, frozen=True):
    """The alert for which a runbook or an incident was opened."""

    alert: str
    labels: Mapping[str, str]
    severity: str
    """Of an incident that is opened for it, where the runbook does not say."""
    runbook_url: str = ""

    @property
    def title(self) -> str:
        """The title of an incident opened for this alert."""
        from lilfox_tui.incident.model import alert_title

        return alert_title(self.alert, self.labels)


def cause_of(alert: Alert) -> Cause:
    """Return the cause for an alert."""
    labels = {name: value for name, value in alert.labels if name != "alertname"}
    return Cause(alert.name, labels, _SEVERITIES[alert.urgency], dict(alert.annotations).get("runbook_url", ""))


def firing_alerts(overview: Overview | None) -> tuple[Alert, ...]:
    """The firing alerts, worst first."""
    if overview is None or not isinstance(overview.alerts, Ready):
        return ()
    found = [each for each in overview.alerts.value.alerts if each.is_firing]
    return tuple(sorted(found, key=lambda each: -each.urgency))


def firing_names(overview: Overview | None) -> tuple[str, ...]:
    """The names of the firing alerts, without duplicates."""
    return tuple(dict.fromkeys(each.name for each in firing_alerts(overview)))
