"""ssh-audit and the audit look at the same sshd: each algorithm is weak for both or for none, or the table says why."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lilfox_tui.audit.checks.host.sshd import WEAK
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.services.sshd_audit import audited, host_key

CHECK = "ssh-weak-algorithms"
NAMES = {"kex": "KexAlgorithms", "key": "HostKeyAlgorithms", "enc": "Ciphers", "mac": "MACs"}
"""What ssh-audit calls the lists of sshd_config."""
MARKERS = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
"""In the list of a key exchange, but no algorithms (RFC 8308 2.1, and OpenSSH's PROTOCOL 1.10)."""
NIST = "no weakness is published; SP 800-186 and OpenSSH have the curves of NIST"
SHA1 = "HMAC-SHA1 needs no collision resistance (RFC 6194); OpenSSH offers it"
TAG = "a tag of 64 bits is guessed once in 2^64 packets; OpenSSH offers it"
ORDER = "encrypt-and-MAC has no published attack with these MACs in SSH; OpenSSH offers them"
MODULUS = "2048 bits have 112 bits of strength, which are enough (SP 800-57, RFC 9142 1.2.1)"
DIFFERENCES = {
    "ecdh-sha2-nistp256": NIST,
    "ecdh-sha2-nistp384": NIST,
    "ecdh-sha2-nistp521": NIST,
    "ecdsa-sha2-nistp256": NIST,
    "hmac-sha1": SHA1,
    "hmac-sha1-etm@openssh.com": SHA1,
    "umac-64@openssh.com": TAG,
    "umac-64-etm@openssh.com": TAG,
    "umac-128@openssh.com": ORDER,
    "hmac-sha2-256": ORDER,
    "hmac-sha2-512": ORDER,
    "diffie-hellman-group14-sha256": MODULUS,
    "rsa-sha2-256": MODULUS,
    "rsa-sha2-512": MODULUS,
}
"""What ssh-audit warns of and the audit does not, and why. Nothing is weak for the audit alone."""
HARDENED = (
    "Ciphers aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr",
    "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
    "KexAlgorithms mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com,curve25519-sha256",
    "HostKeyAlgorithms ssh-ed25519",
)


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def everything() -> tuple[str, ...]:
    """Each algorithm that this OpenSSH has, those of certificates and hardware keys apart."""
    found = []
    for query in ("Ciphers", "MACs", "KexAlgorithms", "HostKeyAlgorithms"):
        told = subprocess.run(["ssh", "-Q", query], check=True, capture_output=True, text=True).stdout.split()
        found.append(f"{query} {','.join(word for word in told if 'cert' not in word and not word.startswith('sk-'))}")
    return tuple(found)


async def scan(server: Sshd) -> dict[str, dict[str, Any]]:
    """What ssh-audit says of each algorithm, by kind and name."""
    argv = ["ssh-audit", "-j", "--skip-rate-test", "-p", str(server.port), server.address]
    done = await asyncio.to_thread(subprocess.run, argv, check=False, capture_output=True, timeout=60)
    told = json.loads(done.stdout)
    return {kind: {each["algorithm"]: each for each in told[kind]} for kind in NAMES}


def weak_for_it(told: dict[str, dict[str, Any]]) -> set[str]:
    """What it has a failure or a warning for."""
    return {
        name
        for found in told.values()
        for name, each in found.items()
        if each.get("notes", {}).keys() & {"fail", "warn"}
    }


@pytest.mark.parametrize("options", ["default", "everything", "hardened"])
async def test_ssh_audit_agrees_on_each_algorithm(lab: SshdLab, options: str) -> None:
    keys = (host_key(lab, "rsa", 2048), host_key(lab, "ecdsa", 256))
    server = lab.sshd(*{"default": (), "everything": (*keys, *everything()), "hardened": HARDENED}[options])
    report, told = await audited(lab, server, CHECK), await scan(server)
    assert report.not_checked == ()
    evidence = {each.finding.subject: str(each.finding.evidence) for each in report.found}
    ours = {word.strip(",") for text in evidence.values() for word in text.partition(" has ")[2].split()}
    theirs = weak_for_it(told)
    assert ours - theirs == set()
    offered = {name for found in told.values() for name in found} - MARKERS
    assert theirs - ours == DIFFERENCES.keys() & offered
    assert bool(ours) == (options == "everything")
    if options == "everything":
        assert DIFFERENCES.keys() <= offered
        assert len(ours) > 10
        assert all(any(pattern.match(name) for name in ours) for pattern in WEAK.values())
        assert evidence.keys() == set(NAMES.values())


async def test_what_sshd_has_no_key_for_is_not_offered(lab: SshdLab) -> None:
    server = lab.sshd("HostKeyAlgorithms +ssh-rsa,ssh-rsa-cert-v01@openssh.com")
    assert (await audited(lab, server, CHECK)).found == ()
    assert set((await scan(server))["key"]) == {"ssh-ed25519"}


@pytest.mark.provokes("ssh-weak-algorithms")
async def test_both_find_a_short_host_key(lab: SshdLab) -> None:
    server = lab.sshd(host_key(lab, "rsa", 1024))
    (found,) = (await audited(lab, server, CHECK)).found
    assert str(found.finding.evidence) == f"ssh-keygen -l: {found.finding.subject} is an RSA key of 1024 bits"
    assert any("1024-bit" in note for note in (await scan(server))["key"]["rsa-sha2-512"]["notes"]["fail"])
    for command in found.finding.fix.commands[:2]:  # then sshd is reloaded
        await asyncio.to_thread(subprocess.run, shlex.split(command), check=True)
    server.reload()
    assert (await audited(lab, server, CHECK)).found == ()
    assert "fail" not in (await scan(server))["key"]["rsa-sha2-512"]["notes"]
