from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def incidents(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test's incidents; the system's own are not seen. The disk is not waited for: thousands of
    lines are written."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)
    return own_folders / "state" / "lilfox" / "incidents"
