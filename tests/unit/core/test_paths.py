from __future__ import annotations

import errno
import stat
import time
from pathlib import Path

import pytest

from lilfox_tui.core import paths


def test_files_lie_in_the_xdg_folders(own_folders: Path) -> None:
    assert paths.config_file() == own_folders / "config" / "lilfox" / "config.yaml"
    assert paths.state_dir() == own_folders / "state" / "lilfox"


def test_the_state_folder_is_made_for_the_user_alone(own_folders: Path) -> None:
    folder = paths.state_dir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert paths.state_dir() == folder


def test_without_xdg_variables_home_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.config_file() == tmp_path / ".config" / "lilfox" / "config.yaml"


def test_people_are_told_of_the_file_that_is_read(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.told_config_file() == f"{own_folders}/config/lilfox/config.yaml"
    assert paths.told_config_file("/etc/lilfox.yaml") == "/etc/lilfox.yaml"
    monkeypatch.setenv("HOME", str(own_folders))
    assert paths.told_config_file() == "~/config/lilfox/config.yaml"


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "free up disk space"),
        (errno.EDQUOT, "free up disk space"),
        (errno.EACCES, "check the owner and mode"),
        (errno.EROFS, "mount this file system read-write"),
        (errno.EIO, "check this path and its disk"),
    ],
)
def test_only_a_full_disk_is_to_be_emptied(number: int, says: str) -> None:
    assert str(paths.write_hint(OSError(number, "no"))).startswith(says)


def test_folders_that_are_looked_into_each_second_are_checked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answers = [100.0], iter([[Path("/a")], [Path("/b")]])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    polled = paths.PolledFolders(lambda: next(answers))
    assert [polled.now(), polled.now()] == [[Path("/a")]] * 2
    now[0] += 9.9
    assert polled.now() == [Path("/a")]
    now[0] += 0.1
    assert polled.now() == [Path("/b")]
