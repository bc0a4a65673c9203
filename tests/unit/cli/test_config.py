"""``lilfox config``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from lilfox_tui.cli.commands import config
from lilfox_tui.core.errors import ConfigError


def check(path: Path) -> None:
    config.run(Namespace(action="check", config=path, read_only=False, no_color=False, language="en"))


def test_check_reads_the_rules_of_a_prometheus_yml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prometheus.yml").write_text("rule_files: [more/*.yml]\n")
    path = tmp_path / "lilfox.yaml"
    path.write_text("prometheus_config: prometheus.yml\n")
    check(path)
    assert f"rules: no file matches {tmp_path}/more/*.yml" in capsys.readouterr().out
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'up ='}]}]\n")
    with pytest.raises(ConfigError, match=r"more/a\.yml:1: g/A"):
        check(path)
