"""One lab for the tests of whole hosts: a boot costs more than a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.machines import MachineLab, machine_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[MachineLab]:
    """Where whole hosts are started."""
    with machine_lab() as made:
        yield made
