"""``lilfox export`` for log stacks: what collectors and servers are told, read by parsers that are not ours."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import re2
import yaml
from logstash_pipeline_parser import Pipeline

from lilfox_tui.cli.commands import export
from lilfox_tui.cli.exports.alloy import alloy_config
from lilfox_tui.cli.exports.elasticsearch import index_template, kibana_data_view, lifecycle_policy
from lilfox_tui.cli.exports.filebeat import filebeat_yml
from lilfox_tui.cli.exports.grafana import datasources_yml
from lilfox_tui.cli.exports.log_streams import FORMATS, SERVICE_OF_FILE, log_export
from lilfox_tui.cli.exports.logstash import logstash_conf
from lilfox_tui.cli.exports.loki import loki_yml
from lilfox_tui.cli.exports.promtail import promtail_yml
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import UsageError
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.structured import entry_of
from tests.unit.cli.alloy_syntax import AlloyBlock, read_alloy

CONFIG = r"""
name: Prod EU
hosts:
  web-1: {address: 192.0.2.1}
  db-1: {address: 192.0.2.2}
  here: {local: true}
services:
  gateway: {url: "http://127.0.0.1:8080"}
  backend: {url: "http://127.0.0.1:8000"}
logs:
  gateway: {path: /var/log/lilfox/gateway.log, host: web-1, format: json_lines, zone: UTC}
  web-1.backend: {path: /srv/backend.log, host: web-1, format: json_lines, zone: UTC}
  other: {path: /srv/other.jsonl, host: web-1, zone: UTC}
  all: {path: "/var/log/lilfox/*.log", host: web-1}
  backend-access: {path: /var/log/nginx/access.log, host: web-1, zone: UTC}
  nginx: {path: /var/log/nginx/error.log, host: web-1, zone: Asia/Shanghai}
  pg: {path: /var/log/postgresql/postgresql-17-main.log, host: web-1, zone: Europe/Berlin}
  pg-json: {path: /var/log/postgresql/postgresql-17-main.json, host: web-1, zone: Asia/Shanghai}
  odd: {path: "/srv/it's {odd}.txt", host: web-1, zone: UTC}
  klog: {path: /srv/klog.log, host: web-1, format: klog, zone: UTC}
  console: {path: /srv/console.log, host: web-1, format: console, zone: UTC}
  go: {path: /srv/go.log, host: web-1, format: logfmt, zone: UTC}
  sys: {path: /var/log/syslog, host: web-1, zone: UTC}
  journal: {kind: journald, host: web-1, unit: nginx, identifier: nginx}
  run: {kind: command, argv: [docker, logs, -f, x], host: web-1}
  far: {path: /srv/far.log, host: db-1, zone: UTC}
  mine: {path: /srv/mine.log, format: json_lines, zone: UTC}
  loki:
    {kind: loki, url: "https://loki.example.net/x", query: '{job="lilfox"}', user: fox, password: "env:LOKI_PASSWORD",
     headers: {X-Scope-OrgID: prod, X-More: very-secret}, verify_tls: false}
  es:
    {kind: elasticsearch, url: "https://es.example.net", index: "lilfox-*", user: elastic, password: "env:ES_PASSWORD",
     verify_tls: false}
