"""Screens are drawn in UTC and in English unless a test says otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lilfox_tui.i18n import set_language


@pytest.fixture(autouse=True)
def _utc_and_english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    set_language("en")
