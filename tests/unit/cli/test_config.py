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


FORMATS = r"""
log_formats:
  shop:
    pattern: '^(?P<time>\S+ \S+) \[(?P<level>\w+)\] (?P<message>.*)$'
    samples:
      - {line: "2026-01-01 12:34:56 [info] it works", further: ["and more"], level: info}
"""


def test_check_tries_formats_of_logs_on_their_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lilfox.yaml"
    path.write_text(FORMATS)
    check(path)
    assert f"{path}: valid" in capsys.readouterr().out
    path.write_text(FORMATS.replace("2026-01-01", "2026-13-01") + "      - {line: x}\n")
    with pytest.raises(ConfigError) as caught:
        check(path)
    assert caught.value.problems == (
        "log_formats.shop: sample 1: no time is found in it",
        "log_formats.shop: sample 2: no expression matches it",
    )


def test_check_tells_what_of_a_format_file_of_lnav_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop.json").write_text(
        """{"shop_log": {"regex": {"a": {"pattern": "^(?<timestamp>\\\\S+) (?<body>.*)"}, "b": {"pattern": "(?<=x)y"}},
        "sample": [{"line": "2026-01-01T12:34:56Z it works"}, {"line": "it"}]}}"""
    )
    path = tmp_path / "lilfox.yaml"
    path.write_text("log_formats: {shop: {lnav: shop.json}}\n")
    with pytest.raises(ConfigError) as caught:
        check(path)
    assert caught.value.problems == ("log_formats.shop (shop_log): sample 2: no expression matches it",)
    assert "shop_log: the expression b is left out: RE2 cannot read it" in capsys.readouterr().out
