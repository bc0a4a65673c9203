"""Servers that several files of tests ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.services import s3_servers
from tests.services.postgres import Postgres
from tests.services.postgres_looks import VERSIONS, close_all, of_version


@pytest.fixture(scope="module", params=VERSIONS)
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """One server of each version for a file of tests."""
    with of_version(request.param) as running:
        yield running


@pytest.fixture
async def looks_end() -> AsyncIterator[None]:
    """No session of a look at PostgreSQL is left for the next test, also not of one that failed."""
    yield
    await close_all()


@pytest.fixture(scope="session")
def moto() -> Iterator[s3_servers.S3Server]:
    """moto's server, for all files of tests that a worker runs: it takes seconds to start."""
    with s3_servers.moto() as running:
        yield running


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_servers.S3Server]:
    """``rclone serve s3``, likewise."""
    with s3_servers.rclone(tmp_path_factory.mktemp("rclone")) as running:
        yield running


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of both, where the AWS tools look for them too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_servers.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_servers.SECRET_KEY)
