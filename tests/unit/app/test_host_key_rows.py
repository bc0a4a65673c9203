"""What is shown of a host's key that is not trusted."""

from __future__ import annotations

import asyncssh
import pytest

from lilfox_tui.app.rows.reasons import changed_key_rows
from lilfox_tui.core.errors import HostKeyChanged
from lilfox_tui.hosts.ssh.connect import KnownKeys, Verdict, key_error


def shown(verdict: Verdict) -> str:
    """The page of a key that is not the known one."""
    known, other = (asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _each in range(2))
    error = key_error("web", "web", verdict, other, KnownKeys((known,), (), (other,)))
    assert isinstance(error, HostKeyChanged)
    return "\n".join("".join(piece.text for piece in row) for row in changed_key_rows("web", error))


@pytest.mark.fault("S15")
def test_nobody_is_told_to_remove_the_line_of_a_revoked_key() -> None:
    text = shown("revoked")
    assert "THE KEY OF web IS REVOKED" in text
    assert "Keep the @revoked line" in text
    for wrong in ("HAS CHANGED", "ssh-keygen -R", "remove the old line"):
        assert wrong not in text


def test_the_line_of_a_key_that_was_replaced_may_go() -> None:
    text = shown("changed")
    for right in ("THE KEY OF web HAS CHANGED", "ssh-keygen -R 'web'", "remove the old line"):
        assert right in text
