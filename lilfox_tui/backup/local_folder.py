"""A folder of this machine in which nothing but its own regular files is ever touched. All calls block."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.mounts import is_mounted
from lilfox_tui.backup.names import FOLDERS
from lilfox_tui.backup.store import Entry
from lilfox_tui.backup.store_names import is_name, parted
from lilfox_tui.i18n import tr

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class LocalFolder:
    """``mount``: where a filesystem must be mounted, or None. The folder itself may be reached by links (that is who
    configures it); below it none is followed. Every call opens it anew and raises StoreError when it is not the one it
    was before: then what was mounted there is gone. Everything else is OSError."""

    def __init__(self, path: str, mount: str | None = None) -> None:
        self.path = path
        self.mount = mount
        self._was: tuple[int, int] | None = None

    @contextmanager
    def root(self, *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder, which is made (0700) if ``make``."""
        self._refuse_unmounted()
        if make:
            with suppress(FileExistsError):
                Path(self.path).mkdir(0o700)
        descriptor = os.open(self.path, _FOLDER)
        try:
            self._refuse_unmounted()
            now = os.fstat(descriptor)
            if self._was not in (None, (now.st_dev, now.st_ino)):
                raise StoreError(
                    tr("{folder} is another folder than it was when this began", folder=self.path),
                    tr("What was mounted there may be gone: see mount, and dmesg."),
                )
            self._was = (now.st_dev, now.st_ino)
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse_unmounted(self) -> None:
        if self.mount is not None and not is_mounted(self.mount):
            raise StoreError(
                tr("nothing is mounted at {mount}: {folder} is not written", mount=self.mount, folder=self.path),
                tr("Mount it; without it the backup would go to the disk below."),
            )

    @contextmanager
    def holding(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder in which ``name`` is or will be, and its name there."""
        folder, base = parted(name)
        with self.root(make=make) as root:
            if not folder:
                yield root, base
                return
            if make:
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o700, dir_fd=root)
            within = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=root)
            try:
                yield within, base
            finally:
                os.close(within)

    def create(self, name: str) -> int:
        """A descriptor of a new file (0600)."""
        with self.holding(name, make=True) as (folder, base):
            return new_file(folder, base)

    def open(self, name: str) -> tuple[int, os.stat_result]:
        """A descriptor of a regular file, and what is known of it."""
        with self.holding(name) as (folder, base):
            return old_file(folder, base)

    def rename(self, old: str, new: str, *, over: bool = False) -> None:
        """Gives a file another name in the same folder; never one that is taken unless ``over``."""
        with self.holding(old) as (folder, base):
            new_base = parted(new)[1]
            if over:
                os.rename(base, new_base, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                rename_new(folder, base, new_base)

    def sync(self, name: str) -> None:
        """Puts the names in the folder of ``name`` on the disk."""
        with self.holding(name) as (folder, _):
            os.fsync(folder)

    def remove(self, name: str) -> None:
        """Removes a regular file; nothing if it is gone, or is something else."""
        with suppress(FileNotFoundError), self.holding(name) as (folder, base):
            if stat.S_ISREG(os.stat(base, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(base, dir_fd=folder)

    def entries(self) -> list[Entry]:
        """All regular files, also those of the known sub-folders."""
        found: list[Entry] = []
        with self.root() as root:
            found += _entries(root, "")
            for name in FOLDERS:
                with suppress(FileNotFoundError, NotADirectoryError):
                    descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=root)
                    try:
                        found += _entries(descriptor, f"{name}/")
                    finally:
                        os.close(descriptor)
        return found

    def small(self, names: list[str], limit_bytes: int) -> dict[str, bytes]:
        """What is in those of the files that are there and no larger."""
        read: dict[str, bytes] = {}
        with self.root() as root:
            for name in names:
                folder, base = parted(name)
                try:
                    descriptor, facts = old_file(root, base) if not folder else self.open(name)
                except OSError:
                    continue
                try:
                    if facts.st_size <= limit_bytes:
                        read[name] = os.read(descriptor, facts.st_size)
                except OSError:
                    continue
                finally:
                    os.close(descriptor)
        return read


def new_file(folder: int, base: str) -> int:
    """A descriptor of a new file, 0600 whatever the umask is."""
    descriptor = os.open(base, _NEW, 0o600, dir_fd=folder)
    with suppress(PermissionError):  # filesystems without rights of their own
        os.fchmod(descriptor, 0o600)
    return descriptor


def old_file(folder: int, base: str) -> tuple[int, os.stat_result]:
    """A descriptor of a regular file. Raises OSError (ELOOP) for anything else."""
    descriptor = os.open(base, _OLD, dir_fd=folder)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), base)
    return descriptor, facts


def rename_new(folder: int, old: str, new: str) -> None:
    """As rename(2), but raises FileExistsError for a name that is taken."""
    try:
        os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with suppress(FileNotFoundError):
            os.stat(new, dir_fd=folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new) from None
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(old, dir_fd=folder)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of ``data``."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _entries(folder: int, prefix: str) -> list[Entry]:
    found = []
    with os.scandir(folder) as listed:
        for each in listed:
            if not (is_name(each.name) and each.is_file(follow_symlinks=False)):
                continue
            try:
                facts = os.stat(each.name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append(Entry(prefix + each.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
    return found
