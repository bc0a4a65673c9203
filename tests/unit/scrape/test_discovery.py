"""Jobs into targets: defaults, relabelling, files that change."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text as config_from_text
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.discovery import Discovery, configured_targets, prometheus_file
from lilfox_tui.scrape.prometheus_config import from_text
from lilfox_tui.scrape.target import RelabelRule, ScrapeLimits, ScrapeTarget


def targets(job: str, folder: Path) -> tuple[ScrapeTarget, ...]:
    found = discovery(job, folder).targets()
    assert found.problems == ()
    return found.targets


def discovery(job: str, folder: Path) -> Discovery:
    text = f"scrape_configs:\n- job_name: j\n{job}"
    return Discovery(from_text(text, folder / "prometheus.yml").jobs)


def test_a_target_has_job_instance_and_the_labels_of_its_group(tmp_path: Path) -> None:
    (one,) = targets("  static_configs: [{targets: ['h:1'], labels: {env: prod}}]\n", tmp_path)
    assert one.url == "http://h:1/metrics"
    assert one.labels == (("env", "prod"), ("instance", "h:1"), ("job", "j"))


def test_labels_of_the_group_go_before_those_of_the_job(tmp_path: Path) -> None:
    (one,) = targets("  static_configs: [{targets: ['h'], labels: {job: other, instance: i}}]\n", tmp_path)
    assert (one.labels, one.url) == ((("instance", "i"), ("job", "other")), "http://h/metrics")


def test_relabelling_makes_probes_of_addresses(tmp_path: Path) -> None:
    job = """
  metrics_path: probe
  params: {module: [http_2xx], debug: ["true", "false"]}
  static_configs: [{targets: ['http://a/b?c=d']}]
  relabel_configs:
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {target_label: __address__, replacement: 'blackbox:9115'}
  - {target_label: __scheme__, replacement: https}
  - {target_label: __scrape_interval__, replacement: 5s}
  - {target_label: __scrape_timeout__, replacement: 2s}
"""
    (one,) = targets(job, tmp_path)
    query = "debug=true&debug=false&module=http_2xx&target=http%3A%2F%2Fa%2Fb%3Fc%3Dd"
    assert one.url == f"https://blackbox:9115/probe?{query}"
    assert one.labels == (("instance", "http://a/b?c=d"), ("job", "j"))
    assert (one.interval_s, one.timeout_s) == (5, 2)


def test_relabelling_drops_targets_and_two_of_the_same_are_one(tmp_path: Path) -> None:
    job = """
  static_configs: [{targets: ['a:1', 'b:1', 'a:1']}]
  relabel_configs: [{source_labels: [__address__], regex: 'b.*', action: drop}]
"""
    assert [one.label("instance") for one in targets(job, tmp_path)] == ["a:1"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("{target_label: __address__, replacement: ''}", "is not in the form HOST:PORT"),
        ("{target_label: __address__, replacement: 'u:p@h:1'}", "is not in the form HOST:PORT"),
        ("{target_label: __address__, replacement: 'h:99999'}", "is not in the form HOST:PORT"),
        ("{target_label: __address__, replacement: 'h:0'}", "is not in the form HOST:PORT"),
        ("{target_label: __address__, replacement: '[::::::]:1'}", "is not in the form HOST:PORT"),
        ("{target_label: __scheme__, replacement: ftp}", "scheme"),
        ("{target_label: __scrape_timeout__, replacement: 2h}", "at most the scrape interval"),
    ],
)
def test_says_which_target_cannot_be_used_and_keeps_the_others(rule: str, reason: str, tmp_path: Path) -> None:
    job = f"""
  static_configs: [{{targets: ['bad:1']}}, {{targets: ['good:1'], labels: {{good: '1'}}}}]
  relabel_configs: [{{source_labels: [good], regex: '', target_label: __tmp, replacement: x}}, {rule}]
"""
    found = discovery(job.replace("{target_label: __", "{source_labels: [good], regex: '', target_label: __"), tmp_path)
    shown = found.targets()
    assert [one.label("instance") for one in shown.targets] == ["good:1"]
    (problem,) = shown.problems
    assert problem.startswith("j: bad:1: ")
    assert reason in problem


def test_reads_files_again_when_they_change(tmp_path: Path) -> None:
    json_file, yaml_file = tmp_path / "sd" / "a.json", tmp_path / "sd" / "b.yml"
    json_file.parent.mkdir()
    json_file.write_text(json.dumps([{"targets": ["a:1", "b:1"], "labels": {"env": "prod"}}]))
    yaml_file.write_text("- targets: ['c:1']\n")
    job = """
  file_sd_configs: [{files: ['sd/*.json', 'sd/b.yml']}]
  relabel_configs: [{source_labels: [__meta_filepath], regex: '.*/', target_label: x}]
