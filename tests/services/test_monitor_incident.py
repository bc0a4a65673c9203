"""``lilfox monitor`` and incidents: alerts open one, and what is watched tells of itself in it, whoever watches."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import current, entries
from lilfox_tui.incident.model import AlertChanged, IncidentOpened, Noticed
from tests.services.lilfox_command import running
from tests.services.test_monitor_daemon import heartbeat_listener
from tests.waiting import wait_for

RULES = """groups:
- name: g
  interval: 1s
  rules:
  - {alert: Always, expr: vector(1), labels: {severity: critical}}
"""


def knows(report: Path) -> bool:
    """Whether the monitor that writes it has seen that the service is away."""
    return "refuses the connection" in report.read_text()


def test_two_monitors_open_one_incident_and_tell_once_that_a_service_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)
    (tmp_path / "rules.yml").write_text(RULES)
    with ExitStack() as stack:
        with heartbeat_listener(200) as (port, _calls):
            config = tmp_path / "config.yaml"
            config.write_text(
                "refresh: 500ms\nhosts: {here: {local: true}}\nrules: [rules.yml]\nalerts: {incident_on: [critical]}\n"
                f"services: {{web: {{url: 'http://127.0.0.1:{port}', down_after: 1}}}}\n"
            )
            config.chmod(0o600)
            for number in range(2):
                output: Path = tmp_path / f"report-{number}"
                argv: list[str | Path] = ["--config", config, "monitor", "--interval", "1s", "--output", output]
                stack.enter_context(running(argv, tmp_path / f"monitor-{number}"))
                wait_for(output.exists, what="it watches")
            wait_for(lambda: current() is not None, what="an incident is opened")
        incident = current()
        assert incident is not None
        assert (incident.id, incident.title, incident.leader) == ("INC-1", "Always", "lilfox monitor")

        def noticed() -> list[Noticed]:
            found = [each.what for each in entries("INC-1") if isinstance(each.what, Noticed)]
            return [what for what in found if what.subject == "service/web"]  # this machine has its own life

        wait_for(noticed, what="the service is noticed to be away")
        for number in range(2):
            wait_for(partial(knows, tmp_path / f"report-{number}"), what="both know")
    ((what, *more), told) = noticed(), [each.what for each in entries("INC-1")]
    assert not more
    assert (what.kind, what.level) == ("level", "failing")
    assert sum(isinstance(each, IncidentOpened) for each in told) == 1
    assert [each.name for each in told if isinstance(each, AlertChanged)] == ["Always"]
