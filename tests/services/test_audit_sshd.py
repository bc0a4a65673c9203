"""The checks of sshd on real servers: each fault is made, found, mended by the fix that its finding gives, and gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.sshd import SshdLab, sshd_lab
from tests.services.sshd_audit import audited, host_key, put_in_front


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


PASSWORDS = "ssh-password-auth"
WEAK = "ssh-weak-algorithms"


@pytest.mark.provokes("ssh-password-auth", "ssh-root-login", "ssh-weak-algorithms")
@pytest.mark.parametrize(
    ("options", "check", "subject", "severity"),
    [
        (("PasswordAuthentication yes",), PASSWORDS, "PasswordAuthentication", "HIGH"),
        (("UsePAM yes", "KbdInteractiveAuthentication yes"), PASSWORDS, "KbdInteractiveAuthentication", "HIGH"),
        (("PermitRootLogin yes", "PasswordAuthentication yes"), "ssh-root-login", "PermitRootLogin", "HIGH"),
        (("PermitRootLogin yes",), "ssh-root-login", "PermitRootLogin", "LOW"),
        (("Ciphers +aes128-cbc,3des-cbc",), WEAK, "Ciphers", "MEDIUM"),
        (("MACs +hmac-md5",), WEAK, "MACs", "MEDIUM"),
        (("KexAlgorithms +diffie-hellman-group1-sha1",), WEAK, "KexAlgorithms", "MEDIUM"),
        (("HostKeyAlgorithms +ssh-rsa",), WEAK, "HostKeyAlgorithms", "MEDIUM"),
    ],
)
async def test_a_fault_is_found_and_mended_by_its_fix(
    lab: SshdLab, options: tuple[str, ...], check: str, subject: str, severity: str
) -> None:
    server = lab.sshd(*options, host_key(lab, "rsa", 2048))
    found = (await audited(lab, server, check)).found
    assert [(each.check.id, each.finding.subject, each.severity.name) for each in found] == [(check, subject, severity)]
    put_in_front(found[0].finding.fix)
    server.reload()
    after = await audited(lab, server, check)
    assert (after.found, after.not_checked) == ((), ())
    assert [each.check.id for each in after.passed] == [check]
