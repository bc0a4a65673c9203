"""Screens are drawn in UTC and in English unless a test says otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lilfox_tui.core.i18n import set_language
from lilfox_tui.logs import window


@pytest.fixture(autouse=True)
def _utc_and_english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    set_language("en")


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_slow_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which rows come first is tested where sources are made to be slow; here files of this machine are whole."""
    monkeypatch.setattr(window, "PATIENCE_S", 30.0)
