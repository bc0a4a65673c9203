"""Why a connection could not be made, in words."""

from __future__ import annotations

import errno

from lilfox_tui.hosts.ssh.errors import dial_error


def test_the_systems_reason_comes_without_pythons_words() -> None:
    error = OSError(errno.EHOSTUNREACH, "Connect call failed ('192.0.2.1', 22)")
    told = str(dial_error("web-1", "[192.0.2.1]:22", error, 5))
    assert told == "[192.0.2.1]:22 cannot be reached: No route to host"