"""
HTTPS = "https://es.example.net:443"
COLLECTORS = (alloy_config, promtail_yml, logstash_conf, filebeat_yml)
LINES = {
    "access": [
        ('::1 - - [01/Jan/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 502 12 "-" "curl"', "01/Jan/2026:12:00:00 +0000"),
    ],
    "console": [
        ("2026-01-01 12:00:00,123 - app.db - ERROR - no connection\nTraceback", "2026-01-01 12:00:00,123"),
        ("2026-01-01 12:00:00.123 | ERROR    | app:main:10 - no", "2026-01-01 12:00:00.123"),
        ("[2026-01-01 12:00:00 +0000] [12] [ERROR] no", "2026-01-01 12:00:00"),
    ],
    "nginx_error": [("2026/01/01 12:00:00 [error] 1#1: *2 open() failed, client: 192.0.2.9", "2026/01/01 12:00:00")],
    "postgresql": [
        ("2026-01-01 12:00:00.123 CET [99] fox@db ERROR:  no such table", "2026-01-01 12:00:00.123 CET"),
        ("2026-01-01 12:00:00 +08 [99-1] user=a,db=b ERROR:  no", "2026-01-01 12:00:00 +08"),
    ],
    "syslog": [
        ("Jan  1 12:00:00 web-1 sshd[99]: error: no", "Jan  1 12:00:00"),
        ("2026-01-01T12:00:00.123456+01:00 web-1 sshd[99]: no", "2026-01-01T12:00:00.123456+01:00"),
    ],
}  # fmt: skip


@pytest.fixture
def config() -> Config:
    return from_text(CONFIG, "lilfox.yaml")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("platform.node", lambda: "laptop")


def blocks(text: str) -> dict[str, AlloyBlock]:
    return {f"{each.name}.{each.label}": each for each in read_alloy(text)}


def stages_of(block: AlloyBlock) -> list[tuple[str, Mapping[str, Any]]]:
    return [(each.name.removeprefix("stage."), each.attributes) for each in block.blocks]


def test_a_file_is_found_read_parsed_and_sent_to_loki(config: Config) -> None:
    found = blocks(alloy_config(config, "web-1"))
    assert found["local.file_match.gateway"].attributes["path_targets"] == [
        {
            "__path__": "/var/log/lilfox/gateway.log", "job": "lilfox", "host": "web-1", "log": "gateway",
            "env": "prod_eu", "service": "gateway",
        }
    ]  # fmt: skip
    assert found["loki.source.file.gateway"].attributes == {
        "targets": "=local.file_match.gateway.targets", "forward_to": ["=loki.process.gateway.receiver"]
    }  # fmt: skip
    made = stages_of(found["loki.process.gateway"])
    assert [kind for kind, _ in made] == ["json", "timestamp", "template", "labels", "structured_metadata"]
    assert made[0][1]["expressions"]["level"].startswith("level || levelname || ")
    assert made[1][1]["location"] == "UTC"
    assert made[3][1]["values"] == {"level": ""}
    assert found["loki.source.file.odd"].attributes["forward_to"] == ["=loki.write.lilfox.receiver"]
    (endpoint,) = found["loki.write.lilfox"].blocks
    assert endpoint.attributes == {"url": "https://loki.example.net/x/loki/api/v1/push", "tenant_id": "prod"}
    assert [(each.name, each.attributes) for each in endpoint.blocks] == [
        ("basic_auth", {"username": "fox", "password_file": "/etc/alloy/secrets/loki-password"}),
        ("tls_config", {"insecure_skip_verify": True}),
    ]


def test_every_component_of_alloy_that_is_named_is_there(config: Config) -> None:
    text = alloy_config(config, "web-1")
    there = set(blocks(text))
    named = re.findall(r"\b((?:loki|local)\.[\w.]+?)\.(?:receiver|targets|rules)\b", text)
    assert named
    assert not set(named) - there
    unused = {name for name in there if not name.startswith("loki.source.")} - set(named)
    assert not unused


def test_a_service_is_known_by_its_name_by_its_file_or_by_its_record(config: Config) -> None:
    found = blocks(alloy_config(config, "web-1"))
    assert found["local.file_match.web_1_backend"].attributes["path_targets"][0]["service"] == "backend"
    assert found["local.file_match.backend_access"].attributes["path_targets"][0]["service"] == "backend"
    target = found["local.file_match.all"].attributes["path_targets"][0]
    assert (target["__path_exclude__"], "service" in target) == ("/var/log/lilfox/*-daily.log", False)
    assert stages_of(found["loki.process.all"])[0] == ("regex", {"expression": SERVICE_OF_FILE, "source": "filename"})
    other = dict(stages_of(found["loki.process.other"]))
    assert other["json"]["expressions"]["service"] == 'service || "service.name" || app'
    assert set(other["labels"]["values"]) == {"service", "level"}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/var/log/lilfox/backend.log", "backend"),
        ("/var/log/lilfox/lilfox-gateway.log", "gateway"),
        ("/srv/model-daily.log", "model"),
        ("/srv/a/b-c.jsonl", "b-c"),
    ],
)
def test_the_name_of_a_file_tells_its_service(path: str, service: str) -> None:
    for engine in (re, re2):
        assert engine.search(SERVICE_OF_FILE, path)["service"] == service


def test_the_journal_is_read_as_lilfox_reads_it(config: Config) -> None:
    source = blocks(alloy_config(config, "web-1"))["loki.source.journal.journal"]
    wanted = "_SYSTEMD_UNIT=nginx.service SYSLOG_IDENTIFIER=nginx"
    assert source.attributes["matches"] == wanted
    jobs = {each["job_name"]: each for each in yaml.safe_load(promtail_yml(config, "web-1"))["scrape_configs"]}
    assert jobs["journal"]["journal"]["matches"] == wanted
    inputs = {each["id"]: each for each in yaml.safe_load(filebeat_yml(config, "web-1"))["filebeat.inputs"]}
    assert inputs["lilfox-journal"]["include_matches.match"] == wanted.split(" ")
    assert "# journal is not exported: Logstash does not read the journal" in logstash_conf(config, "web-1")


def test_promtail_does_what_alloy_does_and_says_that_it_is_at_its_end(config: Config) -> None:
    text = promtail_yml(config, "web-1")
    assert "# Promtail reached its end of life on 2 March 2026" in text
    document = yaml.safe_load(text)
    assert document["clients"][0]["url"] == "https://loki.example.net/x/loki/api/v1/push"
    assert document["positions"]["filename"] == "/var/lib/promtail/positions.yaml"
    found = blocks(alloy_config(config, "web-1"))
    for job in document["scrape_configs"]:
        name = re.sub(r"\W", "_", job["job_name"])
        pipeline = [next(iter(each.items())) for each in job.get("pipeline_stages", ())]
        process = found.get(f"loki.process.{name}")
        stages = stages_of(process) if process else []
        assert pipeline == [
            (kind, given["values"] if kind in ("labels", "structured_metadata") else given) for kind, given in stages
        ]
        if "static_configs" in job:
            target = found[f"local.file_match.{name}"].attributes["path_targets"][0]
            assert job["static_configs"][0]["labels"] == target


@pytest.mark.parametrize("kind", LINES)
def test_the_expressions_find_time_and_level(kind: str) -> None:
    how = FORMATS[kind]
    for line, time in LINES[kind]:
        for engine in (re, re2):
            found = engine.search(how.expression, line)
            assert found, line
            groups = found.groupdict()
            assert groups["time"] == time
            assert groups.get("level", "ERROR").upper() == "ERROR"
            assert set(how.metadata) <= set(groups)
            assert not how.start or engine.match(how.start, line)


def test_every_format_with_an_expression_is_tried() -> None:
    assert set(LINES) == {kind for kind, how in FORMATS.items() if how.expression}


def test_logstash_reads_each_file_and_each_format(config: Config) -> None:
    tree = Pipeline(logstash_conf(config, "web-1")).parse()
    assert [section[0] for section in tree] == ["input", "filter", "output"]
    inputs = [dict(plugin[1]) for plugin in tree[0][1]]
    assert [str(each["path"][0]) for each in inputs][:4] == [
        "/var/log/lilfox/gateway.log", "/srv/backend.log", "/srv/other.jsonl", "/var/log/lilfox/*.log"
    ]  # fmt: skip
    text = logstash_conf(config, "web-1")
    assert 'if [@metadata][log] in ["gateway", "web-1.backend", "all"] {\n    json {' in text
    assert "if [log][level] in [" in text
    assert 'mutate { add_tag => ["error"] }' in text
    assert 'exclude => ["*-daily.log"]' in text
    assert f'hosts => ["{HTTPS}"]' in text
    assert 'data_stream_namespace => "prod_eu"' in text
    assert 'password => "${LILFOX_ELASTICSEARCH_PASSWORD}"' in text
    assert "# LilFox reads the index lilfox-*; set it to logs-lilfox-prod_eu to read these records." in text


def test_the_name_of_a_zone_is_read_in_the_zone_of_the_log(config: Config) -> None:
    text = logstash_conf(config, "web-1")
    assert """"yyyy-MM-dd HH:mm:ss.SSS 'CET'", "yyyy-MM-dd HH:mm:ss 'CET'", "yyyy-MM-dd HH:mm:ss.SSS 'CEST'",""" in text
    assert """["[@metadata][time]", "yyyy-MM-dd HH:mm:ss.SSS 'CST'", "yyyy-MM-dd HH:mm:ss.SSS z"]""" in text


@pytest.mark.parametrize("path", ["""/srv/a'b"c.log""", "/srv/${HOME}.log"])
def test_a_path_that_a_pipeline_cannot_hold_is_refused(path: str) -> None:
    config = from_text(json.dumps({"logs": {"a": {"path": path, "format": "json_lines"}}}), "lilfox.yaml")
    with pytest.raises(UsageError, match="a Logstash pipeline cannot contain"):
        logstash_conf(config, None)
    assert read_alloy(alloy_config(config, None))
    assert yaml.safe_load(promtail_yml(config, None))["scrape_configs"]


