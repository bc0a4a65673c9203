"""Ports, hosts, certificates and files of jobs that a remote host asks: over a real SSH server, with its programs."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.hosts.ssh.host import SshHost
from lilfox_tui.metrics.model import Health, ServiceState
from lilfox_tui.monitor.watchers.service import ServiceWatch
from tests.services.audit_site import Authority
from tests.services.http_servers import page, serving
from tests.services.sshd import SshdLab, sshd_lab

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.fixture
async def web(lab: SshdLab, tmp_path: Path) -> AsyncIterator[SshHost]:
    """A host whose ``ping`` is BusyBox's."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ping").symlink_to("/usr/bin/busybox")
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    host = opened(lab, f'ForceCommand PATH={path} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"')
    await host.connect()
    yield host
    await host.close()


def opened(lab: SshdLab, *options: str) -> SshHost:
    return SshHost("web-1", lab.host(lab.sshd(*options)), lab.ssh())


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def ask(host: SshHost, keys: str) -> ServiceState:
    """The state after one look from the host."""
    text = f"hosts: {{web-1: {{}}}}\nservices: {{db: {{timeout: 2s, from: web-1, {keys}}}}}"
    asked = ServiceWatch("db", from_text(text, "config.yaml").services["db"])
    await asked.look(host, 1.0)
    assert asked.state is not None
    return asked.state


async def told(host: SshHost, keys: str) -> str:
    last = (await ask(host, keys)).last
    assert last.health is not Health.HEALTHY
    return str(last.error)


async def test_a_port_as_the_host_sees_it(web: SshHost, port: int) -> None:
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port):
        last = (await ask(web, f"tcp: '127.0.0.1:{port}'")).last
        assert (last.health, last.error) == (Health.HEALTHY, None)
        assert 0 <= (last.response_time_s or 0) < 2
    assert await told(web, f"tcp: '127.0.0.1:{port}'") == (
        f"127.0.0.1:{port} cannot be reached from web-1: Connection refused"
    )
    assert "cannot be reached from web-1" in await told(web, "tcp: 'no.such.host.invalid:1'")


async def test_a_port_that_does_not_answer_the_host(web: SshHost, port: int) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", port))
        full.listen(0)
        waiting = [socket.socket() for _number in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        assert await told(web, f"tcp: '127.0.0.1:{port}'") == f"no answer from 127.0.0.1:{port} within 2 s"
        for each in waiting:
            each.close()


@pytest.mark.root
async def test_an_echo_that_the_host_asks_for(web: SshHost) -> None:
    last = (await ask(web, "icmp: 127.0.0.1")).last
    assert (last.health, last.error) == (Health.HEALTHY, None)
    assert 0 < (last.response_time_s or 0) < 2
    assert "no.such.host.invalid cannot be reached from web-1" in await told(web, "icmp: no.such.host.invalid")


async def test_what_a_host_lacks_is_no_port_that_fails(lab: SshdLab, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    (tmp_path / "timeout").symlink_to("/usr/bin/timeout")
    host = opened(lab, f'ForceCommand PATH={tmp_path} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"')
    try:
        why = await told(host, "tcp: '127.0.0.1:1'")
        assert why == "web-1 lacks a program for this: timeout and bash are needed"
        assert await told(host, "icmp: 127.0.0.1") == "web-1 has no ping, and its account may not open an ICMP socket"
    finally:
        await host.close()


async def test_a_certificate_in_a_file_of_the_host(web: SshHost, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    authority.issue(tmp_path, names=("shop.example.org",), end=50 * DAY)
    file = tmp_path / "full chain.pem"
    parts = (tmp_path / "key.pem", tmp_path / "certificate.pem", authority.file)
    file.write_bytes(b"".join(part.read_bytes() for part in parts))
    state = await ask(web, f'certificate: {{file: "{file}", names: [shop.example.org], chain: true}}')
    assert (state.last.health, state.last.error) == (Health.HEALTHY, None)
    assert state.certificate is not None
    assert state.certificate.days_left(datetime.now(UTC)) == 49
    why = await told(web, f'certificate: {{file: "{file}", names: [other.example.org]}}')
    assert why == "the certificate is not for other.example.org"
    why = await told(web, 'certificate: {file: "/no/such; touch /tmp/x.pem"}')
    assert "web-1" in why
    assert "No such file" in why


async def test_a_certificate_of_a_port_behind_the_host(
    web: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "authority")
    authority.issue(tmp_path, names=("localhost",), end=50 * DAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with serving(page(b"ok"), context) as port:
        state = await ask(web, f"certificate: {{address: 'localhost:{port}'}}")
    assert (state.last.health, state.last.error) == (Health.HEALTHY, None)
    assert state.certificate is not None
    assert state.certificate.days_left(datetime.now(UTC)) == 49


async def test_the_file_that_a_job_writes_on_the_host(web: SshHost, tmp_path: Path) -> None:
    file = tmp_path / "done at last"
    keys = f"deadline: {{file: '{file}', period: 1h, grace: 1m}}"
    why = await told(web, keys)
    assert why == f"cannot read {file} on web-1: No such file or directory"
    file.touch()
    assert (await ask(web, keys)).last.health is Health.HEALTHY
    os.utime(file, (0, 0))
    assert "the job reported" in await told(web, keys)
