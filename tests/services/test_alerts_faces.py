"""What the one that evaluates cannot do is told by every face: the monitor's log, its series and JSON, check, list."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from lilfox_tui.config.model import Thresholds
from tests.services.lilfox_command import lilfox, running
from tests.services.test_alerts_everywhere import reports
from tests.waiting import wait_for

GOOD = (
    "groups: [{name: g, interval: 200ms, rules: [{alert: Fires, expr: vector(1)}, {alert: Not, expr: vector(1) > 1}]}]"
)
BROKEN = "groups: ["
PARTLY = GOOD.replace("vector(1) > 1", "vector(1) >")
QUIET = GOOD.replace("expr: vector(1)}", "expr: vector(1) > 1}")
UNHEEDED = ", ".join(f"{name}: {{warn: null, fail: null}}" for name in Thresholds.__struct_fields__ if name != "hold")
NOBODY = "{pager: {kind: webhook, url: 'http://127.0.0.1:1'}}"


def configured(folder: Path, rules: dict[str, str], named: str, notifiers: str = "{}") -> Path:
    for name, text in rules.items():
        (folder / name).write_text(text)
    file = folder / "config.yaml"
    file.write_text(
        f"refresh: 500ms\nhosts: {{here: {{local: true}}}}\nthresholds: {{{UNHEEDED}}}\n"
        f"rules: [{named}]\nnotifiers: {notifiers}\nalerts: {{group_wait: 0s}}\n"
        f"monitor: {{interval: 500ms, output: {folder / 'reports.jsonl'}, listen: '127.0.0.1:0'}}\n"
    )
    file.chmod(0o600)
    return file


@pytest.mark.fault("4.58")
@pytest.mark.parametrize(
    ("rules", "named", "notifiers", "said"),
    [
        ({"bad.yml": BROKEN}, "bad.yml", "{}", r"bad\.yml:\d+: not valid YAML"),
        ({"good.yml": QUIET, "bad.yml": BROKEN}, "'*.yml'", "{}", r"bad\.yml:\d+: not valid YAML"),
        ({"good.yml": QUIET}, "good.yml, gone.yml", "{}", r"no file matches \S*gone\.yml"),
        ({"partly.yml": QUIET.replace("> 1}]", ">}]")}, "partly.yml", "{}", r"partly\.yml:1: g/Not: expr: "),
        ({"good.yml": GOOD}, "good.yml", NOBODY, "notifier pager has been failing since"),
    ],
    ids=["broken", "one of two broken", "missing", "a bad rule", "a notifier"],
)
def test_all_faces_tell_it_and_exit_1(
    rules: dict[str, str], named: str, notifiers: str, said: str, tmp_path: Path, own_folders: Path
) -> None:
    config = configured(tmp_path, rules, named, notifiers)
    output = tmp_path / "monitor"
    log = output.with_suffix(".err")
    with running(["--config", config, "monitor"], output):
        wait_for(lambda: re.search(said, log.read_text()), what="the monitor's log")
        wait_for(lambda: re.search(said, str(reports(output)[-1:])), what="its report")
        assert reports(output)[-1]["level"] == "failing"
        address = re.search(r"http://\S+/metrics", log.read_text())
        assert address is not None
        text = urllib.request.urlopen(address[0], timeout=30).read().decode()
        counts = re.findall(r"^lilfox_(?:alert_troubles|rules_failing) (\S+)$", text, re.MULTILINE)
        assert sum(map(float, counts)) >= 1

        table = lilfox("--config", config, "check")
        assert re.search(said, table.stdout), table.stdout
        assert ("none firing" in table.stdout, table.returncode) == (False, 1)
        document = json.loads(lilfox("--config", config, "check", "--json").stdout)
        assert document["level"] == "failing"
        assert re.search(said, str(document["alerts"]))
        for form in ([], ["--json"]):
            listed = lilfox("--config", config, "alerts", "list", *form)
            assert re.search(said, listed.stdout.replace("\\\\", "\\")), listed.stdout
            assert listed.returncode == 1


@pytest.mark.fault("4.58")
def test_where_all_is_well_nothing_is_told_and_what_is_over_is(tmp_path: Path, own_folders: Path) -> None:
    config = configured(tmp_path, {"r.yml": QUIET}, "r.yml")
    output = tmp_path / "monitor"
    log = output.with_suffix(".err")
    with running(["--config", config, "monitor"], output):
        wait_for(lambda: reports(output) and reports(output)[-1]["alerts"]["known"], what="it evaluates")
        assert "alerts:" not in log.read_text()
        table = lilfox("--config", config, "check")
        assert ("2 rules, none firing" in table.stdout, table.returncode) == (True, 0)
        listed = lilfox("--config", config, "alerts", "list")
        assert (listed.stdout, listed.returncode) == ("no alerts\n", 0)
        (tmp_path / "r.yml").write_text(BROKEN)
        wait_for(lambda: "alerts: rules: " in log.read_text(), what="it is told")
        (tmp_path / "r.yml").write_text(QUIET)
        wait_for(lambda: "alerts: the problem has cleared: rules: " in log.read_text(), what="and its end")
