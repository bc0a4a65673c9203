"""The output of commands, and the errors of hosts that it tells of."""

from __future__ import annotations

from lilfox_tui.core.errors import AuthRefused, CommandFailed, CommandTimeout, FileRefused, HostUnreachable, NotAllowed
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean
from lilfox_tui.redact import redact

TAIL_BYTES = 4096


class LimitReached(Exception):
    """A command wrote more than its caller wants to keep."""


class BoundedOutput:
    """The first ``limit`` bytes of a stream; raises LimitReached at the first byte past them."""

    def __init__(self, limit: int) -> None:
        self._blocks: list[bytes] = []
        self._room = limit

    def add(self, block: bytes) -> None:
        """Keeps ``block``, or what fits of it."""
        kept = block[: self._room]
        self._blocks.append(kept)
        self._room -= len(kept)
        if len(kept) < len(block):
            raise LimitReached

    def joined(self) -> bytes:
        """All that was kept."""
        return b"".join(self._blocks)


class OutputTail:
    """The last few KB of a stream."""

    def __init__(self) -> None:
        self._end = b""

    def add(self, block: bytes) -> None:
        """Keeps the end of what came so far."""
        self._end = (self._end + block)[-TAIL_BYTES:]

    def joined(self) -> bytes:
        """The end."""
        return self._end


def last_words(stderr: bytes) -> str:
    """The last line a command wrote to stderr, safe to be part of an error."""
    lines = [line for line in redact(stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
    return clean(lines[-1])[:300] if lines else ""


# Errors that every kind of host words alike.


def too_slow(host: str, command: str, timeout_s: float) -> CommandTimeout:
    """A command was ended for its time was over."""
    return CommandTimeout(
        host,
        tr("{command} did not end within {seconds:g} s on {host}", command=command, seconds=timeout_s, host=host),
        tr("It was ended there. Give it more time if it is only slow."),
    )


def failed(host: str, command: str, outcome: str | int | None, stderr: bytes) -> CommandFailed:
    """A streamed command ended with something else than 0."""
    return CommandFailed(
        host,
        tr(
            "{command} ended with {outcome} on {host}: {words}",
            command=command, outcome=outcome, host=host, words=last_words(stderr),
        ),
        outcome=outcome,
        stderr=redact(stderr.decode("utf-8", "replace")),
    )  # fmt: skip


def sudo_refused(host: str, complaint: bytes) -> AuthRefused:
    """sudo did not start the command. It is asked once only, for some systems lock an account after a few failures."""
    return AuthRefused(
        host,
        tr("sudo refused on {host}: {words}", host=host, words=last_words(complaint)),
        tr("Set sudo_password of this host, or allow the command with NOPASSWD in its sudoers."),
    )


def loop_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """A loop did not answer in time."""
    return CommandTimeout(
        host,
        tr("{host} did not answer within {seconds:g} s", host=host, seconds=timeout_s),
        tr("The host may be frozen or overloaded; it is asked again."),
    )


def login_timeout(host: str, timeout_s: float) -> CommandTimeout:
    """A login's start-up files did not end in time."""
    return CommandTimeout(
        host,
        tr(
            "The login on {host} was not through within {seconds:g} s: its shell's start-up files have not ended",
            host=host, seconds=timeout_s,
        ),
        tr("See what .bashrc, .profile and /etc/profile.d wait for there: a network, a mount, an answer."),
    )  # fmt: skip


def loop_ended(host: str) -> HostUnreachable:
    """A loop's process is gone."""
    return HostUnreachable(host, tr("The process that reads on {host} ended", host=host), tr("It is started anew."))


def not_read(host: str, path: str, reason: str) -> FileRefused:
    """A file could not be read."""
    return FileRefused(host, tr("{path} on {host} cannot be read: {reason}", path=path, host=host, reason=reason))


def not_written(host: str, path: str, reason: str) -> FileRefused:
    """A file could not be put; what was there before is untouched."""
    return FileRefused(
        host,
        tr("{path} on {host} cannot be written: {reason}", path=path, host=host, reason=reason),
        tr("Nothing was changed. Make room or ask for the right to write there."),
    )


def no_change_allowed(host: str, path: str) -> NotAllowed:
    """A change was asked of a host that allows none."""
    return NotAllowed(
        tr("{path} is not written: {host} allows no change", path=path, host=host),
        tr("Start without --read-only, or take protected off this host."),
    )
