"""Notifier for Gotify.

https://gotify.net/docs/pushmsg
https://gotify.net/api-docs#/message/createMessage
https://gotify.net/docs/msgextras"""

from __future__ import annotations

from typing import Any

from lilfox_tui.alerts.notifier import (
    JsonPost,
    Notification,
    NotifierSetup,
    PostingNotifier,
    PostOptions,
    Refusal,
    body,
    fitted,
    json_object,
    subject,
    worst_urgency,
)
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef

_MESSAGE_CHARS = 16_000
_PRIORITIES = (2, 5, 8, 10)
_QUIET = 2


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the server's base address; ``token`` that of an application."""

    kind: str = "gotify"
    token: SecretRef


class Gotify(PostingNotifier):
    """Pushes each notification as one message of plain text."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        token = await revealed_text(self._options.token)
        headers = {"X-Gotify-Key": token}
        await self._post.send("/message", lambda: _message(notice), headers, secrets=[token], judge=_judge)


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Gotify:
    """Open the notifier; sends nothing yet."""
    return Gotify(options)


def _message(notice: Notification) -> dict[str, Any]:
    rings = notice.firing and notice.reason != "test"
    extras: dict[str, Any] = {"client::display": {"contentType": "text/plain"}}
    if notice.external_url:
        extras["client::notification"] = {"click": {"url": notice.external_url}}
    return {
        "title": subject(notice),
        "message": fitted(body(notice), _MESSAGE_CHARS),
        "priority": _PRIORITIES[worst_urgency(notice)] if rings else _QUIET,
        "extras": extras,
    }


def _judge(said: bytes) -> Refusal | None:
    found = json_object(said)
    if isinstance(found.get("id"), int):
        return None
    return Refusal(str(found.get("errorDescription") or found.get("error") or said.decode("utf-8", "replace")))
