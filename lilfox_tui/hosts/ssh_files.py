"""Files of an SSH host, by commands that every host has: the same way with and without SFTP."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.output import last_words
from lilfox_tui.hosts.refusals import not_read, not_written

TRANSFER_S = 600.0

_READ = 'exec 3<"$1" || exit 1; tail -c "+$2" <&3 | head -c "$3"'
_WRITE = r"""
umask 077
set -C
{ cat >"$1"; } || { rm -f -- "$1"; exit 1; }
[ "$(wc -c <"$1")" -eq "$4" ] || { rm -f -- "$1"; echo "the connection ended early" >&2; exit 1; }
chmod "$3" "$1" && { sync "$1" 2>/dev/null || sync; } && mv -f -- "$1" "$2" || { rm -f -- "$1"; exit 1; }
"""


async def read(host: Host, path: str, offset: int, limit_bytes: int) -> bytes:
    """Up to ``limit_bytes`` of ``path`` from ``offset``. Raises FileRefused and what ``run`` raises."""
    argv = ["sh", "-c", _READ, "sh", path, str(offset + 1), str(limit_bytes)]
    done = await host.run(argv, timeout_s=TRANSFER_S, limit_bytes=max(limit_bytes, 4096))
    if not done.ok or (not done.stdout and done.stderr):
        raise not_read(host.name, path, last_words(done.stderr))
    return done.stdout


async def write_whole(host: Host, path: str, data: bytes, mode: int) -> None:
    """Puts ``data`` at ``path``, whole or not at all. Raises FileRefused and what ``run`` raises."""
    target = PurePosixPath(path)
    partial = target.with_name(f".{target.name[:100]}.lilfox-{os.urandom(4).hex()}")
    argv = ["sh", "-c", _WRITE, "sh", str(partial), path, f"{mode:o}", str(len(data))]
    done = await host.run(argv, stdin=data, timeout_s=TRANSFER_S)
    if not done.ok:
        raise not_written(host.name, path, last_words(done.stderr))
