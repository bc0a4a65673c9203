"""What every test may rely on: English, no configuration and no state of the person who runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui import i18n


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """XDG folders of the test's own (the folder is returned), and a locale that is the same everywhere."""
    home = tmp_path_factory.mktemp("home")
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("LC_ALL", "LC_MESSAGES", "NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return home


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Each test starts in English and leaves English behind."""
    i18n.set_language("en")
    yield
    i18n.set_language("en")
