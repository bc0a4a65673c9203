"""Two operators at two terminals over one state folder: one acts, the other follows live and takes over explicitly."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.incident.model import TookOver
from lilfox_tui.jobs.listing import list_jobs
from tests.terminal.console import Console
from tests.terminal.runbook_home import begin_in_incident, open_pane, runbook_home
from tests.unit.jobs.running import ended, jobs

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
RUNBOOK = """# Made

1. Look

   ```bash
   echo looked
   ```

2. Change

   ```bash {"risk":"change"}
   echo "half $((1 + 1))"; while [ ! -e $HOME/go ]; do sleep 0.1; done; echo one >>$HOME/changed
   ```

3. Change again

   ```bash {"risk":"change"}
   echo two >>$HOME/changed
   ```
"""


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    with runbook_home(tmp_path, RUNBOOK) as made:
        yield made


@contextmanager
def operator(home: Path) -> Iterator[Console]:
    """The console at pane 4."""
    with Console(home=home, env={"PYTHONPATH": str(ROOT)}, columns=130, rows=40) as console:
        open_pane(console)
        yield console


def begin(console: Console) -> None:
    """An incident, and a run in it whose first step has run."""
    begin_in_incident(console)
    console.until("step 2 on here makes a change")


def order(console: Console) -> None:
    """The command that waits, seen and confirmed."""
    console.press("\r")
    console.until("run it")
    console.press("\r")


def take_over(console: Console) -> None:
    console.press(":take-over\r")
    console.until("Take over INC-1")
    console.press("\r")


def changed(home: Path) -> list[str]:
    path = home / "changed"
    return path.read_text().split() if path.exists() else []


def terminal_of(console: Console) -> str:
    return os.ttyname(console._terminal).removeprefix("/dev/")


def took_over() -> list[TookOver]:
    (incident,) = list_incidents()
    return [each.what for each in entries(incident.id) if isinstance(each.what, TookOver)]


def test_a_second_operator_follows_live_and_takes_over(home: Path) -> None:
    with operator(home) as first, operator(home) as second:
        one, two = terminal_of(first), terminal_of(second)
        begin(first)
        second.until(
            lambda text: (
                re.search(rf"press a to take over\): step 2 on here is waiting for \S+ {one}", text) is not None
            )
        )
        second.press("\r\r")
        second.until(f"{one} controls this run: you are following; press a to take over")
        order(first)
        second.until("half 2")
        second.until("(press a to take over): a command is running;")
        take_over(second)
        first.until(f"{two} took over INC-1: you are now following; press a in pane 4 to take it back")
        first.press("C")
        first.until(f"{two} controls this run: you are following; press a to take over")
        first.until("(press a to take over): a command is running;")
        (home / "go").touch()
        second.until("step 3 on here makes a change")
        first.until("step 3 on here is waiting for")
        first.press("\r")
        order(second)
        second.until("all steps are done: enter ends the run")
        first.until("(press a to take over): all steps are done;")
        assert changed(home) == ["one", "two"]
        take_over(first)
        second.until(f"{one} took over INC-1")
        first.until("all steps are done: enter ends the run")
        first.press("\r")
        second.until("last run, by")
    there = [(each.before.split()[-1], each.who.split()[-1]) for each in took_over()]
    assert there == [(one, two), (two, one)]
    assert ended(list_jobs()[0].id).state == "ok"


def test_who_follows_goes_on_when_who_acted_was_killed(home: Path) -> None:
    with operator(home) as first, operator(home) as second:
        one, two = terminal_of(first), terminal_of(second)
        begin(first)
        order(first)
        second.until("(press a to take over): a command is running;")
        first.process.kill()
        second.until("step 2 is running on here: C stops it")
        assert not took_over(), "nobody has taken anything over yet"
        (home / "go").touch()
        second.until("step 3 on here makes a change")
        second.press("zz")  # to the steps, wherever it opened
        order(second)
        second.until("all steps are done: enter ends the run")
        assert changed(home) == ["one", "two"]
        second.press("\r")
        second.until("last run, by")
    assert [(each.before.split()[-1], each.who.split()[-1]) for each in took_over()] == [(one, two)]


@pytest.mark.fault("S38")
def test_of_two_who_confirm_the_same_step_at_once_one_runs_it(home: Path) -> None:
    (home / "go").touch()
    with operator(home) as first:
        begin(first)
        first.process.kill()
    with operator(home) as second, operator(home) as third:
        for console in (second, third):
            console.until("step 2 on here makes a change")
            console.press("zz\r")  # to the steps, wherever it opened
            console.until("run it")
        for console in (second, third):
            console.press("\r")
        texts = [console.until("step 3 on here") for console in (second, third)]
        assert changed(home) == ["one"]
        acts = ["step 3 on here makes a change" in text for text in texts]
        assert sorted(acts) == [False, True]
        follower = (second, third)[acts.index(False)]
        actor = terminal_of((second, third)[acts.index(True)])
        assert re.search(rf"press a to take over\): step 3 on here is waiting for \S+ {actor}", follower.text)
        follower.press("\r")
        follower.until("controls this run: you are following")
        assert changed(home) == ["one"]


def test_at_the_command_line_one_follows_and_takes_over_too(home: Path) -> None:
    (home / "go").touch()
    words = ["runbook", "run", str(home / "runbooks/made.md")]
    controls = "is in control of this run; you are following. Press t and Enter to take over"
    with Console(words, home=home, env={"PYTHONPATH": str(ROOT)}, rows=50, columns=200) as first:
        first.until("run it? [y]es")
        (job,) = list_jobs()
        words = ["runbook", "run", "--resume", job.id]
        with Console(words, home=home, env={"PYTHONPATH": str(ROOT)}, rows=50, columns=200) as second:
            second.until(f"{terminal_of(first)} {controls}")
            assert "run it?" not in second.text
            second.press("y\n")
            second.press("t\n")
            second.until("run it? [y]es")
            first.until(f"{terminal_of(second)} {controls}")
            first.press("y\n")
            second.press("y\n")
            first.until("here: done (0)")
            second.until("echo two >>$HOME/changed")
            assert changed(home) == ["one"]
            first.press("\x03")
            assert first.ended_within() == 130
            assert "the run continues" in first.text
            second.press("y\n")
            assert second.ended_within() == 0
    assert changed(home) == ["one", "two"]
    assert ended(job.id).state == "ok"
