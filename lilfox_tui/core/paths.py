"""Where LilFox keeps its files: the user's XDG folders (freedesktop.org Base Directory Specification), and
``/var/lib/lilfox`` for what root or a service user keeps (jobs, incidents, restores).

Both are read by everybody who may. In the user's folder everything is 0700 and 0600 whatever stands around it; in the
system's a group may read what a folder there (``jobs``, ``incidents``, …) lets its group read."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

import platformdirs

from lilfox_tui.core import files
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr

APP = "lilfox"
_SYSTEM = "/var/lib/lilfox"


class FolderRefused(LilFoxError):
    """Nothing can be kept in a folder: it cannot be made, or others may write there."""


def config_file() -> Path:
    """The configuration that is read when ``--config`` does not name one."""
    return Path(platformdirs.user_config_dir(APP)) / "config.yaml"


def state_dir() -> Path:
    """State that outlives a run (what was seen last, logs of crashes); made with mode 0700, as those above it are,
    whatever the umask is. Raises OSError, also where others decide what is there."""
    folder = state_path()
    for each in (*reversed(folder.parents), folder):  # mkdir(parents=True) would leave their mode to the umask
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)
    if (refused := not_ours(folder)) is not None:
        raise PermissionError(errno.EPERM, str(refused), str(folder))
    return folder


def not_ours(folder: Path) -> Message | str | None:
    """Why nothing is kept in a folder of the user; None where it is the user's alone. A link may lead to one that is
    LilFox's alone, not into another one such as ``/etc``, where its files would lie among others."""
    if (error := files.why_not(folder)) is not None:
        return error.problems[0]
    if folder.is_symlink() and folder.stat().st_mode & 0o077:
        return tr("{folder} is a link to {target}, which is not exclusive to LilFox (mode 0700)", folder=folder,
                  target=folder.resolve())  # fmt: skip
    return None


def state_path() -> Path:
    """The path of ``state_dir``, which need not be there."""
    return Path(platformdirs.user_state_dir(APP))


def own_folder(name: str) -> Path:
    """Where this process keeps its ``name`` (``jobs``); made where it is not there. Raises FolderRefused."""
    try:
        folder = own_path(name)
        if folder == system_folder(name):
            folder.parent.mkdir(mode=0o750, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        refused = files.why_not(folder) if folder == system_folder(name) else not_ours(folder)
        if refused is not None:
            raise PermissionError(errno.EPERM, str(refused), str(folder))
        found = folder.stat()
    except (OSError, RuntimeError) as error:
        where = getattr(error, "filename", None) or system_folder(name)
        reason = getattr(error, "strerror", None) or error
        raise FolderRefused(
            tr("{folder}: {name} cannot be stored there: {reason}", folder=where, name=name, reason=reason),
            tr("set another location with XDG_STATE_HOME"),
        ) from None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise FolderRefused(
            tr("{folder}: others can write there", folder=folder),
            tr(
                "Inspect its contents, then remove write access for others: {command}",
                command=f"chmod go-w {shlex.quote(str(folder))}",
            ),
        )
    return folder


def own_path(name: str) -> Path:
    """The path of ``own_folder``, which need not be there. Raises OSError, RuntimeError."""
    account = _account()
    home = os.environ.get("HOME") or account
    chosen = bool(os.environ.get("XDG_STATE_HOME")) or home != account
    service = os.geteuid() == 0 or not os.access(home, os.W_OK)
    if os.environ.get("STATE_DIRECTORY") or (service and not chosen):
        return system_folder(name)
    return state_dir() / name


def all_folders(name: str) -> list[Path]:
    """Where ``name`` is looked for: the user's folder first. They need not be there."""
    try:
        mine = state_dir() / name
    except (OSError, RuntimeError):
        return [system_folder(name)]
    return [mine, system_folder(name)]


def system_folder(name: str) -> Path:
    """The folder of root and of service users; systemd names another one with StateDirectory=."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or _SYSTEM) / name


def modes(folder: Path) -> tuple[int, int]:
    """Of folders and of files that are made in ``folder``, one of ``all_folders``. Raises OSError."""
    if folder != system_folder(folder.name):
        return 0o700, 0o600
    found = folder.stat().st_mode
    if found & 0o050 != 0o050:
        return 0o700, 0o600
    return 0o750 | found & stat.S_ISGID, 0o640


def user_name() -> str:
    """Of the account whose rights this process has."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"
