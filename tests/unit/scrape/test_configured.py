"""Targets that the configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.discovery import configured_targets, prometheus_file
from lilfox_tui.scrape.target import RelabelRule, ScrapeLimits

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
    first, second = configured_targets(from_text(CONFIG, "config.yaml"))
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
        from_text(f"scrape:\n  x:\n    {key}\n", "config.yaml")
    assert [problem.split(": ")[1] for problem in error.value.problems] == [f"scrape.x.{line}"]


def test_reads_a_prometheus_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("rule_files: [r.yml]\nscrape_configs: [{job_name: a}]\n")
    config = from_text("prometheus_config: p.yml\n", "config.yaml")
    read = prometheus_file(config, tmp_path / "config.yaml")
    assert read is not None
    assert (read.jobs[0].name, read.rule_files) == ("a", (f"{tmp_path}/r.yml",))
    assert prometheus_file(from_text("", "config.yaml"), None) is None
    (tmp_path / "p.yml").write_text("scrape_configs: [{}]\n")
    with pytest.raises(ConfigError, match=r"p\.yml:1: "):
        prometheus_file(config, tmp_path / "config.yaml")
