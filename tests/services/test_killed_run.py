"""A run of tests that is killed leaves no server behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_for

RUN = """
import sys
from pathlib import Path
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.services.redis_server import RedisServer
from tests.services.sshd import sshd_lab

with Postgres() as postgres, RedisServer(), Nginx(Path(sys.argv[1])), sshd_lab() as lab:
    lab.sshd()
    print(postgres.folder, flush=True)
    sys.stdin.read()
"""
NEXT_RUN = "from tests.services.postgres import Postgres; Postgres()"
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where temporary folders are made, also by other accounts."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        yield folder


def test_its_servers_end_with_it(place: str) -> None:
    argv = [sys.executable, "-c", RUN, f"{place}/nginx"]
    with subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        servers = psutil.Process(run.pid).children(recursive=True)
        run.kill()
    assert len(servers) > 4, f"the processes of PostgreSQL and nginx too: {servers}"
    wait_for(lambda: not any(map(_runs, servers)), what=f"all have ended: {servers}")
    assert (folder / "data/PG_VERSION").exists()
    subprocess.run([sys.executable, "-c", NEXT_RUN], cwd=PROJECT, check=True)
    assert not folder.exists()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
