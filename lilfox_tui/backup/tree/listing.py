"""What is in a folder now, without reading the files: GNU find on the host."""

from __future__ import annotations

from contextlib import aclosing

from lilfox_tui.backup.tree.index import Entry, Index
from lilfox_tui.hosts.base import Host
from lilfox_tui.told import whole

_LIST = r"""
cd -P -- "$1" || exit 1
find . -xdev -printf '%P\0%y\0%m\0%s\0%T@\0%u\0%g\0%l\0' 2>/dev/null
exit 0
"""
_FIELDS = 8
_KINDS = {b"f": "file", b"d": "folder", b"l": "link"}


async def list_folder(host: Host, folder: str, index: Index, *, sudo: bool) -> None:
    """Puts what is in ``folder`` into ``index`` as what is there, anew. Raises HostError."""
    index.clear("there")
    held = b""
    async with aclosing(host.stream(["sh", "-c", _LIST, "sh", folder], sudo=sudo)) as blocks:
        async for block in blocks:
            fields = (held + block).split(b"\0")
            whole = len(fields[:-1]) // _FIELDS * _FIELDS
            for at in range(0, whole, _FIELDS):
                index.put("there", _entry(fields[at : at + _FIELDS]))
            held = b"\0".join(fields[whole:])


def _entry(fields: list[bytes]) -> Entry:
    name, kind, mode, size, mtime, user, group, target = fields
    seconds, _, fraction = mtime.partition(b".")
    return Entry(
        name,
        _KINDS.get(kind, "other"),
        int(mode, 8),
        whole(size) if kind == b"f" else 0,
        whole(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0")) * (-1 if seconds.startswith(b"-") else 1),
        user,
        group,
        target,
    )
