"""Faults of the program itself: crash reports, and the points at which tests can kill a run."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui import __version__
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.paths import not_ours, state_path
from lilfox_tui.redact import redact

MOST_BYTES = 1 << 20
"""Then a new log begins, and one that is full is kept: a fault that comes again each second must not fill the disk."""
_kept_in: list[Path] = []
"""Folders that the log is kept in instead, the newest last."""


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Writes crash logs to ``folder`` until the block ends: a demo's own state folder is removed before anybody could
    read them there."""
    _kept_in.append(folder)
    try:
        yield
    finally:
        _kept_in.remove(folder)


def write_crash(error: BaseException) -> Path | None:
    """Appends the traceback of ``error`` to ``crash.log`` (0600) in the state folder; returns its path, None if that
    fails.

    A log that is full is ``crash.log.1`` from then on."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')} lilfox {__version__}\n{redact(''.join(lines))}\n"
    try:
        folder = _kept_in[-1] if _kept_in else state_path()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not_ours(folder) is not None:
            return None
        path = folder / "crash.log"
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            path.replace(path.with_name("crash.log.1"))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return path


def fault_of(error: BaseException) -> Message:
    """Logs ``error``, a bug that affects only one part of LilFox; returns the text for a row or a list of problems."""
    where, kind = write_crash(error), type(error).__name__
    if where is None:
        return tr("internal error in LilFox: {kind}", kind=kind)
    return tr("internal error in LilFox: {kind}; the traceback is in {path}", kind=kind, path=where)


def last_words(error: BaseException) -> str:
    """Logs ``error``; returns the lines that tell the user its type and where its traceback is."""
    where = write_crash(error)
    text = _("lilfox exited on an internal error: {kind}", kind=type(error).__name__)
    told = _("traceback: {file}", file=where)
    return f"{text}\n{told}\n" if where is not None else f"{text}\n"


# Named points at which a test can kill a run, to see what a crash there leaves.


CRASH_AT = "LILFOX_CRASH_AT"
"""``phase`` or ``phase:N``: the process kills itself (SIGKILL) when it comes to that phase for the N-th time."""

_reached: dict[str, int] = {}


def phase(name: str) -> None:
    """Marks the phase ``name`` of a run: connect, dump, hash, fsync, rename, manifest, verify, prune, stage, compare,
    journal, swap-first, swap-second."""
    wanted = os.environ.get(CRASH_AT)
    if wanted is None:
        return
    _reached[name] = _reached.get(name, 0) + 1
    at, _, times = wanted.partition(":")
    if at == name and _reached[name] == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
