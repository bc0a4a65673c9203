"""What is said of a fault of our own, and where its traceback goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.crash import fault_of


def test_a_fault_is_told_with_the_file_that_holds_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    told = str(fault_of(ZeroDivisionError("by nothing")))
    (log,) = tmp_path.rglob("crash.log")
    assert told == f"a fault of LilFox: ZeroDivisionError; the traceback is in {log}"
    assert "by nothing" in log.read_text()


def test_where_nothing_can_be_written_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
    assert str(fault_of(ZeroDivisionError())) == "a fault of LilFox: ZeroDivisionError"
