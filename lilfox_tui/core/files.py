"""Read files only where nobody else can have written them; replace a file whole or not at all."""

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
    """Somebody else can say what is in a file, or which file it is."""

    def __init__(self, path: Path, place: Path, found: os.stat_result) -> None:
        owner, mode = _name(found.st_uid), f"{found.st_mode & 0o7777:04o}"
        text = tr("{path} is not used, because others can change it: {place} belongs to {owner}, its mode is "
                  "{mode}",
                  path=path, place=place, owner=owner, mode=mode)  # fmt: skip
        hint = _mending(path, place, found)
        super().__init__(text, (f"{text}. {hint}",), hint)


@contextmanager
def opened(path: Path, *, trusted: bool = True) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor of ``path`` and what it is; never waits for a pipe's writer. Raises OSError, and NotTrusted unless
    it is only looked at and nothing follows from it (``trusted`` False)."""
    descriptor = _walked(path) if trusted else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)


def content(descriptor: int, limit_bytes: int) -> bytes:
    """Up to ``limit_bytes`` and one more, so that the caller sees what is longer. Raises OSError."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(limit_bytes + 1)


def why_not(path: Path) -> NotTrusted | None:
    """Why a file or folder is not to be acted on; None where it may be, or cannot be opened: who reads it says that.
    Where others may still put one, it is refused, as it may be there by then."""
    try:
        os.close(_walked(path, read_later=True))
    except NotTrusted as error:
        return error
    except OSError:
        return None
    return None


def is_ours(path: Path) -> bool:
    """Whether it is there, and nobody else decides what is in it."""
    try:
        os.close(_walked(path))
    except (NotTrusted, OSError):
        return False
    return True


def refuse(path: Path) -> None:
    """Raises NotTrusted."""
    if (error := why_not(path)) is not None:
        raise error


def _walked(path: Path, *, read_later: bool = False) -> int:
    """A descriptor of what ``path`` leads to. Raises NotTrusted, OSError; NotTrusted also for what others may still
    put there, if it is opened again after this (``read_later``)."""
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
    """The file, or the folder, at the end of the way."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    found = os.fstat(descriptor)
    if found.st_uid not in _trusted() or _others_write(found, descriptor):
        os.close(descriptor)
        raise NotTrusted(path, place, found)
    return descriptor


def _checked_folder(path: Path, place: Path, folder: int) -> bool:
    """Whether others may put something beside what is there already. Raises NotTrusted where they may replace it."""
    found = os.fstat(folder)
    shared = _others_write(found, folder)
    if found.st_uid not in _trusted() or (shared and not found.st_mode & stat.S_ISVTX):
        raise NotTrusted(path, place, found)
    return shared


def _others_write(found: os.stat_result, descriptor: int) -> bool:
    """Not by the bit of a group in which nobody else is, unless there is an access list (acl(5)), whose widest entry
    that bit then is; and not on a mount that is read-only (a ConfigMap's folder has mode 0777). What is written to a
    device (``/dev/null``) does not stay there."""
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
    """Whether a group is root's, or the user's private one: that has the user's name, and nobody else is in it."""
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
    """What to do. Nothing is taken from its owner: it may be a home, and who has it open can still write it."""
    if found.st_uid not in _trusted():
        return tr("Run LilFox as {owner}; or copy {path} to a folder of your own, review its contents, and use "
                  "the copy",
                  owner=_name(found.st_uid), path=path)  # fmt: skip
    if found.st_mode & stat.S_ISVTX and stat.S_ISDIR(found.st_mode):
        return tr("Keep {path} in a folder of your own, and use that path", path=path)
    command = f"chmod go-w {shlex.quote(str(place))}"
    return tr("Inspect its contents, then remove write access for others: {command}", command=command)


# Opening a file that another account may have put there.


def open_regular(path: Path) -> int:
    """A descriptor to read a regular file; links and devices are refused. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(path)
    return handle


# A small file of ours replaced whole or not at all, also when the machine dies half-way.


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Makes ``content`` the content of ``path`` (with ``mode``): temporary file beside it, fsync, rename.

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
    """While it is open, nobody else is in one for the same ``path``: for reading a file and replacing it. Blocks until
    it is free. Raises OSError where the lock beside ``path`` cannot be made."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
