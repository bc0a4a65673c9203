"""The hash of a timeline's last line, kept beside it, so that lines that are taken off its end are missed.

It is written after each entry and without fsync: after a loss of power it may be behind the timeline, never ahead. Who
can write the timeline can write it too; so the hash also goes to syslog when an incident is opened, taken over, closed
or reopened, and into each export.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lilfox_tui.incident.places import HEAD

_LINE = re.compile(rb"([0-9]{12}) ([0-9]{15}) ([0-9a-f]{64}) (open|shut)\n")
_AUTHPRIV_INFO = 10 * 8 + 6
_SYSLOG = "/dev/log"


class Head(Struct, frozen=True):
    """Where a timeline ends."""

    number: int
    """Of its last entry."""
    size: int
    """Of the file, in bytes."""
    sha256: str
    open: bool
    """Whether the incident is, so that a list of them need not read them."""


def read(folder: Path) -> Head | None:
    """What is noted there; None where that is nothing, or nothing that can be read."""
    try:
        handle = os.open(folder / HEAD, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = _LINE.fullmatch(os.read(handle, 4096))
        finally:
            os.close(handle)
    except OSError:
        return None
    return None if found is None else Head(int(found[1]), int(found[2]), found[3].decode(), found[4] == b"open")


def write(folder: Path, head: Head, mode: int) -> None:
    """Notes it, in one write of a length that is always the same; what cannot be written is behind, which readers
    bear."""
    text = f"{head.number:012d} {head.size:015d} {head.sha256} {'open' if head.open else 'shut'}\n"
    with suppress(OSError):
        handle = os.open(folder / HEAD, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            os.pwrite(handle, text.encode(), 0)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)


def tell_syslog(folder: Path, head: Head) -> None:
    """Tells this machine's syslog or journal, where there is one that takes it at once."""
    text = f"<{_AUTHPRIV_INFO}>lilfox: incident {folder}: entry {head.number} sha256 {head.sha256}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(text.encode("utf-8", "replace"), _SYSLOG)
