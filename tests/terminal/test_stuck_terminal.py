"""A terminal that takes nothing any more: a frozen link, a pager that was stopped, ctrl-s in a screen multiplexer."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.app.terminal import HANGUP_STATUS
from tests.terminal.console import Console
from tests.terminal.test_manners import first_screen
from tests.waiting import unhurried, wait_for

SIZES = [(100, 30), (101, 31)] * 20
"""Each has a frame of its own; together they are far more than any buffer between holds."""
PAUSED_S = 3.0
"""A paused screen that sends nothing for so long is all there, also where others want the processors."""
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


LEAVES: dict[str, Callable[[Console], None]] = {
    "terminated": lambda console: console.process.send_signal(signal.SIGTERM),
    "SIGHUP": lambda console: console.process.send_signal(signal.SIGHUP),
    "hung up": Console.hang_up,
    "hung up, SIGHUP ignored": Console.hang_up,
}


@pytest.mark.fault("4.102")
@pytest.mark.parametrize("how", LEAVES)
def test_it_ends_in_two_seconds_all_the_same(tmp_path: Path, how: str) -> None:
    with Console(home=tmp_path, ignore_hangup="ignored" in how) as console:
        stick(console)
        LEAVES[how](console)
        status = console.process.wait(unhurried(2.5))
        if console.fd >= 0:
            assert status == 0, "it came to its own end"
            assert termios.tcgetattr(console._terminal) == console.modes_before


BLOCKED = """
import asyncio, threading
from lilfox_tui.app.terminal import Departure

async def main():
    Departure(lambda: None).watch(asyncio.get_running_loop())
    print("the loop waits", flush=True)
    threading.Event().wait()

asyncio.run(main())
"""


@pytest.mark.fault("4.102")
def test_a_hang_up_ends_it_though_its_loop_waits_for_something_else(tmp_path: Path) -> None:
    """Such as a program that was given the terminal and does not end with it."""
    with Console(home=tmp_path, ignore_hangup=True, through=lambda _argv: [sys.executable, "-c", BLOCKED]) as console:
        console.until("the loop waits")
        console.hang_up()
        assert console.process.wait(unhurried(2.5)) == HANGUP_STATUS


@pytest.mark.fault("4.102")
def test_what_was_not_drawn_meanwhile_is_drawn_once_it_takes_something_again(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        stick(console)
        console.press("p")
        console.until("paused")
        while console.read(PAUSED_S):  # what was left out is drawn after what waited
            continue
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


@pytest.mark.fault("4.102")
def test_a_console_that_was_stopped_goes_on_whole_and_ends(tmp_path: Path) -> None:
    """By ``kill -STOP``, which it is not told of; each one that went on used to add a reader that nothing ended."""
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press("p")
        console.until("paused")
        console.quiet()
        shown = console.text
        for _again in range(3):
            console.process.send_signal(signal.SIGSTOP)
            wait_for(partial(_is_stopped, console), what="it is stopped")
            console.screen.reset()  # the shell has the screen
            console.process.send_signal(signal.SIGCONT)
            console.until(lambda text: text == shown)
        assert termios.tcgetattr(console._terminal) != console.modes_before
        console.press("q")
        assert console.ended_within() == 0
        assert termios.tcgetattr(console._terminal) == console.modes_before


def _is_stopped(console: Console) -> bool:
    return Path(f"/proc/{console.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
