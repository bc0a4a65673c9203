"""A runbook, a run and an incident made by hand, for screens that must look the same every time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from lilfox_tui.app.run_log import RunLog
from lilfox_tui.incident import model as incident
from lilfox_tui.incident.reducer import fold
from lilfox_tui.jobs.model import Job
from lilfox_tui.monitor.model import IncidentView, RunbooksView
from lilfox_tui.runbook.model import Document
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.run.protocol import (
    CommandBegan,
    CommandEnded,
    CommandSkipped,
    EndState,
    RunFact,
    RunOpened,
    ValuesSet,
)
from lilfox_tui.runbook.run.reducer import RunReducer
from tests.app.overviews import NOW

TEXT = """---
lilfox: {version: 1, id: web, title: Restart the web service, severity: SEV-2, on_alert: [HighErrorRate], hosts: "web*"}
vars:
  unit: {type: unit, title: The unit}
---
# Restart the web service

1. **See what it says**

   Look before anything is done.

   ```bash {"timeout": "20s"}
   systemctl status <unit>
   ```

2. **Restart it once**

   ```bash {"name": "restart", "sudo": true, "timeout": "60s"}
   systemctl restart <unit>
   ```

   ```bash {"check": true, "expect": "/active/"}
   systemctl is-active <unit>
   ```

   ```bash {"rollback-of": "restart", "sudo": true}
   systemctl stop <unit>
   ```

3. **Tell the others**

   - call the owner
   - write it down

4. **Remove what it left**

   ```bash {"risk": "destroy", "confirm": "typed", "host": "db-1"}
   rm -r /var/tmp/<unit>
   ```
"""
HOSTS = ("web-1", "web-2")
OUTPUT = """nginx.service - a web server
     Active: failed (Result: exit-code) since Sun 2026-03-29 03:06:41 UTC
   Main PID: 4711 (code=exited, status=1/FAILURE)
