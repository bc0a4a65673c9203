"""Databases that a test has opened are closed after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.alerts.storage import AlertDatabase


@pytest.fixture(autouse=True)
def closed_databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that stands for a process which was killed does not close its own."""
    opened: list[AlertDatabase] = []
    opening = AlertDatabase.__init__

    def remembered(self: AlertDatabase, path: Path | None) -> None:
        opening(self, path)
        opened.append(self)

    monkeypatch.setattr(AlertDatabase, "__init__", remembered)
    yield
    for database in opened:
        database.close()
