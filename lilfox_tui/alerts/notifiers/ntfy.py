"""Notifier for ntfy (ntfy.sh, or a server of one's own).

https://docs.ntfy.sh/publish/#publish-as-json
https://docs.ntfy.sh/publish/#limitations (a message has 4,096 bytes)"""

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
    utf8_size,
    worst_urgency,
)
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef, TextOrSecret

_MESSAGE_BYTES, _TITLE_BYTES = 4096, 250
_PRIORITIES = (2, 3, 4, 5)
_DEFAULT_PRIORITY = 3


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``topic`` is as good as a password where topics are open, so it may be a reference to a secret; where they are
    protected, ``token`` (``tk_…``), or ``user`` and ``password``, open it."""

    kind: str = "ntfy"
    url: TextOrSecret = "https://ntfy.sh"
    topic: TextOrSecret
    token: SecretRef | None = None


class Ntfy(PostingNotifier):
    """Publishes each notification as one message of plain text."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        topic = await revealed_text(self._options.topic)
        token = await revealed_text(self._options.token or "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        await self._post.send("/", lambda: _message(topic, notice), headers, secrets=[topic, token], judge=_judge)


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Ntfy:
    """Open the notifier; sends nothing yet."""
    return Ntfy(options)


def _message(topic: str, notice: Notification) -> dict[str, Any]:
    rings = notice.firing and notice.reason != "test"
    message: dict[str, Any] = {
        "topic": topic,
        "title": fitted(subject(notice), _TITLE_BYTES, utf8_size),
        "message": fitted(body(notice), _MESSAGE_BYTES, utf8_size),
        "priority": _PRIORITIES[worst_urgency(notice)] if rings else _DEFAULT_PRIORITY,
        "tags": ["rotating_light" if rings else "white_check_mark"],
    }
    if notice.external_url:
        message["click"] = notice.external_url
    return message


def _judge(said: bytes) -> Refusal | None:
    found = json_object(said)
    if isinstance(found.get("id"), str):
        return None
    return Refusal(str(found.get("error") or said.decode("utf-8", "replace")))
