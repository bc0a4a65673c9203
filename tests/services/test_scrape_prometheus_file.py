"""Configurations of Prometheus, good and broken on purpose: what ``promtool check config`` takes is taken here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.prometheus_config import read_prometheus
from tests.services.lilfox_command import lilfox

JOB = "scrape_configs:\n- job_name: a\n"
GOOD = {
    "empty": "",
    "the manual's": """
global: {scrape_interval: 15s, evaluation_interval: 15s, external_labels: {monitor: lilfox}}
scrape_configs:
  - job_name: gateway
    static_configs: [{targets: ['localhost:8080'], labels: {env: prod}}]
  - job_name: 'backend'
    metrics_path: /internal/metrics
    scheme: https
    params: {module: [http_2xx], "x[]": [a, b]}
    scrape_interval: 1h30m
    scrape_timeout: 500ms
    honor_labels: yes
    honor_timestamps: false
    sample_limit: 1000
    body_size_limit: 10MB
    label_limit: 30
    static_configs:
    - targets: [a, 'b:1', '[::1]:9100']
    relabel_configs:
    - {source_labels: [__address__], regex: '(.*):\\d+', target_label: host, replacement: '${1}'}
    - {action: Drop, source_labels: [host, job], separator: '@', regex: bad}
    metric_relabel_configs:
    - {action: labeldrop, regex: 'id|pod_.*'}
    - {action: hashmod, source_labels: [a], modulus: 8, target_label: __tmp}
    - {action: keepequal, source_labels: [a], target_label: b}
    - {action: labelmap, regex: '__meta_(.+)'}
    - {action: uppercase, source_labels: [a], target_label: a}
