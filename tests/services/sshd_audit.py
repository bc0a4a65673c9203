"""Audits of private OpenSSH servers, and what somebody does who follows the fixes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.model import Config
from tests.services.sshd import Sshd, SshdLab


async def audited(lab: SshdLab, server: Sshd, *checks: str) -> Report:
    """The report of these checks on the host of ``server``."""
    config = Config(hosts={"web-1": lab.host(server)}, ssh=lab.ssh())
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


def put_in_front(fix: Fix) -> None:
    """What the fix says: its lines at the top of its file."""
    file = Path(fix.file)
    file.write_text("\n".join((*fix.lines, file.read_text())))


def host_key(lab: SshdLab, kind: str, bits: int) -> str:
    """A line of sshd_config for one more host key."""
    file = lab.folder / f"extra-{kind}-{bits}"
    if not file.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-f", str(file)], check=True)
    return f"HostKey {file}"
