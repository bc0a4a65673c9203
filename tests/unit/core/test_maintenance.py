"""Windows of maintenance on the disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.maintenance import FILE, MaintenanceWindow, close_window, covers, open_window, windows

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)


def window(name: str, minutes: int = 60) -> MaintenanceWindow:
    """One that begins now."""
    return MaintenanceWindow(name=name, since=NOW, until=NOW + timedelta(minutes=minutes), by="ops@here")


def test_a_window_ends_by_itself(tmp_path: Path) -> None:
    open_window(window("web-1", 5), tmp_path)
    assert covers(windows(NOW, tmp_path), "web-1", "backend") is not None
    assert windows(NOW + timedelta(minutes=5), tmp_path) == []


def test_a_second_one_of_the_same_name_takes_its_place(tmp_path: Path) -> None:
    open_window(window("web-1", 5), tmp_path)
    open_window(window("web-1", 50), tmp_path)
    assert [each.until for each in windows(NOW, tmp_path)] == [NOW + timedelta(minutes=50)]


def test_one_covers_its_own_name_and_all_covers_everything(tmp_path: Path) -> None:
    open_window(window("web-1"), tmp_path)
    assert covers(windows(NOW, tmp_path), "web-2") is None
    open_window(window("all"), tmp_path)
    assert covers(windows(NOW, tmp_path), "web-2") is not None


def test_one_that_is_not_there_cannot_be_closed(tmp_path: Path) -> None:
    open_window(window("web-1"), tmp_path)
    close_window("web-1", tmp_path)
    with pytest.raises(UsageError, match="web-1"):
        close_window("web-1", tmp_path)


def test_a_torn_file_is_no_window_and_can_be_written_again(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'[{"name": "web-')
    assert windows(NOW, tmp_path) == []
    open_window(window("web-1"), tmp_path)
    assert len(windows(NOW, tmp_path)) == 1


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(LilFoxError, match="the maintenance window cannot be recorded") as refused:
        open_window(window("web-1"), tmp_path / "nowhere")
    assert "disk space" not in str(refused.value.hint)
