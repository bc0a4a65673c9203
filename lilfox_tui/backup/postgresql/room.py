"""Room for a staging database on the server's disk, where that can be seen: when the server runs on the host on which
its client programs run, and tells where its data is."""

from __future__ import annotations

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.staging import Form
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean, human_bytes

_LOOPBACK = ("localhost", "::1")
_DF = "df -Pk \"$1\" | awk 'NR == 2 { print $4 }'"


def needed_bytes(aim: Aim, max_wal_bytes: int) -> int | None:
    """What restoring takes: the database as it was, and what is logged of it before the server takes that away."""
    size = aim.detail.size_bytes
    if size is None:
        size = aim.part.said.raw_bytes if aim.part.said is not None else None
    return None if size is None else size + min(size, max_wal_bytes)


async def free_bytes(access: Access, ground: Ground, form: Form) -> tuple[int | None, str]:
    """Free room where the staging database will lie, and the folder; None where it cannot be seen. Raises HostError."""
    space = ground.tablespaces.get(form.tablespace or "")
    folder = space.location if space is not None and space.location else ground.server.data_directory
    address = access.connection.address
    here = access.connection.socket or address in _LOOPBACK or address.startswith("127.")
    if not here or not folder:
        return None, ""
    done = await access.host.run(access.argv("/bin/sh", "-c", _DF, "sh", folder), sudo=access.sudo)
    text = done.stdout.decode("ascii", "replace").strip()
    return (int(text) * 1024, folder) if text.isdigit() else (None, folder)


async def about_room(access: Access, ground: Ground, aims: list[tuple[Aim, Form]]) -> list[Check]:
    """Enough for all of them at once, beside what is there. Raises HostError."""
    about = tr("room on the server's disk")
    needed = [needed_bytes(aim, ground.max_wal_bytes) for aim, _ in aims]
    known = sum(each for each in needed if each is not None)
    if None in needed and not known:
        return []
    free, folder = await free_bytes(access, ground, aims[0][1])
    if free is None:
        found = tr("{needed} needed; how much is free cannot be seen from here", needed=human_bytes(known))
        return [Check(about, "warning", found, tr("Look at the server's disk."))]
    found = tr("{needed} needed, {free} free in {folder}", needed=human_bytes(known), free=human_bytes(free),
               folder=clean(folder))  # fmt: skip
    if free < known:
        return [Check(about, "bad", found, tr("Make room, or restore on another server."))]
    return [Check(about, "good", found)]
