"""Notifier for PagerDuty, by the Events API v2: one incident a group of alerts, resolved with its last alert.

https://developer.pagerduty.com/docs/send-alert-event
https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec.structs import replace

from lilfox_tui.alerts.notifier import (
    JsonPost,
    Notification,
    NotifierSetup,
    PostingNotifier,
    PostOptions,
    Refusal,
    body,
    fitted,
    group_key,
    json_object,
    json_size,
    rfc3339,
    subject,
    worst_urgency,
)
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef, TextOrSecret

_SUMMARY_CHARS, _DETAILS_BYTES = 1024, 200_000
"""An event may have 512 KB."""
_SEVERITIES = ("info", "warning", "error", "critical")
_SOURCES = ("instance", "host", "service", "job", "backend")


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``routing_key`` is the integration key of a service. In the EU, ``url`` is ``https://events.eu.pagerduty.com``."""

    kind: str = "pagerduty"
    url: TextOrSecret = "https://events.pagerduty.com"
    routing_key: SecretRef


class PagerDuty(PostingNotifier):
    """Sends each notification as an event. A test triggers an incident and resolves it."""

    def __init__(self, name: str, options: Options) -> None:
        self._name, self._options, self._post = name, options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        await self._send(notice)
        if notice.reason == "test":
            await self._send(replace(notice, firing=()))

    async def _send(self, notice: Notification) -> None:
        key = await revealed_text(self._options.routing_key)
        await self._post.send("/v2/enqueue", lambda: self._event(notice, key), {}, secrets=[key], judge=_judge)

    def _event(self, notice: Notification, key: str) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": key,
            "event_action": "trigger" if notice.firing else "resolve",
            "dedup_key": dedup_key(self._name, notice),
        }
        if not notice.firing:
            return event
        first = notice.firing[0]
        event["payload"] = {
            "summary": subject(notice)[:_SUMMARY_CHARS],
            "source": next((value for name in _SOURCES if (value := first.label(name))), "LilFox"),
            "severity": _SEVERITIES[worst_urgency(notice)],
            "timestamp": rfc3339(notice.at),
            "custom_details": {
                "firing": len(notice.firing),
                "resolved": len(notice.resolved),
                "text": fitted(body(notice), _DETAILS_BYTES, json_size),
            },
        }
        event["client"] = "LilFox"
        if notice.external_url:
            event["client_url"] = notice.external_url
        runbook = dict(first.annotations).get("runbook_url", "")
        if runbook.startswith(("http://", "https://")):
            event["links"] = [{"href": runbook, "text": "runbook"}]
        return event


def open_notifier(name: str, options: Options, _setting: NotifierSetup) -> PagerDuty:
    """Open the notifier; sends nothing yet."""
    return PagerDuty(name, options)


def dedup_key(name: str, notice: Notification) -> str:
    """Return the key of the incident: the same as long as the group is the same, so that it is found again even if
    LilFox has lost its state. A test has one of its own."""
    of = notice.id if notice.reason == "test" else group_key(notice.group, notice.route)
    return "lilfox-" + hashlib.sha256(f"{name}\n{of}".encode("utf-8", "surrogatepass")).hexdigest()


def _judge(said: bytes) -> Refusal | None:
    found = json_object(said)
    if found.get("status") == "success":
        return None
    errors = found.get("errors")
    words = [found.get("message"), *(errors if isinstance(errors, list) else [errors])]
    return Refusal("; ".join(str(word) for word in words if word) or said.decode("utf-8", "replace"))
