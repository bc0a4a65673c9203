"""One evaluates, and everybody knows: monitor's reports and series, check, and a console beside them."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.services.lilfox_command import lilfox, running
from tests.terminal.console import Console
from tests.waiting import wait_for

RULES = """
groups:
  - name: g
    interval: 200ms
    rules:
      - alert: Busy
        expr: cpu_usage_percent >= 0
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.host }} is busy"}
      - alert: Never
        expr: memory_usage_percent > 1000
      - alert: Unknown
        expr: nothing_has_this_name > 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    (tmp_path / "rules.yml").write_text(RULES)
    file.write_text(
        "refresh: 500ms\nhosts: {here: {local: true}}\nrules: [rules.yml]\n"
        f"monitor: {{interval: 1s, output: {tmp_path / 'reports.jsonl'}, listen: '127.0.0.1:0'}}\n"
    )
    file.chmod(0o600)
    return file


def reports(output: Path) -> list[dict[str, Any]]:
    """The whole lines that monitor has printed."""
    text = output.with_suffix(".out").read_text()
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def alerts_of(output: Path) -> list[dict[str, Any]]:
    """The alerts of the newest report."""
    found = reports(output)
    return list(found[-1]["alerts"].get("alerts", ())) if found else []


def checked(config: Path) -> subprocess.CompletedProcess[str]:
    return lilfox("--config", config, "check", "--json")


def test_check_says_that_no_file_matches_where_there_are_no_rules(config: Path, tmp_path: Path) -> None:
    told = lilfox("--config", config, "check").stdout
    assert re.search(r"^○ +alerts +the rules have not been evaluated yet$", told, re.MULTILINE), told
    (tmp_path / "rules.yml").unlink()
    told = lilfox("--config", config, "check").stdout
    assert re.search(rf"^○ +alerts +rules: no file matches {tmp_path}/rules\.yml$", told, re.MULTILINE), told


def test_monitor_check_and_a_console_tell_the_same(config: Path, tmp_path: Path, own_folders: Path) -> None:
    jsonschema.validate(json.loads(checked(config).stdout), schema("check"))
    assert json.loads(checked(config).stdout)["alerts"]["known"] is False

    output = tmp_path / "monitor"
    with running(["--config", config, "monitor"], output):
        wait_for(lambda: [one["state"] for one in alerts_of(output)] == ["firing"], what="it fires")
        newest = reports(output)[-1]
        jsonschema.validate(newest, schema("check"))
        assert newest["level"] == "failing"
        assert newest["alerts"]["evaluated_here"] is True
        assert newest["alerts"]["rules_without_data"] == ["Unknown"]
        assert newest["alerts"]["alerts"][0]["annotations"] == {"summary": "here is busy"}
        told = output.with_suffix(".err").read_text()
        address = re.search(r"http://\S+/metrics", told)
        assert address is not None, told
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            text = answer.read().decode()
        line = 'ALERTS{alertname="Busy",host="here",instance="here",severity="critical",alertstate="firing"} 1.0'
        assert line in text.splitlines()
        verdict = subprocess.run(
            ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False
        )
        assert "error" not in verdict.stderr.lower() or verdict.returncode == 3, verdict.stderr

        done = checked(config)
        document = json.loads(done.stdout)
        jsonschema.validate(document, schema("check"))
        assert done.returncode == 1
        assert [one["name"] for one in document["alerts"]["alerts"]] == ["Busy"]
        table = lilfox("--config", config, "check")
        assert table.returncode == 1
        above = table.stdout.partition("Busy")[0].splitlines()
        assert all(line.startswith(("✖", " ")) for line in above), "the worst is first; a busy host may fail too"
        assert "here is busy" in table.stdout

        state = {"XDG_STATE_HOME": str(own_folders / "state")}
        with Console(["--config", str(config)], home=tmp_path, columns=120, rows=30, env=state) as console:
            console.until("evaluated by another LilFox", 30)
            console.until("▲ 1 firing")
            console.press("!s")
            console.until("would silence 1 alert")
            console.press("\r")
            console.until("silenced", 20)
            wait_for(lambda: alerts_of(output)[0]["silenced_by"], what="monitor knows of it")
            assert reports(output)[-1]["level"] != "failing" or _others_fail(reports(output)[-1])
            console.press("q")
            console.ended_within(5)
        silenced = json.loads(checked(config).stdout)
        assert silenced["alerts"]["alerts"][0]["silenced_by"]

    after = json.loads(checked(config).stdout)
    assert after["alerts"]["known"] is False
    assert "no LilFox process is evaluating these rules" in after["alerts"]["why"]


def _others_fail(report: dict[str, Any]) -> bool:
    """Whether the machine itself fails: a busy one may."""
    return any(host["level"] == "failing" for host in report["hosts"].values())


def test_the_console_takes_over_when_the_one_that_evaluates_is_killed(
    config: Path, tmp_path: Path, own_folders: Path
) -> None:
    output, state = tmp_path / "monitor", {"XDG_STATE_HOME": str(own_folders / "state")}
    with running(["--config", config, "monitor"], output) as monitor:
        wait_for(lambda: alerts_of(output), what="it fires")
        with Console(["--config", str(config)], home=tmp_path, columns=120, rows=30, env=state) as console:
            console.until("evaluated by another LilFox", 30)
            monitor.kill()
            console.until(lambda text: "Problems" in text and "evaluated by another" not in text, 20)
            console.until("▲ 1 firing")
            console.press("q")
            assert console.ended_within(5) == 0
