"""SSH servers that want more than was asked of them: passwords, the agent, the display, channels to this side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from lilfox_tui.core.errors import AuthRefused
from lilfox_tui.hosts.open import open_host
from tests.services.sshd import SshdLab, sshd_lab
from tests.services.test_ssh_logins import ssh_agent

MANY = 300
"""Channels that one command's server opens; far more than sshd itself allows."""


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


class Greedy(asyncssh.SSHServer):
    """Takes keys or not, always asks for a password too; notes what it was given."""

    def __init__(self, keys: bool, given: list[str]) -> None:
        self._keys, self._given = keys, given

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._keys

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._given.append(password)
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        self._given.extend(responses)
        return True


def requests(process: asyncssh.SSHServerProcess[bytes]) -> list[Callable[[], Awaitable[object]]]:
    """What is opened towards the client: its agent, its display, a port and a socket on its side."""
    conn: Any = process.channel.get_connection()
    return [
        lambda: conn.create_agent_channel().open(asyncssh.SSHUNIXSession),
        lambda: conn.create_x11_connection(asyncssh.SSHTCPSession),
        lambda: conn.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 22),
        lambda: conn.create_unix_connection(asyncssh.SSHUNIXSession, "/run/lilfox"),
    ]


@asynccontextmanager
async def greedy(lab: SshdLab, *, keys: bool = True) -> AsyncIterator[tuple[int, list[str], list[str]]]:
    """Its port, what it was given to log in, and what it could open towards the client while a command ran."""
    given: list[str] = []
    opened: list[str] = []

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        for number, request in enumerate(requests(process) * (MANY // 4)):
            try:
                await request()
            except asyncssh.ChannelOpenError:
                continue
            opened.append(str(number % 4))
        pipe = asyncio.subprocess.PIPE
        command = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command or "", stdin=pipe, stdout=pipe, stderr=pipe
        )
        said, complained = await command.communicate(await process.stdin.read())
        process.stdout.write(said)
        process.stderr.write(complained)
        process.exit(command.returncode or 0)

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: Greedy(keys, given), server_host_keys=[key], process_factory=run,
        encoding=None, agent_forwarding=True, x11_forwarding=True,
    )  # fmt: skip
    async with server:
        port = server.get_port()
        lab.known_hosts.write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
        yield port, given, opened


@pytest.mark.fault("S16")
async def test_without_a_password_for_it_a_server_gets_none_however_it_asks(lab: SshdLab) -> None:
    async with greedy(lab, keys=False) as (port, given, _opened):
        host = open_host("h", lab.host(lab.sshd(), address="127.0.0.1", port=port), lab.ssh())
        with pytest.raises(AuthRefused):
            await host.connect()
        await host.close()
        assert given == []


@pytest.mark.fault("S16")
async def test_neither_agent_nor_display_is_there_for_a_host_whatever_ssh_config_says(
    lab: SshdLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = lab.folder / "ssh_config"
    config.write_text("Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  ForwardX11Trusted yes\n")
    server = lab.sshd("AllowAgentForwarding yes", "X11Forwarding yes")
    monkeypatch.setenv("DISPLAY", "127.0.0.1:7")
    with ssh_agent(lab.folder / "agent") as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        host = open_host("h", lab.host(server), lab.ssh(config_files=(str(config),)))
        done = await host.run(["sh", "-c", 'echo "agent:$SSH_AUTH_SOCK: display:$DISPLAY:"'])
        await host.close()
    assert done.stdout == b"agent:: display::\n"


@pytest.mark.fault("S16", "S17")
async def test_a_server_opens_nothing_towards_this_side_and_its_command_runs(lab: SshdLab) -> None:
    async with greedy(lab) as (port, given, opened):
        host = open_host("h", lab.host(lab.sshd(), address="127.0.0.1", port=port), lab.ssh())
        assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
        await host.close()
    assert (given, opened) == ([], [])
