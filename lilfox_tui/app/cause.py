"""The alert that led to a runbook: what it is called, and what it tells of the runbook's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.runbook.model import Runbook

_SEVERITIES = {3: "SEV-2", 2: "SEV-3", 1: "SEV-3", 0: "SEV-4"}
_CALLED = {"service": ("job",), "host": ("instance",)}
"""Labels that tell the same as a variable of another name."""


class Cause(Struct, frozen=True):
    """An alert."""

    alert: str
    labels: Mapping[str, str]
    severity: str
    """Of an incident that is opened for it, where the runbook does not say."""
    runbook_url: str = ""

    @property
    def title(self) -> str:
        """What an incident that it opens is called."""
        subject = next(
            (self.labels[name] for name in ("service", "job", "host", "instance") if name in self.labels), ""
        )
        return f"{self.alert}: {subject}" if subject else self.alert


def cause_of(alert: Alert) -> Cause:
    """What is kept of an alert."""
    labels = {name: value for name, value in alert.labels if name != "alertname"}
    return Cause(alert.name, labels, _SEVERITIES[alert.urgency], dict(alert.annotations).get("runbook_url", ""))


def firing_alerts(overview: Overview | None) -> tuple[Alert, ...]:
    """Those that fire, the worst first."""
    if overview is None or not isinstance(overview.alerts, Ready):
        return ()
    from lilfox_tui.alerts.model import AlertState

    found = [each for each in overview.alerts.value.alerts if each.state is AlertState.FIRING]
    return tuple(sorted(found, key=lambda each: -each.urgency))


def firing_names(overview: Overview | None) -> tuple[str, ...]:
    """The names of those, each once."""
    return tuple(dict.fromkeys(each.name for each in firing_alerts(overview)))


def values_from(cause: Cause, runbook: Runbook) -> dict[str, str]:
    """Of variables that have no value by themselves and are called as one of its labels, the label's value, where the
    variable's type admits it."""
    from lilfox_tui.hosts.addresses import Denied
    from lilfox_tui.runbook.run.variables import check_value

    found: dict[str, str] = {}
    for variable in runbook.variables:
        names = (variable.name, *_CALLED.get(variable.name, ()))
        text = next((cause.labels[name] for name in names if name in cause.labels), None)
        if text is None or variable.default is not None or variable.type == "secret":
            continue
        try:
            found[variable.name] = check_value(variable, text, denied=Denied())
        except LilFoxError:
            continue
    return found
