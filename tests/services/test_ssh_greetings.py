"""Servers on an SSH port that are no SSH servers, or say other things first: the error tells what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core.errors import AuthRefused, HostUnreachable
from lilfox_tui.hosts.open import offered_key, open_host
from tests.faults.relay import Relay
from tests.services.http_servers import Talk, serving
from tests.services.sshd import SshdLab, sshd_lab

EVIL = b"\x1b]0;pwned\x07\x1b[31m\xe2\x80\xaeevil\xe2\x80\xac\x9b2J[bold]x[/bold]"


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def sends(words: bytes, *, stays: bool = False) -> Talk:
    """Sends ``words`` to whoever connects, and closes, or waits for the client to go."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        await reader.read(-1 if stays else 1)

    return talk


@pytest.mark.fault("S1")
@pytest.mark.parametrize(
    ("talk", "told"),
    [
        (sends(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nno"),
         "did not send an SSH version string; lines received: 4, first line: HTTP/1.1 400 Bad Request"),
        (sends(b"\r\n220 mail ESMTP\r\n", stays=True),
         "did not send an SSH version string; lines received: 2, first line: 220 mail ESMTP"),
        (sends(b"no newline", stays=True),
         "did not send an SSH version string; lines received: 1, first line: no newline"),
        (sends(b"x" * 100_000, stays=True),
         f"did not send an SSH version string; lines received: 1, first line: {'x' * 80}"),
        (sends(b"hello\r\n" * 500, stays=True),
         "did not send an SSH version string; lines received: 500, first line: hello"),
        (sends(EVIL + b"\r\nSSH-2.0-\x1b]0;evil\x07\r\n" + b"A" * 100_000, stays=True),
         "x[/bold]), then data that is not SSH: Max packet size exceeded"),
        (sends(b"busy\r\nSSH-2.0-\xff\xff\r\n", stays=True),
         ("sent other data before its SSH version string (lines: 1, first line: busy), "
          "then data that is not SSH: 'ascii' codec")),
        (sends(b"SSH-2.0-"), "closed the connection before the login"),
    ],
)  # fmt: skip
async def test_what_is_not_ssh_is_shown_clean_and_cut(talk: Talk, told: str) -> None:
    ssh = SshConfig(config_files=(), known_hosts=(), connect_timeout=1)  # type: ignore[arg-type]
    async with serving(talk) as port:
        config = HostConfig(address="127.0.0.1", port=port)
        host = open_host("h", config, ssh)
        for refused in (host.connect(), offered_key("h", config, ssh)):
            with pytest.raises(HostUnreachable) as error:
                await refused
            said = str(error.value)
            assert said.startswith(f"[127.0.0.1]:{port} ")
            assert told in said
            assert said.isprintable()
            assert len(said) < 300
            assert str(error.value.hint)
        await host.close()


async def test_lines_before_the_version_are_no_fault_by_themselves(lab: SshdLab) -> None:
    server = lab.sshd()
    async with Relay(server, greeting=b"Welcome to the gate\r\n") as gate:
        lab.known_hosts.write_text(gate.known_line())
        host = open_host("h", lab.host(server, address=gate.address, port=gate.port), lab.ssh())
        assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
        await host.close()
        lab.client_key.with_suffix(".pub").write_text("")
        refused = open_host("h", lab.host(server, address=gate.address, port=gate.port), lab.ssh())
        with pytest.raises(AuthRefused, match="refused the login"):
            await refused.connect()
        await refused.close()
