"""Alerts of a real Prometheus and silences of a real Alertmanager, on a console and in check; no rules here."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import jsonschema

from lilfox_tui.cli.schemas import schema
from tests.services.alertmanager import AlertmanagerServer
from tests.services.lilfox_command import lilfox
from tests.services.prometheus_server import prometheus
from tests.terminal.console import Console
from tests.waiting import wait_for

RULES = """
groups:
  - name: far
    rules:
      - {alert: FarAway, expr: vector(7) > 3, labels: {job: remote}, annotations: {summary: it is far away}}
"""
SETTINGS = """
global: {{evaluation_interval: 1s}}
rule_files: ['{rules}']
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]}}
"""


def test_a_console_shows_and_silences_what_others_know(tmp_path: Path) -> None:
    rules, config = tmp_path / "far.yml", tmp_path / "config.yaml"
    rules.write_text(RULES)
    settings = partial(SETTINGS.format, rules=rules)
    with (
        AlertmanagerServer(tmp_path / "am") as am,
        prometheus(tmp_path, "--rules.alert.resend-delay=1s", settings=settings(port=am.port)) as server,
    ):
        config.write_text(
            "hosts: {here: {local: true}}\nrefresh: 500ms\n"
            f"prometheus: http://127.0.0.1:{server.port}\nalertmanager: {am.url}\n"
        )
        config.chmod(0o600)
        wait_for(am.alerts, timeout_s=60, what="Alertmanager has been told")
        done = lilfox("--config", config, "check", "--json")
        document = json.loads(done.stdout)
        jsonschema.validate(document, schema("check"))
        assert done.returncode == 1
        assert [one["name"] for one in document["alerts"]["alerts"]] == ["FarAway"]

        with Console(["--config", str(config)], home=tmp_path, columns=120, rows=30) as console:
            console.until("▲ 1 firing", 30)
            assert "it is far away" in console.text
            console.press("!\r")
            console.until("7 > 3", 30)
            console.until("limit 3", 30)
            console.press("s")
            console.until("would silence 1 alert", 30)
            console.quiet()  # enter counts once the whole question stands there
            console.press("\r")
            wait_for(lambda: am.alerts()[0]["status"]["state"] == "suppressed", what="it is silenced")
            console.until("silenced by", 30)
            console.press("q")
            assert console.ended_within(5) == 0
    late = json.loads(lilfox("--config", config, "check", "--json").stdout)
    jsonschema.validate(late, schema("check"))
    assert late["level"] != "good", "what cannot be asked is not well"
    assert "127.0.0.1" in late["alerts"]["why"]
