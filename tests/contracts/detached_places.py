"""Hosts on which commands are begun that outlive the link: this machine with each sh, and one behind a real sshd."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest
from msgspec import Struct

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.detached import Begun, DetachedOutput, DetachedState
from lilfox_tui.hosts.open import open_host
from tests.services.sshd import SshdLab, sshd_lab


class Place(Struct):
    """A host and the folder where its commands are."""

    host: Host
    jobs: Path

    def folder(self, job: str) -> Path:
        return self.jobs / job

    def pids(self) -> list[int]:
        """All that were written down: commands and those who keep them."""
        words = [path.read_text().split() for path in self.jobs.glob("*/pid")]
        return [int(word) for each in words for word in (each[1], each[3]) if word.isdigit()]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


def only(shell: str, folder: Path) -> str:
    """A PATH on which ``sh`` is that shell; of BusyBox all else, too."""
    folder.mkdir()
    found = shutil.which(shell)
    assert found is not None
    if shell == "busybox":
        subprocess.run([found, "--install", "-s", str(folder)], check=True)
        return str(folder)
    (folder / "sh").symlink_to(found)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(params=["dash", "bash", "busybox", "ssh"])
async def place(
    request: pytest.FixtureRequest, lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    if request.param == "ssh":
        home = lab.servers[0].folder
        host = open_host("there", lab.host(lab.servers[0]), lab.ssh())
    else:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("PATH", only(request.param, tmp_path / "bin"))
        host = open_host("here", HostConfig(local=True), lab.ssh())
    made = Place(host, home / ".cache/lilfox/jobs")
    try:
        yield made
    finally:
        for pid in made.pids():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        await host.close()
        shutil.rmtree(made.jobs, ignore_errors=True)


async def followed(host: Host, job: str, begun: Begun | None = None) -> tuple[bytes, bytes, DetachedState]:
    """All that it prints, and its end."""
    printed = {"stdout": b"", "stderr": b""}
    last: DetachedState | None = None
    async with aclosing(detached.follow(host, job, begun=begun)) as told:
        async for each in told:
            if isinstance(each, DetachedOutput):
                printed[each.stream] += each.data
            else:
                last = each
    assert last is not None
    return printed["stdout"], printed["stderr"], last