def test_filebeat_sends_records_into_the_data_stream(config: Config) -> None:
    document = yaml.safe_load(filebeat_yml(config, "web-1"))
    assert document["output.elasticsearch"] == {
        "hosts": [HTTPS], "index": "logs-lilfox-prod_eu", "username": "elastic",
        "password": "${LILFOX_ELASTICSEARCH_PASSWORD}", "ssl.verification_mode": "none",
    }  # fmt: skip
    assert document["setup.template.enabled"] is False
    inputs = {each["id"]: each for each in document["filebeat.inputs"]}
    assert len(inputs) == len(log_export(config, "web-1").streams)
    assert inputs["lilfox-all"]["prospector.scanner.exclude_files"] == [r"-daily\.log$"]
    assert inputs["lilfox-gateway"]["parsers"] == [{"ndjson": {"target": "app", "add_error_key": True}}]
    times = [each["timestamp"] for each in inputs["lilfox-gateway"]["processors"] if "timestamp" in each]
    assert times[0]["field"] == "app.timestamp"
    assert times[0]["layouts"][:2] == ["2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"]
    assert inputs["lilfox-pg"]["parsers"][0]["multiline"]["match"] == "after"


def test_loki_has_nothing_that_version_3_has_taken_away(config: Config) -> None:
    text = loki_yml(config, None)
    document = yaml.safe_load(text)
    (schema,) = document["schema_config"]["configs"]
    assert (schema["store"], schema["schema"], schema["index"]["period"]) == ("tsdb", "v13", "24h")
    assert document["compactor"]["delete_request_store"] == "filesystem"
    for gone in ("shared_store", "table_manager", "chunk_store_config", "enforce_metric_name", "max_transfer_retries"):
        assert gone not in text
    assert "/tmp" not in text  # the manual's data is gone after a restart


