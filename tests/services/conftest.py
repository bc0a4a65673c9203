"""Servers that several files of tests ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

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
