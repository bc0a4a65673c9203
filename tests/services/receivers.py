"""Stand-ins of the services that take notifications. There is no account of any of them here, so each answers as its
documentation says, and refuses a payload that does not fit the JSON schema that was written from that documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import jsonschema
from msgspec import Struct

from tests.services.http_stand_in import Reply, Request, StandIn

TOKEN = "s3cret-T0KEN-of-the-receiver"
HOOK = f"/hook/{TOKEN}"


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an object with these keys and no others."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def text(longest: int) -> dict[str, Any]:
    """The schema of a text that is not empty."""
    return {"type": "string", "minLength": 1, "maxLength": longest}


def array(items: dict[str, Any], most: int = 10_000) -> dict[str, Any]:
    """The schema of a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


URI = {"type": "string", "pattern": "^https?://"}
FLAG = {"type": "boolean"}


def _slack_plain(longest: int) -> dict[str, Any]:
    return closed({"type": {"const": "plain_text"}, "text": text(longest)}, {"emoji": FLAG})


_SLACK_BLOCKS = array(
    {
        "oneOf": [
            closed({"type": {"const": "header"}, "text": _slack_plain(150)}),
            closed({"type": {"const": "section"}, "text": _slack_plain(3000)}),
        ]
    },
    50,
)
_SLACK_KEYS = {"text": {"type": "string", "minLength": 1, "maxLength": 40_000, "pattern": "^[^<>]*$"}}
_SLACK_MORE = {"blocks": _SLACK_BLOCKS, "unfurl_links": FLAG, "unfurl_media": FLAG}
SLACK_WEBHOOK = closed(_SLACK_KEYS, _SLACK_MORE)
SLACK_API = closed({"channel": text(80), **_SLACK_KEYS}, _SLACK_MORE)

