"""The sections for runbooks and recovery: what does not fit together is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text, load
from lilfox_tui.core.errors import ConfigError

UNIT = "recovery: {backend: {host: web, unit: backend.service%s}}\n"
HOSTS = "hosts: {web: {local: true}}\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (UNIT % "", "recovery.backend.host"),
        (HOSTS + UNIT % ", service: backend", "recovery.backend.service"),
        (HOSTS + UNIT.replace("backend.service", '"-x;reboot"') % "", "recovery.backend.unit"),
        (HOSTS + UNIT % ", limit: 0", "recovery.backend.limit"),
        ("runbooks: {never_ban: [10.0.0.0/8, 10.0.0.1.2]}\n", "10.0.0.1.2"),
        ("contacts: {security: {call: 1}}\n", "contacts.security"),
    ],
)
def test_what_does_not_fit_is_named(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_text(text, "config.yaml")
    assert any(what in problem for problem in error.value.problems), error.value.problems


def test_folders_of_runbooks_are_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("runbooks: {folders: [runbooks, /srv/ops/manual.md]}\n")
    path.chmod(0o600)
    assert load(path).config.runbooks.folders == (str(tmp_path / "runbooks"), "/srv/ops/manual.md")
