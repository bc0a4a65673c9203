"""Reading the configuration file only where nobody else can have written it.

Commands and addresses in it are acted on, so the rule is that of sshd and sudo for their files: owned by root or the
user, writable by the owner alone, and in no folder where others may put another file in its place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import tr

MAX_BYTES = 1024 * 1024


class TrustedText(Struct, frozen=True):
    """The file's text, and whether users other than its owner may read it."""

    text: str
    readable_by_others: bool


def read(path: Path) -> TrustedText:
    """The text of ``path`` (UTF-8, up to 1 MiB). Raises ConfigError when it is missing, not trusted or not text."""
    raw, mode = _read_bytes(path)
    if len(raw) > MAX_BYTES:
        raise ConfigError(tr("{path}: larger than 1 MiB; that is no configuration of LilFox", path=path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(tr("{path}:{line}: not UTF-8 text; save it as UTF-8", path=path, line=line)) from None
    return TrustedText(text, bool(mode & 0o044))


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor of ``path`` and what it is; never waits for a pipe's writer. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)


def content(descriptor: int, limit_bytes: int) -> bytes:
    """Up to ``limit_bytes`` and one more, so that the caller sees what is longer. Raises OSError."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(limit_bytes + 1)


def _read_bytes(path: Path) -> tuple[bytes, int]:
    try:
        with opened(path) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(tr("{path}: not a regular file; name the file itself", path=path))
            _check_owner(path, found)
            _check_folders(path)
            return content(descriptor, MAX_BYTES), found.st_mode
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(tr("{path}: there is no such file", path=path), hint=tr("see --config, or copy the example"))
    return ConfigError(tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or type(error).__name__))


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            tr("{path}: belongs to user {uid}, who is neither you nor root; refused", path=path, uid=found.st_uid),
            hint=tr("copy it, or run: chown {uid} {path}", uid=os.geteuid(), path=path),
        )
    if found.st_mode & 0o022:
        raise ConfigError(
            tr("{path}: others may write it (mode {mode:04o}); refused", path=path, mode=found.st_mode & 0o7777),
            hint=tr("run: chmod go-w {path}", path=path),
        )


def _check_folders(path: Path) -> None:
    for folder in {*path.absolute().parents, *path.resolve().parents}:
        mode = folder.stat().st_mode
        if mode & 0o002 and not mode & stat.S_ISVTX:
            raise ConfigError(
                tr("{path}: others may replace it, as anybody may write {folder}; refused", path=path, folder=folder),
                hint=tr("run: chmod o-w {folder}", folder=folder),
            )
