"""What a terminal may say of itself, and how the console ends when its reader fails after all."""

from __future__ import annotations

import os
import termios
from pathlib import Path

import pytest

from tests.terminal.console import Console
from tests.terminal.test_manners import first_screen

MOUSE = "\x1b[<35;5;5M"
SIZES_TOLD = "\x1b[?2048;2$y"  # the terminal can tell its size by itself, and counts the mouse in pixels from now on


@pytest.mark.parametrize(
    "size", ["0;0;0;0", "30;100;0;0", "0;100;480;800", "1;1;1;1"], ids=["none", "no pixels", "no rows", "one cell"]
)
def test_a_size_of_nothing_ends_nothing(tmp_path: Path, size: str) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press(SIZES_TOLD + f"\x1b[48;{size}t" + MOUSE)
        console.read(0.5)
        console.press(f"\x1b[48;30;100;480;800t{MOUSE}?")
        console.until("sort the hosts")
        console.press("\x03")
        assert console.ended_within() == 0


BROKEN_READER = """
from textual._xterm_parser import XTermParser

def fall_over(self, code):
    password = "canary-" + "5ca1ab1e"
    raise RuntimeError("the reader fell over" if password else "")

XTermParser.parse_mouse_code = fall_over
"""


def test_a_fault_in_the_reader_is_told_and_logged_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN_READER)
    home = tmp_path / "[bold]home"  # not to be read as markup
    home.mkdir()
    with Console(home=home, env={"PYTHONPATH": os.fspath(tmp_path)}) as console:
        first_screen(console)
        console.press(MOUSE)
        assert console.ended_within() == 1
        assert termios.tcgetattr(console._terminal) == console.modes_before
        assert console.raw.rfind(b"\x1b[?1049l") > console.raw.rfind(b"\x1b[?1049h")
        log = home / ".local/state/lilfox/crash.log"
        told = bytes(console.raw).rpartition(b"\x1b[?1049l")[2].decode()
        assert "lilfox exited on an internal error: RuntimeError" in told
        assert f"traceback: {log}" in told
        assert "Traceback" not in told
        assert log.stat().st_mode & 0o077 == 0
        assert "the reader fell over" in log.read_text()
        assert "5ca1ab1e" not in log.read_text() + told
