"""Commands that follow (``tail -f``): they stream in the pane until somebody stops them, and nothing of them stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.incident.model import StepEnded
from lilfox_tui.jobs.listing import list_jobs
from tests.services.sshd import SshdLab
from tests.terminal.console import Console
from tests.terminal.runbook_home import begin_in_incident, lab, open_pane, runbook_home
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs", "lab"]
ROOT = Path(__file__).parents[2]
RUNBOOK = """# Made

1. Watch the log

   ```bash {{"host":"{host}"}}
   tail -n 5 -f {log}
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
    log = tmp_path / "app.log"
    log.write_text("the first line\n")
    with runbook_home(tmp_path, RUNBOOK.format(host=request.param, log=log), lab) as made:
        yield made


def append(home: Path, line: str) -> None:
    with (home / "app.log").open("a") as log:
        log.write(f"{line}\n")


def following(home: Path) -> list[int]:
    """Processes that have the log's path in their words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if words[0].endswith(b"tail") and str(home / "app.log").encode() in words:
                found.append(int(path.parent.name))
    return found


def test_it_streams_until_it_is_stopped_and_nothing_of_it_stays(home: Path) -> None:
    with Console(home=home, env={"PYTHONPATH": str(ROOT)}, columns=130, rows=40) as console:
        open_pane(console)
        begin_in_incident(console)
        console.until("the first line")
        wait_for(lambda: len(following(home)) == 1, what="it runs")
        for number in range(3):
            append(home, f"line {number} of many")
            console.until(f"line {number} of many")
        console.until("C stops it")
        console.press("C")
        console.until("step 2 on here is read-only")
        assert "stopped" in console.text
        wait_for(lambda: not following(home), what="it has ended there")
        console.press("R")
        console.until("the last command did not fail")
    (incident,) = list_incidents()
    (told,) = [each.what for each in entries(incident.id) if isinstance(each.what, StepEnded)]
    assert told.state == "done"
    assert "line 2 of many" in told.output


def test_it_ends_with_the_job_and_outlives_the_terminal(home: Path) -> None:
    with Console(["runbook", "run", str(home / "runbooks/made.md")], home=home, env={"PYTHONPATH": str(ROOT)}) as run:
        run.until("the first line")
        append(home, "one more")
        run.until("one more")
        wait_for(lambda: len(following(home)) == 1, what="it runs")
        run.hang_up()
        run.process.wait(10)
    (job,) = list_jobs()
    assert job.state == "running"
    assert len(following(home)) == 1
    assert job.pid is not None
    os.killpg(job.pid, signal.SIGKILL)
    wait_for(lambda: not following(home), what="it has ended with the job")


def test_ctrl_c_at_the_command_line_stops_it_and_the_run_goes_on(home: Path) -> None:
    with Console(["runbook", "run", str(home / "runbooks/made.md")], home=home, env={"PYTHONPATH": str(ROOT)}) as run:
        run.until("the first line")
        append(home, "one more")
        run.until("one more")
        run.press("\x03")
        run.until("looked")
        assert run.ended_within() == 0
    assert not following(home)
    (job,) = list_jobs()
    assert job.state == "ok"
