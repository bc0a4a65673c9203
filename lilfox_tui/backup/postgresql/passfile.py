"""The caller's own password: PGPASSWORD, or the line of PGPASSFILE that fits (libpq, "The Password File")."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from lilfox_tui import trusted_file
from lilfox_tui.backup.postgresql.connection import Connection
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

_MOST_BYTES = 1 << 20


def callers_password(connection: Connection, environment: Mapping[str, str]) -> str | None:
    """The password for ``connection``; None when neither names one (libpq then looks into ``~/.pgpass`` on the host).

    Raises LilFoxError where PGPASSFILE cannot be used: libpq itself would pass it over in silence.
    """
    if password := environment.get("PGPASSWORD"):
        return password
    if not (path := environment.get("PGPASSFILE")):
        return None
    for fields in _lines(Path(path)):
        *place, password = fields
        if all(field in ("*", wanted) for field, wanted in zip(place, _wanted(connection), strict=True)):
            return password
    return None


def _wanted(connection: Connection) -> tuple[str, str, str, str]:
    """What a line must say: a socket of the default folder counts as localhost."""
    address = (
        "localhost" if connection.address in ("", "/run/postgresql", "/var/run/postgresql") else connection.address
    )
    return address, str(connection.port), connection.database or connection.user, connection.user


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with trusted_file.opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise LilFoxError(tr("PGPASSFILE {path}: not a regular file", path=path))
            if found.st_mode & 0o077:
                raise LilFoxError(
                    tr("PGPASSFILE {path}: others may read or write it, so PostgreSQL does not use it", path=path),
                    tr("run: chmod 600 {path}", path=path),
                )
            text = trusted_file.content(descriptor, _MOST_BYTES).decode("utf-8", "surrogateescape")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LilFoxError(tr("PGPASSFILE {path}: cannot be read: {reason}", path=path, reason=reason)) from None
    for line in text.split("\n"):
        if line and not line.startswith("#") and len(fields := _fields(line)) == 5:
            yield fields


def _fields(line: str) -> list[str]:
    fields, escaped = [""], False
    for character in line:
        if escaped:
            fields[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ":" and len(fields) < 5:
            fields.append("")
        else:
            fields[-1] += character
    return fields
