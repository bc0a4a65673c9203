"""The shell that the console steps aside for, run against a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from lilfox_tui.hosts.ssh.openssh import shell_argv
from tests.services.sshd import SshdLab, sshd_lab


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def test_it_asks_nothing_that_the_console_knows_already(lab: SshdLab) -> None:
    server = lab.sshd()
    argv = shell_argv("web", lab.host(server), lab.ssh())
    done = subprocess.run(argv, input="echo al''ive\n", capture_output=True, text=True, timeout=60, check=False)
    assert "alive" in done.stdout, done.stderr
    assert "authenticity" not in done.stderr
