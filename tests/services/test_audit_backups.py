"""The checks of backup plans on real sets: found, mended by their own fixes, and gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.loader import load
from tests.services.backup_lab import BackupLab
from tests.services.sshd import SshdLab, sshd_lab


@pytest.fixture(scope="module")
def remote() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


class PlanLab(BackupLab):
    """A plan of a folder, in a store on this machine, or on ``elsewhere``."""

    def __init__(self, folder: Path, remote: SshdLab | None = None) -> None:
        super().__init__(folder)
        self.settings: dict[str, Any] = {"sources": {"uploads": {"kind": "files", "path": str(self.uploads)}}}
        self.more: dict[str, Any] = {}
        self.stores: dict[str, Any] = {"disk": {"kind": "local", "path": str(self.store)}}
        if remote is not None:
            host = remote.host(remote.sshd())
            self.more["ssh"] = {"config_files": [], "known_hosts": [str(remote.known_hosts)]}
            self.more["hosts"] = {
                "vault": {"address": host.address, "port": host.port, "user": host.user, "identity": host.identity}
            }
            self.stores["vault"] = {"kind": "sftp", "host": "vault", "path": str(folder / "vault")}
            (folder / "vault").mkdir()

    def write(self) -> None:
        import json

        plan = {"store": next(iter(self.stores))} | self.settings
        document = self.more | {"backup": {"stores": self.stores, "plans": {"nightly": plan}}}
        self.config.write_text(json.dumps(document))
        self.config.chmod(0o600)

    async def audited(self, *checks: str) -> Report:
        self.write()
        config = load(self.config).config
        return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))

    def mend(self, fix: Fix) -> None:
        """Runs the commands of the fix, which call ``lilfox``, with this configuration."""
        for command in fix.commands:
            words = command.split()
            assert words[0] == "lilfox"
            done = self.lilfox("--config", self.config, *words[1:])
            assert done.returncode == 0, done.stdout + done.stderr


def told(report: Report) -> list[tuple[str, str, str]]:
    return [(each.check.id, each.finding.subject, str(each.finding.evidence)) for each in report.found]


@pytest.mark.provokes("backup-rpo", "backup-drill")
async def test_a_plan_that_never_ran(tmp_path: Path) -> None:
    lab = PlanLab(tmp_path)
    lab.store.mkdir()
    report = await lab.audited("backup-rpo", "backup-drill")
    assert told(report) == [
        ("backup-rpo", "rpo", "the plan has no set"),
        ("backup-drill", "drill", "no set of the plan was restored for a test"),
    ]
    for each in report.found:
        lab.mend(each.finding.fix)
    after = await lab.audited("backup-rpo", "backup-drill")
    assert (after.found, after.not_checked) == ((), ())
    assert [each.check.id for each in after.passed] == ["backup-rpo", "backup-drill"]


@pytest.mark.provokes("backup-rto")
async def test_goals_that_are_missed(tmp_path: Path) -> None:
    lab = PlanLab(tmp_path)
    lab.settings["drill"] = True
    lab.write()
    lab.run("nightly", "--config", lab.config)
    assert [each.check.id for each in (await lab.audited("backup-rto")).passed] == []  # nobody has set a goal
    lab.more["audit"] = {"rpo": "1ms", "rto": "1ms", "drill_every": "1ms"}
    found = told(await lab.audited("backups"))
    assert [check for check, _subject, _evidence in found] == [
        "backup-rpo",
        "backup-drill",
        "backup-rto",
        "backup-same-host",
    ]
    assert "the RTO is 1 ms" in found[2][2]
    lab.more["audit"] = {"rpo": "1h", "rto": "1h", "drill_every": "1h"}
    assert [check for check, *_rest in told(await lab.audited("backups"))] == ["backup-same-host"]


@pytest.mark.provokes("backup-same-host", "backup-not-encrypted", "backup-key-in-store")
async def test_where_sets_are_and_who_can_read_them(tmp_path: Path, remote: SshdLab) -> None:
    lab = PlanLab(tmp_path, remote)
    lab.store.mkdir()
    places = ("backup-same-host", "backup-not-encrypted", "backup-key-in-store")
    assert told(await lab.audited(*places)) == [
        ("backup-same-host", "source uploads", "source uploads and its stores (disk) are on this machine")
    ]
    lab.settings["copies"] = ["vault"]
    assert told(await lab.audited(*places)) == [
        (
            "backup-not-encrypted",
            "encrypt",
            "the plan has no encrypt:, and vault are on other hosts than its sources",
        )
    ]
    key = lab.store / "key.txt"
    lab.settings["encrypt"] = {"recipients": [_recipient(key)], "identity": f"file:{key}"}
    assert told(await lab.audited(*places)) == [
        ("backup-key-in-store", "store disk", f"{key} lies in the folder of store disk")
    ]
    shutil.move(key, tmp_path / "key.txt")
    lab.settings["encrypt"]["identity"] = f"file:{tmp_path / 'key.txt'}"
    assert told(await lab.audited(*places)) == []


def _recipient(key: Path) -> str:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    key.write_text(str(identity))
    os.chmod(key, 0o600)
    return str(identity.to_public())


async def test_a_store_that_cannot_be_read_is_no_pass(tmp_path: Path, remote: SshdLab) -> None:
    lab = PlanLab(tmp_path, remote)
    lab.settings["copies"] = ["vault"]
    lab.more["hosts"]["vault"]["port"] = 1
    report = await lab.audited("backup-rpo", "backup-drill")
    assert {each.check.id for each in report.not_checked} == {"backup-rpo", "backup-drill"}
