"""Where LilFox keeps its files: the user's XDG folders (freedesktop.org Base Directory Specification), and
``/var/lib/lilfox`` for root and service users (jobs, incidents, restores).

Both are read by everybody who may. In the user's folder everything is 0700 and 0600 whatever stands around it; in the
system's a group may read what a folder there (``jobs``, ``incidents``, …) lets its group read."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs

from lilfox_tui.core import files
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr

APP = "lilfox"
_SYSTEM = "/var/lib/lilfox"
_CHECKED_FOR_S = 10.0


class FolderRefused(LilFoxError):
    """A folder cannot be used: it cannot be made, or others may write to it."""


def config_file() -> Path:
    """The configuration file used without ``--config``."""
    return Path(platformdirs.user_config_dir(APP)) / "config.yaml"


def told_config_file(path: str | None = None) -> str:
    """The configuration file at ``path``, or the one that is used without ``--config``, as people are told of it: with
    ``~`` for their home."""
    file = config_file() if path is None else Path(path)
    home = Path.home()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


def state_dir() -> Path:
    """The folder for state that outlives a run (the last visit, crash logs); created with mode 0700, like its missing
    parents, whatever the umask. Raises OSError, also if others can change its contents."""
    folder = state_path()
    for each in (*reversed(folder.parents), folder):  # mkdir(parents=True) would leave their mode to the umask
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)
    if (refused := not_ours(folder)) is not None:
        raise PermissionError(errno.EPERM, str(refused), str(folder))
    return folder


def not_ours(folder: Path) -> Message | str | None:
    """The reason why a folder of the user must not be used; None if it is the user's alone. It may be a link to a
    folder that only LilFox uses, but not to a shared one such as ``/etc``, where its files would mix with others."""
    if (error := files.why_not(folder)) is not None:
        return error.problems[0]
    if folder.is_symlink() and folder.stat().st_mode & 0o077:
        return tr("{folder} is a symbolic link to {target}, which others can access; its mode must be 0700",
                  folder=folder, target=folder.resolve())  # fmt: skip
    return None


def state_path() -> Path:
    """The path of ``state_dir``, which need not exist."""
    return Path(platformdirs.user_state_dir(APP))


def own_folder(name: str) -> Path:
    """The folder where this process keeps its ``name`` (``jobs``); made if missing. Raises FolderRefused."""
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
            tr("{folder}: cannot store {name}: {reason}", folder=where, name=name, reason=reason),
            tr("set XDG_STATE_HOME to another location"),
        ) from None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise FolderRefused(
            tr("{folder}: other users can write to this folder", folder=folder),
            tr(
                "Inspect its contents, then remove write access for others: {command}",
                command=f"chmod go-w {shlex.quote(str(folder))}",
            ),
        )
    return folder


def own_path(name: str) -> Path:
    """The path of ``own_folder``, which need not exist. Raises OSError, RuntimeError."""
    account = _account()
    home = os.environ.get("HOME") or account
    chosen = bool(os.environ.get("XDG_STATE_HOME")) or home != account
    service = os.geteuid() == 0 or not os.access(home, os.W_OK)
    if os.environ.get("STATE_DIRECTORY") or (service and not chosen):
        return system_folder(name)
    return state_dir() / name


def all_folders(name: str) -> list[Path]:
    """The folders that may hold ``name``, the user's first. They need not exist."""
    try:
        mine = state_dir() / name
    except (OSError, RuntimeError):
        return [system_folder(name)]
    return [mine, system_folder(name)]


class PolledFolders:
    """Folders for those who look into them each second or so: ``find`` (``all_folders`` of a name), which walks the
    whole way to them to check who may write there, is asked again after ``_CHECKED_FOR_S``."""

    def __init__(self, find: Callable[[], list[Path]]) -> None:
        self._find = find
        self._found: list[Path] = []
        self._until_s = float("-inf")

    def now(self) -> list[Path]:
        """The folders; they need not exist."""
        if (now_s := time.monotonic()) >= self._until_s:
            self._found, self._until_s = self._find(), now_s + _CHECKED_FOR_S
        return self._found


def system_folder(name: str) -> Path:
    """The folder of root and of service users; systemd's StateDirectory= overrides it."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or _SYSTEM) / name


def modes(folder: Path) -> tuple[int, int]:
    """The modes of folders and files made in ``folder``, one of ``all_folders``. Raises OSError."""
    if folder != system_folder(folder.name):
        return 0o700, 0o600
    found = folder.stat().st_mode
    if found & 0o050 != 0o050:
        return 0o700, 0o600
    return 0o750 | found & stat.S_ISGID, 0o640


def write_hint(error: OSError) -> Message:
    """What to do when a file in the state folder cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return tr("free up disk space, or set XDG_STATE_HOME to another directory")
    if error.errno in (errno.EACCES, errno.EPERM):
        return tr("check the owner and mode of this path, or set XDG_STATE_HOME to another directory")
    if error.errno == errno.EROFS:
        return tr("mount this file system read-write, or set XDG_STATE_HOME to another directory")
    return tr("check this path and its disk, or set XDG_STATE_HOME to another directory")


def user_name() -> str:
    """The name of the account that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"
