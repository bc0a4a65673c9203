"""Notifier that POSTs Alertmanager's webhook JSON to a URL."""

from __future__ import annotations

from lilfox_tui.alerts.notifier import (
    JsonPost,
    Notification,
    NotifierSetup,
    PostingNotifier,
    PostOptions,
    webhook_payload,
)


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any receiver of Alertmanager's webhooks. Retries of a message have the same ``Idempotency-Key``."""

    kind: str = "webhook"


class Webhook(PostingNotifier):
    """POSTs each notification."""

    def __init__(self, options: Options) -> None:
        self._post = JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        await self._post.send("", lambda: webhook_payload(notice), {"Idempotency-Key": notice.id})


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Webhook:
    """Open the notifier; sends nothing yet."""
    return Webhook(options)
