"""Notifiers against real servers on loopback."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.notifier import Notification, NotifierSetup, PartialDelivery, fingerprint
from lilfox_tui.alerts.notifiers import alertmanager, bell, command, smtp, webhook
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import LilFoxError
from tests.services.alertmanager import AlertmanagerServer
from tests.services.http_stand_in import Reply, StandIn
from tests.services.mail_server import PASSWORD, Authority, Box, mail_server
from tests.unit.alerts.made import T0, alert, notice
from tests.waiting import wait_for

RESOLVED = alert("Old", AlertState.RESOLVED, resolved=90)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def hook() -> AsyncIterator[StandIn]:
    server = StandIn(lambda _request: Reply(200))
    async with server.running():
        yield server


def mail(port: int, authority: Authority | None, **more: Any) -> smtp.Mail:
    given: dict[str, Any] = {"ca": None if authority is None else str(authority.ca), "server": "localhost"} | more
    options = smtp.Options(port=port, from_="lilfox@example.net", to=("ops@example.net", "b@example.net"), **given)
    return smtp.open_notifier("mail", options, NotifierSetup())


async def test_a_mail_arrives_encrypted_with_login_and_names_all_alerts(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    box = Box()
    told = notice(firing=(alert(annotations={"summary": "2 s"}, instance="a:1"), alert("Gone")), resolved=(RESOLVED,))
    async with mail_server(box, authority.server, login=True) as port:
        await mail(port, authority, user="lilfox", password=SecretRef("env:MAIL_PASSWORD")).tell(told)
    (message,) = box.mails
    assert box.encrypted == [True]
    assert message["Subject"] == "[FIRING 2] Slow"
    assert message["Message-ID"] == "<id-1@example.net>"
    assert message["References"] == "<thread-1@example.net>"
    text = message.get_content()
    assert "FIRING Slow since 2026-01-02 03:04:05 UTC, value 3.5" in text
    assert "summary: 2 s" in text
    assert "instance=a:1" in text
    assert "RESOLVED Old at 2026-01-02 03:05:35 UTC after 1 min" in text


async def test_a_mail_goes_over_tls_from_the_first_byte(authority: Authority) -> None:
    box = Box()
    async with mail_server(box, authority.server, implicit=True) as port:
        await mail(port, authority, tls="implicit").tell(notice())
    assert box.encrypted == [True]


@pytest.mark.fault("2.23", "S34")
async def test_no_mail_goes_to_a_server_whose_certificate_is_not_good(authority: Authority) -> None:
    box = Box()
    async with mail_server(box, authority.server) as port:
        stranger = mail(port, None)
        with pytest.raises(LilFoxError, match="certificate"):
            await stranger.tell(notice())
    async with mail_server(box, None) as port:
        unable = mail(port, authority)
        with pytest.raises(LilFoxError, match="STARTTLS"):
            await unable.tell(notice())
    assert box.mails == []


@pytest.mark.fault("S34")
async def test_a_password_is_neither_sent_in_the_clear_nor_shown(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wrong-s3cret")
    login: dict[str, Any] = {"user": "lilfox", "password": SecretRef("env:MAIL_PASSWORD")}
    box = Box()
    async with mail_server(box, authority.server, login=True) as port:
        with pytest.raises(LilFoxError, match="535") as caught:
            await mail(port, authority, **login).tell(notice())
        assert "s3cret" not in f"{caught.value} {caught.value.hint} {caught.value!r}"
        with pytest.raises(LilFoxError, match="unencrypted connection"):
            await mail(port, None, tls="none", **login).tell(notice())


def test_a_server_that_repeats_the_password_does_not_show_it() -> None:
    failed = mail(25, None)._failed(OSError("535 xyzzy-9 is no good password"), "xyzzy-9")
    assert "535" in str(failed)
    assert "xyzzy" not in str(failed)


@pytest.mark.fault("S34")
async def test_labels_put_nothing_into_the_head_of_a_mail() -> None:
    box = Box()
    evil = "x\r\nBcc: victim@example.net\r\n\r\nhello\u202e"
    told = notice(firing=(alert(evil, note=evil, annotations={"summary": evil}),), group=(("alertname", evil),))
    async with mail_server(box, None) as port:
        await mail(port, None, tls="none").tell(told)
    (message,) = box.mails
    assert message["Bcc"] is None
    assert "\r" not in message["Subject"]
    assert "Bcc: victim" in message["Subject"]
    assert "\u202e" not in message.get_content()
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "X-Peer", "X-MailFrom",
        "X-RcptTo", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip


async def test_who_is_refused_is_said_and_the_others_are_not_told_twice() -> None:
    box = Box()
    box.refuse = {"b@example.net"}
    async with mail_server(box, None) as port:
        with pytest.raises(PartialDelivery, match=r"b@example\.net"):
            await mail(port, None, tls="none").tell(notice())
        assert len(box.mails) == 1
        box.refuse.add("ops@example.net")
        with pytest.raises(LilFoxError) as caught:
            await mail(port, None, tls="none").tell(notice())
        assert not isinstance(caught.value, PartialDelivery)


async def test_a_server_that_is_busy_or_away_is_an_error() -> None:
    box = Box()
    box.busy = True
    async with mail_server(box, None) as port:
        sender = mail(port, None, tls="none")
        with pytest.raises(LilFoxError, match="451"):
            await sender.tell(notice())
    with pytest.raises(LilFoxError, match="localhost"):
        await sender.tell(notice())


async def test_an_address_that_is_none_is_said() -> None:
    told = mail(1, None, tls="none", server="localhost")
    broken = smtp.Options(server="localhost", from_="a@b\r\nX: y", to=("x@y",))
    with pytest.raises(LilFoxError, match="from or to"):
        await smtp.open_notifier("mail", broken, NotifierSetup()).tell(notice())
    await told.close()


async def test_a_webhook_gets_the_document_of_alertmanager(hook: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{hook.url}/services/T0KEN")
    monkeypatch.setenv("TOKEN", "Bearer abc")
    told = notice(firing=(alert(severity="page"),), resolved=(RESOLVED,), external_url="https://fox.example.net")
    options = webhook.Options(url=SecretRef("env:HOOK"), headers={"Authorization": SecretRef("env:TOKEN")})
    sender = webhook.open_notifier("chat", options, NotifierSetup())
    try:
        await sender.tell(told)
    finally:
        await sender.close()
    (request,) = hook.requests
    assert (request.method, request.path) == ("POST", "/services/T0KEN")
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["idempotency-key"] == "id-1"
    document: dict[str, Any] = json.loads(request.body)
    assert document["status"] == "firing"
    assert document["groupKey"] == '{}:{alertname="Slow"}'
    assert document["commonLabels"] == {}
    assert [(one["status"], one["startsAt"], one["endsAt"]) for one in document["alerts"]] == [
        ("firing", "2026-01-02T03:04:05.000Z", "0001-01-01T00:00:00Z"),
        ("resolved", "2026-01-02T03:04:05.000Z", "2026-01-02T03:05:35.000Z"),
    ]


async def test_a_login_goes_to_the_server_and_into_no_error(hook: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_PASSWORD", "hunter2")
    hook.wanted = {"Authorization": "Basic " + base64.b64encode(b"fox:hunter2").decode()}
    options = alertmanager.Options(url=hook.url, user="fox", password=SecretRef("env:HOOK_PASSWORD"))
    sender = alertmanager.open_notifier("am", options, NotifierSetup())
    await sender.tell(notice())
    hook.wanted = {"Authorization": "other"}
    with pytest.raises(LilFoxError, match="401") as caught:
        await sender.tell(notice())
    await sender.close()
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    monkeypatch.setenv("EVIL", "x\r\nX-Other: y")
    evil = webhook.open_notifier(
        "w", webhook.Options(url=hook.url, headers={"X": SecretRef("env:EVIL")}), NotifierSetup()
    )
    with pytest.raises(LilFoxError, match="header X"):
        await evil.tell(notice())
    assert len(hook.requests) == 2


@pytest.mark.fault("S31")
@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
async def test_a_webhook_that_does_not_take_it_is_said_without_its_address(hook: StandIn, status: int) -> None:
    hook.first = [Reply(status, "token=abcdefgh no", {"Location": "http://127.0.0.1:1/"})]
    sender = webhook.open_notifier("chat", webhook.Options(url=f"{hook.url}/T0KEN"), NotifierSetup())
    with pytest.raises(LilFoxError, match=str(status)) as caught:
        await sender.tell(notice())
    await sender.close()
    said = f"{caught.value} {caught.value.hint}"
    assert "T0KEN" not in said
    assert "abcdefgh" not in said
    assert len(hook.requests) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense", "http://127.0.0.1:99999/", "ftp://x/"])
async def test_a_webhook_that_cannot_be_reached_is_said(url: str) -> None:
    sender = webhook.open_notifier("chat", webhook.Options(url=url, timeout=Seconds(2)), NotifierSetup())
    with pytest.raises(LilFoxError):
        await sender.tell(notice())
    await sender.close()


@pytest.mark.fault("S31")
async def test_a_webhook_over_tls_is_checked_with_the_ca_that_is_named(authority: Authority) -> None:
    server = StandIn(lambda _request: Reply(200))
    async with server.running(authority.server):
        good = webhook.open_notifier("chat", webhook.Options(url=server.url, ca=str(authority.ca)), NotifierSetup())
        await good.tell(notice())
        await good.close()
        strange = webhook.open_notifier("chat", webhook.Options(url=server.url), NotifierSetup())
        with pytest.raises(LilFoxError, match="certificate"):
            await strange.tell(notice())
        await strange.close()
    assert len(server.requests) == 1


@pytest.fixture
def real_alertmanager(tmp_path: Path) -> Iterator[AlertmanagerServer]:
    with AlertmanagerServer(tmp_path / "am") as server:
        yield server


async def test_alertmanager_knows_what_fires_and_forgets_what_is_over(real_alertmanager: AlertmanagerServer) -> None:
    now = datetime.now(UTC)
    one, other = alert(severity="page", note='ü\n"x"'), alert("Other")
    sender = alertmanager.open_notifier("am", alertmanager.Options(url=real_alertmanager.url), NotifierSetup())

    def told(firing: tuple[Any, ...], resolved: tuple[Any, ...] = ()) -> Notification:
        return notice(firing=firing, resolved=resolved, group=(), valid_until=now + timedelta(minutes=4))

    try:
        await sender.tell(told((one, other)))
        wait_for(lambda: len(real_alertmanager.alerts()) == 2, what="two alerts")
        found = {each["fingerprint"]: each for each in real_alertmanager.alerts()}
        assert set(found) == {fingerprint(one.labels), fingerprint(other.labels)}
        known = found[fingerprint(one.labels)]
        assert known["labels"] == dict(one.labels)
        ends = datetime.fromisoformat(known["endsAt"])
        assert abs((ends - now).total_seconds() - 240) < 1
        await sender.tell(told((other,), (alert(severity="page", note='ü\n"x"', state=AlertState.RESOLVED),)))
        wait_for(lambda: len(real_alertmanager.alerts()) == 1, what="one alert")
    finally:
        await sender.close()


async def test_very_many_alerts_go_to_alertmanager_in_portions(hook: StandIn) -> None:
    sender = alertmanager.open_notifier("am", alertmanager.Options(url=hook.url), NotifierSetup())
    await sender.tell(notice(firing=tuple(alert(instance=f"i{number}") for number in range(600))))
    assert [len(json.loads(one.body)) for one in hook.requests] == [256, 256, 88]
    assert {one.path for one in hook.requests} == {"/api/v2/alerts"}
    await sender.close()


async def test_alertmanager_that_refuses_is_said(real_alertmanager: AlertmanagerServer) -> None:
    sender = alertmanager.open_notifier(
        "am", alertmanager.Options(url=f"{real_alertmanager.url}/nowhere"), NotifierSetup()
    )
    with pytest.raises(LilFoxError, match="404"):
        await sender.tell(notice())
    await sender.close()


@pytest.mark.fault("S6")
async def test_a_command_gets_the_document_and_words_stay_words(tmp_path: Path) -> None:
    got = tmp_path / "got"
    argv = (sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + sys.argv[2])")
    sender = command.open_notifier("pager", command.Options(argv=(*argv, str(got), "$(id); x")), NotifierSetup())
    await sender.tell(notice(firing=(alert("$(id)"),)))
    text = got.read_text()
    assert text.endswith("$(id); x")
    assert json.loads(text.removesuffix("$(id); x"))["alerts"][0]["labels"]["alertname"] == "$(id)"


@pytest.mark.fault("S21")
async def test_a_command_that_fails_says_its_last_words_without_secrets() -> None:
    script = "import sys; sys.stderr.write('x' * 100_000 + ' password=hunter2 no such pager'); sys.exit(3)"
    sender = command.open_notifier("pager", command.Options(argv=(sys.executable, "-c", script)), NotifierSetup())
    with pytest.raises(LilFoxError, match=r"status 3: .*no such pager") as caught:
        await sender.tell(notice(firing=tuple(alert(f"A{number}") for number in range(500))))
    assert "hunter2" not in str(caught.value)
    missing = command.open_notifier("pager", command.Options(argv=("/no/such/pager",)), NotifierSetup())
    with pytest.raises(LilFoxError, match="cannot be started"):
        await missing.tell(notice())


async def test_the_bell_rings_where_there_is_one() -> None:
    rang: list[Notification] = []
    await bell.open_notifier("bell", bell.Options(), NotifierSetup(rang.append)).tell(notice())
    await bell.open_notifier("bell", bell.Options(), NotifierSetup()).tell(notice())
    assert [one.at for one in rang] == [T0]
