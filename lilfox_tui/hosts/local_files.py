"""Files of this machine: a part read, a whole put."""

from __future__ import annotations

import os
from pathlib import Path

from lilfox_tui.hosts.refusals import not_read, not_written


def read(host: str, path: str, offset: int, limit_bytes: int) -> bytes:
    """Up to ``limit_bytes`` from ``offset``. Raises FileRefused."""
    try:
        with Path(path).open("rb") as file:
            if offset:
                file.seek(offset)
            return file.read(limit_bytes)
    except OSError as error:
        raise not_read(host, path, _reason(error)) from None


def write_whole(host: str, path: str, data: bytes, mode: int) -> None:
    """Puts ``data`` at ``path`` by a temporary file beside it, fsync and rename. Raises FileRefused."""
    target = Path(path)
    partial = target.with_name(f".{target.name[:100]}.lilfox-{os.urandom(4).hex()}")
    try:
        _write(partial, data, mode)
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise not_written(host, path, _reason(error)) from None


def _write(partial: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
