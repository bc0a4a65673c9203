"""The health probe against real servers that answer well, badly, slowly and not at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.model import Health, HealthCheck, Level
from tests.services.http_servers import Flood, Keeping, Talk, drip, never, own_certificate, page, says, serving
from tests.waiting import until


async def _check(url: str, **config: object) -> HealthCheck:
    probe = HealthProbe("backend", ServiceConfig(url=url, timeout=Seconds(1), **config), None, period_s=1)  # type: ignore[arg-type]
    try:
        return await probe.check_once()
    finally:
        await probe.close()


async def _check_server(talk: Talk, **config: object) -> HealthCheck:
    async with serving(talk) as port:
        return await _check(f"http://127.0.0.1:{port}", **config)


async def test_200_is_healthy_and_timed() -> None:
    check = await _check_server(page(b'{"status": "ok"}'))
    assert (check.health, check.status_code, check.error, check.detail) == (Health.HEALTHY, 200, None, "")
    assert check.response_time_s is not None
    assert 0 < check.response_time_s < 1


async def test_another_status_is_unhealthy_and_says_so() -> None:
    check = await _check_server(page(b"no database", status="503 Service Unavailable"))
    assert (check.health, check.status_code, check.detail) == (Health.UNHEALTHY, 503, "no database")
    assert "503" in str(check.error)
    assert "200" in str(check.error)


async def test_expected_statuses_are_the_configs() -> None:
    check = await _check_server(page(b"", status="204 No Content"), expect=(200, 204))
    assert check.health is Health.HEALTHY


@pytest.mark.fault("S31")
async def test_a_redirect_is_not_followed_and_its_secrets_are_not_told() -> None:
    target = "Location: https://u:pw@login.example/sso?token=geheim\r\n"
    check = await _check_server(page(b"", status="302 Found", head=target))
    assert (check.health, check.status_code) == (Health.UNHEALTHY, 302)
    assert "login.example/sso" in str(check.error)
    assert "geheim" not in str(check.error)
    assert "pw" not in str(check.error)


async def test_oddities_of_a_healthy_answer_are_in_the_detail() -> None:
    html = await _check_server(page(b"<html>Welcome to nginx", head="Content-Type: text/html\r\n"))
    degraded = await _check_server(page(b'{"status": "degraded"}'))
    assert (html.health, degraded.health) == (Health.HEALTHY, Health.HEALTHY)
    assert "HTML" in html.detail
    assert "degraded" in degraded.detail


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (never, "within 1 s"),
        (drip, "within 1 s"),
        (says(b""), "closed the connection"),
        (says(b"SSH-2.0-OpenSSH_10.0\r\n\r\n"), "does not speak HTTP"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nhalf"), "closed the connection"),
    ],
)
async def test_no_whole_answer_is_an_error_in_time(talk: Talk, words: str) -> None:
    started = asyncio.get_running_loop().time()
    async with serving(talk) as port:
        check = await _check(f"http://127.0.0.1:{port}")
    assert (check.health, check.status_code, check.response_time_s) == (Health.ERROR, None, None)
    assert words in str(check.error)
    assert f"127.0.0.1:{port}" in str(check.error)
    assert asyncio.get_running_loop().time() - started < 5


async def test_a_refused_connection_is_an_error() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        check = await _check(f"http://user:geheim@127.0.0.1:{held.getsockname()[1]}")
    assert check.health is Health.ERROR
    assert "nothing is listening on that port" in str(check.error)
    assert "geheim" not in str(check.error)


async def test_a_body_of_a_gigabyte_is_not_read() -> None:
    flood = Flood()
    check = await _check_server(flood)
    assert check.health is Health.HEALTHY
    assert "larger than 64 KiB" in check.detail
    assert flood.sent < 32 * 2**20


async def test_tls_is_verified_unless_the_config_says_no(tmp_path: Path) -> None:
    async with serving(page(b"ok"), own_certificate(tmp_path)) as port:
        refused = await _check(f"https://localhost:{port}")
        taken = await _check(f"https://localhost:{port}", verify_tls=False)
    assert (refused.health, taken.health) == (Health.ERROR, Health.HEALTHY)
    assert "not trusted" in str(refused.error)


async def test_https_asked_of_a_plain_server_names_the_mistake() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(garbage) as port:
        check = await _check(f"https://127.0.0.1:{port}")
    assert check.health is Health.ERROR
    assert "is it http?" in str(check.error)


async def test_one_connection_is_kept_and_a_closed_one_is_no_failure() -> None:
    kept, closing = Keeping(), Keeping(requests_a_connection=1)
    for server, connections in ((kept, 1), (closing, 3)):
        async with serving(server) as port:
            config = ServiceConfig(url=f"http://127.0.0.1:{port}", headers={"X-Ask": "lilfox"})
            probe = HealthProbe("backend", config, None, period_s=1)
            healths = [(await probe.check_once()).health for _ in range(3)]
            await probe.close()
        assert healths == [Health.HEALTHY] * 3
        assert server.connections == connections
        assert b"x-ask: lilfox" in server.heads[0].lower()


class _Forwarding:
    """The part of a host that a probe uses: its forward leads to a server of this test, until it is cut."""

    name = "web1"

    def __init__(self, port: int) -> None:
        self.port = port
        self.up = True
        self.opened: list[tuple[int, str]] = []

    @contextlib.asynccontextmanager
    async def forward(self, port: int, address: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
        if not self.up:
            raise HostUnreachable("web1", "the link is down")
        self.opened.append((port, address))
        yield "127.0.0.1", self.port


async def test_a_host_asks_through_its_forward_with_the_urls_own_name() -> None:
    server = Keeping()
    async with serving(server) as port, serving(never) as dead:
        host = _Forwarding(port)
        config = ServiceConfig(url="http://inside.example:8000", timeout=Seconds(1), from_="web1")
        probe = HealthProbe("backend", config, cast("Host", host), period_s=1)
        healths = [(await probe.check_once()).health for _ in range(2)]
        assert host.opened == [(8000, "inside.example")]
        assert b"host: inside.example:8000\r\n" in server.heads[0].lower()
        await probe.close()
        host.port = dead
        healths.append((await probe.check_once()).health)
        host.up = False
        lost = await probe.check_once()
        host.up, host.port = True, port
        healths.append((await probe.check_once()).health)
        await probe.close()
    assert healths == [Health.HEALTHY, Health.HEALTHY, Health.ERROR, Health.HEALTHY]
    assert "web1" in str(lost.error)
    assert "the link is down" in str(lost.error)
    assert len(host.opened) == 3


async def test_this_machine_as_a_host_asks_directly() -> None:
    server = Keeping()
    host = LocalHost("here", HostConfig(local=True))
    async with serving(server) as port:
        config = ServiceConfig(url=f"http://localhost:{port}", from_="here")
        probe = HealthProbe("backend", config, host, period_s=1)
        check = await probe.check_once()
        await probe.close()
    await host.close()
    assert check.health is Health.HEALTHY
    assert f"host: localhost:{port}\r\n".encode() in server.heads[0].lower()


async def test_a_secret_header_is_read_at_use_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Keeping()
    async with serving(server) as port:
        headers: dict[str, str] = {"Authorization": SecretRef("env:LILFOX_TEST_TOKEN")}
        probe = HealthProbe("backend", ServiceConfig(url=f"http://127.0.0.1:{port}", headers=headers), None, period_s=1)
        missing = await probe.check_once()
        monkeypatch.setenv("LILFOX_TEST_TOKEN", "geheim")
        sent = await probe.check_once()
        monkeypatch.setenv("LILFOX_TEST_TOKEN", "geheim\x01")
        refused = await probe.check_once()
        await probe.close()
    assert (missing.health, sent.health, refused.health) == (Health.ERROR, Health.HEALTHY, Health.ERROR)
    assert len(server.heads) == 1
    assert b"authorization: geheim\r\n" in server.heads[0].lower()
    assert "LILFOX_TEST_TOKEN" in str(missing.error)
    assert "geheim" not in str(refused.error)


async def test_run_asks_over_and_over_until_cancelled() -> None:
    server = Keeping()
    async with serving(server) as port:
        probe = HealthProbe("backend", ServiceConfig(url=f"http://127.0.0.1:{port}"), None, period_s=0.1)
        running = asyncio.create_task(probe.run())
        await until(lambda: len(server.heads) >= 5, what="five questions")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    state = probe.feed.value
    assert state is not None
    assert state.level is Level.GOOD