"""
    found = discovery(job, tmp_path)
    assert [one.label("instance") for one in found.targets().targets] == ["a:1", "b:1", "c:1"]
    assert found.targets().targets[0].labels == (("env", "prod"), ("instance", "a:1"), ("job", "j"))
    json_file.write_text("[]")
    (tmp_path / "sd" / "new.json").write_text('[{"targets": ["d:1"]}]')
    assert [one.label("instance") for one in found.targets().targets] == ["d:1", "c:1"]


def test_a_file_that_breaks_keeps_its_targets_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"targets": ["a:1"]}]')
    found = discovery("  file_sd_configs: [{files: [a.json]}]\n", tmp_path)
    found.targets()
    for broken, said in (('[{"targets": [', "not valid YAML"), ('[{"hosts": []}]', "unknown field")):
        file.write_text(broken)
        os.utime(file, ns=(0, len(broken)))
        for _time in range(2):
            shown = found.targets()
            assert [one.label("instance") for one in shown.targets] == ["a:1"]
            assert said in shown.problems[0]
    file.unlink()
    shown = found.targets()
    assert [one.label("instance") for one in shown.targets] == ["a:1"]
    assert str(file) in shown.problems[0]


def test_a_target_knows_the_file_that_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps([{"targets": ["a:1"]}]))
    job = """
  file_sd_configs: [{files: [t.json]}]
  relabel_configs: [{source_labels: [__meta_filepath], target_label: file}]
"""
    (one,) = targets(job, tmp_path)
    assert one.label("file") == str(tmp_path / "t.json")


# Targets that the configuration names.


CONFIG = """
hosts: {web-1: {}}
scrape:
  node:
    targets: ["a:9100", "[::1]:9100"]
    from: web-1
    path: /m
    params: {module: "http 2xx"}
    every: 30s
    labels: {env: prod}
    drop: [go_.*]
    user: u
    password: env:PW
    headers: {X-A: b}
    verify_tls: false
    sample_limit: 7
    body_limit_mb: 2
"""


def test_makes_a_target_of_each_address() -> None:
    first, second = configured_targets(config_from_text(CONFIG, "config.yaml"))
    assert first.url == "http://a:9100/m?module=http+2xx"
    assert first.labels == (("env", "prod"), ("instance", "a:9100"), ("job", "node"))
    assert (first.host, first.interval_s, first.timeout_s) == ("web-1", 30, 10)
    assert first.metric_relabel == (RelabelRule("drop", source_labels=("__name__",), regex="go_.*"),)
    assert first.limits == ScrapeLimits(body_bytes=2 << 20, samples=7)
    access = first.access
    assert (access.user, access.password, access.headers, access.tls.verify) == ("u", "env:PW", {"X-A": "b"}, False)
    assert second.url == "http://[::1]:9100/m?module=http+2xx"


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("targets: ['http://a:1']", "targets.1"),
        ("targets: []", "targets"),
        ("targets: [a:1]\n    path: metrics", "path"),
        ("targets: [a:1]\n    every: 5s", "timeout"),
        ("targets: [a:1]\n    labels: {a-b: c}", "labels.a-b"),
        ("targets: [a:1]\n    labels: {__a: c}", "labels.__a"),
        ("targets: [a:1]\n    drop: ['(']", "drop.1"),
        ("targets: [a:1]\n    from: nosuch", "from"),
        ("targets: [a:1]\n    user: a\n    bearer: env:B", "bearer"),
        ("targets: [a:1]\n    password: plain", "password"),
        ("targets: [a:1]\n    headers: {Authorization: plain}", "headers.Authorization"),
        ("targets: [a:1]\n    scheme: ftp", "scheme"),
        ("path: /metrics", "targets"),
    ],
)
def test_says_where_a_section_is_wrong(key: str, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        config_from_text(f"scrape:\n  x:\n    {key}\n", "config.yaml")
    assert [problem.split(": ")[1] for problem in error.value.problems] == [f"scrape.x.{line}"]


def test_reads_a_prometheus_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\nscrape_configs: [{job_name: a}]\n")
    config = config_from_text("prometheus_config: p.yml\n", "config.yaml")
    read = prometheus_file(config, tmp_path / "config.yaml")
    assert read is not None
    assert (read.jobs[0].name, read.rule_files) == ("a", (f"{tmp_path}/r.yml",))
    assert prometheus_file(config_from_text("", "config.yaml"), None) is None
    (tmp_path / "p.yml").write_text("scrape_configs: [{}]\n")
    with pytest.raises(ConfigError, match=r"p\.yml:1: "):
        prometheus_file(config, tmp_path / "config.yaml")
