"""A file system (FUSE) with one file, ``bad``, which can be opened, but never read: a disk with a bad sector."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = 65536
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _RELEASE = 1, 2, 3, 14, 15, 18
_FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 25, 26, 27, 28, 29
_ROOT, _BAD = 1, 2
_MS_NOSUID_NODEV = 6


@contextmanager
def damaged_disk(point: Path) -> Iterator[Path]:
    """Mount it at ``point``; yields the file."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/fuse: {error.strerror}")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"damaged", bytes(point), b"fuse", _MS_NOSUID_NODEV, options):
        os.close(device)
        pytest.skip("only root can mount")
    serving = threading.Thread(target=_serve, args=[device], daemon=True)
    serving.start()
    try:
        yield point / "bad"
    finally:
        libc.umount2(bytes(point), 0)
        serving.join(10)
        os.close(device)


def _serve(device: int) -> None:
    """Answer the kernel until the file system is unmounted (linux/fuse.h, protocol 7)."""
    while True:
        try:
            asked = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        _length, kind, unique, node = struct.unpack_from("<IIQQ", asked)
        if kind == _FORGET:
            continue
        failed, answer = _answer(kind, node, asked[40:])
        os.write(device, struct.pack("<IiQ", 16 + len(answer), -failed, unique) + answer)


def _answer(kind: int, node: int, asked: bytes) -> tuple[int, bytes]:
    if kind == _READ:
        return errno.EIO, b""
    if kind == _LOOKUP and asked.rstrip(b"\0") != b"bad":
        return errno.ENOENT, b""
    answers = {
        _INIT: struct.pack("<IIIIHHIIHHIIIIIII", 7, 31, 0, 0, 0, 0, SIZE, 1, 16, *[0] * 8),
        _LOOKUP: struct.pack("<QQQQII", _BAD, 0, 0, 0, 0, 0) + _attributes(_BAD),
        _GETATTR: struct.pack("<QII", 0, 0, 0) + _attributes(node),
        _OPEN: struct.pack("<QII", 1, 0, 0),
        _OPENDIR: struct.pack("<QII", 1, 0, 0),
        _READDIR: b"" if asked[8:16].strip(b"\0") else struct.pack("<QQII3s5x", _BAD, 1, 3, stat.S_IFREG >> 12, b"bad"),
        _RELEASE: b"",
        _RELEASEDIR: b"",
        _FLUSH: b"",
    }
    return (0, answers[kind]) if kind in answers else (errno.ENOSYS, b"")


def _attributes(node: int) -> bytes:
    mode, size = (stat.S_IFDIR | 0o755, 0) if node == _ROOT else (stat.S_IFREG | 0o644, SIZE)
    return struct.pack("<6Q10I", node, size, SIZE // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
