"""The rules and settings of a prometheus.yml, as if they stood in the configuration."""

from __future__ import annotations

from pathlib import Path

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config
from lilfox_tui.monitor.watchers.alert import with_rules_of_prometheus

PROMETHEUS = """\
global: {evaluation_interval: 7s, external_labels: {site: eu, of: prometheus}}
rule_files: [rules/*.yml, /elsewhere/x.yml]
"""


def config_of(folder: Path, text: str, prometheus: str = PROMETHEUS) -> Config:
    """As the configuration's file in ``folder`` is read, the prometheus.yml in a folder beside it."""
    (folder / "prometheus").mkdir(exist_ok=True)
    (folder / "prometheus" / "prometheus.yml").write_text(prometheus)
    path = folder / "config.yaml"
    path.write_text(text)
    return with_rules_of_prometheus(load(path).config)


def test_a_relative_path_is_beside_the_configuration_and_its_rules_beside_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\nrules: [own.yml]\n")
    assert config.rules == (f"{tmp_path}/own.yml", f"{tmp_path}/prometheus/rules/*.yml", "/elsewhere/x.yml")
    assert dict(config.alerts.external_labels) == {"site": "eu", "of": "prometheus"}
    assert config.alerts.every_s == 7


def test_what_the_configuration_says_itself_goes_before(tmp_path: Path) -> None:
    own = "alerts: {every: 3s, external_labels: {site: us}}\n"
    config = config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\n" + own)
    assert dict(config.alerts.external_labels) == {"site": "us", "of": "prometheus"}
    assert config.alerts.every_s == 3


def test_a_prometheus_evaluates_each_minute_where_it_is_not_told_and_lilfox_each_15_s(tmp_path: Path) -> None:
    assert config_of(tmp_path, "prometheus_config: prometheus/prometheus.yml\n", "global: {}\n").alerts.every_s == 60
    assert config_of(tmp_path, "rules: [own.yml]\n").alerts.every_s == 15
