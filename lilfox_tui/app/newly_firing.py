"""Which alerts have begun to fire since the last look. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
