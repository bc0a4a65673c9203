"""Runbooks as another user than root: sudo and its password."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.accounts import account, set_password, sudoers
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = pytest.mark.root


@pytest.fixture
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.mark.fault("S18")
def test_sudos_password_is_in_no_file_and_no_argv_and_the_fences_state_is_roots(
    tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "Canary-" + secrets.token_hex(8)
    look = 'cat /proc/[0-9]*/cmdline /proc/self/environ 2>/dev/null | tr "\\0" "\\n" | grep -c "^[C]anary"'
    monkeypatch.setenv("LILFOX_TEST_SUDO", password)
    with account("/bin/bash") as name, sudoers(f"{name} ALL=(ALL) ALL"):
        set_password(name, password)
        lab = RunbookLab(tmp_path, servers)
        lab.configure(web1={"user": name, "sudo_password": "env:LILFOX_TEST_SUDO"})
        lab.write(
            fence(f"id -u; cat; {look} || true", '{"sudo":true,"risk":"read"}'),
            fence(
                f"cd /usr; id -u; {look} || true\npwd; id -u >/root/{tmp_path.name}", '{"sudo":true,"risk":"change"}'
            ),
            fence("id -un", '{"risk":"read"}'),
        )
        job = lab.run_all(lab.begin(hosts="web1"))
        written = Path("/root") / tmp_path.name
        assert written.read_text() == "0\n"
        written.unlink()
        assert job.state == "ok", job.message
        assert lab.printed(job.id, lab.results(job.id, 1)["web1"]) == "0\n0\n"
        assert lab.printed(job.id, lab.results(job.id, 2, 1)["web1"]) == "0\n0\n"
        assert lab.printed(job.id, lab.results(job.id, 2, 2)["web1"]) == "/usr\n"
        assert lab.printed(job.id, lab.results(job.id, 3)["web1"]) == f"{name}\n"
        texts = [path.read_bytes() for path in lab.job_folder(job.id).iterdir() if path.is_file()]
        assert not any(password.encode() in text for text in texts)
        home = Path(f"~{name}").expanduser()
        assert not any(password.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_wrong_password_is_tried_once_and_nothing_has_run(
    tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LILFOX_TEST_SUDO", "wrong")
    with account("/bin/bash") as name, sudoers(f"{name} ALL=(ALL) ALL"):
        set_password(name, "right")
        lab = RunbookLab(tmp_path, servers)
        lab.configure(web1={"user": name, "sudo_password": "env:LILFOX_TEST_SUDO"})
        lab.write(fence(f"touch /root/{tmp_path.name}", '{"sudo":true,"risk":"change"}'))
        job = lab.run_all(lab.begin(hosts="web1"))
        assert (job.state, job.exit_code) == ("failed", 1)
        assert "1 incorrect password attempt" in job.message
        assert not (Path("/root") / tmp_path.name).exists()
