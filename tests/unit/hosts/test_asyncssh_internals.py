"""What hosts rely on of asyncssh without a promise: each test names what breaks where it fails after an upgrade."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lilfox_tui.hosts.ssh import asyncssh_internals
from lilfox_tui.hosts.ssh.asyncssh_internals import (
    WINDOW,
    close_with,
    effective_config,
    is_of_revoked_key,
    lacks_passphrase,
    overhear,
    signature_algorithms,
)

SSH = Path(asyncssh_internals.__file__).parent
UNDOCUMENTED = {"construct", "data_received", "host_key_alias", "set_tunnel", "sig_algorithms"}


class Server(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, *_where: object) -> bool:
        return True


async def flood(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Writes without end, as fast as the client allows."""
    try:
        while True:
            process.stdout.write(bytes(65_536))
            await process.stdout.drain()
    except (asyncssh.Error, OSError):
        process.exit(0)


@pytest.fixture(scope="module")
def key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def rsa() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-rsa", key_size=2048)


@pytest.fixture
async def port(key: asyncssh.SSHKey) -> AsyncIterator[int]:
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Server, server_host_keys=[key], process_factory=flood, encoding=None
    )
    yield server.get_port()
    server.close()
    await server.wait_closed()


async def connected(port: int, **options: Any) -> asyncssh.SSHClientConnection:
    """A login to the server of these tests, without files of the account."""
    return await asyncssh.connect(
        "127.0.0.1", port, **{"config": None, "known_hosts": None, "client_keys": None, "username": "u", **options}
    )


def test_nothing_undocumented_is_used_elsewhere() -> None:
    """Names that begin with an underscore, names out of asyncssh's modules, and those that the module is for."""
    others = [path for path in SSH.glob("*.py") if path.name != Path(asyncssh_internals.__file__).name]
    assert [f"{path.name}:{line}" for path in others for line in _undocumented(path)] == []


def _undocumented(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncssh"):
            yield node.lineno
        elif isinstance(node, ast.Attribute):
            ours = ast.unparse(node.value) in ("self", "cls", "super()")
            if node.attr in UNDOCUMENTED or (re.match("_[^_]", node.attr) and not ours):
                yield node.lineno


async def test_an_error_can_say_what_a_server_sent_before_its_version(port: int) -> None:
    """Else “sent other lines instead of an SSH version” is never said (ssh/errors.py, Greeting)."""
    heard: list[bytes] = []

    class Client(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            overhear(conn, hear)

    def hear(data: bytes) -> bool:
        heard.append(data)
        return b"SSH-" in b"".join(heard)

    async with await connected(port, client_factory=Client) as connection:
        assert b"".join(heard).startswith(b"SSH-2.0-")
        assert connection.data_received.__func__ is asyncssh.SSHClientConnection.data_received  # type: ignore[attr-defined]


async def test_a_jump_host_is_closed_with_the_connection_through_it(port: int) -> None:
    """Else each reconnect leaves a connection to the jump host open (ssh/connect.py, dial)."""
    via = await connected(port)
    through = await connected(port, tunnel=via)
    close_with(through, via)
    through.close()
    async with asyncio.timeout(10):
        await through.wait_closed()
        await via.wait_closed()


async def test_what_ssh_config_says_can_be_asked(tmp_path: Path) -> None:
    """Else known_hosts, keys, jump hosts and time limits of ssh_config are not followed (ssh/connect.py, resolve)."""
    file = tmp_path / "config"
    file.write_text(
        "Host web\n Hostname 192.0.2.1\n Port 2222\n User ops\n HostKeyAlias front\n ProxyJump a,b\n ConnectTimeout 7\n"
        " UserKnownHostsFile /k/one /k/two\n IdentityFile /k/id\n Ciphers aes128-ctr\n"
    )
    found = await effective_config("web", config=[str(file)])
    assert (found.host, found.port, found.user, found.key_name) == ("192.0.2.1", 2222, "ops", "front")
    assert (found.jumps, found.connect_timeout_s) == ("a,b", 7)
    assert (found.known_hosts, found.identities) == (("/k/one", "/k/two"), ("/k/id",))
    assert found.says("Ciphers")
    assert not found.says("ServerAliveInterval")


async def test_what_ssh_config_does_not_say_is_left_open(tmp_path: Path) -> None:
    """Else settings of LilFox give way to nothing (ssh/connect.py, _options)."""
    file = tmp_path / "config"
    file.write_text("")
    found = await effective_config("web", config=[str(file)], username="me", port=23)
    assert (found.host, found.port, found.user, found.key_name, found.jumps) == ("web", 23, "me", "web", "")
    assert (found.known_hosts, found.identities) == ((), ())
    assert not found.connect_timeout_s
    assert not any(found.says(word) for word in ("HostKeyAlgorithms", "Ciphers", "ServerAliveCountMax"))


def test_the_algorithms_of_a_key_are_known(key: asyncssh.SSHKey, rsa: asyncssh.SSHKey) -> None:
    """Else a host with two keys seems to have changed (ssh/connect.py, KnownKeys.algorithms)."""
    assert signature_algorithms(key) == ["ssh-ed25519"]
    assert {"rsa-sha2-256", "rsa-sha2-512"} <= set(signature_algorithms(rsa))


async def test_a_revoked_key_is_told_from_an_unknown_one(port: int, key: asyncssh.SSHKey) -> None:
    """Else a key that is marked @revoked is offered to be trusted (ssh/connect.py, _key_refused)."""
    with pytest.raises(asyncssh.HostKeyNotVerifiable) as revoked:
        await connected(port, known_hosts=([], [], [key.convert_to_public()]))
    with pytest.raises(asyncssh.HostKeyNotVerifiable) as unknown:
        await connected(port, known_hosts=([], [], []))
    assert is_of_revoked_key(revoked.value)
    assert not is_of_revoked_key(unknown.value)


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem", "pkcs1-pem"])
def test_a_key_that_lacks_its_passphrase_is_told_from_a_broken_one(
    form: str, rsa: asyncssh.SSHKey, tmp_path: Path
) -> None:
    """Else a refused login does not name the key that stayed shut (ssh/connect.py, login_refused)."""
    shut = tmp_path / "shut"
    rsa.write_private_key(shut, form, passphrase="fox", rounds=1, ignore_few_rounds=True)
    with pytest.raises((asyncssh.KeyImportError, asyncssh.KeyEncryptionError)) as error:
        asyncssh.read_private_key(shut)
    assert lacks_passphrase(error.value)
    with pytest.raises((asyncssh.KeyImportError, asyncssh.KeyEncryptionError)) as error:
        asyncssh.read_private_key(shut, "wolf")
    assert not lacks_passphrase(error.value)
    shut.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(asyncssh.KeyImportError) as error:
        asyncssh.read_private_key(shut)
    assert not lacks_passphrase(error.value)


async def test_who_reads_a_window_at_once_is_sent_no_more_than_two(port: int) -> None:
    """Else a command that prints without end takes the memory of this machine (ssh/host.py, SshProcess.read)."""
    async with await connected(port) as connection:
        process = await connection.create_process("flood", encoding=None, window=WINDOW)
        for _ in range(10):
            assert len(await process.stdout.read(WINDOW)) <= WINDOW
            assert process._recv_buf_len <= 2 * WINDOW
        process.close()