def test_template_policy_and_view_fit_the_data_stream(config: Config) -> None:
    template = json.loads(index_template(config, None))
    assert template["index_patterns"] == ["logs-lilfox-*"]
    assert template["priority"] > 100
    policy = json.loads(lifecycle_policy(config, None))["policy"]["phases"]
    assert policy["delete"]["min_age"] == "30d"
    view = json.loads(kibana_data_view(config, None))
    assert view["attributes"]["title"] == "logs-lilfox-*"
    assert kibana_data_view(config, None).count("\n") == 1


def test_lilfox_reads_the_records_that_logstash_and_filebeat_write() -> None:
    record = {
        "@timestamp": "2026-01-01T12:00:00.123Z", "message": "no connection", "log": {"level": "error", "logger": "db"},
        "service": {"name": "backend"}, "host": {"name": "web-1"}, "app": {"request_id": "r-1"}, "tags": ["error"],
    }  # fmt: skip
    entry = entry_of(record, b"{}", UTC)
    assert (entry.message, entry.severity) == ("no connection", Severity.ERROR)
    assert entry.time_us == 1767268800_123000


def test_data_sources_of_grafana_are_those_of_the_logs(config: Config) -> None:
    found = {each["type"]: each for each in yaml.safe_load(datasources_yml(config))["datasources"]}
    assert found["loki"]["url"] == "https://loki.example.net/x"
    assert found["loki"]["jsonData"]["httpHeaderName1"] == "X-Scope-OrgID"
    assert found["elasticsearch"]["jsonData"]["index"] == "lilfox-*"
    assert found["elasticsearch"]["secureJsonData"] == {"basicAuthPassword": "$__env{ES_PASSWORD}"}


