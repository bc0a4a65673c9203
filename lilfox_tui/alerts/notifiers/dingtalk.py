"""Notifier for DingTalk: a custom robot of a group, with its signature.

https://open.dingtalk.com/document/robots/custom-robot-access
https://open.dingtalk.com/document/robots/customize-robot-security-settings"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import quote_plus

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

_TEXT_BYTES = 19_000
"""A message may have 20,000 bytes."""
_TOO_FAST, _LOCKED_S = 130101, 600.0
"""More than 20 messages in a minute lock the robot for ten minutes."""


class Options(HookOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the robot's address, as a reference to a secret. ``secret`` (``SEC…``) signs the messages; without it,
    the robot must be limited to addresses or to keywords that the messages have."""

    kind: str = "dingtalk"
    secret: SecretRef | None = None
    at_mobiles: tuple[str, ...] = ()
    """The telephone numbers of members who are mentioned."""
    at_all: bool = False


class DingTalk(PostingNotifier):
    """Sends each notification as one message of plain text."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        secret = await revealed_text(self._options.secret or "")
        query = signature(secret, round(time.time() * 1000)) if secret else ""
        await self._post.send("", lambda: self._message(notice), {}, query=query, secrets=[query, secret], judge=_judge)

    def _message(self, notice: Notification) -> dict[str, Any]:
        numbers = self._options.at_mobiles
        mentions = " ".join(f"@{number}" for number in numbers)
        text = fitted(f"{subject(notice)}\n\n{body(notice)}", _TEXT_BYTES - json_size(mentions), json_size)
        return {
            "msgtype": "text",
            "text": {"content": f"{text}\n{mentions}" if mentions else text},
            "at": {"atMobiles": list(numbers), "isAtAll": self._options.at_all},
        }


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> DingTalk:
    """Open the notifier; sends nothing yet."""
    return DingTalk(options)


def signature(secret: str, at_ms: int) -> str:
    """Return the part of the query that signs a request: ``timestamp`` and ``sign``."""
    digest = hmac.digest(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256)
    return f"timestamp={at_ms}&sign={quote_plus(base64.b64encode(digest))}"


_judge = code_judge(("errcode",), "errmsg", _TOO_FAST, _LOCKED_S)
