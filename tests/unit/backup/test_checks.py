"""What is said of who else can use a store's folder."""

from __future__ import annotations

import pytest

from lilfox_tui.backup.checks import StoreRoom, room_checks


def _room(mode: int) -> StoreRoom:
    return StoreRoom(free_bytes=None, free_files=None, read_only=False, writable=True, mode=mode)


@pytest.mark.parametrize("mode", [0o755, 0o730, 0o711, 0o702])
def test_any_access_of_others_is_told_and_not_called_reading(mode: int) -> None:
    [check] = room_checks("/backup", _room(mode), None, write=False)
    assert str(check.found) == f"other users of that machine can access it (mode {mode:04o})"
    assert str(check.hint) == "Run: chmod 700 /backup"


def test_a_folder_for_its_owner_alone_is_not_mentioned() -> None:
    assert room_checks("/backup", _room(0o700), None, write=False) == []


def test_the_command_that_closes_a_folder_can_be_run_as_it_is() -> None:
    [here] = room_checks("/srv/my sets", _room(0o755), None, write=False)
    assert str(here.hint) == "Run: chmod 700 '/srv/my sets'"
    [there] = room_checks("/srv/my sets", _room(0o755), None, write=False, host="nas-1")
    assert str(there.about) == "store nas-1:/srv/my sets"
    assert str(there.hint) == "Run on nas-1: chmod 700 '/srv/my sets'"
