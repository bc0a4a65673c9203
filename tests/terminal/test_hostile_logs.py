"""What a log line holds reaches the terminal as text, whatever is done with the line; binary logs too."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.console import Console
from tests.terminal.test_hostile import HOSTILE, only_known_sequences

CLIPBOARD = b"\x1b]52;c;"


def json_log(folder: Path) -> Path:
    """JSON lines full of sequences: in message, logger, names and values of fields, exception, and the file's name."""
    file = folder / "h\x1b[5mostile.log"
    good = {"timestamp": "2026-03-29T03:12:00", "level": "INFO", "logger": "app", "message": "all is well"}
    bad = {
        "timestamp": "2026-03-29T03:12:01",
        "level": "ERROR",
        "logger": HOSTILE,
        "message": HOSTILE,
        "request_id": HOSTILE,
        "exception": "Traceback (most recent call last):\n  File x\n" + HOSTILE,
        HOSTILE: {HOSTILE: [HOSTILE]},
    }
    lines = [json.dumps(good).encode(), json.dumps(bad, ensure_ascii=False).encode("utf-8", "surrogateescape")]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def plain_log(folder: Path) -> Path:
    """Lines of no format full of sequences, invalid UTF-8, NUL and C1 bytes among them."""
    file = folder / "plain.log"
    raw = HOSTILE.encode("utf-8", "surrogateescape")
    lines = [b"all is well", raw, b"\xff\xfe\x00" + raw, b"\x9b2J\x90q\x9d0;x\x9c"]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def gone(text: str) -> Callable[[str], bool]:
    """Whether ``text`` is not on the screen."""
    return lambda screen: text not in screen


@pytest.mark.fault("S1", "S36")
@pytest.mark.parametrize("log", [json_log, plain_log])
def test_no_sequence_of_a_log_line_reaches_the_terminal(tmp_path: Path, log: Callable[[Path], Path]) -> None:
    with Console([str(log(tmp_path))], home=tmp_path, columns=160, rows=60) as console:
        console.until("all is well")
        for keys, shown in (
            ("w", "[@click=app.quit]boo[/boo]"),
            ("w", "[@click=app.quit]boo[/boo]"),
            ("\r", "Neighbours"),  # the record's page
            ("\x1b", gone("Neighbours")),  # else the next key would be read as one with Alt
            ("S", "Statistics"),
            ("\x1b", gone("Statistics")),
            ("P", "Patterns"),
            ("\x1b", gone("Patterns")),
            ("o", "Sources"),
            ("\x1b", gone("Sources")),
            ("/evil\r", "evil"),
            ("&", "(matches marked)"),
            ("J/\r", "is not a time"),
        ):
            console.press(keys)
            console.until(shown)
        console.press("q")
        assert console.ended_within() == 0
        only_known_sequences(bytes(console.raw))


@pytest.mark.fault("S36")
def test_what_is_copied_is_clean(tmp_path: Path) -> None:
    file = tmp_path / "plain.log"
    file.write_bytes(b"first\nTraceback: \x1b]0;own\x07evil\n")
    with Console([str(file)], home=tmp_path) as console:
        console.until("evil")
        console.press("y")
        console.until("copied")
        sent = bytes(console.raw).partition(CLIPBOARD)[2].partition(b"\x07")[0]
        copied = base64.b64decode(sent).decode()
        assert "evil" in copied
        assert not [char for char in copied if ord(char) < 32 and char != "\n"]
        console.press("q")
        assert console.ended_within() == 0


def test_what_is_no_log_is_a_clear_answer(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(os.urandom(200_000))
    (tmp_path / "good.log").write_text("2026-03-29T03:12:00Z INFO all is well\n")
    names = [str(tmp_path / name) for name in ("good.log", "binary", "folder", "pipe")]
    with Console(names, home=tmp_path, columns=160) as console:
        console.until(
            lambda text: "all is well" in text and "folder" in text and "is a pipe, a socket or a dev" in text
        )
        console.until("is a directory")
        console.press("q")
        assert console.ended_within() == 0
        only_known_sequences(bytes(console.raw))
