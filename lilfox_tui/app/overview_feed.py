"""Which overview is on the screen: the newest, unless the screen is paused or rewound, or the link is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.feed import Ready
from lilfox_tui.i18n import listed
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts


class NewlyFiring:
    """Remembers what fired before; what fires at the first look is not new: whoever opens the screen sees it."""

    def __init__(self) -> None:
        self._known: set[object] | None = None

    def take(self, alerts: Alerts) -> tuple[Alert, ...]:
        """Those that are new, and that nobody has acknowledged and nothing silences."""
        firing = [alert for alert in alerts.alerts if alert.fired_at is not None and alert.resolved_at is None]
        known, self._known = self._known, {(alert.labels, alert.fired_at) for alert in firing}
        if known is None:
            return ()
        return tuple(
            alert
            for alert in firing
            if (alert.labels, alert.fired_at) not in known and alert.acknowledged is None and not alert.silenced_by
        )


SLOW_REFRESH_S = 4.9
"""Between two drawings over a slow link; a little less than five seconds, for a clock that is not exact."""


class OverviewFeed:
    """Takes each overview of the monitor, and decides whether it is shown. What gets worse always is."""

    def __init__(self) -> None:
        self.newest: Overview | None = None
        self._newly_firing = NewlyFiring()

    def firing(self, overview: Overview) -> str:
        """The names of the alerts that have begun to fire since the last overview; empty where none has."""
        alerts = overview.alerts.value if isinstance(overview.alerts, Ready) else None
        new = () if alerts is None else self._newly_firing.take(alerts)
        return str(listed(sorted({alert.name for alert in new}))) if new else ""

    def is_shown(
        self, overview: Overview, shown: Overview | None, *, paused: bool, rewound: bool, slow_link: bool
    ) -> bool:
        """Takes ``overview`` as the newest; whether it is drawn now, where ``shown`` is on the screen."""
        self.newest = overview
        if rewound or shown is None:
            return not rewound
        soon = slow_link and (overview.at - shown.at).total_seconds() < SLOW_REFRESH_S
        return not (paused or soon) or _levels(overview) != _levels(shown)


def _levels(overview: Overview) -> list[object]:
    alerts = overview.alerts.value.alerts if isinstance(overview.alerts, Ready) else ()
    return [*(view.level for view in overview.views), *((each.labels, each.state) for each in alerts)]
