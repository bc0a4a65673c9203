"""``lilfox export``: promtool and amtool take what it makes, and the dashboard asks what the demo has."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.cli.exports.grafana import DATASOURCE, USUAL, backend_panels, dashboard, find_traffic_metrics
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.demo.stack import Stack
from lilfox_tui.monitor.scrape_once import scrape_once
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from tests.services.lilfox_command import lilfox
from tests.services.prometheus_server import prometheus
from tests.services.stamped_targets import stamped_targets
from tests.waiting import wait_for

RULES = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 1m}]}]\n"
CONFIG = """
name: prod
hosts:
  web-1: {{address: 192.0.2.1}}
  here: {{local: true}}
services:
  gateway: {{url: "http://127.0.0.1:8000", metrics_every: 10s}}
  inside: {{url: "http://127.0.0.1:9000", from: web-1}}
  quiet: {{url: "http://127.0.0.1:7000", metrics: null}}
scrape:
  node:
    targets: ["127.0.0.1:9100", "127.0.0.2:9100"]
    labels: {{env: "prod: # {{x}}"}}
    drop: [go_.*]
    params: {{a: "b c"}}
  gateway: {{targets: ["127.0.0.1:9999"], honor_labels: true, honor_timestamps: false}}
  pay:
    targets: ["pay.example.net:8443"]
    scheme: https
    user: fox
    password: "file:{folder}/pay-password"
    verify_tls: false
  cache: {{targets: ["127.0.0.1:9121"], bearer: "file:{folder}/token", from: here}}
