"""From where this machine is used, when the environment does not say it: as under sudo, which takes that away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.addresses import address, denied, own_addresses
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.runbook.model import Variable
from lilfox_tui.runbook.run.variables import check_value
from tests.lifetime import ending_with_us
from tests.services.sshd import Sshd, SshdLab, sshd_lab

SHOWN = """\
0 0 198.51.100.2:22 203.0.113.7:51234
0 0 [2001:db8::2]:22 [2001:db8::7]:51234
0 0 [::ffff:198.51.100.2]:22 [::ffff:203.0.113.8]:4
0 0 [fe80::2%eth0]:22 [fe80::7%eth0]:51234
0 0 198.51.100.2:2222 203.0.113.9:4 users:(("sshd-session",pid=7,fd=4))
0 0 198.51.100.2:443 192.0.2.66:4 users:(("nginx",pid=8,fd=4))
0 0 198.51.100.2:40000 192.0.2.67:22 users:(("ssh",pid=9,fd=4))
"""


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


def login(lab: SshdLab, server: Sshd) -> subprocess.Popen[bytes]:
    """Somebody who is connected, and says so."""
    options = ["-F", "none", "-i", str(lab.client_key), "-o", f"UserKnownHostsFile={lab.known_hosts}"]
    words = ["ssh", *options, "-p", str(server.port), server.address, "echo here; cat"]
    return subprocess.Popen(ending_with_us(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.root
@pytest.mark.fault("2.24")
async def test_who_is_connected_to_this_machine_is_not_banned_from_it(servers: SshdLab) -> None:
    (server,) = servers.servers
    here = open_host("here", HostConfig(local=True), SshConfig())
    assert address(server.address) not in await own_addresses(here, local=True)
    with login(servers, server) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"here\n"
        assert address(server.address) in await own_addresses(here, local=True)
        session.kill()


@pytest.mark.fault("2.24")
async def test_both_ends_of_each_connection_count_and_no_others() -> None:
    words = ("ss", "-Htnp", "state", "established")
    host = FakeHost("here", answers={" ".join(words): Completed(words, 0, None, SHOWN.encode(), b"")})
    found = await own_addresses(host, local=True)
    assert sorted(map(str, found)) == [
        "198.51.100.2", "2001:db8::2", "2001:db8::7", "203.0.113.7", "203.0.113.8", "203.0.113.9", "fe80::2", "fe80::7",
    ]  # fmt: skip
    ban = Variable(name="ip", type="ip", deny=("self",))
    with pytest.raises(Exception, match="your own address"):
        check_value(ban, "::ffff:203.0.113.8", denied=denied(found, (), ()))
    host = FakeHost("here", answers={" ".join(words): Completed(words, 127, None, b"", b"ss: not found")})
    with pytest.raises(HostError, match="ss: not found"):
        await own_addresses(host, local=True)
