"""``docs/stack.md``: its commands are valid shell, what it exports is there, its YAML is a configuration of ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.cli.commands.export import KINDS
from lilfox_tui.config.loader import from_text

PAGE = (Path(__file__).parents[3] / "docs" / "stack.md").read_text()
SHELL = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", SHELL)
def test_its_commands_are_valid_shell(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_shows_each_export_of_a_stack() -> None:
    named = set(re.findall(r"lilfox export ([a-z-]+)", "".join(SHELL)))
    assert named == set(KINDS) - {"systemd-unit", "systemd-timer", "cron", "alertmanager"}


@pytest.mark.parametrize("block", YAML)
def test_its_yaml_is_a_configuration(block: str) -> None:
    config = from_text("hosts: {web-1: {address: 192.0.2.1}}\n" + block, "lilfox.yaml")
    assert config.logs["all"].host == "web-1"