"""
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]bold[/red]\u202e" + "x" * 200


def documents(text: str = TEXT) -> tuple[Document, ...]:
    """That runbook, another one, and a file with an error."""
    other = parse(b"# A disk is full\n\n1. Look\n\n   ```bash\n   df -h\n   ```\n", "/srv/runbooks/disk.md")
    broken = parse(b'# Broken\n\n1. Look\n\n   ```bash {"host": 3}\n   df -h\n   ```\n', "/srv/runbooks/broken.md")
    return parse(text.encode(), "/srv/runbooks/web.md"), other, broken


def job(state: str = "running") -> Job:
    """Of the run."""
    return Job(
        id="20260329-030900-3f9a",
        kind="runbook",
        title="runbook Restart the web service",
        key="runbook /srv/runbooks/web.md#web",
        folder="/var/lib/lilfox/jobs/20260329-030900-3f9a",
        state=state,  # type: ignore[arg-type]
        started=NOW - timedelta(minutes=3),
        pid=4711,
        host="web-1",
        user="ann",
        message="its process is gone and left no result" if state == "unknown" else "",
    )


def run(folder: Path, facts: list[RunFact], text: str = TEXT, hosts: tuple[str, ...] = HOSTS) -> RunLog:
    """The run on ``hosts`` that these facts tell."""
    log = RunLog(job().id)
    log.folder = folder
    log.reducer = RunReducer(documents(text)[0].runbooks[0])
    log.reducer.take([opened(hosts), *facts])
    return log


def opened(hosts: tuple[str, ...] = HOSTS) -> RunOpened:
    return RunOpened(
        at=NOW - timedelta(minutes=3),
        run=job().id,
        runbook="web",
        title="Restart the web service",
        path="/srv/runbooks/web.md",
        sha256=documents()[0].sha256,
        hosts={"web*": hosts, "db-1": ("db-1",), "each": hosts},
        by="ann@web-1",
        incident="INC-7",
    )


def ran(
    number: int,
    step: int,
    command: int,
    host: str,
    state: EndState | None,
    *,
    shown: str,
    message: str = "",
    size: int = 0,
) -> list[RunFact]:
    """A command on a host: begun, and ended unless ``state`` is None."""
    at = NOW - timedelta(seconds=120 - 10 * number)
    name = f"{job().id}-{number}"
    facts: list[RunFact] = [
        CommandBegan(
            at=at, run=name, step=step, command=command, host=host, kind="change" if step == 1 else "read",
            shown=shown, by="ann@web-1",
        )
    ]  # fmt: skip
    if state is not None:
        facts.append(
            CommandEnded(
                at=at + timedelta(seconds=2), run=name, state=state, message=message,
                exit_status=0 if state == "done" else 3, size_bytes=size, lines=3 if size else 0,
            )
        )  # fmt: skip
    return facts


def looked(folder: Path, output: str = OUTPUT) -> list[RunFact]:
    """The first step done on both hosts, with what it printed."""
    valued = ValuesSet(at=NOW - timedelta(seconds=125), values={"unit": "nginx.service"})
    facts: list[RunFact] = [valued]
    for number, host in enumerate(HOSTS):
        (folder / f"{job().id}-{number}.head").write_text(output, encoding="utf-8")
        facts += ran(number, 0, 0, host, "done", shown="systemctl status nginx.service", size=len(output))
    return facts


def failed(folder: Path, message: str = "its output does not match /active/") -> list[RunFact]:
    """The restart done on both hosts, its check failed on one."""
    facts = looked(folder)
    for number, host in enumerate(HOSTS):
        facts += ran(2 + number, 1, 0, host, "done", shown="systemctl restart nginx.service")
    (folder / f"{job().id}-5.head").write_text("failed\n", encoding="utf-8")
    shown = "systemctl is-active nginx.service"
    facts += ran(4, 1, 1, "web-1", "done", shown=shown)
    return facts + ran(5, 1, 1, "web-2", "failed", shown=shown, message=message, size=7)


MANY = tuple(f"web-{number}" for number in range(1, 9))
JOURNAL = "".join(
    f"Mar 29 03:{8 + number // 60:02}:{number % 60:02} web nginx[4711]: GET /v1/checkout/cart/{number} 200 in 8 ms, "
    f"upstream backend-{number % 3}.internal.example.com:8443\n"
    for number in range(60)
)
ERRORS = """nginx: [emerg] bind() to 0.0.0.0:443 failed (98: Address already in use)
nginx: configuration file /etc/nginx/nginx.conf test failed
Job for nginx.service failed because the control process exited with error code.
"""


def many_failed(folder: Path) -> RunLog:
    """A run on eight hosts, of which three failed at the restart, with long outputs."""
    facts: list[RunFact] = [ValuesSet(at=NOW - timedelta(seconds=125), values={"unit": "nginx.service"})]
    for number, host in enumerate(MANY):
        facts += ran(number, 0, 0, host, "done", shown="systemctl status nginx.service")
    for number, host in enumerate(MANY, len(MANY)):
        bad = host in ("web-3", "web-5", "web-8")
        output = JOURNAL + (ERRORS if bad else "")
        (folder / f"{job().id}-{number}.head").write_text(output, encoding="utf-8")
        shown = "systemctl restart nginx.service"
        facts += ran(number, 1, 0, host, "failed" if bad else "done", shown=shown, size=len(output))
    return run(folder, facts, hosts=MANY)


def skipped(folder: Path) -> list[RunFact]:
    """That check skipped."""
    return [
        *failed(folder),
        CommandSkipped(at=NOW, step=1, command=1, reason="web-2 is out of the pool", by="ann@web-1"),
    ]


def view(state: str | None = "running", text: str = TEXT) -> RunbooksView:
    """The runbooks, with a run in that state."""
    return RunbooksView(documents(text), () if state is None else (job(state),))


def open_incident(note: str = "connections are refused since the deploy") -> IncidentView:
    """INC-7, of six entries."""
    happened: list[incident.What] = [
        incident.IncidentOpened(title="HighErrorRate: web", severity="SEV-2", cause="HighErrorRate: web"),
        incident.AlertChanged(
            name="HighErrorRate", labels={"job": "web"}, state="firing", since=NOW - timedelta(minutes=13),
            summary="31% of all requests fail",
        ),
        incident.Noted(text=note),
        incident.StepBegan(
            runbook="Restart the web service", sha256="0" * 64, step=2, title="Restart it once",
            command="systemctl restart nginx.service", host="web-1", run="r1",
        ),
        incident.StepEnded(run="r1", state="done", message=""),
        incident.Changed(change="r1", text="web-1: systemctl restart nginx.service", undo="systemctl stop nginx"),
    ]  # fmt: skip
    entries = tuple(
        incident.TimelineEntry(
            number=number, at=NOW - timedelta(seconds=751 - 100 * number), by="ann@web-1", previous="0" * 64, what=what
        )
        for number, what in enumerate(happened, 1)
    )
    return IncidentView(NOW, replace(fold(entries, Path("/state/INC-7")), opened=NOW - timedelta(seconds=751)), entries)


SCRIPT = """#!/usr/bin/env bash
set -euo pipefail
# drain it first
curl -fsS -X POST http://127.0.0.1:8080/drain
systemctl restart gateway.service
"""


def long_incident() -> IncidentView:
    """INC-7 with everything that a timeline can have: roles, moments, commands, jobs, evidence, calls."""
    seen = open_incident()
    began = {"runbook": "Restart the gateway", "sha256": "0" * 64, "host": "gw-1"}
    happened: list[incident.What] = [
        incident.RoleAssigned(role="communication", who="bob@web-1"),
        incident.Marked(moment="acknowledged", when=NOW - timedelta(minutes=11)),
        incident.StepBegan(step=1, title="Drain and restart the gateway", command=SCRIPT, run="r2", **began),
        incident.StepEnded(
            run="r2", state="failed", message="it exited with status 7", exit_status=7, output=ERRORS, output_lines=3,
            output_bytes=len(ERRORS), evidence="r2.txt",
        ),
        incident.EvidenceKept(file="r2.txt", sha256="0" * 64, size_bytes=230, text="gw-1: the journal of nginx"),
        incident.Called(contact="dba Dora +49 30 1234", outcome="looks at the replica"),
        incident.JobBegan(job="j1", kind="backup", title="backup of shop"),
        incident.JobEnded(job="j1", kind="backup", state="ok", message="1.7 MB in 3 s"),
        incident.Decided(text="roll back the deploy of 02:51"),
        incident.StepBegan(step=2, title="Roll back", command="kubectl rollout undo deploy/api", run="r3", **began),
    ]  # fmt: skip
    entries = seen.entries + tuple(
        incident.TimelineEntry(
            number=number, at=NOW - timedelta(seconds=150 - 10 * number), by="ann@web-1", previous="0" * 64, what=what
        )
        for number, what in enumerate(happened, 7)
    )
    assert seen.incident is not None
    return IncidentView(NOW, replace(fold(entries, Path("/state/INC-7")), opened=seen.incident.opened), entries)
