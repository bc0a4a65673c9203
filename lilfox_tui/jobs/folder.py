"""Where jobs are kept: in the user's state folder, and in ``/var/lib/lilfox`` for what root or a service user runs.

Both are read by everybody who may. In the user's folder everything is 0700 and 0600 whatever stands around it; in the
system's a group may read what the folder ``jobs`` lets its group read.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.errors import JobError
from lilfox_tui.paths import state_dir

REQUEST, EVENTS, OUTPUT, CHECKED, RESERVE = "request.json", "events.jsonl", "output.log", "checked", "reserve"
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}", re.ASCII)
_SYSTEM = "/var/lib/lilfox"


def own_folder() -> Path:
    """Where this process's jobs are kept; made where it is not there. Raises JobError."""
    try:
        folder = _own_path()
        if folder == system_folder():
            folder.parent.mkdir(mode=0o750, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError) as error:
        where = getattr(error, "filename", None) or system_folder()
        reason = getattr(error, "strerror", None) or error
        raise JobError(
            tr("{folder}: jobs cannot be kept there: {reason}; nothing was begun", folder=where, reason=reason),
            tr("name another place with XDG_STATE_HOME"),
        ) from None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.geteuid()):
        raise JobError(
            tr("{folder}: others may write there; nothing was begun", folder=folder),
            tr("make it your own: chown {user} {folder} && chmod go-w {folder}", user=user_name(), folder=folder),
        )
    return folder


def all_folders() -> list[Path]:
    """Where jobs are looked for: the own folder first. They need not be there."""
    try:
        mine = state_dir() / "jobs"
    except (OSError, RuntimeError):
        return [system_folder()]
    return [mine, system_folder()]


def system_folder() -> Path:
    """The folder of root and of service users; systemd names another one with StateDirectory=."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or _SYSTEM) / "jobs"


def _own_path() -> Path:
    account = _account()
    home = os.environ.get("HOME") or account
    chosen = bool(os.environ.get("XDG_STATE_HOME")) or home != account
    service = os.geteuid() == 0 or not os.access(home, os.W_OK)
    if os.environ.get("STATE_DIRECTORY") or (service and not chosen):
        return system_folder()
    return state_dir() / "jobs"


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def user_name() -> str:
    """Of the account whose rights this process has."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def is_id(name: str) -> bool:
    """Whether ``name`` is a job's: ``20231230-020000-3f9a``, the local time at which it was begun and what tells it
    from others of that second."""
    return _ID.fullmatch(name) is not None


def modes(jobs: Path) -> tuple[int, int]:
    """Of a job's folder and of its files in ``jobs``."""
    if jobs != system_folder():
        return 0o700, 0o600
    found = jobs.stat().st_mode
    if found & 0o050 != 0o050:
        return 0o700, 0o600
    return 0o750 | found & stat.S_ISGID, 0o640
