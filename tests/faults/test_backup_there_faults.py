"""What is dumped on the store's own host, when the link goes and when the run is killed: FAULTS 14, 15."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lilfox_tui.backup import effects
from tests.faults.linked_backup import Watched
from tests.faults.near_backup import Near, near
from tests.services.postgres import Postgres
from tests.services.sshd import SshdLab, sshd_lab

pytestmark = pytest.mark.root
MB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
async def lab(tmp_path: Path, server: Postgres, ssh: SshdLab) -> AsyncIterator[Near]:
    async with near(tmp_path, server, ssh, ssh.servers[0]) as made:
        yield made


def plain() -> Watched:
    return Watched(lambda kind, text, size: False, lambda: None)


async def test_files_and_store_of_one_host_are_dumped_there(lab: Near) -> None:
    run = plain()
    before = lab.wire.carried_bytes
    outcome = await effects.backup(run, lab.wish("files"))
    assert outcome.state == "ok", run.said
    assert any("is made on near itself" in text for text in run.told("note"))
    (manifest,) = lab.manifests(lab.far)
    print(manifest, lab.wire.carried_bytes - before)
    assert lab.left(lab.far) == []
    assert not list(lab.jobs.iterdir())
