"""Commands that need a terminal: the console steps aside for them, here and on a host over SSH, and comes back."""

from __future__ import annotations

import os
import re
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.incident.model import StepBegan, StepEnded
from tests.services.sshd import SshdLab
from tests.terminal.console import Console
from tests.terminal.runbook_home import begin_in_incident, lab, open_pane, runbook_home
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs", "lab"]
ROOT = Path(__file__).parents[2]
PROGRAM = r"""#!/bin/bash
echo $$ >"$0.pid"
trap 'echo "the $1 of it"; trap - INT' INT
echo "a terminal: $(tty), size $(stty size), $FOX"
while read -r line; do
    case $line in
    size) stty size ;;
    full) stty raw -echo; printf '\033[?1049h\033[?1h\033[?25lfull'; sleep 1000 ;;
    *) exit "$line" ;;
    esac
done
"""
RUNBOOK = """---
lilfox: {{version: 1, id: made, title: Made}}
vars:
  fox: {{type: enum, choices: [red, grey], default: red}}
---
# Made

1. Work there

   ```bash {{"interactive":true, "host":"{host}"}}
   FOX=<fox> {program} interrupt
   ```

2. Look

   ```bash
   echo looked
   ```
"""


@pytest.fixture(params=["here", "web1"])
def home(request: pytest.FixtureRequest, jobs: Path, tmp_path: Path, lab: SshdLab,
         monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o700)
    with runbook_home(tmp_path, RUNBOOK.format(host=request.param, program=program), lab) as made:
        yield made


@contextmanager
def in_program(home: Path) -> Iterator[Console]:
    """The console, which has stepped aside for the program of the first step."""
    with Console(home=home, env={"PYTHONPATH": str(ROOT)}, columns=120, rows=40) as console:
        open_pane(console)
        begin_in_incident(console)
        console.until("needs this terminal")
        console.press("x")
        console.until("run it")
        console.press("\r")
        console.until(lambda text: re.search(r"a terminal: /dev/\S+, size 40 120, red", text) is not None)
        yield console


def pid_of(home: Path) -> int:
    return int((home / "program.pid").read_text())


def ends() -> list[StepEnded]:
    """Of the program, as the timeline has them."""
    (incident,) = list_incidents()
    found = [each.what for each in entries(incident.id)]
    runs = [what.run for what in found if isinstance(what, StepBegan) and "interrupt" in what.command]
    return [what for what in found if isinstance(what, StepEnded) and what.run in runs]


def test_it_has_the_keyboard_its_size_and_ctrl_c_and_is_asked_about(home: Path) -> None:
    with in_program(home) as console:
        console.press("\x03")
        console.until("the interrupt of it")
        console.resize(100, 30)
        console.press("size\n")
        console.until("30 100")
        console.press("0\n")
        text = console.until("Did it work?")
        assert "it exited with status 0" in text
        console.press("f")
        console.until("R retries")
        assert "reports that it did not work" in console.text
        console.press("R")
        console.until("run it")
        console.press("\r")
        console.until("size 30 100")
        console.press("0\n")
        console.until("Did it work?")
        console.press("\r")
        console.until("step 2 on here is read-only")
    assert [each.state for each in ends()] == ["failed", "done"]


def test_its_exit_status_tells_and_somebody_may_know_better(home: Path) -> None:
    with in_program(home) as console:
        console.press("3\n")
        console.until("it exited with status 3")
        console.press("w")
        console.until("step 2 on here is read-only")
    (told,) = ends()
    assert (told.state, told.exit_status) == ("done", 3)
    assert "reports that it worked" in told.message


def test_a_program_that_is_killed_in_full_screen_leaves_the_terminal_as_it_was(home: Path) -> None:
    with in_program(home) as console:
        console.press("full\n")
        console.until("full")
        assert termios.tcgetattr(console._terminal) != console.modes_before
        os.kill(pid_of(home), signal.SIGKILL)
        console.until("Did it work?")
        assert b"\x1b[?1l" in console.raw.rpartition(b"full")[2], "keys are not an application's any more"
        console.press("\r")
        console.until("R retries")
        console.press("q")
        console.until("You have running jobs")
        console.press("q")
        assert console.ended_within() == 0
        assert termios.tcgetattr(console._terminal) == console.modes_before
    (told,) = ends()
    assert told.state == "failed"
    assert told.exit_status not in (0, None)


def test_who_is_killed_in_a_program_leaves_no_program_and_an_unknown_step(home: Path) -> None:
    with in_program(home) as console:
        program = pid_of(home)
        console.process.kill()
        console.process.wait(10)
        wait_for(lambda: not Path(f"/proc/{program}").exists(), what="the program has ended")
        wait_for(lambda: [each.state for each in ends()] == ["unknown"], what="outcome unknown")
    (told,) = ends()
    assert "the terminal that ran it did not report how it ended" in told.message