_RUN = closed(
    {"type": {"const": "TextRun"}, "text": text(28_000)},
    {
        "size": {"enum": ["Small", "Default", "Medium", "Large", "ExtraLarge"]},
        "weight": {"enum": ["Lighter", "Default", "Bolder"]},
        "color": {"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
    },
)
_CARD = closed(
    {
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
        "body": array(
            closed({"type": {"const": "RichTextBlock"}, "inlines": array(_RUN)}, {"spacing": {"const": "None"}})
        ),
    },
    {"$schema": URI, "msteams": closed({"width": {"const": "Full"}})},
)
TEAMS = closed(
    {
        "type": {"const": "message"},
        "attachments": array(
            closed(
                {"contentType": {"const": "application/vnd.microsoft.card.adaptive"}, "content": _CARD},
                {"contentUrl": {"type": "null"}},
            ),
            1,
        ),
    }
)
TELEGRAM = closed(
    {"chat_id": {"type": ["integer", "string"]}, "text": text(4096)},
    {
        "link_preview_options": closed({"is_disabled": FLAG}),
        "message_thread_id": {"type": "integer"},
        "disable_notification": FLAG,
    },
)
DINGTALK = closed(
    {
        "msgtype": {"const": "text"},
        "text": closed({"content": text(20_000)}),
        "at": closed({}, {"atMobiles": {"type": "array", "items": text(20)}, "isAtAll": FLAG}),
    }
)
WECOM = closed(
    {
        "msgtype": {"const": "text"},
        "text": closed(
            {"content": text(2048)}, {"mentioned_list": array(text(64)), "mentioned_mobile_list": array(text(20))}
        ),
    }
)
_FEISHU_PIECE = closed({"tag": {"const": "text"}, "text": {"type": "string"}})
FEISHU = closed(
    {
        "msg_type": {"const": "post"},
        "content": closed(
            {"post": closed({"en_us": closed({"title": text(1000), "content": array(array(_FEISHU_PIECE))})})}
        ),
    },
    {"timestamp": {"type": "string", "pattern": "^[0-9]{10}$"}, "sign": text(100)},
)
_EVENT = {"routing_key": text(40), "dedup_key": text(255)}
PAGERDUTY: dict[str, Any] = {
    "oneOf": [
        closed({**_EVENT, "event_action": {"const": "resolve"}}),
        closed(
            {
                **_EVENT,
                "event_action": {"const": "trigger"},
                "payload": closed(
                    {
                        "summary": text(1024),
                        "source": text(1024),
                        "severity": {"enum": ["critical", "error", "warning", "info"]},
                    },
                    {"timestamp": text(40), "custom_details": {"type": "object"}},
                ),
            },
            {
                "client": text(100),
                "client_url": URI,
                "links": array(closed({"href": URI}, {"text": text(100)})),
            },
        ),
    ]
}
NTFY = closed(
    {"topic": {"type": "string", "pattern": "^[-_A-Za-z0-9]{1,64}$"}},
    {
        "title": text(250),
        "message": text(4096),
        "priority": {"enum": [1, 2, 3, 4, 5]},
        "tags": array(text(50)),
        "click": URI,
    },
)
GOTIFY = closed(
    {"message": text(100_000)},
    {
        "title": text(1000),
        "priority": {"type": "integer"},
        "extras": closed(
            {},
            {
                "client::display": closed({"contentType": {"enum": ["text/plain", "text/markdown"]}}),
                "client::notification": closed({"click": closed({"url": URI})}),
            },
        ),
    },
)


def fitting(schema: dict[str, Any], good: Reply, bad: Callable[[str], Reply], size: int = 512_000) -> StandIn:
    """A server that answers ``good`` to a payload of ``schema`` with at most ``size`` bytes, ``bad`` to others."""
    judge = jsonschema.Draft202012Validator(schema)

    def answer(request: Request) -> Reply:
        error = jsonschema.exceptions.best_match(judge.iter_errors(request.json()))
        if request.method != "POST" or not request.headers["content-type"].startswith("application/json"):
            return bad("not POST, or not JSON")
        if len(request.body) > size:
            return bad(f"{len(request.body)} bytes")
        return good if error is None else bad(f"{error.json_path}: {error.message[:300]}")

    return StandIn(answer)


def signed_dingtalk(request: Request) -> bool:
    """Whether the query has a good signature, not older than an hour."""
    at = request.params.get("timestamp", "0")
    digest = hmac.new(TOKEN.encode(), f"{at}\n{TOKEN}".encode(), hashlib.sha256).digest()
    young = abs(time.time() * 1000 - int(at)) < 3_600_000
    return young and request.params.get("sign") == base64.b64encode(digest).decode()


def signed_feishu(request: Request) -> bool:
    """Whether the body has a good signature, not older than an hour."""
    found = request.json()
    at = str(found.get("timestamp", "0"))
    digest = hmac.new(f"{at}\n{TOKEN}".encode(), b"", hashlib.sha256).digest()
    return abs(time.time() - int(at)) < 3600 and found.get("sign") == base64.b64encode(digest).decode()


class Vendor(Struct, frozen=True):
    """A service: the notifier's options (with ``url`` and secrets as references), where it is asked, the schema of its
    payload, its good answer, its answers for what it does not take, and one that asks to wait for so many seconds."""

    kind: str
    options: dict[str, Any]
    path: str
    schema: dict[str, Any]
    good: Reply
    refuses: Reply
    said: str
    """Of ``refuses``, in the error."""
    later: Reply
    wait_s: float
    size: int = 512_000
    """Bytes of the largest payload."""


def _telegram(code: int, description: str, **more: Any) -> Reply:
    return Reply(code, {"ok": False, "error_code": code, "description": description, **more})


VENDORS = [
    Vendor("slack", {"url": HOOK}, HOOK, SLACK_WEBHOOK, Reply(200, "ok"), Reply(404, "channel_not_found"),
           "channel_not", Reply(429, "rate_limited", {"Retry-After": "30"}), 30),
    Vendor("slack", {"url": "/api", "token": TOKEN, "channel": "#ops"}, "/api/chat.postMessage", SLACK_API,
           Reply(200, {"ok": True, "ts": "1.2"}), Reply(200, {"ok": False, "error": "not_in_channel"}),
           "not_in_channel", Reply(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "7"}), 7),
    Vendor("teams", {"url": f"{HOOK}?sig={TOKEN}"}, HOOK, TEAMS, Reply(202),
           Reply(200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 403"),
           "HTTP error 403", Reply(429, {"error": {"code": "TooMany"}}, {"Retry-After": "12"}), 12, 28 * 1024),
    Vendor("telegram", {"url": "", "token": TOKEN, "chat": "-1001", "thread": 7, "silent": True},
           f"/bot{TOKEN}/sendMessage", TELEGRAM,
           Reply(200, {"ok": True, "result": {"message_id": 1}}), _telegram(400, "Bad Request: chat not found"),
           "chat not found", _telegram(429, "Too Many Requests: retry after 9", parameters={"retry_after": 9}), 9),
    Vendor("dingtalk", {"url": f"/robot/send?access_token={TOKEN}", "secret": TOKEN, "at_mobiles": ["13800000000"]},
           "/robot/send", DINGTALK, Reply(200, {"errcode": 0, "errmsg": "ok"}),
           Reply(200, {"errcode": 310000, "errmsg": "sign not match"}), "errcode 310000: sign not match",
           Reply(200, {"errcode": 130101, "errmsg": "send too fast"}), 600, 20_000),
    Vendor("wecom", {"url": f"/cgi-bin/webhook/send?key={TOKEN}", "mention": ["@all"]}, "/cgi-bin/webhook/send", WECOM,
           Reply(200, {"errcode": 0, "errmsg": "ok"}),
           Reply(200, {"errcode": 93000, "errmsg": "invalid webhook url"}), "errcode 93000: invalid webhook url",
           Reply(200, {"errcode": 45009, "errmsg": "api freq out of limit"}), 60),
    Vendor("feishu", {"url": HOOK, "secret": TOKEN}, HOOK, FEISHU, Reply(200, {"code": 0, "msg": "success"}),
           Reply(200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}),
           "code 19021: sign match fail", Reply(200, {"code": 11232, "msg": "frequency limited"}), 60, 20 * 1024),
    Vendor("pagerduty", {"url": "", "routing_key": TOKEN}, "/v2/enqueue", PAGERDUTY,
           Reply(202, {"status": "success", "message": "Event processed", "dedup_key": "k"}),
           Reply(400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["routing_key"]}),
           "Event object is invalid; routing_key", Reply(429, "", {"Retry-After": "3"}), 3),
    Vendor("ntfy", {"url": "", "topic": "alerts-x1", "token": TOKEN}, "/", NTFY,
           Reply(200, {"id": "a", "event": "message"}), Reply(403, {"code": 40301, "error": "forbidden"}), "forbidden",
           Reply(429, {"code": 42901, "error": "limit reached"}, {"Retry-After": "5"}), 5),
    Vendor("gotify", {"url": "", "token": TOKEN}, "/message", GOTIFY, Reply(200, {"id": 25, "appid": 5}),
           Reply(401, {"error": "Unauthorized", "errorCode": 401, "errorDescription": "you need a valid token"}),
           "a valid token", Reply(503, "", {"Retry-After": "4"}), 4),
]  # fmt: skip
