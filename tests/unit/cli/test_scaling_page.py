"""``docs/scaling.md``: each block of YAML is a configuration, and together they show each way past the knee."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lilfox_tui.cli.main import parse
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config

PAGE = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text()
PAST_THE_KNEE = PAGE.partition("## Past the knee\n")[2]
YAML = re.findall(r"^```yaml\n(.*?)^```", PAST_THE_KNEE, re.MULTILINE | re.DOTALL)


def configs() -> list[Config]:
    return [from_text(block, "lilfox.yaml") for block in YAML]


@pytest.mark.parametrize("block", YAML)
def test_its_yaml_is_a_configuration(block: str) -> None:
    config = from_text(block, "lilfox.yaml")
    assert config.hosts or config.logs


def test_each_server_that_takes_over_is_shown() -> None:
    kinds = {log.kind for config in configs() for log in config.logs.values()}
    assert kinds == {"file", "loki", "elasticsearch"}
    assert sum(config.prometheus is not None and config.alertmanager is not None for config in configs()) == 2


def test_who_scrapes_the_monitors_asks_for_the_address_at_which_they_listen() -> None:
    (listen,) = {config.monitor.listen for config in configs() if config.monitor.listen}
    (above,) = [config for config in configs() if config.scrape and config.rules]
    assert {target for each in above.scrape.values() for target in each.targets} == {listen}
    assert {each.from_ for each in above.scrape.values()} == set(above.hosts)


def test_its_commands_are_commands_of_lilfox() -> None:
    commands = re.findall(r"`lilfox ([^`]+)`", PAST_THE_KNEE)
    assert len(commands) >= 6
    for command in commands:
        parse(command.split())
