"""A wait for the next try ends with its time, or with the outage."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import asyncssh
import pytest

from lilfox_tui.config.model import SshConfig
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import wait_until_reconnected
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.ssh.connect import SshTarget, dial
from lilfox_tui.hosts.ssh.errors import dial_error, fate_unknown
from tests.waiting import until


def refused() -> HostUnreachable:
    return HostUnreachable("web", tr("no answer"))


async def waiting(host: FakeHost, at_most_s: float | None) -> asyncio.Task[None]:
    """A wait that has begun."""
    task = asyncio.create_task(wait_until_reconnected(host, at_most_s))
    await until(lambda: host.link._changed is not None, what="it watches")
    return task


async def test_the_end_of_an_outage_ends_it() -> None:
    host = FakeHost("web")
    host.go_down(refused())
    for at_most_s in (1000.0, None):
        host.go_down(refused())
        task = await waiting(host, at_most_s)
        host.go_down(refused())  # another try that was in vain
        assert not task.done()
        host.come_up()
        await asyncio.wait_for(task, 60)


async def test_an_outage_that_is_noticed_later_counts() -> None:
    host = FakeHost("web")
    host.come_up()
    task = await waiting(host, 1000.0)
    host.come_up()  # news of a link that was never down
    await until(lambda: host.link._changed is not None, what="it has heard of that")
    assert not task.done()
    host.go_down(refused())
    await until(lambda: host.link._changed is not None, what="it has heard of that")
    host.come_up()
    await asyncio.wait_for(task, 60)


async def test_its_time_ends_it() -> None:
    await asyncio.wait_for(wait_until_reconnected(FakeHost("web"), 0.01), 60)


# Why a connection could not be made, in words.


def test_the_systems_reason_comes_without_pythons_words() -> None:
    error = OSError(errno.EHOSTUNREACH, "Connect call failed ('192.0.2.1', 22)")
    told = str(dial_error("web-1", "[192.0.2.1]:22", error, 5))
    assert told == "[192.0.2.1]:22 cannot be reached: No route to host"


@pytest.mark.parametrize(
    ("error", "locked"),
    [
        (asyncssh.KeyImportError("Passphrase must be specified to import encrypted private keys"), True),
        (asyncssh.KeyEncryptionError("Incorrect passphrase"), True),
        (asyncssh.KeyImportError("Invalid OpenSSH private key"), False),
        (asyncssh.KeyImportError("Unknown OpenSSH private key algorithm"), False),
    ],
)
def test_only_a_locked_key_needs_a_passphrase(error: ValueError, locked: bool) -> None:
    told = dial_error("web-1", "[192.0.2.1]:22", error, 5)
    assert ("passphrase" in str(told.hint)) is locked
    assert ("damaged or of an unsupported type" in str(told.hint)) is not locked


@pytest.mark.parametrize(
    ("ssh_config", "identity", "message", "hint"),
    [
        ("", "/gone/key", "/gone/key cannot be read: ", "Correct the identity setting"),
        ("ProxyCommand /gone/nc %h", None, "/gone/nc cannot be used: ", "ProxyCommand in ssh_config"),
        ("IdentityFile /gone/key", None, "/gone/key cannot be used: ", "Check IdentityFile"),
    ],
)
async def test_the_identity_setting_is_named_only_for_its_own_file(
    ssh_config: str, identity: str | None, message: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "ssh_config"
    file.write_text(ssh_config)
    file.chmod(0o600)
    with pytest.raises(HostUnreachable) as caught:
        await dial(SshTarget("web-1", "192.0.2.1", identity=identity), SshConfig(config_files=(str(file),)))
    assert str(caught.value) == f"{message}No such file or directory"
    assert hint in str(caught.value.hint)


async def test_a_broken_known_hosts_is_not_told_as_an_ssh_config(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("garbage\n")
    file.chmod(0o600)
    for known_hosts, reason in (
        (file, "Invalid known hosts entry: garbage"),
        (tmp_path, f"{tmp_path}: Is a directory"),
    ):
        ssh = SshConfig(config_files=(), known_hosts=(str(known_hosts),))
        with pytest.raises(HostUnreachable) as caught:
            await dial(SshTarget("web-1", "192.0.2.1"), ssh)
        assert str(caught.value) == f"The known_hosts files cannot be used: {reason}"


def test_only_a_command_whose_pid_is_known_is_said_to_be_ended_later() -> None:
    assert "(pid 71), LilFox terminates it when it reconnects" in str(fate_unknown("web-1", "make", 71).hint)
    unknown = str(fate_unknown("web-1", "make", None).hint)
    assert "does not know its pid and cannot terminate it" in unknown
    assert "?" not in unknown
