"""The section ``log_formats``."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text, load
from lilfox_tui.config.log_formats import LogFormatConfig, LogSample
from lilfox_tui.config.schema import show
from lilfox_tui.core.errors import ConfigError

SHOP = r"""
log_formats:
  shop:
    pattern: '^(?P<time>\S+ \S+) \[(?P<level>\w+)\] (?P<message>.*)$'
    time_format: "%d.%m.%Y %H:%M:%S"
    levels: {S: info}
    samples:
      - {line: "01.01.2026 12:34:56 [S] it works", level: info, further: ["more of it"]}
logs:
  shop: {path: /srv/shop.log, format: shop}
"""


def test_a_log_may_name_a_format_of_ones_own() -> None:
    config = from_text(SHOP, "c.yaml")
    assert config.logs["shop"].format == "shop"
    assert config.log_formats["shop"] == LogFormatConfig(
        pattern=r"^(?P<time>\S+ \S+) \[(?P<level>\w+)\] (?P<message>.*)$",
        time_format="%d.%m.%Y %H:%M:%S",
        levels={"S": "info"},
        samples=(LogSample(line="01.01.2026 12:34:56 [S] it works", level="info", further=("more of it",)),),
    )
    assert from_text(show(config), "shown.yaml") == config


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("shop: {}", "log_formats.shop: needs either pattern or lnav"),
        ("shop: {pattern: '(?P<message>.)', lnav: x}", "log_formats.shop: needs either pattern or lnav"),
        ("shop: {pattern: '.*'}", "log_formats.shop.pattern: has none of the groups time, level, message"),
        ("shop: {pattern: '(?P<time>'}", "log_formats.shop.pattern: “(?P<time>” is not a valid RE2"),
        ("syslog: {lnav: x}", "log_formats.syslog: a kind of format has this name already; choose another"),
        ("shop: {lnav: x, levels: {a: loud}}", "log_formats.shop.levels.a: "),
    ],
)
def test_what_is_wrong_is_said(entry: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"log_formats: {{{entry}}}\n", "c.yaml")
    assert [each for each in caught.value.problems if says in each], caught.value.problems


def test_a_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("log_formats: {shop: {lnav: formats/shop.json}}\n", encoding="utf-8")
    assert load(tmp_path / "c.yaml").config.log_formats["shop"].lnav == str(tmp_path / "formats/shop.json")
