from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.jobs import writer
from lilfox_tui.jobs.model import Ended, Event, Intent, MessageLogged
from lilfox_tui.jobs.reader import EVENTS, EventReader
from lilfox_tui.jobs.writer import EventLog, fit_result, fit_text

AT = datetime(2023, 12, 30, 2, 0, tzinfo=UTC)


@pytest.fixture
def handle(tmp_path: Path) -> int:
    return os.open(tmp_path / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def read(folder: Path) -> list[Event]:
    return EventReader(folder).read()


def test_what_a_full_disk_took_of_a_line_costs_that_line_alone(
    tmp_path: Path, handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(handle)
    log.write(MessageLogged(AT, "one"))
    write = os.write
    room = [20]

    def small(to: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        wrote = write(to, data[: room[0]])
        room[0] -= wrote
        return wrote

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", small)
        with pytest.raises(OSError, match="No space"):
            log.write(Intent(AT, "two"), sync=True)
    assert read(tmp_path) == [MessageLogged(AT, "one")]
    log.write(MessageLogged(AT, "three"))
    log.write(MessageLogged(AT, "four"))
    assert read(tmp_path) == [MessageLogged(AT, "one"), MessageLogged(AT, "three"), MessageLogged(AT, "four")]


def test_an_intent_is_on_the_disk_before_write_returns(
    tmp_path: Path, handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Event]] = []
    monkeypatch.setattr(os, "fsync", lambda _handle: seen.append(read(tmp_path)))
    log = EventLog(handle)
    log.write(MessageLogged(AT, "not worth it"))
    assert seen == []
    log.write(Intent(AT, "rename"), sync=True)
    assert seen == [[MessageLogged(AT, "not worth it"), Intent(AT, "rename")]]


def test_events_are_bounded_and_the_end_is_told_all_the_same(
    tmp_path: Path, handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_EVENT_BYTES", 5000)
    log = EventLog(handle, tmp_path / "reserve")
    for number in range(1000):
        log.write(MessageLogged(AT, f"{number}"))
    log.write(Intent(AT, "still told"))
    assert log.end(Ended(AT, "ok", "good"))
    found = read(tmp_path)
    assert (tmp_path / EVENTS).stat().st_size < 6000
    assert isinstance(found[-3], MessageLogged)
    assert "left out" in found[-3].text
    assert found[-2:] == [Intent(AT, "still told"), Ended(AT, "ok", "good")]
    assert not (tmp_path / "reserve").exists()


def test_texts_are_bounded_redacted_and_can_be_encoded() -> None:
    assert fit_text("postgresql://a:secretword@b/c") == "postgresql://a:***@b/c"
    assert len(fit_text("x" * 10_000_000)) == 2000
    assert fit_text("a\udc80b") == "a�b"
    assert fit_text("\x1b[31m") == "\x1b[31m"  # cleaned where it is shown


def test_results_hold_no_secret_and_are_bounded() -> None:
    secret = "hunter2canary"
    result = {
        "password": secret,
        "nested": {"api_key": secret, "urls": [f"https://u:{secret}@h/"]},
        "when": AT,
        "path": Path("/x"),
        "n": 1.5,
        "ok": None,
    }
    plain = fit_result(result)
    assert secret not in str(plain)
    assert plain["nested"]["urls"] == ["https://u:***@h/"]
    assert (plain["path"], plain["n"], plain["ok"]) == ("/x", 1.5, None)
    assert fit_result({"big": "x" * (2 << 20)}).keys() == {"left_out_bytes"}
