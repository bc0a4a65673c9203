"""Notifier for a Prometheus Alertmanager (API v2), which groups, inhibits, silences and repeats by its own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from lilfox_tui.alerts.model import Alert
from lilfox_tui.alerts.notifier import JsonPost, Notification, NotifierSetup, PostOptions, rfc3339

_Written: TypeAlias = Callable[[Alert, Notification], dict[str, Any]]
_BATCH = 256
"""Alerts of one question, as Prometheus 3 has it."""


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the server's base address, as in Prometheus: ``http://HOST:9093``."""

    kind: str = "alertmanager"


class Alertmanager:
    """Sends all alerts to the Alertmanager, which resolves a firing one at ``valid_until`` unless it is sent again."""

    tells_all = True

    def __init__(self, options: Options) -> None:
        self._post = JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        alerts = [(_firing, alert) for alert in notice.firing] + [(_resolved, alert) for alert in notice.resolved]
        for first in range(0, len(alerts), _BATCH):
            batch = alerts[first : first + _BATCH]
            await self._post.send("/api/v2/alerts", partial(_documents, batch, notice), {})

    async def close(self) -> None:
        """As :meth:`Notifier.close`."""
        await self._post.close()


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Alertmanager:
    """Open the notifier; sends nothing yet."""
    return Alertmanager(options)


def _documents(batch: Sequence[tuple[_Written, Alert]], notice: Notification) -> list[dict[str, Any]]:
    return [written(alert, notice) for written, alert in batch]


def _firing(alert: Alert, notice: Notification) -> dict[str, Any]:
    ends = {} if notice.valid_until is None else {"endsAt": rfc3339(notice.valid_until)}
    return _told(alert, notice) | ends


def _resolved(alert: Alert, notice: Notification) -> dict[str, Any]:
    return _told(alert, notice) | {"endsAt": rfc3339(alert.resolved_at or notice.at)}


def _told(alert: Alert, notice: Notification) -> dict[str, Any]:
    told: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.fired_at or alert.active_at),
    }
    if notice.external_url:
        told["generatorURL"] = notice.external_url
    return told
