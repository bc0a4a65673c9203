"""Notifier for Feishu and Lark: a custom bot of a group, with its signature.

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

from lilfox_tui.alerts.notifier import (
    HookOptions,
    JsonPost,
    Notification,
    NotifierSetup,
    PostingNotifier,
    body,
    code_judge,
    fitted,
    json_size,
    subject,
)
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef

_CONTENT_BYTES = 18_000
"""A request may have 20 KB."""
_TOO_FAST, _LOCKED_S = 11232, 60.0
"""A bot takes 100 messages a minute and 5 a second."""


class Options(HookOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the bot's address, as a reference to a secret. ``secret`` signs the messages; without it, the bot must
    be limited to addresses or to keywords that the messages have."""

    kind: str = "feishu"
    secret: SecretRef | None = None


class Feishu(PostingNotifier):
    """Sends each notification as one message of rich text, whose pieces are plain: the type ``text`` would read
    ``<at>`` in them."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        secret = await revealed_text(self._options.secret or "")
        signed = signature(secret, int(time.time())) if secret else {}
        hidden = [secret, *signed.values()]
        await self._post.send("", lambda: signed | _message(notice), {}, secrets=hidden, judge=_judge)


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Feishu:
    """Open the notifier; sends nothing yet."""
    return Feishu(options)


def signature(secret: str, at_s: int) -> dict[str, str]:
    """Return the keys that sign a request: time and secret are the key, the message is empty."""
    digest = hmac.digest(f"{at_s}\n{secret}".encode(), b"", hashlib.sha256)
    return {"timestamp": str(at_s), "sign": base64.b64encode(digest).decode()}


def _message(notice: Notification) -> dict[str, Any]:
    text = fitted(body(notice), _CONTENT_BYTES, lambda part: json_size(_lines(part)))
    return {"msg_type": "post", "content": {"post": {"en_us": {"title": subject(notice), "content": _lines(text)}}}}


def _lines(text: str) -> list[list[dict[str, str]]]:
    return [[{"tag": "text", "text": line}] for line in text.splitlines()]


_judge = code_judge(("code", "StatusCode"), "msg", _TOO_FAST, _LOCKED_S)
