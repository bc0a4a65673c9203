"""Writing to a terminal that takes all at once, little, or nothing."""

from __future__ import annotations

import os
import pty
import random
import select
import tty
from collections.abc import Iterator
from threading import Event

import pytest

from lilfox_tui.app import driver
from lilfox_tui.app.driver import BEHIND, Output
from tests.waiting import PATIENCE_S, wait_for

LOST_S = 10.0
"""What does not come for so long was never written."""


class Terminal:
    """Both ends of one, and what writes to it."""

    def __init__(self) -> None:
        self.reader, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.caught_up = Event()
        self.file = os.fdopen(os.dup(self.slave), "w", encoding="utf-8")
        self.output = Output(self.file, self.caught_up.set)

    def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count and select.select([self.reader], [], [], LOST_S)[0]:
            found += os.read(self.reader, count - len(found))
        return found

    def close(self) -> None:
        self.output.stop()
        self.file.close()
        os.close(self.slave)
        os.close(self.reader)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def test_what_the_terminal_takes_is_written_before_write_returns(terminal: Terminal) -> None:
    terminal.output.write("中文 and more")
    assert terminal.read(len("中文 and more".encode())).decode() == "中文 and more"
    assert not terminal.output.is_behind()


def test_the_terminal_of_others_goes_on_to_wait(terminal: Terminal) -> None:
    terminal.output.write("one")
    assert os.get_blocking(terminal.slave), "the shell shares that descriptor"
    assert os.get_blocking(terminal.file.fileno())


@pytest.mark.parametrize("reopened", [True, False], ids=["at once", "by the thread alone"])
def test_what_it_does_not_take_comes_later_whole_and_in_order(
    monkeypatch: pytest.MonkeyPatch, *, reopened: bool
) -> None:
    if not reopened:
        monkeypatch.setattr(driver, "_opened_anew", lambda _terminal: None)
    terminal = Terminal()
    try:
        choice = random.Random(7)
        texts = ["".join(choice.choices("ab中é▁\x1b[", k=choice.randrange(1, 9000))) for _ in range(60)]
        for text in texts[:30]:
            terminal.output.write(text)  # nobody reads: it waits for nobody
        assert terminal.output.is_behind()
        first, second = ("".join(part).encode() for part in (texts[:30], texts[30:]))
        assert len(first) > 2 * BEHIND
        assert terminal.read(len(first)) == first
        assert terminal.caught_up.wait(PATIENCE_S)
        wait_for(lambda: not terminal.output.is_behind())
        for text in texts[30:]:
            terminal.output.write(text)
        assert terminal.read(len(second)) == second
    finally:
        terminal.close()


def test_what_comes_while_a_frame_was_left_out_goes_by_the_thread_which_tells_of_it(terminal: Terminal) -> None:
    """Written at once, it could hide from the thread that all is written: the frame would never be made up for."""
    terminal.output._held = True  # left out a moment ago, and all is written by now
    terminal.output.write("x")
    assert terminal.caught_up.wait(LOST_S)
    assert terminal.read(1) == b"x"


def test_one_that_is_gone_is_no_error() -> None:
    terminal = Terminal()
    os.close(terminal.reader)
    terminal.output.write("anybody?")
    terminal.output.stop()
    terminal.file.close()
    os.close(terminal.slave)
