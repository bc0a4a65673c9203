"""The checks of sshd on real servers: each fault is made, found, mended by the fix that its finding gives, and gone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.model import Config
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


async def audited(lab: SshdLab, server: Sshd, *checks: str) -> Report:
    config = Config(hosts={"web-1": lab.host(server)}, ssh=lab.ssh())
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


def reload(server: Sshd) -> None:
    """As ``systemctl reload ssh``."""
    before = server.log.count("Server listening")
    server._signal(signal.SIGHUP)
    wait_for(lambda: server.log.count("Server listening") > before, what="sshd has reloaded")


def put_in_front(fix: Fix) -> None:
    """What the fix says: its lines at the top of its file."""
    file = Path(fix.file)
    file.write_text("\n".join((*fix.lines, file.read_text())))


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
    server = lab.sshd(*options)
    found = (await audited(lab, server, check)).found
    assert [(each.check.id, each.finding.subject, each.severity.name) for each in found] == [(check, subject, severity)]
    put_in_front(found[0].finding.fix)
    reload(server)
    after = await audited(lab, server, check)
    assert (after.found, after.not_checked) == ((), ())
    assert [each.check.id for each in after.passed] == [check]
