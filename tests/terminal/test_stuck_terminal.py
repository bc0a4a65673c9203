"""A terminal that takes nothing any more: a frozen link, a pager that was stopped, ctrl-s in a screen multiplexer."""

from __future__ import annotations

import os
import select
import signal
import termios
from functools import partial
from pathlib import Path

import pytest

from tests.terminal.console import Console
from tests.terminal.test_manners import first_screen
from tests.waiting import unhurried, wait_for

SIZES = [(100, 30), (101, 31)] * 20
"""Each has a frame of its own; together they are far more than any buffer between holds."""
CPU_NS = 2_000_000
"""Drawing a frame costs more."""


def _cpu_ns(console: Console) -> int:
    """The CPU time of the thread that draws."""
    return int(Path(f"/proc/{console.process.pid}/task/{console.process.pid}/schedstat").read_text().split()[0])


def _has_drawn(console: Console, before_ns: int) -> bool:
    """Whether the thread that draws has worked since ``before_ns`` of its CPU time, and has nothing to do now."""
    stat = Path(f"/proc/{console.process.pid}/task/{console.process.pid}/stat").read_text()
    return _cpu_ns(console) > before_ns + CPU_NS and stat.rpartition(")")[2].split()[0] == "S"


def stick(console: Console) -> None:
    """Gives the program frame after frame to draw, and reads none of it."""
    first_screen(console)
    for size in SIZES:
        before = _cpu_ns(console)
        console.resize(*size)
        wait_for(partial(_has_drawn, console, before), what="it goes on")
    assert not select.select([], [console._terminal], [], 0)[1], "the terminal is not full"


@pytest.mark.fault("4.102")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_two_seconds(tmp_path: Path, number: signal.Signals) -> None:
    with Console(home=tmp_path) as console:
        stick(console)
        console.process.send_signal(number)
        console.process.wait(unhurried(2.5))
        assert termios.tcgetattr(console._terminal) == console.modes_before


@pytest.mark.fault("4.102")
@pytest.mark.parametrize("ignored", [False, True], ids=["hang-up", "hang-up ignored"])
def test_a_closed_terminal_ends_it_in_two_seconds(tmp_path: Path, ignored: bool) -> None:
    with Console(home=tmp_path, ignore_hangup=ignored) as console:
        stick(console)
        console.hang_up()
        console.process.wait(unhurried(2.5))


@pytest.mark.fault("4.102")
def test_what_was_not_drawn_meanwhile_is_drawn_once_it_takes_something_again(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        stick(console)
        console.press("p")
        console.until("paused")
        console.quiet()
        sent, shown = len(console.raw), console.text
        console.press("\x0c")
        console.quiet()
        assert console.text == shown
        assert sent < 100_000, "every frame was sent"
        console.press("\x03")
        assert console.ended_within() == 0


@pytest.mark.fault("4.102")
def test_a_terminal_that_does_not_wait_is_waited_for(tmp_path: Path) -> None:
    """Another program that shares it may have set O_NONBLOCK: writing more than it takes is an error then."""
    with Console(home=tmp_path) as console:
        os.set_blocking(console._terminal, False)
        stick(console)
        console.press("?")
        console.until("sort the hosts")
        console.press("\x03")
        assert console.ended_within() == 0