""",
    "timeout follows a short interval": JOB + "  scrape_interval: 1s\n",
    "basic auth": JOB + "  basic_auth: {username: u, password: p}\n",
    "bearer": JOB + "  authorization: {credentials: t}\n",
    "bearer of another kind": JOB + "  authorization: {type: Token, credentials: t}\n",
    "old bearer": JOB + "  bearer_token: t\n",
    "tls": JOB + "  scheme: https\n  tls_config: {insecure_skip_verify: true, server_name: x, min_version: TLS12}\n",
    "probes": JOB + """
  metrics_path: /probe
  static_configs: [{targets: ['http://a/b']}]
  relabel_configs:
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {target_label: __address__, replacement: 'blackbox:9115'}
""",
    "other discovery": JOB + "  dns_sd_configs: [{names: [a.example.net]}]\n",
    "remote write and alerting": "remote_write: [{url: 'http://a/b'}]\n"
    "alerting: {alertmanagers: [{static_configs: [{targets: ['a:9093']}]}]}\n",
    "rule files of a pattern": "rule_files: ['nosuch/*.yml']\n",
    "files of a pattern": JOB + "  file_sd_configs: [{files: ['nosuch/*.json', 'x*.yml'], refresh_interval: 1m}]\n",
    "two jobs with an anchor": "scrape_configs:\n- &a {job_name: a, scheme: https}\n- {<<: *a, job_name: b}\n",
    "null": "global:\nscrape_configs:\n",
    "no limits": JOB + "  sample_limit: 0\n  body_size_limit: 0\n",
    "numbers as labels": JOB + "  static_configs: [{targets: ['a:1'], labels: {zone: 1, on: true}}]\n",
    "dollar": JOB + "  relabel_configs: [{source_labels: [a], regex: '(.+)', target_label: 'x_$1'}]\n",
}  # fmt: skip
BROKEN = {
    "no yaml": "scrape_configs: [",
    "a list at the top": "- a\n",
    "unknown key": "globals: {}\n",
    "unknown key of alerting": "alerting: {alertmanager: []}\n",
    "unknown key of global": "global: {interval: 5s}\n",
    "unknown key of a job": JOB + "  target: x\n",
    "no name": "scrape_configs: [{scheme: http}]\n",
    "two of a name": "scrape_configs: [{job_name: a}, {job_name: a}]\n",
    "a null job": "scrape_configs: [null]\n",
    "no duration": JOB + "  scrape_interval: 5 minutes\n",
    "long timeout": JOB + "  scrape_interval: 5s\n  scrape_timeout: 6s\n",
    "long global timeout": "global: {scrape_interval: 5s, scrape_timeout: 6s}\n",
    "a url as target": JOB + "  static_configs: [{targets: ['http://a:1']}]\n",
    "a path as target": JOB + "  static_configs: [{targets: ['a:1/metrics']}]\n",
    "targets no list": JOB + "  static_configs: [{targets: 'a:1'}]\n",
    "bad label": JOB + "  static_configs: [{targets: ['a:1'], labels: {my-label: x}}]\n",
    "bad external label": "global: {external_labels: {my-label: x}}\n",
    "unknown action": JOB + "  relabel_configs: [{action: keeep}]\n",
    "bad regex": JOB + "  relabel_configs: [{action: keep, regex: '(', source_labels: [a]}]\n",
    "look-around": JOB + "  metric_relabel_configs: [{action: drop, regex: 'a(?!b)', source_labels: [a]}]\n",
    "no modulus": JOB + "  relabel_configs: [{action: hashmod, source_labels: [a], target_label: b}]\n",
    "no target label": JOB + "  relabel_configs: [{source_labels: [a]}]\n",
    "bad target label": JOB + "  relabel_configs: [{source_labels: [a], target_label: a-b}]\n",
    "too much for labeldrop": JOB + "  relabel_configs: [{action: labeldrop, regex: a, source_labels: [b]}]\n",
    "too much for dropequal": JOB
    + "  relabel_configs: [{action: dropequal, regex: a, source_labels: [b], target_label: c}]\n",
    "a null rule": JOB + "  relabel_configs: [null]\n",
    "a null group": JOB + "  static_configs: [null]\n",
    "source labels no list": JOB + "  relabel_configs: [{source_labels: a, target_label: b}]\n",
    "two kinds of access": JOB + "  basic_auth: {username: u}\n  bearer_token: t\n",
    "access and authorization": JOB + "  basic_auth: {username: u}\n  authorization: {credentials: t}\n",
    "basic in authorization": JOB + "  authorization: {type: Basic, credentials: t}\n",
    "two passwords": JOB + "  basic_auth: {username: u, password: p, password_file: /dev/null}\n",
    "unknown key of basic auth": JOB + "  basic_auth: {user: u}\n",
    "unknown key of tls": JOB + "  tls_config: {verify: false}\n",
    "a certificate without a key": JOB + "  tls_config: {cert_file: /etc/hostname}\n",
    "no switch": JOB + "  honor_labels: maybe\n",
    "no number": JOB + "  sample_limit: many\n",
    "no size": JOB + "  body_size_limit: 10 apples\n",
    "file of another kind": JOB + "  file_sd_configs: [{files: [targets.txt]}]\n",
    "star in a folder": JOB + "  file_sd_configs: [{files: ['*/targets.json']}]\n",
    "no files": JOB + "  file_sd_configs: [{files: []}]\n",
    "params no lists": JOB + "  params: {a: b}\n",
    "a key twice": JOB + "  scheme: http\n  scheme: https\n",
    "zero interval of a job": JOB + "  scrape_interval: 0sec\n",
}  # fmt: skip


@pytest.mark.parametrize("text", [*GOOD.values(), *BROKEN.values()], ids=[*GOOD, *BROKEN])
def test_takes_and_refuses_what_promtool_does(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    promtool = subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True, check=False)
    assert promtool.returncode == (0 if text in GOOD.values() else 1), promtool.stdout + promtool.stderr
    if promtool.returncode == 0:
        read_prometheus(path)
        return
    with pytest.raises(ConfigError) as error:
        read_prometheus(path)
    assert all(problem.startswith(f"{path}:") for problem in error.value.problems)


def test_gives_what_is_written_with_whole_paths(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(
        "global: {scrape_interval: 15s, external_labels: {site: a}, sample_limit: 500}\n"
        "rule_files: [rules/*.yml, /etc/rules.yml]\n"
        "scrape_configs:\n"
        "- job_name: a\n"
        "  file_sd_configs: [{files: ['sd/*.json']}]\n"
        "  basic_auth: {username: u, password_file: pw}\n"
        "  tls_config: {ca_file: ca.pem}\n"
        "  dns_sd_configs: [{names: [b]}]\n"
        "- {job_name: b, scrape_interval: 5s, label_limit: 9, oauth2: {client_id: x}}\n"
    )
    read = read_prometheus(path)
    assert (read.external_labels, read.evaluation_interval_s) == ({"site": "a"}, 60)
    assert read.rule_files == (f"{tmp_path}/rules/*.yml", "/etc/rules.yml")
    first, second = read.jobs
    assert (first.interval_s, first.timeout_s, second.interval_s, second.timeout_s) == (15, 10, 5, 5)
    assert first.files == (f"{tmp_path}/sd/*.json",)
    assert (first.access.user, first.access.password) == ("u", f"file:{tmp_path}/pw")
    assert first.access.tls.ca_file == f"{tmp_path}/ca.pem"
    assert (first.limits.samples, second.limits.samples, second.limits.labels) == (500, 500, 9)
    assert [one.split(": ")[0] for one in read.unsupported] == [f"{path}:8", f"{path}:9"]
    assert "dns_sd_configs" in read.unsupported[0]


def test_the_check_of_the_configuration_reads_the_file_that_it_names(tmp_path: Path) -> None:
    config, path = tmp_path / "config.yaml", tmp_path / "p.yml"
    config.write_text("prometheus_config: p.yml\n")
    config.chmod(0o600)
    path.write_text("scrape_configs:\n- {job_name: a, dns_sd_configs: [{names: [b]}]}\n")
    done = lilfox("--config", config, "config", "check")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}:2: scrape_configs.a.dns_sd_configs is not supported")
    path.write_text("scrape_configs:\n- {job_name: a, scrape_interval: 5x}\n")
    done = lilfox("--config", config, "config", "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{path}:2: scrape_configs.a: ")
    path.unlink()
    assert lilfox("--config", config, "config", "check").returncode == 2


def test_alertmanagers_of_the_file_are_said_to_be_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(GOOD["remote write and alerting"])
    config = tmp_path / "config.yaml"
    config.write_text("prometheus_config: prometheus.yml\n")
    said = lilfox("--language", "en", "config", "check", "--config", config).stdout
    assert f"{tmp_path}/prometheus.yml:2: LilFox does not notify the Alertmanagers configured here" in said
    config.write_text(config.read_text() + "notifiers: {am: {kind: alertmanager, url: 'http://a:9093'}}\n")
    assert "Alertmanagers" not in lilfox("--language", "en", "config", "check", "--config", config).stdout
