"""Of jobs with the same key one runs: the one that holds the lock on the key's file.

The lock is the kernel's (flock): it goes with the process, however that ends, and no pid is asked for. What stands in
the file is for people alone. Jobs of other users and other machines meet at the lock of what they act on: the store's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.errors import Holder, JobError, KeyHeld
from lilfox_tui.jobs.reading import is_held

_TELLS_S = 0.5
"""Who has just taken the lock tells who it is within so long."""
_MOST_BYTES = 4096


def take(jobs: Path, key: str, holder: Holder) -> int:
    """Takes ``key`` for ``holder``, whose folder is in ``jobs`` and held; the descriptor that holds the lock until it
    and what inherits it are closed. Raises KeyHeld, JobError."""
    path = jobs / ".locks" / (hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".lock")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JobError(
            tr("{path}: cannot be used: {reason}; nothing was begun", path=path, reason=error.strerror or error)
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            raise _held(key, _holder(jobs, handle)) from None
        finally:
            os.close(handle)
    except OSError as error:
        os.close(handle)
        raise JobError(tr("{path}: cannot be locked: {reason}", path=path, reason=error.strerror or error)) from None
    with suppress(OSError):  # a full disk: it is ours all the same
        os.ftruncate(handle, 0)
        os.pwrite(handle, msgspec.json.encode(holder), 0)
    return handle


def _holder(jobs: Path, handle: int) -> Holder | None:
    """Who says that it holds the lock. What an earlier one left there is told by that one's folder: nobody holds it."""
    deadline = time.monotonic() + _TELLS_S
    pause = threading.Event()
    while True:
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            holder = msgspec.json.decode(os.pread(handle, _MOST_BYTES, 0), type=Holder)
            if "/" not in holder.id and is_held(jobs / holder.id):
                return holder
        if time.monotonic() > deadline:
            return None
        pause.wait(0.01)


def _held(key: str, holder: Holder | None) -> KeyHeld:
    if holder is None:
        return KeyHeld(
            tr("{key}: another job acts on it now; nothing was begun", key=key),
            tr("see it: lilfox jobs"),
            holder=None,
        )
    return KeyHeld(
        tr(
            "{key}: job {id} acts on it since {since:%Y-%m-%d %H:%M:%S} ({user} on {host}); nothing was begun",
            key=key, id=holder.id, since=holder.since.astimezone(), user=holder.user, host=holder.host,
        ),
        tr("watch it: lilfox attach {id}; end it: lilfox jobs cancel {id}", id=holder.id),
        holder=holder,
    )  # fmt: skip
