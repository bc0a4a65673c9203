"""Notifier for Slack, by an incoming webhook or, with a bot's token, by ``chat.postMessage``.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/reference/methods/chat.postMessage
https://docs.slack.dev/reference/block-kit/blocks (a header has 150 characters, a section 3,000)"""

from __future__ import annotations

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
from lilfox_tui.core.i18n import _

API = "https://slack.com/api"
_HEADER_CHARS, _SECTION_CHARS, _SECTIONS = 150, 3000, 3
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Options(PostOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is an incoming webhook, as a reference to a secret. With ``token`` (a bot's, ``xoxb-…``) and ``channel``,
    it is the address of the API and need not be given."""

    kind: str = "slack"
    url: TextOrSecret = API
    token: SecretRef | None = None
    channel: str = ""

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """See :meth:`NotifierConfig.problems`."""
        if self.token is None:
            if not isinstance(self.url, SecretRef):
                yield ("url",), _("the address of a webhook is a secret; write env:NAME, file:PATH or cmd:COMMAND")
        elif not self.channel:
            yield ("channel",), _("this key is missing; add it")


class Slack(PostingNotifier):
    """Sends each notification as one message."""

    def __init__(self, options: Options) -> None:
        self._options, self._post = options, JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        options = self._options
        if options.token is None:
            await self._post.send("", lambda: _message(notice), {}, judge=_judge_webhook)
            return
        token = await revealed_text(options.token)
        await self._post.send(
            "/chat.postMessage",
            lambda: {"channel": options.channel, **_message(notice)},
            {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {token}"},
            secrets=[token],
            judge=_judge_api,
        )


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Slack:
    """Open the notifier; sends nothing yet."""
    return Slack(options)


def _message(notice: Notification) -> dict[str, Any]:
    """Return the message: plain text, in which Slack looks for no markup and no mentions; ``text`` is for
    notifications, and escaped."""
    title = subject(notice)
    text = fitted(body(notice), _SECTION_CHARS * _SECTIONS).rstrip()
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title[:_HEADER_CHARS])}]
    while text:
        part = fitted(text, _SECTION_CHARS)
        taken = len(part) if part == text else len(part) - 1
        blocks.append({"type": "section", "text": _plain(text[:taken])})
        text = text[taken:].lstrip("\n")
    return {"text": title.translate(_ESCAPES), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _judge_webhook(said: bytes) -> Refusal | None:
    return None if said.strip() == b"ok" else Refusal(said.decode("utf-8", "replace"))


def _judge_api(said: bytes) -> Refusal | None:
    found = json_object(said)
    return None if found.get("ok") is True else Refusal(str(found.get("error") or said.decode("utf-8", "replace")))
