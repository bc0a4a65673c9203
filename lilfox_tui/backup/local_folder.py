"""The folder of a local store, and the mount point that it must be on."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.backup.sets.names import FOLDERS, is_name, parted
from lilfox_tui.backup.store import StoreEntry, StoreError
from lilfox_tui.core.i18n import tr

# Which folders of this machine are mount points (proc_pid_mountinfo(5)).


MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def mount_points(mountinfo: bytes) -> list[bytes]:
    """Parse the mount points from the text of ``mountinfo``."""
    return [_point(line.partition(b" - ")[0]) for line in mountinfo.splitlines()]


def is_mounted(folder: str) -> bool:
    """Whether something is mounted at ``folder`` itself. An automount that has not mounted anything yet does not
    count."""
    try:
        text = MOUNTS.read_bytes()
    except OSError:
        return os.path.ismount(folder)
    wanted = os.fsencode(os.path.realpath(folder))
    kind = b""
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        if _point(before) == wanted:
            kind = after.split()[0]
    return kind not in (b"", b"autofs")


def _point(before: bytes) -> bytes:
    """Return the mount point from the fields before the separator of a line."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), before.split()[4])


# A folder of this machine in which nothing but its own regular files is ever touched. All calls block.


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SMALL = 1 << 16
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class LocalFolder:
    """The folder of a local store. ``mount``: where a filesystem must be mounted, or None. The path may contain links,
    which the administrator chose; links below it are not followed. Every call opens the folder anew and raises
    StoreError if it is no longer the same folder, such as after an unmount. Every other error is an OSError."""

    def __init__(self, path: str, mount: str | None = None) -> None:
        self.path = path
        self.mount = mount
        self._was: tuple[int, int] | None = None

    @contextmanager
    def root(self, *, make: bool = False) -> Iterator[int]:
        """Open a descriptor of the folder; creates it (0700) with ``make``."""
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
                    tr("{folder} has been replaced by a different folder since LilFox opened it", folder=self.path),
                    tr("Its file system may have been unmounted: check mount and dmesg."),
                )
            self._was = (now.st_dev, now.st_ino)
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse_unmounted(self) -> None:
        if self.mount is not None and not is_mounted(self.mount):
            raise StoreError(
                tr("nothing is mounted at {mount}: {folder} is not used", mount=self.mount, folder=self.path),
                tr("Mount it; otherwise the backup would be written to the disk underneath."),
            )

    @contextmanager
    def holding(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open a descriptor of the folder that contains, or will contain, ``name``; yield it with the file's name in
        that folder."""
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
        """Create a new file (0600); return its descriptor."""
        with self.holding(name, make=True) as (folder, base):
            return new_file(folder, base)

    def open(self, name: str) -> tuple[int, os.stat_result]:
        """Open a regular file; return its descriptor and its stat result."""
        with self.holding(name) as (folder, base):
            return old_file(folder, base)

    def rename(self, old: str, new: str, *, over: bool = False) -> None:
        """Rename a file within its folder; never to a taken name unless ``over``."""
        with self.holding(old) as (folder, base):
            new_base = parted(new)[1]
            if over:
                os.rename(base, new_base, src_dir_fd=folder, dst_dir_fd=folder)
            else:
                rename_new(folder, base, new_base)

    def sync(self, name: str) -> None:
        """Sync the folder that contains ``name`` to disk."""
        with self.holding(name) as (folder, _):
            os.fsync(folder)

    def remove(self, name: str) -> None:
        """Remove a regular file; do nothing if it does not exist or is not a regular file."""
        with suppress(FileNotFoundError), self.holding(name) as (folder, base):
            if stat.S_ISREG(os.stat(base, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(base, dir_fd=folder)

    def entries(
        self, whole: tuple[str, ...] = (), limit_bytes: int = 0, texts: dict[str, bytes] | None = None
    ) -> list[StoreEntry]:
        """Return all regular files, including those in the known sub-folders. Files with a name that ends in one of
        ``whole`` and of at most ``limit_bytes`` are read into ``texts``."""
        read = {} if texts is None else texts
        with self.root() as root:
            found = _entries(root, "", whole, limit_bytes, read)
            for name in FOLDERS:
                with suppress(FileNotFoundError, NotADirectoryError):
                    descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=root)
                    try:
                        found += _entries(descriptor, f"{name}/", whole, limit_bytes, read)
                    finally:
                        os.close(descriptor)
        return found


def new_file(folder: int, base: str) -> int:
    """Create a new file with mode 0600 whatever the umask; return its descriptor."""
    descriptor = os.open(base, _NEW, 0o600, dir_fd=folder)
    with suppress(PermissionError):  # filesystems without rights of their own
        os.fchmod(descriptor, 0o600)
    return descriptor


def old_file(folder: int, base: str) -> tuple[int, os.stat_result]:
    """Open a regular file; return its descriptor and stat result. Raises OSError (ELOOP) for anything else."""
    descriptor = os.open(base, _OLD, dir_fd=folder)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), base)
    return descriptor, facts


def rename_new(folder: int, old: str, new: str) -> None:
    """Rename as rename(2) does, but raise FileExistsError for a taken name."""
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
    """Write all of ``data``."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _entries(
    folder: int, prefix: str, whole: tuple[str, ...], limit_bytes: int, texts: dict[str, bytes]
) -> list[StoreEntry]:
    found = []
    with os.scandir(folder) as listed:
        for each in listed:
            base = each.name
            if not (is_name(base) and each.is_file(follow_symlinks=False)):
                continue
            try:
                if base.endswith(whole) and (data := _read(folder, base, limit_bytes)) is not None:
                    texts[prefix + base] = data
                    continue
                facts = os.stat(base, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append(StoreEntry(prefix + base, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
    return found


def _read(folder: int, base: str, limit_bytes: int) -> bytes | None:
    """Return the content of a file; None if it is larger than ``limit_bytes`` or not readable. Raises
    FileNotFoundError. Does not check that it is a regular file: the folder's listing has done that, and there are tens
    of thousands of files."""
    try:
        descriptor = os.open(base, _OLD, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    try:
        data = os.read(descriptor, _SMALL)
        while len(data) % _SMALL == 0 and 0 < len(data) <= limit_bytes and (more := os.read(descriptor, _SMALL)):
            data += more
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data if len(data) <= limit_bytes else None
