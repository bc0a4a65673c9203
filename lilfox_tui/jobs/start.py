"""Starts a job in a process of its own, one at a time for each key."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lilfox_tui.core.i18n import language, tr
from lilfox_tui.core.paths import modes, user_name, write_hint
from lilfox_tui.jobs import child
from lilfox_tui.jobs.model import JobError, JobRequest, KeyHeld, LockHolder
from lilfox_tui.jobs.reader import EVENTS, OUTPUT, REQUEST, is_held, own_folder
from lilfox_tui.jobs.writer import fit_text

# Of jobs with the same key one runs: the one that holds the lock on the key's file.
#
# The lock is the kernel's (flock): it goes with the process, however that ends, and no pid is asked for. What stands in
# the file is for people alone. Jobs of other users and other machines meet at the lock of what they act on: the
# store's.


_TELLS_S = 0.5
"""Who has just taken the lock tells who it is within so long."""
_MOST_BYTES = 4096


def take_lock(jobs: Path, key: str, holder: LockHolder) -> int:
    """Takes the lock ``key`` for ``holder``, whose folder in ``jobs`` is locked already; returns the descriptor that
    holds the lock until it and its inherited copies are closed. Raises KeyHeld, JobError."""
    path = jobs / ".locks" / (hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".lock")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JobError(
            tr("{path}: cannot be used: {reason}; nothing was started", path=path, reason=error.strerror or error)
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


def _holder(jobs: Path, handle: int) -> LockHolder | None:
    """The holder named in the lock file. An entry of an earlier holder is recognised by its folder, which is no longer
    locked."""
    deadline = time.monotonic() + _TELLS_S
    pause = threading.Event()
    while True:
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            holder = msgspec.json.decode(os.pread(handle, _MOST_BYTES, 0), type=LockHolder)
            if "/" not in holder.id and is_held(jobs / holder.id):
                return holder
        if time.monotonic() > deadline:
            return None
        pause.wait(0.01)


def _held(key: str, holder: LockHolder | None) -> KeyHeld:
    if holder is None:
        return KeyHeld(
            tr("{key}: another job is working on it; nothing was started", key=key),
            tr("list the jobs: lilfox jobs"),
            holder=None,
        )
    return KeyHeld(
        tr(
            "{key}: job {id} has been working on it since {since:%Y-%m-%d %H:%M:%S} ({user} on {host}); nothing "
            "was started",
            key=key, id=holder.id, since=holder.since.astimezone(), user=holder.user, host=holder.host,
        ),
        tr("watch it: lilfox attach {id}; cancel it: lilfox jobs cancel {id}", id=holder.id),
        holder=holder,
    )  # fmt: skip


# Beginning a job.


_START = (
    "import importlib, sys; sys.path.append(sys.argv[1]); "
    "sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))"
)
"""``-m`` would look for modules in the working directory first."""
_BEGINS_S = 30.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = str(Path(__file__).parents[2])


def start(request: JobRequest, *, env: Mapping[str, str] | None = None, module: str = child.__name__) -> str:
    """Starts ``request`` in its own process and session; returns the job's id once that process is running and has
    recorded this on disk, or after ``_BEGINS_S``. Blocks for about 0.2 s: from an event loop use ``asyncio.to_thread``.

    The process runs in ``/`` (paths in ``arguments`` are absolute), with umask 077, in the language in force here and
    with ``env`` (this process's own when not given); ``module`` has its ``main``. Raises KeyHeld where another job has
    the key, JobError where nothing can be put on the disk; then nothing was begun."""
    jobs = own_folder()
    folder, events = _make_folder(jobs)
    handles = [events]
    waiting = -1
    try:
        holder = LockHolder(folder.name, user_name(), socket.gethostname(), datetime.now(UTC))
        handles.append(take_lock(jobs, request.key, holder))
        _write_request(folder, request)
        waiting, said = os.pipe()
        handles.append(said)
        process = _begin(folder, handles, dict(os.environ if env is None else env), module)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if waiting >= 0:
            os.close(waiting)
        if isinstance(error, OSError):
            raise _cannot(folder, error) from None
        raise
    finally:
        for handle in handles:
            os.close(handle)
    _wait_for_word(folder, process, waiting)
    return folder.name


def _make_folder(jobs: Path) -> tuple[Path, int]:
    """Makes the job's folder and its events file, which is locked before anybody can see the job."""
    folder_mode, file_mode = modes(jobs)
    while True:
        folder = jobs / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        try:
            folder.mkdir(mode=0o700)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise _cannot(folder, error) from None
    try:
        folder.chmod(folder_mode)
        events = os.open(folder / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(events, file_mode)
        with suppress(OSError):  # a file system without locks: pid and start time tell
            fcntl.flock(events, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _cannot(folder, error) from None
    return folder, events


def _write_request(folder: Path, request: JobRequest) -> None:
    """Writes the request atomically; from then on the folder is a job."""
    part = folder / f".{REQUEST}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, modes(folder.parent)[1])
        file.write(msgspec.json.encode(replace(request, title=fit_text(request.title), key=fit_text(request.key))))
        file.flush()
        os.fsync(handle)
    part.rename(folder / REQUEST)
    for path in (folder, folder.parent):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _begin(folder: Path, handles: list[int], env: dict[str, str], module: str) -> subprocess.Popen[bytes]:
    env.setdefault("PATH", _PATH)
    argv = [sys.executable, "-P", "-c", _START, _ROOT, module, str(folder), *map(str, handles), language()]
    with (folder / OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=env,
            pass_fds=handles,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, name=f"job {folder.name}", daemon=True).start()  # no zombie is left
    return process


def _wait_for_word(folder: Path, process: subprocess.Popen[bytes], waiting: int) -> None:
    """Waits up to ``_BEGINS_S`` until the process reports that it is running. Raises JobError if it ends or reports
    that it cannot begin."""
    try:
        if not select.select([waiting], [], [], _BEGINS_S)[0]:
            return  # a slow disk: it begins late
        word = os.read(waiting, 4096)
    except BaseException:
        process.terminate()  # whoever waited gave up (ctrl-c), so nobody would know of it
        raise
    finally:
        os.close(waiting)
    if word != child.RUNS:
        reason = word.decode("utf-8", "replace") or _last_words(folder)
        shutil.rmtree(folder, ignore_errors=True)
        raise JobError(
            tr("{folder}: the job could not start: {reason}; nothing was done", folder=folder, reason=reason)
        )


def _last_words(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / OUTPUT).read_text("utf-8", "replace").strip().splitlines()
        if lines:
            return fit_text(lines[-1])
    return "?"


def _cannot(folder: Path, error: OSError) -> JobError:
    reason = error.strerror or error
    return JobError(
        tr("{folder}: cannot be written: {reason}; nothing was started", folder=folder, reason=reason),
        write_hint(error),
    )
