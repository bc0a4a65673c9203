"""Host keys, logins and ssh_config against real OpenSSH servers."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import AuthRefused, FileRefused, HostKeyChanged, HostKeyUnknown, HostUnreachable
from lilfox_tui.hosts.open import offered_key, open_host, trust
from lilfox_tui.hosts.ssh.connect import known_keys
from tests.services.sshd import SshdLab, sshd_lab


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.mark.fault("S15")
async def test_an_unknown_key_is_refused_until_it_is_trusted(lab: SshdLab) -> None:
    server = lab.sshd(known=False)
    ssh = lab.ssh(known_hosts=(str(lab.folder / "new" / "known_hosts"),))
    host = open_host("web", lab.host(server), ssh)
    with pytest.raises(HostKeyUnknown) as refused:
        await host.connect()
    offered = await offered_key("web", lab.host(server), ssh)
    assert offered.known == "unknown"
    assert offered.fingerprint == refused.value.fingerprint
    assert offered.fingerprint.startswith("SHA256:")
    assert "lilfox hosts trust web" in str(refused.value.hint)

    with pytest.raises(HostKeyChanged):
        await trust("web", lab.host(server), ssh, "SHA256:another")
    with pytest.raises(HostKeyUnknown):
        await host.connect()

    await trust("web", lab.host(server), ssh, offered.fingerprint)
    file = lab.folder / "new" / "known_hosts"
    assert file.read_text().startswith(f"[{server.address}]:{server.port} ssh-ed25519 ")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    host.retry_now()
    await host.connect()
    await host.close()
    await trust("web", lab.host(server), ssh, offered.fingerprint)
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.fault("S15")
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
async def test_a_changed_key_is_refused_also_when_its_type_changed(lab: SshdLab, kind: str) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    await host.connect()
    await host.close()
    server.rekey(kind)
    again = open_host("web", lab.host(server), lab.ssh())
    with pytest.raises(HostKeyChanged, match="HAS CHANGED") as refused:
        await again.connect()
    assert refused.value.fingerprint in str(refused.value)
    assert refused.value.known in str(refused.value)
    before = lab.known_hosts.read_text()
    with pytest.raises(HostKeyChanged):
        await trust("web", lab.host(server), lab.ssh(), refused.value.fingerprint)
    assert lab.known_hosts.read_text() == before
    await again.close()


def test_known_hosts_are_parsed_once_for_all_hosts_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"web-{{}} {asyncssh.generate_private_key('ssh-ed25519').export_public_key().decode()}"
    file = tmp_path / "known_hosts"
    file.write_text("".join(line.format(number) for number in range(20)))
    load, parsed = asyncssh.SSHKnownHosts.load, list[str]()

    def counted(hosts: asyncssh.SSHKnownHosts, text: str) -> None:
        parsed.append(text)
        load(hosts, text)

    monkeypatch.setattr(asyncssh.SSHKnownHosts, "load", counted)
    assert all(known_keys((str(file),), f"web-{number}", "", 22).trusted for number in range(20))
    assert len(parsed) == 1
    file.write_text(f"@revoked {line.format(1)}")
    known = known_keys((str(file),), "web-1", "", 22)
    assert (len(known.trusted), len(set(known.revoked))) == (0, 1)
    assert len(parsed) == 2


@pytest.mark.fault("S15")
async def test_a_revoked_key_is_refused(lab: SshdLab) -> None:
    server = lab.sshd()
    lab.known_hosts.write_text(f"@revoked {server.known_line()}")
    host = open_host("web", lab.host(server), lab.ssh())
    with pytest.raises(HostKeyChanged, match="revoked") as refused:
        await host.connect()
    assert refused.value.revoked
    assert "new key" in str(refused.value.hint)
    assert "ssh-keygen -R" not in str(refused.value.hint)  # that would take away what keeps the key out
    await host.close()


async def test_a_known_hosts_that_cannot_be_written_is_named(lab: SshdLab) -> None:
    server = lab.sshd(known=False)
    ssh = lab.ssh(known_hosts=(str(lab.client_key / "known_hosts"),))
    offered = await offered_key("web", lab.host(server), ssh)
    with pytest.raises(FileRefused, match="known_hosts cannot be written"):
        await trust("web", lab.host(server), ssh, offered.fingerprint)


@pytest.mark.fault("S16")
async def test_a_refused_login_is_tried_once(lab: SshdLab) -> None:
    server = lab.sshd("AuthorizedKeysFile /nonexistent")
    host = open_host("web", lab.host(server), lab.ssh())
    for _again in range(3):
        with pytest.raises(AuthRefused, match="refused the login of"):
            await host.connect()
    state = host.link.state
    assert isinstance(state, Unavailable)
    assert state.next_try is None
    assert server.log.count("Failed publickey for") == 1
    await host.close()


async def test_a_host_that_stays_refused_costs_no_more_memory_with_each_call(lab: SshdLab) -> None:
    host = open_host("web", lab.host(lab.sshd(known=False)), lab.ssh())
    depths = []
    for _ in range(5):
        with pytest.raises(HostKeyUnknown) as told:
            await host.run(["true"])
        depths.append(len(list(traceback.walk_tb(told.value.__traceback__))))
    assert len(set(depths[1:])) == 1, "the error that is kept holds on to every call that has raised it"
    await host.close()


async def test_alias_include_and_jump_host_of_ssh_config(lab: SshdLab) -> None:
    jump, inner = lab.sshd("AllowTcpForwarding yes"), lab.sshd()
    included = lab.folder / "included"
    included.write_text(
        f"Host inner\n  HostName {inner.address}\n  Port {inner.port}\n  ProxyJump gate\n"
        f"Host gate\n  HostName {jump.address}\n  Port {jump.port}\n"
        f"Host *\n  IdentityFile {lab.client_key}\n  UserKnownHostsFile {lab.known_hosts}\n"
    )
    config = lab.folder / "ssh_config"
    config.write_text(f"Include {included}\n")
    plain = lab.host(inner, address="inner", port=None, identity=None)
    host = open_host("db", plain, lab.ssh(config_files=(str(config),), known_hosts=("/nonexistent",)))
    assert (await host.run(["echo", "through"])).stdout == b"through\n"
    assert f"Connection from {inner.address}" in inner.log or "Accepted publickey" in inner.log
    assert "Accepted publickey" in jump.log
    await host.close()


@pytest.mark.fault("S15")
async def test_an_unknown_jump_host_is_the_one_that_is_named(lab: SshdLab) -> None:
    jump, inner = lab.sshd(known=False), lab.sshd()
    config = lab.folder / "ssh_config"
    config.write_text(
        f"Host {inner.address}\n  ProxyJump {jump.address}:{jump.port}\nHost *\n  IdentityFile {lab.client_key}\n"
    )
    host = open_host("db", lab.host(inner), lab.ssh(config_files=(str(config),)))
    with pytest.raises(HostKeyUnknown, match=jump.address.replace(".", r"\.")):
        await host.connect()
    await host.close()


async def test_a_broken_ssh_config_is_named(lab: SshdLab) -> None:
    server = lab.sshd()
    config = lab.folder / "ssh_config"
    config.write_text("Host *\n  Port abc\n")
    host = open_host("web", lab.host(server, port=None), lab.ssh(config_files=(str(config),)))
    with pytest.raises(HostUnreachable, match=r"ssh_config cannot be used: .*line 2"):
        await host.connect()
    await host.close()


async def test_nobody_listening_and_a_silent_server_are_told_apart(lab: SshdLab, tmp_path: Path) -> None:
    server = lab.sshd()
    server.freeze()
    host = open_host("web", lab.host(server), lab.ssh(connect_timeout=0.5))
    with pytest.raises(HostUnreachable, match=r"did not answer within 0\.5 s"):
        await host.connect()
    server.kill()
    with pytest.raises(HostUnreachable, match="refuses the connection"):
        await host.connect()
    await host.close()


async def test_a_banner_is_no_output(lab: SshdLab) -> None:
    banner = lab.folder / "banner"
    banner.write_text("Authorised use only\n")
    server = lab.sshd(f"Banner {banner}")
    host = open_host("web", lab.host(server), lab.ssh())
    assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
    link = host.link.value
    assert link is not None
    assert link.description.startswith("SSH-2.0-OpenSSH")
    await host.close()
