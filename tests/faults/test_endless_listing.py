"""A folder of a host that has no end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import ClassVar

import asyncssh
import pytest

from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.ssh import files as ssh_sftp
from lilfox_tui.hosts.ssh.host import SshHost
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


class ReadyName(asyncssh.SFTPName):
    """A name that is encoded once: what is measured is who lists, and not who serves."""

    @cache  # noqa: B019 - a thousand names, for the whole process
    def encode(self, sftp_version: int) -> bytes:
        return super().encode(sftp_version)


class Endless(asyncssh.SFTPServer):
    """Lists the same thousand names for ever; ``given`` counts them."""

    given = 0
    names: ClassVar = [
        ReadyName(b"part-%d" % number, attrs=asyncssh.SFTPAttrs(size=1, mtime=2**32 - 1)) for number in range(1000)
    ]

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        Endless.given = 0
        for name in itertools.cycle(self.names):
            Endless.given += 1
            yield name


class Anybody(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


@asynccontextmanager
async def endless(lab: SshdLab) -> AsyncIterator[SshHost]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Anybody, server_host_keys=[key], sftp_factory=Endless)
    async with server:
        port = server.get_port()
        lab.known_hosts.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
        host = open_host("h", lab.host(lab.sshd(), address="127.0.0.1", port=port), lab.ssh())
        assert isinstance(host, SshHost)
        try:
            yield host
        finally:
            await host.close()


@pytest.mark.fault("4.31")
async def test_a_listing_without_an_end_is_a_sentence(lab: SshdLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_sftp, "MOST_NAMES", 2000)
    async with endless(lab) as host:
        files = await host.open_sftp()
        with pytest.raises(HostError, match="contains more than 2000 entries; none were used"):
            await files.listing("/backup")
        assert Endless.given < 20_000
        assert files.alive


@pytest.mark.fault("4.31")
async def test_a_listing_without_an_end_can_be_cancelled(lab: SshdLab) -> None:
    async with endless(lab) as host:
        files = await host.open_sftp()
        listing = asyncio.create_task(files.listing("/backup"))
        await until(lambda: Endless.given > 500)
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing
        assert files.alive