rules: [rules.yml, more/*.yml]
alerts: {{every: 30s, external_labels: {{site: eu}}, group_by: [alertname, job], remind: null}}
notifiers:
  mail: {{kind: smtp, server: mail.example.net, from: fox@example.net, to: [a@example.net, b@example.net],
          user: fox, password: "env:MAIL_PASSWORD", only: ['severity="critical", team=~"web|db"']}}
  plain: {{kind: smtp, server: mail.example.net, tls: none, from: fox@example.net, to: [a@example.net]}}
  chat: {{kind: webhook, url: "env:CHAT_URL", resolved: false, user: u, password: "file:{folder}/token"}}
  hook: {{kind: webhook, url: "http://127.0.0.1:5001/$x"}}
  ring: {{kind: bell}}
  page: {{kind: command, argv: [page]}}
  up: {{kind: alertmanager, url: "http://127.0.0.1:9093/am"}}
prometheus:
  {{url: "http://127.0.0.1:9090/$p", user: fox, password: "env:PROM_PASSWORD", headers: {{X-Scope-OrgID: prod}}}}
alertmanager: {{url: "http://127.0.0.1:9093", bearer: "file:{folder}/token"}}
monitor: {{listen: "127.0.0.1:9464"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lilfox.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    path.chmod(0o600)
    for name in ("pay-password", "token"):
        (tmp_path / name).write_text("very-secret\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "rules.yml").write_text(RULES)
    return path


def exported(config: Path, kind: str, code: int = 0) -> str:
    done = lilfox("--config", config, "export", kind)
    assert done.returncode == code, done.stderr
    assert "very-secret" not in done.stdout + done.stderr
    return done.stdout


def judged(*argv: str | Path) -> str:
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_prometheus_yml_with_all_its_files(config: Path) -> None:
    text = exported(config, "prometheus")
    made = config.parent / "prometheus.yml"
    made.write_text(text)
    assert "1 rules found" in judged("promtool", "check", "config", made)
    document = yaml.safe_load(text)
    assert document["global"] == {
        "scrape_interval": "15s", "evaluation_interval": "30s", "external_labels": {"site": "eu"}
    }  # fmt: skip
    jobs = {each["job_name"]: each for each in document["scrape_configs"]}
    assert list(jobs) == ["gateway", "node", "gateway_", "pay", "cache", "lilfox"]
    assert jobs["gateway"]["scrape_interval"] == "10s"
    assert jobs["gateway"]["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
    assert jobs["gateway_"]["static_configs"] == [{"targets": ["127.0.0.1:9999"], "labels": {"job": "gateway"}}]
    assert jobs["node"]["static_configs"][0]["labels"] == {"env": "prod: # {x}"}
    assert jobs["node"]["params"] == {"a": ["b c"]}
    assert jobs["pay"]["basic_auth"] == {"username": "fox", "password_file": f"{config.parent}/pay-password"}
    assert jobs["pay"]["tls_config"] == {"insecure_skip_verify": True}
    assert jobs["cache"]["authorization"]["credentials_file"] == f"{config.parent}/token"
    assert document["alerting"]["alertmanagers"] == [
        {"scheme": "http", "path_prefix": "/am", "static_configs": [{"targets": ["127.0.0.1:9093"]}]}
    ]
    assert "# LilFox scrapes inside (127.0.0.1:9000) from web-1 through SSH, which Prometheus cannot" in text


def test_a_prometheus_runs_with_it_scrapes_and_evaluates(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{record: r, expr: count(level)}]}]\n")
    with stamped_targets() as targets:
        addresses = ", ".join(f"'{address}'" for address in targets.addresses)
        config.write_text(
            "hosts: {here: {local: true}}\n"  # else it is looked for services on this machine
            f"scrape: {{app: {{targets: [{addresses}], every: 500ms, timeout: 500ms, labels: {{site: eu}}}}}}\n"
            "rules: [rules.yml]\nalerts: {every: 500ms}\n"
        )
        with prometheus(tmp_path, settings=exported(config, "prometheus")) as server:

            def answer() -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = server.instant("r", round(time.time() * 1000))["result"]
                return found

            wait_for(lambda: answer() and answer()[0]["value"][1] == "2", what="both are scraped")
            (level,) = server.instant('level{name="a"}', round(time.time() * 1000))["result"]
            assert level["metric"]["job"] == "app"
            assert level["metric"]["site"] == "eu"


def test_secrets_that_prometheus_cannot_read_become_files_to_be_filled(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    config.write_text(
        "hosts: {here: {local: true}}\nscrape:\n"
        "  a: {targets: [h:1], bearer: 'env:TOKEN'}\n"
        "  b: {targets: [h:2], user: u, password: 'cmd:pass show \"x y\"'}\n"
    )
    made = tmp_path / "prometheus.yml"
    made.write_text(exported(config, "prometheus"))
    judged("promtool", "check", "config", "--syntax-only", made)
    text = made.read_text()
    assert "# write the secret from env:TOKEN to /etc/prometheus/secrets/a-token\n" in text
    assert "password_file: /etc/prometheus/secrets/b-password\n" in text
    assert "pass show" not in text


def test_without_anything_configured_there_is_still_a_whole_file(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    config.write_text("hosts: {here: {local: true}}\n")
    for kind, check in {
        "prometheus": ("promtool", "check", "config"), "alertmanager": ("amtool", "check-config")
    }.items():  # fmt: skip
        made = tmp_path / f"{kind}.yml"
        made.write_text(exported(config, kind))
        judged(*check, made)


def test_amtool_takes_the_alertmanager_yml(config: Path) -> None:
    text = exported(config, "alertmanager")
    made = config.parent / "alertmanager.yml"
    made.write_text(text)
    assert "5 receivers" in judged("amtool", "check-config", made)
    document = yaml.safe_load(text)
    assert document["route"]["repeat_interval"] == "8760h"
    routes = {each["receiver"]: each for each in document["route"]["routes"]}
    assert routes["mail"]["matchers"] == ['severity="critical"', 'team=~"web|db"']
    assert list(routes) == ["mail", "plain", "chat", "hook"]
    receivers = {each["name"]: each for each in document["receivers"]}
    (mail,) = receivers["mail"]["email_configs"]
    assert (mail["to"], mail["smarthost"], mail["require_tls"]) == (
        "a@example.net, b@example.net", "mail.example.net:587", True
    )  # fmt: skip
    assert mail["auth_password_file"] == "/etc/alertmanager/secrets/mail-password"
    assert receivers["chat"]["webhook_configs"][0]["url_file"] == "/etc/alertmanager/secrets/chat-url"
    assert receivers["chat"]["webhook_configs"][0]["send_resolved"] is False
    for note in (
        "ring: Alertmanager does not support bell",
        "page: Alertmanager does not support command",
        "up: this notifier is itself an Alertmanager",
    ):
        assert f"# {note}" in text
    routed = judged("amtool", "config", "routes", "test", f"--config.file={made}", "severity=critical", "team=db")
    assert set(routed.strip().split(",")) == {"mail", "plain", "chat", "hook"}
    routed = judged("amtool", "config", "routes", "test", f"--config.file={made}", "severity=warning")
    assert set(routed.strip().split(",")) == {"plain", "chat", "hook"}


def test_amtool_takes_the_chats_and_pagers_that_alertmanager_knows_too(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    config.write_text("""
alerts:
  inhibit: [{source: ['severity="page"'], target: ['severity=~"warning|info"'], equal: [host]}]
  time_intervals: [{name: night, time_intervals: [{weekdays: [sunday]}]}]
  mute: [{intervals: [night]}]
notifiers:
  hook: {kind: slack, url: "env:HOOK", resolved: false}
  bot: {kind: slack, token: "env:TOKEN", channel: "#ops"}
  teams: {kind: teams, url: "env:HOOK"}
  duty: {kind: pagerduty, routing_key: "env:KEY"}
  telegram: {kind: telegram, token: "env:TOKEN", chat: "-100", thread: 7, silent: true}
  channel: {kind: telegram, token: "env:TOKEN", chat: "@ops"}
  ntfy: {kind: ntfy, topic: x}
""")
    text = exported(config, "alertmanager")
    made = tmp_path / "alertmanager.yml"
    made.write_text(text)
    judged_text = judged("amtool", "check-config", made)
    assert "6 receivers" in judged_text
    assert "1 inhibit rules" in judged_text
    receivers = {each["name"]: each for each in yaml.safe_load(text)["receivers"]}
    secrets = "/etc/alertmanager/secrets"
    assert receivers["hook"]["slack_configs"] == [{"send_resolved": False, "api_url_file": f"{secrets}/hook-url"}]
    assert receivers["bot"]["slack_configs"][0]["api_url"] == "https://slack.com/api/chat.postMessage"
    assert receivers["teams"]["msteamsv2_configs"][0]["webhook_url_file"] == f"{secrets}/teams-url"
    assert receivers["duty"]["pagerduty_configs"][0]["routing_key_file"] == f"{secrets}/duty-key"
    assert receivers["telegram"]["telegram_configs"][0]["chat_id"] == -100
    assert "# channel: Alertmanager takes only the number of a Telegram chat" in text
    assert "# ntfy: Alertmanager does not support ntfy" in text
    assert "# alerts.mute is not included" in text


def test_data_sources_hold_references_and_nothing_secret(config: Path) -> None:
    document = yaml.safe_load(exported(config, "grafana-datasource"))
    prometheus, alertmanager = document["datasources"]
    assert (prometheus["uid"], prometheus["type"], prometheus["url"]) == (
        DATASOURCE, "prometheus", "http://127.0.0.1:9090/$$p"
    )  # fmt: skip
    assert prometheus["jsonData"]["httpHeaderName1"] == "X-Scope-OrgID"
    assert prometheus["secureJsonData"] == {
        "basicAuthPassword": "$__env{PROM_PASSWORD}", "httpHeaderValue1": "prod"
    }  # fmt: skip
    assert alertmanager["secureJsonData"] == {"httpHeaderValue1": f"Bearer $__file{{{config.parent}/token}}"}


def expressions(document: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or below)


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    config = Config(hosts={"here": HostConfig(local=True)})
    document = dashboard(config, {f"service-{number}": USUAL for number in range(3)})
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    assert not [(a["title"], b["title"]) for a, b in combinations(panels, 2) if overlap(a["gridPos"], b["gridPos"])]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def promtool_takes(texts: Sequence[str], folder: Path) -> None:
    rules = folder / "expressions.yml"
    group = {"name": "g", "rules": [{"record": f"r{number}", "expr": text} for number, text in enumerate(texts)]}
    rules.write_text(yaml.safe_dump({"groups": [group]}))
    assert f"{len(texts)} rules found" in judged("promtool", "check", "rules", rules)


async def test_every_expression_of_the_dashboard_selects_series_of_the_demo(tmp_path: Path) -> None:
    async with Stack(port_base=0, rate=40) as stack:
        config = Config(services=stack.services)
        async with scrape_once(config, None, for_s=3.0, every_s=1.0, hosts=True) as seen:
            found = await find_traffic_metrics(config, None)
            assert (found.guessed, found.troubles) == ((), ())
            assert set(found.applications) == set(stack.services)
            texts = expressions(dashboard(config, found.applications))
            assert len(texts) >= 15
            at_ms = round(seen.at.timestamp() * 1000)
            values = {text: parse(text).at(seen.store, at_ms) for text in texts}
    assert not [text for text, value in values.items() if not (isinstance(value, Vector) and len(value.values))]
    shares = next(value for text, value in values.items() if "5..|5xx" in text)
    assert isinstance(shares, Vector)
    assert len(shares.values) == len(stack.services)
    promtool_takes(texts, tmp_path)


def test_the_command_prints_the_dashboard_and_says_what_it_did_not_see(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    with stamped_targets() as targets:
        config.write_text(
            f"scrape: {{app: {{targets: ['{targets.addresses[0]}']}}}}\nservices: {{gone: {{url: 'http://127.0.0.1:1'}}}}\n"
        )
        done = lilfox("--config", config, "export", "grafana")
    assert done.returncode == 3
    assert "gone did not answer; using the usual metric names" in done.stderr
    texts = expressions(json.loads(done.stdout))
    assert 'sum by (job) (rate(requests_total{job="app"}[5m]))' in texts
    assert 'sum by (job) (rate(http_requests_total{job="gone"}[5m]))' in texts
    promtool_takes(texts, tmp_path)
    assert all(parse(text).kind == "vector" for text in texts)


@pytest.mark.parametrize("kind", ["postgresql", "redis", "celery", "breakers", "rabbitmq"])
def test_panels_of_backends_are_made_of_what_their_kinds_give(kind: str, tmp_path: Path) -> None:
    panels = backend_panels({kind})
    texts = [expression for panel in panels for expression, _legend in panel.lines]
    assert len(panels) >= 2
    source = "".join(path.read_text() for path in Path("lilfox_tui/backends").rglob("*.py"))
    for text in texts[1:]:
        assert f'"{text.removeprefix("lilfox_")}"' in source
    promtool_takes(texts, tmp_path)
