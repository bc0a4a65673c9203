"""Both kinds of store, in a place that a disk can be mounted on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.backup.options import LocalOptions, SftpOptions
from lilfox_tui.backup.publishing import SetHeader
from lilfox_tui.backup.store import BackupStore
from lilfox_tui.backup.stores import local, sftp
from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.open import open_host
from tests.services.sshd import SshdLab, sshd_lab

HEADING = SetHeader(
    id="lilfox_20231230_020000",
    run="1",
    plan="lilfox",
    created=datetime(2023, 12, 29, 18, tzinfo=UTC),
    offset_s=0,
    host="h",
    tool="t",
)
KINDS = ["local", "sftp"]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@asynccontextmanager
async def opened(kind: str, lab: SshdLab, folder: Path, **options: object) -> AsyncIterator[BackupStore]:
    here = kind == "local"
    host = open_host("nas", HostConfig(local=True) if here else lab.host(lab.servers[0]), lab.ssh())
    store: BackupStore = (
        local.open_store("s", LocalOptions(path=str(folder), **options), host)  # type: ignore[arg-type]
        if here
        else sftp.open_store("s", SftpOptions(host="nas", path=str(folder), **options), host)  # type: ignore[arg-type]
    )
    try:
        yield store
    finally:
        await store.close()
        await host.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder, and at the end nothing is mounted in it."""
    with tempfile.TemporaryDirectory(prefix="lilfox-faults-") as made:
        point = Path(made) / "disk"
        point.mkdir(mode=0o700)
        try:
            yield point
        finally:
            while subprocess.run(["umount", "-l", point], capture_output=True).returncode == 0:
                pass


async def of(size: int) -> AsyncGenerator[bytes, None]:
    for _ in range(size // 65536):
        yield os.urandom(65536)


async def old_set(store: BackupStore) -> None:
    await store.write("old", of(65536))
    await store.publish(["old"])


def names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith(".lilfox"))


async def hold(store: BackupStore) -> None:
    async with store.lock("backup"):
        pass
