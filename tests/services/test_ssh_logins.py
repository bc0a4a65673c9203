"""Ways to log in and to be known: keys of an agent, keys with a passphrase, host certificates."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.core.errors import AuthRefused, HostKeyChanged, HostKeyUnknown, HostUnreachable
from lilfox_tui.hosts.open import open_host
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import wait_for

PASSPHRASE = "Canary-passphrase"


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.fixture
def agent(lab: SshdLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of an agent of this test alone, without keys."""
    with ssh_agent(lab.folder / "agent") as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        monkeypatch.setenv("HOME", str(lab.folder))
        yield socket


@contextmanager
def ssh_agent(socket: Path) -> Iterator[Path]:
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        wait_for(socket.exists, what="the agent listens")
        yield socket
    finally:
        process.terminate()
        process.wait()


def keygen(*words: str | Path) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, words)], check=True, capture_output=True)


def empty_agent() -> None:
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)


def add_to_agent(key: Path, passphrase: str = "") -> None:
    """Adds ``key``; an encrypted one is opened in a copy."""
    copy = key.with_name("opened")
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o600)
    if passphrase:
        keygen("-p", "-P", passphrase, "-N", "", "-f", copy)
    subprocess.run(["ssh-add", "-q", str(copy)], check=True, capture_output=True)
    copy.unlink()


async def test_a_key_that_only_the_agent_has(lab: SshdLab, agent: Path) -> None:
    add_to_agent(lab.client_key)
    lab.client_key.unlink()
    host = open_host("h", lab.host(lab.sshd(), identity=None), lab.ssh())
    assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
    await host.close()
    empty_agent()
    again = open_host("h", lab.host(lab.servers[0], identity=None), lab.ssh())
    with pytest.raises(AuthRefused, match="refused the login"):
        await again.connect()
    await again.close()


def locked_server(lab: SshdLab, *, pem: bool = False) -> Sshd:
    """A server for the client's key, whose private half is then locked, and alone where it is a PEM file."""
    allowed = lab.folder / "allowed"
    public = lab.client_key.with_suffix(".pub")
    if pem:
        lab.client_key.unlink()
        keygen("-t", "rsa", "-m", "PEM", "-N", PASSPHRASE, "-f", lab.client_key)
    else:
        keygen("-p", "-P", "", "-N", PASSPHRASE, "-f", lab.client_key)
    allowed.write_bytes(public.read_bytes())
    public.unlink()
    return lab.sshd(f"AuthorizedKeysFile {allowed}")


@pytest.mark.parametrize("pem", [False, True])
async def test_a_locked_key_is_named_until_the_agent_has_it(lab: SshdLab, agent: Path, pem: bool) -> None:
    server = locked_server(lab, pem=pem)
    host = open_host("h", lab.host(server), lab.ssh())
    with pytest.raises(AuthRefused) as refused:
        await host.connect()
    refusal = f"[{server.address}]:{server.port} refused the login of {getpass.getuser()}; "
    assert str(refused.value) == f"{refusal}a passphrase is needed for {lab.client_key}, but none is set"
    assert "ssh-add" in str(refused.value.hint)
    assert "passphrase: for this host" in str(refused.value.hint)
    add_to_agent(lab.client_key, PASSPHRASE)
    host.retry_now()
    assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
    await host.close()


@pytest.mark.parametrize("pem", [False, True])
async def test_a_passphrase_by_reference_opens_the_key(
    lab: SshdLab, agent: Path, pem: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = locked_server(lab, pem=pem)
    monkeypatch.setenv("LILFOX_TEST_PASSPHRASE", PASSPHRASE)
    host = open_host("h", lab.host(server, passphrase="env:LILFOX_TEST_PASSPHRASE"), lab.ssh())
    assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
    await host.close()
    monkeypatch.setenv("LILFOX_TEST_PASSPHRASE", "Canary-wrong")
    host = open_host("h", lab.host(server, passphrase="env:LILFOX_TEST_PASSPHRASE"), lab.ssh())
    with pytest.raises(AuthRefused, match=f"the passphrase of h does not decrypt {lab.client_key}") as refused:
        await host.connect()
    assert "Canary" not in repr(refused.value) + str(refused.value.hint)
    await host.close()


async def test_a_key_that_is_not_there_is_named(lab: SshdLab, agent: Path) -> None:
    missing = lab.folder / "no_such_key"
    host = open_host("h", lab.host(lab.sshd(), identity=str(missing)), lab.ssh())
    with pytest.raises(HostUnreachable, match=f"{missing} cannot be read: No such file") as refused:
        await host.connect()
    assert "identity" in str(refused.value.hint)
    await host.close()


def certified(lab: SshdLab, *options: str, principal: str = "") -> tuple[Sshd, str]:
    """A server whose key an authority has signed, for its address or ``principal``; the authority's public key."""
    authority, server = lab.folder / "authority", lab.sshd(known=False)
    keygen("-t", "ed25519", "-N", "", "-f", authority)
    key = server.folder / "host_ed25519"
    keygen("-s", authority, "-I", "h", "-h", *options, "-n", principal or server.address, f"{key}.pub")
    server.kill()
    server.options = (f"HostCertificate {key}-cert.pub",)
    server.start()
    return server, " ".join(authority.with_suffix(".pub").read_text().split()[:2])


@pytest.mark.parametrize("pattern", ["127.*", "[{server.address}]:{server.port}", "*"])
async def test_a_host_is_known_by_its_certificate(lab: SshdLab, pattern: str) -> None:
    server, authority = certified(lab)
    lab.known_hosts.write_text(f"@cert-authority {pattern.format(server=server)} {authority}\n")
    host = open_host("h", lab.host(server), lab.ssh())
    assert (await host.run(["echo", "hi"])).stdout == b"hi\n"
    await host.close()


@pytest.mark.fault("S15")
async def test_a_certificate_of_nobody_known_is_a_key_that_is_not_known(lab: SshdLab) -> None:
    server, authority = certified(lab)
    lab.known_hosts.write_text(f"@cert-authority *.elsewhere.example {authority}\n")
    host = open_host("h", lab.host(server), lab.ssh())
    with pytest.raises(HostKeyUnknown):
        await host.connect()
    await host.close()


@pytest.mark.fault("S15")
@pytest.mark.parametrize(
    ("options", "principal", "told"),
    [
        (("-V", "20200101:20200102"), "", "Certificate expired for host {server.address}"),
        ((), "another.example", "Certificate principal mismatch for host {server.address}"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused_with_the_reason(
    lab: SshdLab, options: tuple[str, ...], principal: str, told: str
) -> None:
    server, authority = certified(lab, *options, principal=principal)
    lab.known_hosts.write_text(f"@cert-authority * {authority}\n")
    host = open_host("h", lab.host(server), lab.ssh())
    with pytest.raises(HostUnreachable, match=told.format(server=server)) as refused:
        await host.connect()
    assert "@cert-authority" in str(refused.value.hint)
    await host.close()


@pytest.mark.fault("S15")
async def test_a_plain_key_where_an_authority_is_known_has_changed(lab: SshdLab) -> None:
    server, authority = certified(lab)
    lab.known_hosts.write_text(f"@cert-authority * {authority}\n")
    server.options = ()
    server.kill()
    server.start()
    host = open_host("h", lab.host(server), lab.ssh())
    with pytest.raises(HostKeyChanged):
        await host.connect()
    await host.close()
