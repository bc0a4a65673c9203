"""Notifiers for chats and pagers against stand-ins that check payloads with schemas made from the documentation."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.delivery import ReceiverDelivery
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.notifier import Notification, Notifier, NotifierSetup, TryLater, fitted, utf8_size
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage, Outbox
from lilfox_tui.config.loader import from_text
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.plugins import NOTIFIERS
from tests.services import receivers
from tests.services.http_stand_in import Reply, StandIn
from tests.services.receivers import TOKEN, VENDORS, Vendor
from tests.unit.alerts.made import alert, notice

EVIL = '<!channel> <@all> *x* [a](http://e) `y` @all \u202e\r\n<at user_id="all"></at> "\\'
RESOLVED = alert("Old", AlertState.RESOLVED, resolved=90)
MANY = tuple(
    alert(f"Ä{number}", severity="critical", annotations={"description": f"{EVIL} ü€😀 {number}\n" * 30})
    for number in range(60)
)
by_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: f"{vendor.kind}{vendor.path[:5]}")


def section(vendor: Vendor, base: str, monkeypatch: pytest.MonkeyPatch, name: str = "them") -> dict[str, Any]:
    """The notifier in the configuration, with its secrets in the environment."""
    given = {"kind": vendor.kind, **vendor.options, "url": base + vendor.options["url"]}
    for key, value in given.items():
        if TOKEN in str(value):
            variable = f"{name}_{key}".upper()
            monkeypatch.setenv(variable, value)
            given[key] = f"env:{variable}"
    return {name: given}


def opened(vendor: Vendor, base: str, monkeypatch: pytest.MonkeyPatch) -> Notifier:
    options = from_text(json.dumps({"notifiers": section(vendor, base, monkeypatch)}), "c.yaml").notifiers["them"]
    notifier: Notifier = plugins.load(NOTIFIERS, vendor.kind).open_notifier("them", options, NotifierSetup())
    return notifier


@pytest.fixture
async def server(vendor: Vendor) -> AsyncIterator[StandIn]:
    made = receivers.fitting(vendor.schema, vendor.good, lambda why: Reply(400, f"schema: {why}"), vendor.size)
    async with made.running():
        yield made


async def tell(notifier: Notifier, *notices: Notification) -> None:
    try:
        for told in notices:
            await notifier.tell(told)
    finally:
        await notifier.close()


@by_vendor
async def test_what_is_sent_fits_the_documented_payload(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    firing = (alert(severity="critical", instance="web-1", annotations={"summary": "2 s", "runbook_url": "https://r"}),)
    notices = (
        notice(firing=firing, external_url="https://fox.example.net"),
        notice("reminder", firing=firing),
        notice("resolved", firing=(), resolved=(RESOLVED,)),
        notice("test"),
        notice(firing=(alert(EVIL, a=EVIL, annotations={"summary": EVIL}),), group=(("alertname", EVIL),)),
        notice(firing=MANY, resolved=(RESOLVED,)),
        notice(firing=(alert("x", annotations={"summary": "\U0001f600" * 5000}),)),
    )
    await tell(opened(vendor, server.url, monkeypatch), *notices)
    assert {one.path for one in server.requests} == {vendor.path}
    bodies = [one.body.decode() for one in server.requests]
    assert "FIRING 1" in bodies[0] or vendor.kind == "pagerduty"
    assert "web-1" in bodies[0]
    assert "RESOLVED" in bodies[2] or '"resolve"' in bodies[2]
    assert all("\u202e" not in text for text in bodies)


@by_vendor
async def test_secrets_are_sent_where_they_belong(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(opened(vendor, server.url, monkeypatch), notice())
    (request,) = server.requests
    if vendor.kind == "dingtalk":
        assert receivers.signed_dingtalk(request)
        assert request.params["access_token"] == TOKEN
    elif vendor.kind == "feishu":
        assert receivers.signed_feishu(request)
    elif vendor.kind in ("ntfy", "slack") and "token" in vendor.options:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
    elif vendor.kind == "gotify":
        assert request.headers["x-gotify-key"] == TOKEN
    elif vendor.kind == "pagerduty":
        assert request.json()["routing_key"] == TOKEN
    else:
        assert TOKEN in request.path or TOKEN in request.params.values()


@by_vendor
async def test_an_error_of_the_service_is_a_failure_without_secrets(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.first = [
        vendor.refuses,
        Reply(400, f"no such thing: {TOKEN} {vendor.path}"),
        Reply(200, f"<html>Log in first: {TOKEN}</html>"),
        None,
    ]
    notifier = opened(vendor, server.url, monkeypatch)
    said = []
    for _ in range(4 if vendor.kind != "teams" else 2):
        with pytest.raises(LilFoxError) as caught:
            await notifier.tell(notice())
        assert not isinstance(caught.value, TryLater)
        said.append(f"{caught.value} {caught.value.hint}")
    await notifier.close()
    assert vendor.said in said[0]
    assert all(TOKEN not in text and "127.0.0.1" in text for text in said)


@by_vendor
async def test_a_service_that_asks_to_wait_is_asked_again_after_that_time(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.first = [vendor.later]
    notifier = opened(vendor, server.url, monkeypatch)
    with pytest.raises(TryLater) as caught:
        await notifier.tell(notice())
    assert caught.value.wait_s == vendor.wait_s
    await tell(notifier, notice())
    assert len(server.requests) == 2


@pytest.mark.parametrize("vendor", VENDORS[:1])
@pytest.mark.parametrize(
    ("after", "expected"), [("90", 90), ("99999", 600), ("date", 120), ("soon", 5), ("-3", 5), ("²", 5)]
)
async def test_the_outbox_waits_as_long_as_the_service_says(
    vendor: Vendor, server: StandIn, after: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    header = format_datetime(now + timedelta(seconds=120), usegmt=True) if after == "date" else after
    server.first = [Reply(429, "rate_limited", {"Retry-After": header})]
    saved = AlertStorage(AlertDatabase(None))
    notifier = opened(vendor, server.url, monkeypatch)
    sending = ReceiverDelivery("them", notifier, 5, saved, now=lambda: now)
    Outbox(saved.database).put("them", [replace(notice(), at=now)], [], [])
    wait_s = await sending.send_due()
    await notifier.close()
    saved.database.close()
    assert wait_s is not None
    assert expected * 0.8 - 2 <= wait_s <= expected * 1.2
    assert sending.outage is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.kind == "pagerduty"])
async def test_an_incident_of_pagerduty_is_one_from_its_first_alert_to_its_last(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = (("alertname", "Slow"),)
    await tell(
        opened(vendor, server.url, monkeypatch),
        notice(firing=(alert(severity="warning"),), group=group),
        notice("resolved", firing=(alert(instance="b"),), resolved=(RESOLVED,), group=group),
        notice("resolved", firing=(), resolved=(RESOLVED,), group=group),
        notice("test", group=group),
    )
    events = [one.json() for one in server.requests]
    assert [one["event_action"] for one in events] == ["trigger", "trigger", "resolve", "trigger", "resolve"]
    keys = [one["dedup_key"] for one in events]
    assert len(set(keys[:3])) == 1
    assert keys[3] == keys[4] != keys[0]
    first: dict[str, Any] = dict(events[0]["payload"])  # type: ignore[call-overload]
    assert first["severity"] == "warning"


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.kind == "telegram"])
@pytest.mark.parametrize(("chat", "sent"), [("-1001", -1001), ("@ops_team", "@ops_team")])
async def test_a_chat_of_telegram_is_a_number_or_a_name(
    vendor: Vendor, server: StandIn, chat: str, sent: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Vendor(vendor.kind, vendor.options | {"chat": chat}, *msgspec.structs.astuple(vendor)[2:])
    await tell(opened(wanted, server.url, monkeypatch), notice())
    found = server.requests[0].json()
    assert (found["chat_id"], found["message_thread_id"], found["disable_notification"]) == (sent, 7, True)


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.kind == "slack"])
async def test_a_long_text_is_cut_at_the_end_of_a_line_and_split_for_slack(
    vendor: Vendor, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(opened(vendor, server.url, monkeypatch), notice(firing=MANY))
    blocks: list[dict[str, Any]] = json.loads(server.requests[0].body)["blocks"]
    assert [one["type"] for one in blocks][:3] == ["header", "section", "section"]
    assert all(one["text"]["type"] == "plain_text" for one in blocks)
    assert blocks[-1]["text"]["text"].endswith("…")


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [("ab\ncd\n", 6, "ab\ncd\n"), ("ab\ncd\nef", 7, "ab\ncd\n…"), ("abcdef", 4, "abc…"), ("a\nbcdefgh", 6, "a\nbcd…")],
)
def test_a_text_is_cut_at_the_end_of_a_line(text: str, limit: int, kept: str) -> None:
    assert fitted(text, limit) == kept
    assert utf8_size(fitted("ü" * 100, 51, utf8_size)) <= 51


@pytest.mark.parametrize(
    ("notifier", "says"),
    [
        ("{kind: slack, url: 'https://hooks.slack.com/services/T/B/X'}", "url: the address of a webhook is a secret"),
        ("{kind: slack, token: 'env:T'}", "channel: this key is missing"),
        ("{kind: slack, url: 'env:U', token: 'xoxb-1', channel: x}", "token: "),
        ("{kind: dingtalk, url: 'https://oapi.dingtalk.com/robot/send?access_token=1'}", "url: "),
        ("{kind: feishu, url: 'env:U', secret: SEC1}", "secret: "),
        ("{kind: telegram, token: 'env:T'}", "chat: this key is missing"),
        ("{kind: telegram, token: 'env:T', chat: ops}", "chat: “ops” is no chat"),
        ("{kind: pagerduty}", "routing_key: this key is missing"),
        ("{kind: ntfy}", "topic: this key is missing"),
        ("{kind: gotify, token: 'env:T'}", "url: this key is missing"),
    ],
)
def test_what_a_notifier_lacks_is_named(notifier: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"notifiers:\n  a: {notifier}\n", "c.yaml")
    (found,) = caught.value.problems
    assert found.startswith(f"c.yaml:2: notifiers.a.{says}")


async def test_a_test_reaches_every_receiver_by_the_command_line(
    tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for number, vendor in enumerate(VENDORS):
            made = receivers.fitting(vendor.schema, vendor.good, lambda why: Reply(400, why), vendor.size)
            await stack.enter_async_context(made.running())
            sections |= section(vendor, made.url, monkeypatch, f"r{number}")
        config = tmp_path / "c.yaml"
        config.write_text(f"notifiers: {json.dumps(sections)}\n")
        argv = [sys.executable, "-m", "lilfox_tui", "--config", str(config), "alerts", "notify-test"]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test notification sent") == len(VENDORS)
    assert TOKEN not in done.stdout + done.stderr
