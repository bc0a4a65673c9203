"""What is said of who else can use a store's folder."""

from __future__ import annotations

import pytest

from lilfox_tui.backup.checks import StoreRoom, room_checks


@pytest.mark.parametrize("mode", [0o755, 0o730, 0o711, 0o702])
def test_any_access_of_others_is_told_and_not_called_reading(mode: int) -> None:
    room = StoreRoom(free_bytes=None, free_files=None, read_only=False, writable=True, mode=mode)
    [check] = room_checks("/backup", room, None, write=False)
    assert str(check.found) == f"other users of that machine can access it (mode {mode:04o})"
    assert str(check.hint) == "Run: chmod 700 /backup"


def test_a_folder_for_its_owner_alone_is_not_mentioned() -> None:
    room = StoreRoom(free_bytes=None, free_files=None, read_only=False, writable=True, mode=0o700)
    assert room_checks("/backup", room, None, write=False) == []
