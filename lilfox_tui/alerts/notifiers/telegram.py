"""Notifier for Telegram, by a bot.

https://core.telegram.org/bots/api#making-requests
https://core.telegram.org/bots/api#sendmessage
https://core.telegram.org/bots/api#responseparameters"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
)
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.config.values import SecretRef, TextOrSecret
from lilfox_tui.config.yaml_nodes import quoted
from lilfox_tui.core.i18n import _

_TEXT_UNITS = 4096
_CHAT = re.compile(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{1,31}")


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``chat`` is the number of a chat, or ``@NAME`` of a public channel. ``url`` is that of a Bot API server of one's
    own, if there is one."""

    kind: str = "telegram"
    url: TextOrSecret = "https://api.telegram.org"
    token: SecretRef
    """The bot's, as BotFather gives it."""
    chat: str
    thread: int | None = None
    """The topic of a forum."""
    silent: bool = False
    """Without a sound."""

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """See :meth:`NotifierConfig.problems`."""
        if not _CHAT.fullmatch(self.chat):
            yield (
                ("chat",),
                _('{value} is no chat; write its number ("-1001234567890") or @NAME', value=quoted(self.chat)),
            )


class Telegram(PostingNotifier):
    """Sends each notification as one message of plain text."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        token = await revealed_text(self._options.token)
        path = f"/bot{token}/sendMessage"
        await self._post.send(path, lambda: self._message(notice), {}, secrets=[path, token], judge=_judge)

    def _message(self, notice: Notification) -> dict[str, Any]:
        options = self._options
        message: dict[str, Any] = {
            "chat_id": options.chat if options.chat.startswith("@") else int(options.chat),
            "text": fitted(f"{subject(notice)}\n\n{body(notice)}", _TEXT_UNITS, _utf16_units),
            "link_preview_options": {"is_disabled": True},
        }
        if options.thread is not None:
            message["message_thread_id"] = options.thread
        if options.silent:
            message["disable_notification"] = True
        return message


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Telegram:
    """Open the notifier; sends nothing yet."""
    return Telegram(options)


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _judge(said: bytes) -> Refusal | None:
    found = json_object(said)
    if found.get("ok") is True:
        return None
    parameters = found.get("parameters")
    wait_s = parameters.get("retry_after") if isinstance(parameters, dict) else None
    reason = str(found.get("description") or said.decode("utf-8", "replace"))
    return Refusal(reason, float(wait_s) if isinstance(wait_s, int) else 0.0)
