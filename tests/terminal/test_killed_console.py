"""The console is killed without a word while a command runs: the command goes on, and the next console knows it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lilfox_tui.incident.export import verify
from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.incident.model import StepBegan, StepEnded
from tests.terminal.console import Console, configure
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
RUNBOOK = """# Night

1. Change it

   ```bash {"risk":"change"}
   echo once >>$HOME/count; while [ ! -e $HOME/go ]; do sleep 0.1; done; echo over >>$HOME/count; echo said
   ```

2. Look

   ```bash
   cat $HOME/count
   ```
"""


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    (tmp_path / "night.md").write_text(RUNBOOK)
    configure(tmp_path, f"runbooks: {{folders: [{tmp_path}/night.md], bundled: false}}\n")
    return tmp_path


def console(home: Path) -> Console:
    return Console(home=home, env={"PYTHONPATH": str(ROOT)}, columns=120, rows=40)


def test_kill_9_of_the_console_loses_nothing_and_runs_nothing_twice(home: Path) -> None:
    count = home / "count"
    with console(home) as first:
        first.until("here")
        first.press("4")
        first.until("1. Change it")
        first.press("\r")
        first.until("enter starts a run")
        first.press("\r")
        first.until("open an incident (SEV-3) and run")
        first.press("\r")
        first.until("makes a change: enter to review and confirm")
        first.press("\r")
        first.until("enter run it")
        first.press("\r")
        first.until(lambda _screen: count.exists())
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(60)
    with console(home) as second:
        second.until("run 1/2")
        (home / "go").touch()
        second.until("run 2/2")
        second.press("4")
        second.until("said")
        second.press("\r")
        second.until("✔  2. Look")
    assert count.read_text() == "once\nover\n"
    (incident,) = list_incidents()
    told = [each.what for each in entries(incident.id)]
    commands = [what.command for what in told if isinstance(what, StepBegan)]
    assert [command.splitlines()[0][:9] for command in commands] == ["echo once", "cat $HOME"]
    assert [what.output.split() for what in told if isinstance(what, StepEnded)] == [["said"], ["once", "over"]]
    assert verify(incident.id).problems == ()
