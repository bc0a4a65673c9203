"""Beginning a job."""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lilfox_tui.i18n import language, tr
from lilfox_tui.jobs import child, lock
from lilfox_tui.jobs.errors import Holder, JobError
from lilfox_tui.jobs.folder import EVENTS, OUTPUT, REQUEST, own_folder
from lilfox_tui.jobs.model import Request
from lilfox_tui.jobs.writing import told
from lilfox_tui.paths import modes, user_name

_START = (
    "import importlib, sys; sys.path.append(sys.argv[1]); "
    "sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))"
)
"""``-m`` would look for modules in the working directory first."""
_BEGINS_S = 30.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = str(Path(__file__).parents[2])


def start(request: Request, *, env: Mapping[str, str] | None = None, module: str = child.__name__) -> str:
    """Begins ``request`` in a process and session of its own and gives the job's id once that process runs and has
    put so on the disk. Blocks for about 0.2 s: from an event loop use ``asyncio.to_thread``.

    The process runs in ``/`` (paths in ``wanted`` are absolute), with umask 077, in the language in force here and
    with ``env`` (this process's own when not given); ``module`` has its ``main``. Raises KeyHeld where another job has
    the key, JobError where nothing can be put on the disk; then nothing was begun."""
    jobs = own_folder()
    folder, events = _make_folder(jobs)
    handles = [events]
    waiting = -1
    try:
        holder = Holder(folder.name, user_name(), socket.gethostname(), datetime.now(UTC))
        handles.append(lock.take(jobs, request.key, holder))
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
    """The job's folder and its events, which are held before anybody can see the job."""
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


def _write_request(folder: Path, request: Request) -> None:
    """Whole or not at all: it makes the folder a job."""
    part = folder / f".{REQUEST}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, modes(folder.parent)[1])
        file.write(msgspec.json.encode(replace(request, title=told(request.title), key=told(request.key))))
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
    """Returns once the process says that it runs. Raises JobError where it says that it cannot begin, or ends."""
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
            tr("{folder}: the job could not begin: {reason}; nothing was done", folder=folder, reason=reason)
        )


def _last_words(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / OUTPUT).read_text("utf-8", "replace").strip().splitlines()
        if lines:
            return told(lines[-1])
    return "?"


def _cannot(folder: Path, error: OSError) -> JobError:
    reason = error.strerror or error
    return JobError(
        tr("{folder}: cannot be written: {reason}; nothing was begun", folder=folder, reason=reason),
        tr("make room there, or name another place with XDG_STATE_HOME"),
    )
