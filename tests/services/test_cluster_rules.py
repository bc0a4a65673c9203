"""The rules about Kubernetes clusters that LilFox brings, by their unit tests: with the real promtool, and with our
own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lilfox_tui.alerts.unit_test_runner import run_unit_tests
from lilfox_tui.clusters import RULES
from lilfox_tui.config.model import ClusterConfig, Config
from lilfox_tui.monitor.watchers.alert import _with_own_rules

FILE = Path(__file__).parent / "cluster_rules" / "clusters.yml"


def test_promtool_passes_them() -> None:
    done = subprocess.run(["promtool", "test", "rules", str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_our_own_runner_passes_them() -> None:
    assert run_unit_tests(FILE, prometheus2=True).problems == ()


def test_they_are_evaluated_with_the_rules_of_the_configuration() -> None:
    clusters = {"shop": ClusterConfig()}
    assert str(RULES) in _with_own_rules(Config(clusters=clusters, rules=("mine.yml",))).rules
    assert _with_own_rules(Config(clusters=clusters)).rules == ()
    assert str(RULES) not in _with_own_rules(Config(rules=("mine.yml",))).rules
