"""The folder of the alert state: one for each configuration file, shared by all LilFoxes of a user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from lilfox_tui.alerts.storage import BUSY, DATABASE, AlertDatabase
from lilfox_tui.core import paths
from lilfox_tui.core.errors import LilFoxError

_NAME = "alerts"


def state_folder(config_file: Path | None) -> Path | None:
    """Return the folder for the alert state of a configuration: one per configuration file, so that two processes with
    different rules do not end each other's alerts. None if it cannot be created."""
    name = str(paths.config_file() if config_file is None else config_file.absolute())
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
    shared, home = _shared(), _home()
    try:
        if shared is None or shared == home:
            return None if home is None else _made(home / digest)
        folder = _made(shared / digest)
        return folder if home is None else _taken_over(home / digest, folder)
    except OSError:
        return None


def _shared() -> Path | None:
    with suppress(LilFoxError):
        return paths.own_folder(_NAME)
    return None


def _home() -> Path | None:
    with suppress(OSError, RuntimeError):
        return paths.state_dir() / _NAME
    return None


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


# Before 0.2.0 root's state was in its home, where the service that ``lilfox export systemd-unit`` writes has none.


def _taken_over(old: Path, folder: Path) -> Path:
    """Move the state in ``old`` to ``folder`` and leave a link for older versions; return the folder to use, which is
    ``old`` while another process uses that. If ``folder`` already has a state, only the silences and acknowledgements
    are added to it. The old files are kept beside the link."""
    with _one_at_a_time(folder.parent):
        if old.is_symlink() or not (old / DATABASE).is_file():
            return folder
        try:
            with _alone(old / DATABASE) as state:
                if (folder / DATABASE).exists():
                    _add_responses(state, folder / DATABASE)
                else:
                    _copy(state, folder / DATABASE)
                old.rename(old.with_name(f"{old.name}.moved"))
                old.symlink_to(folder)
        except sqlite3.OperationalError as error:
            return old if error.sqlite_errorcode & 0xFF in BUSY else folder
        except (sqlite3.Error, OSError, LilFoxError):
            return folder  # tried again at the next start
        return folder


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _alone(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that no other process has open; raises sqlite3.OperationalError (busy) if one has."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # refused while another connection exists
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # without a transaction: one would block the backup
        connection.executescript("BEGIN EXCLUSIVE; COMMIT")
        yield connection


def _copy(state: sqlite3.Connection, to: Path) -> None:
    part = to.with_suffix(".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(part)) as copy:
        state.backup(copy)
    part.rename(to)


def _add_responses(state: sqlite3.Connection, to: Path) -> None:
    """Add the silences, and the acknowledgements of the alerts that ``to`` has."""
    with closing(AlertDatabase(to)) as database, database.transaction() as write:
        silences = state.execute("SELECT id, ends_ms, body FROM silence")
        write.executemany("INSERT OR IGNORE INTO silence VALUES (?, ?, ?)", silences)
        acknowledged = state.execute("SELECT body, labels FROM acknowledgement")
        write.executemany(
            "INSERT OR IGNORE INTO acknowledgement SELECT labels, ? FROM alert WHERE labels = ?", acknowledged
        )
