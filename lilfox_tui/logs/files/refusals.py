"""Why a log file cannot be read, and what to do."""

from __future__ import annotations

import stat

from lilfox_tui.errors import FileRefused
from lilfox_tui.i18n import tr


class FileMoved(FileRefused):
    """Under that name there is another file by now: look again."""


class NotReadable(FileRefused):
    """This account has no right to read it."""


class PlaceGone(FileRefused):
    """The file of a place is not among those of the log any more."""


def file_moved(host: str, path: str) -> FileMoved:
    """The file has another name by now, or none."""
    return FileMoved(host, tr("{path} on {host} was renamed or removed meanwhile", path=path, host=host))


def nothing_there(host: str, path: str) -> FileRefused:
    """No file of that name, or none that a pattern fits."""
    return FileRefused(
        host,
        tr("{path} on {host}: there is no such file", path=path, host=host),
        tr("See whether the name is right, and whether the program that writes it has started."),
    )


def not_regular(host: str, path: str, mode: int) -> FileRefused | None:
    """Why something of that mode (``st_mode``) is no log file; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return FileRefused(
            host,
            tr("{path} on {host} is a directory", path=path, host=host),
            tr("Name a file in it, or a pattern: {path}/*.log", path=path.rstrip("/")),
        )
    return FileRefused(
        host,
        tr("{path} on {host} is not a file but a pipe, a socket or a device", path=path, host=host),
        tr("What a program prints is read with: PROGRAM | lilfox logs -"),
    )


def no_right(host: str, path: str, *, unless_root: bool = False) -> NotReadable:
    """The account may not read it; ``unless_root``: sudo, which was not allowed so far, would do."""
    hint = (
        tr(
            "Set sudo: true for this host in the configuration, or ask for the right to read it: often a group such as "
            "adm, or an ACL (setfacl -m u:NAME:r FILE)."
        )
        if unless_root
        else tr("Ask for the right to read it: often a group such as adm, or an ACL (setfacl -m u:NAME:r FILE).")
    )
    return NotReadable(host, tr("{path} on {host} may not be read by this account", path=path, host=host), hint)


def place_gone(source: str) -> PlaceGone:
    """A record's file is not among those of the source any more."""
    return PlaceGone(
        source,
        tr("The file of that record is no longer among those of {source}", source=source),
        tr("It was rotated away. Go on from the beginning, the end, or a time."),
    )
