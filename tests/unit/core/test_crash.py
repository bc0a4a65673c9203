"""What is said of a fault of our own, and where its traceback goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.core import crash
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.paths import state_dir


def test_a_fault_is_told_with_the_file_that_holds_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = str(fault_of(ZeroDivisionError("by nothing")))
    (log,) = tmp_path.rglob("crash.log")
    assert told == f"internal error in LilFox: ZeroDivisionError; the traceback is in {log}"
    assert "by nothing" in log.read_text()


def test_where_nothing_can_be_written_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
    assert str(fault_of(ZeroDivisionError())) == "internal error in LilFox: ZeroDivisionError"


def test_a_fault_that_comes_again_and_again_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(crash, "MOST_BYTES", 10_000)
    for _ in range(500):
        assert crash.write_crash(ValueError("x" * 200)) is not None
    sizes = {path.name: path.stat().st_size for path in state_dir().iterdir()}
    assert set(sizes) == {"crash.log", "crash.log.1"}
    assert sum(sizes.values()) < 3 * crash.MOST_BYTES


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (state_dir() / "crash.log").symlink_to(elsewhere)
    assert crash.write_crash(ValueError()) is None
    assert elsewhere.read_text() == "mine"
