"""``lilfox alerts lint`` as it is run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from tests.pages import served
from tests.services.lilfox_command import lilfox
from tests.services.prometheus_server import prometheus
from tests.services.stamped_targets import StampedTargets, stamped_targets
from tests.waiting import wait_for

GOOD = """\
groups:
- name: g
  rules:
  - {alert: Down, expr: up == 0, for: 5m, labels: {severity: page}, annotations: {summary: down}}
"""
WARNED = "groups:\n- name: g\n  rules:\n  - {alert: Errors, expr: errors_total > 5}\n"
BROKEN = "groups:\n- name: g\n  rules:\n  - {alert: Broken, expr: up ==}\n  - {record: r, expr: up, for: 1m}\n"
PAGE = '# TYPE errors_total counter\nerrors_total{path="/"} 5\n# TYPE depth gauge\ndepth 3\n'


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    for name, text in {"good.yml": GOOD, "warned.yml": WARNED, "broken.yml": BROKEN, "page.txt": PAGE}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["good.yml"], 0),
        (["warned.yml"], 0),
        (["good.yml", "broken.yml"], 1),
        (["nosuch.yml"], 1),
        ([], 2),
        (["--nosuch"], 2),
    ],
)
def test_the_exit_code_tells_whether_the_files_can_be_used(rules: Path, files: list[str], code: int) -> None:
    argv = [name if name.startswith("-") else str(rules / name) for name in files]
    assert lilfox("alerts", "lint", *argv).returncode == code


def test_errors_and_warnings_are_told_with_their_places(rules: Path) -> None:
    done = lilfox("--language", "en", "alerts", "lint", rules / "broken.yml", rules / "warned.yml", rules / "good.yml")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{rules}/broken.yml:4: g/Broken: expr: ")
    assert lines[1] == f"{rules}/broken.yml:5: g/r: a recording rule cannot have for; remove it"
    assert lines[2] == f"{rules}/broken.yml: 2 errors"
    assert any(line.startswith(f"{rules}/warned.yml:4: g/Errors: warning: ") for line in lines)
    assert f"{rules}/warned.yml: 1 rule: 3 warnings" in lines
    assert lines[-1] == f"{rules}/good.yml: 1 rule: good"


def test_json_keeps_its_schema(rules: Path) -> None:
    done = lilfox("alerts", "lint", "--json", *(rules / name for name in ("good.yml", "warned.yml", "broken.yml")))
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("alerts-lint"))
    assert json.loads(lilfox("alerts", "lint", "--json-schema").stdout) == schema("alerts-lint")
    good, warned, broken = document["files"]
    assert document["good"] is False
    assert (good["rules"], good["errors"], good["warnings"]) == (1, [], [])
    codes = {warning["code"] for warning in warned["warnings"]}
    assert codes == {"no-rate", "no-severity", "no-summary"}
    assert (broken["rules"], len(broken["errors"])) == (None, 2)


def test_what_selects_nothing_is_looked_for_in_saved_pages(rules: Path) -> None:
    text = 'rate(eros_total[5m]) > 1 or rate(errors_total{path="/x"}[5m]) > 1 or rate(depth{job="a"}[5m]) > 1'
    (rules / "rules.yml").write_text(WARNED.replace("errors_total > 5", f"'{text}'"))
    done = lilfox("alerts", "lint", "--json", "--metrics", rules / "page.txt", rules / "rules.yml")
    warnings = json.loads(done.stdout)["files"][0]["warnings"]
    said = [
        (warning["code"], warning["what"])
        for warning in warnings
        if warning["code"] in ("no-series", "rate-of-a-gauge")
    ]
    assert [code for code, _what in said] == ["rate-of-a-gauge", "no-series", "no-series"]
    assert lilfox("alerts", "lint", "--metrics", rules / "good.yml", rules / "good.yml").returncode == 1


def test_names_in_a_file_are_no_escapes(rules: Path) -> None:
    (rules / "evil.yml").write_text('groups:\n- name: "\\e[31mred"\n  rules: [{alert: "\\e]0;x\\a", expr: up > 0}]\n')
    done = lilfox("alerts", "lint", rules / "evil.yml")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


SELECTING = """\
groups:
- name: g
  rules:
  - {alert: Down, expr: 'up{job="app"} == 0'}
  - {alert: Gone, expr: 'up{job="ap"} == 0'}
  - {alert: Errors, expr: 'rate(requests_total{status=~"5.."}[1m]) > 1'}
  - {alert: Teapot, expr: 'rate(requests_total{status="418"}[1m]) > 1'}
  - {alert: Misspelt, expr: 'rate(request_total[1m]) > 1'}
