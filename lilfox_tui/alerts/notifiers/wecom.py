"""Notifier for WeCom (WeChat Work): a robot of a group.

https://developer.work.weixin.qq.com/document/path/91770
https://developer.work.weixin.qq.com/document/path/90313 (the error codes)"""

from __future__ import annotations

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
    subject,
    utf8_size,
)

_TEXT_BYTES = 2048
_TOO_FAST, _LOCKED_S = 45009, 60.0
"""A robot takes 20 messages a minute."""


class Options(HookOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the robot's address with its key, as a reference to a secret."""

    kind: str = "wecom"
    mention: tuple[str, ...] = ()
    """User IDs of members who are mentioned; ``@all`` for everyone."""
    mention_mobiles: tuple[str, ...] = ()
    """Telephone numbers of members who are mentioned."""


class WeCom(PostingNotifier):
    """Sends each notification as one message of plain text."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        await self._post.send("", lambda: self._message(notice), {}, judge=_judge)

    def _message(self, notice: Notification) -> dict[str, Any]:
        text: dict[str, Any] = {"content": fitted(_text(notice), _TEXT_BYTES, utf8_size)}
        if self._options.mention:
            text["mentioned_list"] = list(self._options.mention)
        if self._options.mention_mobiles:
            text["mentioned_mobile_list"] = list(self._options.mention_mobiles)
        return {"msgtype": "text", "text": text}


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> WeCom:
    """Open the notifier; sends nothing yet."""
    return WeCom(options)


def _text(notice: Notification) -> str:
    """Return the text, in which labels mention nobody: ``<@USER>`` would."""
    return f"{subject(notice)}\n\n{body(notice)}".replace("<@", "< @")


_judge = code_judge(("errcode",), "errmsg", _TOO_FAST, _LOCKED_S)
