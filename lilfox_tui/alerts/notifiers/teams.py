"""Notifier for Microsoft Teams: an Adaptive Card to the webhook of a workflow ("When a Teams webhook request is
received"), which replaces the Office 365 connectors.

https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
https://adaptivecards.io/explorer/RichTextBlock.html (a TextRun has no Markdown)"""

from __future__ import annotations

from typing import Any

from lilfox_tui.alerts.notifier import (
    HookOptions,
    JsonPost,
    Notification,
    NotifierSetup,
    PostingNotifier,
    Refusal,
    body,
    json_size,
    subject,
)

_MESSAGE_BYTES = 26_000
"""A message may have 28 KB."""
_FAILED = b"Microsoft Teams endpoint returned HTTP error"
_COLOURS = {"firing": "Attention", "reminder": "Attention", "resolved": "Good", "test": "Accent"}


class Options(HookOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the address of the workflow, as a reference to a secret: its ``sig`` lets anyone post."""

    kind: str = "teams"


class Teams(PostingNotifier):
    """Sends each notification as one card."""

    def __init__(self, options: Options) -> None:
        self._post = JsonPost(options)

    async def tell(self, notice: Notification) -> None:
        """As :meth:`Notifier.tell`."""
        await self._post.send("", lambda: _message(notice), {}, judge=_judge)


def open_notifier(_name: str, options: Options, _setting: NotifierSetup) -> Teams:
    """Open the notifier; sends nothing yet."""
    return Teams(options)


def _message(notice: Notification) -> dict[str, Any]:
    title = {"size": "Medium", "weight": "Bolder", "color": _COLOURS[notice.reason]}
    blocks = [_block(subject(notice), **title)]
    left = _MESSAGE_BYTES - json_size(_card(blocks))
    for line in body(notice).splitlines():
        block = _block(line)
        left -= json_size(block) + 1
        if left < 0:
            blocks.append(_block("…"))
            break
        blocks.append(block)
    return _card(blocks)


def _card(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _block(line: str, **style: str) -> dict[str, Any]:
    """Return one line; a TextRun shows its text as it is, a TextBlock would read it as Markdown."""
    run = {"type": "TextRun", "text": line or " ", **style}
    return {"type": "RichTextBlock", "spacing": "None", "inlines": [run]}


def _judge(said: bytes) -> Refusal | None:
    """An accepted message is answered with 202 and nothing; a webhook that was migrated from a connector answers 200
    where Teams refuses the message."""
    return Refusal(said.decode("utf-8", "replace")) if _FAILED in said else None
