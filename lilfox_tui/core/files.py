"""Reads only files that no other user can have written; replaces a file completely or not at all."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import Message, tr

# Only Linux has O_PATH, which asks no right to list the folder.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_LINKS = 40
_BY_OTHERS = 0o022


class NotTrusted(ConfigError):
    """Another user can change a file's content, or replace the file."""

    def __init__(self, path: Path, place: Path, found: os.stat_result) -> None:
        owner, mode = _name(found.st_uid), f"{found.st_mode & 0o7777:04o}"
        text = tr("{path} is not used because others can change it: {place} is owned by {owner} with mode {mode}",
                  path=path, place=place, owner=owner, mode=mode)  # fmt: skip
        hint = _mending(path, place, found)
        super().__init__(text, (f"{text}. {hint}",), hint)


@contextmanager
def opened(path: Path, *, trusted: bool = True) -> Iterator[tuple[int, os.stat_result]]:
    """Opens ``path``; yields its descriptor and stat result. Never blocks on a pipe. Raises OSError; NotTrusted if
    others can change the file, unless ``trusted`` is False because the file is only examined."""
    descriptor = _walked(path) if trusted else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)


def content(descriptor: int, limit_bytes: int) -> bytes:
    """The content up to ``limit_bytes`` and one more, so that the caller can detect longer files. Raises OSError."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(limit_bytes + 1)


def why_not(path: Path) -> NotTrusted | None:
    """The reason why a file or folder must not be used; None if it may be used, or if it cannot be opened, which its
    reader reports. A missing one must not be used if others can still create it."""
    try:
        os.close(_walked(path, read_later=True))
    except NotTrusted as error:
        return error
    except OSError:
        return None
    return None


def is_ours(path: Path) -> bool:
    """Whether the file or folder exists, and no other user can change it."""
    try:
        os.close(_walked(path))
    except (NotTrusted, OSError):
        return False
    return True


def refuse(path: Path) -> None:
    """Raises NotTrusted if :func:`why_not` finds that the file or folder must not be used."""
    if (error := why_not(path)) is not None:
        raise error


def _walked(path: Path, *, read_later: bool = False) -> int:
    """Opens the target of ``path`` and checks each folder on the way; returns the descriptor. Raises NotTrusted,
    OSError. With ``read_later``, for a file that is opened again later, also raises NotTrusted if others can still
    create it."""
    todo, place, links = [*reversed(path.absolute().parts[1:])], Path("/"), 0
    folder = os.open("/", _FOLDER)
    try:
        shared = _checked_folder(path, place, folder)
        while todo:
            name = todo.pop()
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                if shared and read_later:
                    raise NotTrusted(path, place, os.fstat(folder)) from None
                raise
            here = place.parent if name == ".." else place / name
            if shared and found.st_uid not in _trusted():
                raise NotTrusted(path, here, found)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                target = Path(os.readlink(name, dir_fd=folder))
                todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                if target.is_absolute():
                    folder, place = _into(folder, "/"), Path("/")
                    shared = _checked_folder(path, place, folder)
            elif todo:
                folder, place = _into(folder, name), here
                shared = _checked_folder(path, place, folder)
            else:
                return _last(path, here, name, folder)
        return _last(path, place, ".", folder)
    finally:
        os.close(folder)


def _into(folder: int, name: str) -> int:
    inner = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return inner


def _last(path: Path, place: Path, name: str, folder: int) -> int:
    """Opens the file or folder at the end of the path; returns the descriptor. Raises NotTrusted if others can write to
    it."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    found = os.fstat(descriptor)
    if found.st_uid not in _trusted() or _others_write(found, descriptor):
        os.close(descriptor)
        raise NotTrusted(path, place, found)
    return descriptor


def _checked_folder(path: Path, place: Path, folder: int) -> bool:
    """Whether others may add files to the folder. Raises NotTrusted if they may replace existing ones."""
    found = os.fstat(folder)
    shared = _others_write(found, folder)
    if found.st_uid not in _trusted() or (shared and not found.st_mode & stat.S_ISVTX):
        raise NotTrusted(path, place, found)
    return shared


def _others_write(found: os.stat_result, descriptor: int) -> bool:
    """Whether others can write to it. Does not count a group without other members (unless there is an access list,
    acl(5), whose mask is then stored in the group bits), a read-only mount (a ConfigMap's folder has mode 0777), or a
    device (``/dev/null``), which stores nothing."""
    if not found.st_mode & _BY_OTHERS or stat.S_ISCHR(found.st_mode):
        return False
    if not found.st_mode & stat.S_IWOTH and _is_own(found.st_gid) and not _has_list(descriptor):
        return False
    return not os.fstatvfs(descriptor).f_flag & os.ST_RDONLY


def _has_list(descriptor: int) -> bool:
    if not hasattr(os, "getxattr"):
        return False  # only on Linux do lists stand in the group's bits
    try:
        os.getxattr(f"/proc/self/fd/{descriptor}", "system.posix_acl_access")
    except OSError as error:
        return error.errno not in (errno.ENODATA, errno.ENOTSUP)
    return True


def _is_own(gid: int) -> bool:
    """Whether a group is root's, or the user's private one, which has the user's name and no other members."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return gid == 0
    if gid == 0:
        return set(group.gr_mem) <= {"root", user.pw_name}
    if user.pw_gid != gid or user.pw_name != group.gr_name or not set(group.gr_mem) <= {user.pw_name}:
        return False
    return all(each.pw_uid == user.pw_uid for each in pwd.getpwall() if each.pw_gid == gid)


def _trusted() -> tuple[int, int]:
    return 0, os.geteuid()


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)


def _mending(path: Path, place: Path, found: os.stat_result) -> Message:
    """The hint for fixing it. It never suggests changing the owner: the place may be somebody's home, and a process
    that has the file open can still write to it."""
    if found.st_uid not in _trusted():
        return tr("Run LilFox as {owner}; or copy {path} to a folder of your own, review its contents, and use "
                  "the copy",
                  owner=_name(found.st_uid), path=path)  # fmt: skip
    if found.st_mode & stat.S_ISVTX and stat.S_ISDIR(found.st_mode):
        return tr("Move {path} to a folder of your own, and use the new path", path=path)
    command = f"chmod go-w {shlex.quote(str(place))}"
    return tr("Inspect its contents, then remove write access for others: {command}", command=command)


# Opening a file that another account may have put there.


def open_regular(path: Path) -> int:
    """A descriptor for reading a regular file; refuses links and devices. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return handle


# A small file of ours replaced whole or not at all, also when the machine dies half-way.


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replaces ``path`` with ``content`` (and ``mode``): temporary file beside it, fsync, rename.

    Raises OSError; the old content is then untouched.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on ``path``, for reading and replacing the file. Blocks until the lock is free. Raises
    OSError if the lock file beside ``path`` cannot be made."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