def test_without_any_log_the_services_of_the_manual_are_collected() -> None:
    for made in COLLECTORS:
        text = made(Config(), None)
        assert "/var/log/lilfox/*.log" in text
        assert "daily" in text
    (stream,) = log_export(Config(), None).streams
    assert (stream.format, stream.zone) == ("json_lines", "UTC")
    assert 'data_stream_namespace => "default"' in logstash_conf(Config(), None)
    assert "http://127.0.0.1:3100/loki/api/v1/push" in alloy_config(Config(), None)


@pytest.mark.parametrize("made", COLLECTORS)
def test_no_secret_is_in_a_file(made: Any, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKI_PASSWORD", "very-secret")
    monkeypatch.setenv("ES_PASSWORD", "very-secret")
    assert "very-secret" not in made(config, "web-1")


def test_what_cannot_be_exported_is_said(config: Config) -> None:
    text = alloy_config(config, "web-1")
    assert "// run is not exported: it is the output of a command" in text
    assert "// odd: the format is unknown; lines are sent as they are. Set logs.odd.format." in text
    assert "// klog: lines of the format klog are sent as they are." in text
    assert "// LilFox reaches https://loki.example.net/x from here; it must be reachable from web-1." in text
    assert "// loki: header X-More is not exported" in text
    assert "it must be reachable" not in alloy_config(config, "here")


def test_a_collector_has_the_logs_of_one_host(config: Config) -> None:
    assert [each.name for each in log_export(config, "db-1").streams] == ["far"]
    assert [each.name for each in log_export(config, "here").streams] == ["mine"]
    with pytest.raises(UsageError, match="logs are on several hosts"):
        log_export(config, None)
    with pytest.raises(UsageError, match="nosuch: no such host"):
        log_export(config, "nosuch")
    one = from_text("hosts: {a: {}, b: {}}\nlogs: {x: {path: /x.log, host: a}}\n", "lilfox.yaml")
    assert log_export(one, None).host == "a"
    with pytest.raises(UsageError, match="no log file and no journal of b"):
        log_export(one, "b")
    assert log_export(Config(), None).host == "laptop"


@pytest.mark.parametrize("kind", sorted(set(export.KINDS) - {"cron", "systemd-timer", "grafana"}))
def test_every_kind_is_printed(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lilfox.yaml"
    path.write_text("{}\n")
    args = Namespace(kind=kind, host=None, config=path, read_only=False, no_color=False, language="en")
    assert export.run(args) == 0
    assert capsys.readouterr().out


def test_a_host_is_refused_where_it_means_nothing() -> None:
    args = Namespace(kind="kibana", host="web-1", config=None, read_only=False, no_color=False, language="en")
    with pytest.raises(UsageError, match="--host does not apply to kibana"):
        export.run(args)
