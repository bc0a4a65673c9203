"""Commands that follow (``tail -f``): they stream in the pane until somebody stops them, and nothing of them stays."""

from __future__ import annotations

import getpass
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.incident.model import StepEnded
from lilfox_tui.jobs.listing import list_jobs
from tests.services.sshd import SshdLab, sshd_lab
from tests.terminal.console import Console
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
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


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture(params=["here", "web1"])
def home(request: pytest.FixtureRequest, jobs: Path, tmp_path: Path, lab: SshdLab,
         monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    server = lab.servers[0]
    there = {
        "address": server.address,
        "port": server.port,
        "user": getpass.getuser(),
        "identity": str(lab.client_key),
    }
    hosts = {"here": {"local": True}, "web1": there}
    ssh = {"config_files": [], "known_hosts": [str(lab.known_hosts)]}
    config = tmp_path / ".config/lilfox/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f"hosts: {json.dumps(hosts)}\nssh: {json.dumps(ssh)}\nrunbooks: {{folders: [~/runbooks], bundled: false}}\n"
    )
    config.chmod(0o600)
    log = tmp_path / "app.log"
    log.write_text("the first line\n")
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks/made.md").write_text(RUNBOOK.format(host=request.param, log=log))
    yield tmp_path
    for job in list_jobs():
        if job.state == "running" and job.pid is not None:
            os.killpg(job.pid, signal.SIGKILL)


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
        console.until("cpu")
        console.press("4")
        console.until("Made")
        console.press("I")
        console.until("Open an incident")
        console.press("it burns\r")
        console.until("INC-1 is open")
        console.press("\r\r")
        console.until("the first line")
        wait_for(lambda: len(following(home)) == 1, what="it runs")
        for number in range(3):
            append(home, f"line {number} of many")
            console.until(f"line {number} of many")
        console.until("S stops it")
        console.press("S")
        console.until("step 2 on here only reads")
        assert "stopped" in console.text
        wait_for(lambda: not following(home), what="it has ended there")
        console.press("r")
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