"""


@pytest.fixture
def targets() -> Iterator[StampedTargets]:
    with stamped_targets() as found:
        yield found


def selecting_nothing(*argv: str | Path) -> dict[str, str]:
    """Rule to hint of those that select no series."""
    done = lilfox("--language", "en", "alerts", "lint", "--json", *argv)
    assert done.returncode == 0, done.stderr
    warnings = [each for file in json.loads(done.stdout)["files"] for each in file["warnings"]]
    return {each["rule"]: each["hint"] for each in warnings if each["code"] == "no-series"}


def test_the_targets_of_the_configuration_are_asked_what_rules_select(rules: Path, targets: StampedTargets) -> None:
    config = rules / "config.yaml"
    (rules / "rules.yml").write_text(SELECTING)
    asked = f"scrape: {{app: {{targets: {json.dumps([*targets.addresses, '127.0.0.1:1'])}}}}}\nrules: [rules.yml]\n"
    config.write_text(asked)
    found = selecting_nothing("--config", config)
    assert list(found) == ["Gone", "Teapot", "Misspelt"]
    assert found["Gone"] == "series with this name exist, but with other labels"
    assert "no response with this status yet" in found["Teapot"]
    assert selecting_nothing("--config", config, rules / "rules.yml") == found
    done = lilfox("--language", "en", "alerts", "lint", "--config", config)
    assert done.stderr.startswith("series could not be queried: app: 127.0.0.1:1 refuses the connection")
    config.write_text("services: {app: {url: 'http://127.0.0.1:1'}}\n")
    assert selecting_nothing("--config", config, rules / "rules.yml") == {}, "who does not answer has no say"


def test_where_only_a_prometheus_is_named_it_is_asked(
    rules: Path, targets: StampedTargets, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (rules / "rules.yml").write_text(SELECTING)
    with prometheus(tmp_path_factory.mktemp("prometheus"), settings=targets.settings) as server:
        wait_for(lambda: server.instant("count(up == 1) == 2", _now_ms())["result"], what="it scrapes")
        (rules / "config.yaml").write_text(f"prometheus: http://127.0.0.1:{server.port}\n")
        found = selecting_nothing("--config", rules / "config.yaml", rules / "rules.yml")
    assert list(found) == ["Gone", "Teapot", "Misspelt"]


@pytest.mark.fault("4.72")
def test_the_types_that_a_prometheus_knows_go_before_names(
    rules: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alerts = [{"alert": "A", "expr": "stuck_errors_total > 5"}, {"alert": "B", "expr": "rate(depth[1m]) > 1"}]
    text = json.dumps({"groups": [{"name": "g", "rules": alerts}]})
    (rules / "rules.yml").write_text(text)
    body = b"# TYPE stuck_errors_total gauge\nstuck_errors_total 9\n# TYPE depth gauge\ndepth 3\n"
    codes = {}
    with served([lambda: (200, body)]) as (address,):
        settings = (
            "global: {scrape_interval: 200ms}\n"
            f"scrape_configs: [{{job_name: a, static_configs: [{{targets: ['{address}']}}]}}]\n"
        )
        with prometheus(tmp_path_factory.mktemp("prometheus"), settings=settings) as server:
            wait_for(lambda: server.instant("depth", _now_ms())["result"], what="it scrapes")
            for name, config in {"with": f"prometheus: http://127.0.0.1:{server.port}\n", "without": "{}\n"}.items():
                (rules / "config.yaml").write_text(config)
                argv = ("--config", rules / "config.yaml", "alerts", "lint", "--json", rules / "rules.yml")
                (file,) = json.loads(lilfox(*argv).stdout)["files"]
                said = {(each["rule"], each["code"]) for each in file["warnings"]}
                codes[name] = said & {("A", "no-rate"), ("B", "rate-of-a-gauge")}
    assert codes == {"with": {("B", "rate-of-a-gauge")}, "without": {("A", "no-rate")}}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
