"""What a restore of databases or of a table keeps beside what is in place, and how that is let go.

Nothing is dropped by what the journal says alone: the names must be those that a restore of that target makes, what is
in place must be there, and nobody may be connected to what goes (it is never dropped with FORCE).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.restore import ServerRoute
from lilfox_tui.backup.postgresql.server import (
    MEETING,
    DatabaseFacts,
    databases_of,
    restore_lock,
    server_of,
    sessions_in,
)
from lilfox_tui.backup.postgresql.staging import LONG_S, before_name, drop, leftovers, once_left, restored_name
from lilfox_tui.backup.postgresql.swap import in_the_way
from lilfox_tui.backup.postgresql.table_restore import beside, shape_of
from lilfox_tui.backup.source import Renames, RetainedItem, Swap
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean

_STAMP = re.compile(r"_restore_(\d{8}_\d{6})$", re.ASCII)
_DROP = 'DROP DATABASE IF EXISTS :"name"'
_TABLE = """
SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS size_bytes FROM pg_class c
WHERE c.oid = to_regclass(:'only')
"""


async def kept_databases(way: ServerRoute, swap: Swap) -> list[RetainedItem]:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with way.opened() as access:
        return await _databases(access, swap)


async def forget_databases(way: ServerRoute, swap: Swap) -> None:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        names = [name for pair in swap.renames for name in (pair.target, pair.staged, pair.before) if name]
        async with restore_lock(access, (await server_of(psql, database=MEETING)).version_num, names):
            found = await _databases(access, swap)
            _refuse(found)
            for each in found:
                await once_left(psql, each.name, _DROP, variables={"name": each.name})


async def left_databases(way: ServerRoute, names: Collection[str]) -> list[RetainedItem]:
    """What is marked as staged for one of ``names`` while nobody works on it. Raises BackupError, HostError."""
    async with way.opened() as access:
        return await _left(Psql(access), names)


async def forget_left_databases(way: ServerRoute, names: Collection[str]) -> list[str]:
    """Drops what :func:`left_databases` gives. Raises BackupError, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        found = [each.name for each in await _left(psql, names)]
        server = await server_of(psql, database=MEETING)
        async with restore_lock(access, server.version_num, found):
            for name in found:
                await drop(psql, server, name)
        return found


async def _left(psql: Psql, names: Collection[str]) -> list[RetainedItem]:
    known = await databases_of(psql, database=MEETING)
    return [
        RetainedItem(target=each.target, name=each.name, size_bytes=known[each.name].size_bytes or None)
        for each in await leftovers(psql)
        if each.target in names and each.name in known
    ]


async def kept_table(way: ServerRoute, swap: Swap) -> list[RetainedItem]:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with way.opened() as access:
        found, _name = await _table(Psql(access), swap)
        return found


async def forget_table(way: ServerRoute, swap: Swap) -> None:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        async with restore_lock(access, (await server_of(psql, database=MEETING)).version_num, [swap.within]):
            found, name = await _table(psql, swap)
            _refuse(found)
            if found:
                await psql.execute(f"DROP TABLE {name}", database=swap.within, timeout_s=LONG_S)


async def _databases(access: ServerAccess, swap: Swap) -> list[RetainedItem]:
    psql = Psql(access)
    known = await databases_of(psql, database=MEETING)
    found = []
    for pair in swap.renames:
        names = [name for name in (pair.before, pair.staged) if name in known]
        for name in names:
            why_not = _why_not(pair, names, known) or await _in_use(psql, name)
            found.append(
                RetainedItem(target=pair.target, name=name, size_bytes=known[name].size_bytes or None, why_not=why_not)
            )
    return found


def _why_not(pair: Renames, there: list[str], known: Mapping[str, DatabaseFacts]) -> Message | str:
    stamped = _STAMP.search(pair.staged)
    ours = stamped is not None and (
        pair.staged == restored_name(pair.target, stamped[1])
        and pair.before in ("", before_name(pair.target, stamped[1]))
    )
    if not ours:
        return tr("its name is none that a restore of {target} gives", target=clean(pair.target))
    if len(there) > 1:
        return tr("the restore did not come to its end")
    if pair.before and pair.target not in known:
        return tr("{target} is not there: this may be the only one left", target=clean(pair.target))
    return ""


async def _in_use(psql: Psql, name: str) -> Message | str:
    sessions = await sessions_in(psql, name, database=MEETING)
    return in_the_way(name, sessions) if sessions else ""


async def _table(psql: Psql, swap: Swap) -> tuple[list[RetainedItem], str]:
    """What is kept of the table, or was put aside when it was undone, and its name as SQL writes it."""
    if swap.within not in await databases_of(psql, database=MEETING):
        return [], ""
    live = await shape_of(psql, swap.within, swap.target)
    stamped = _STAMP.search(swap.staged)
    only, kept = swap.before, await shape_of(psql, swap.within, swap.before)
    if kept is None and live is not None and stamped is not None:
        only = beside(live, restored_name(live.table, stamped[1]))
        kept = await shape_of(psql, swap.within, only)
    [rows] = await psql.ask(_TABLE, database=swap.within, variables={"only": only})
    if not rows or kept is None:
        return [], ""
    why_not: Message | str = ""
    if live is None:
        why_not = tr("{target} is not there: this may be the only one left", target=clean(swap.target))
    elif (
        stamped is None
        or swap.staged != restored_name(swap.within, stamped[1])
        or kept.kind != "r"
        or kept.schema != live.schema
        or kept.table not in (before_name(live.table, stamped[1]), restored_name(live.table, stamped[1]))
    ):
        why_not = tr("its name is none that a restore of {target} gives", target=clean(swap.target))
    found = RetainedItem(target=swap.target, name=only, size_bytes=rows[0]["size_bytes"], why_not=why_not)
    return [found], kept.name


def _refuse(found: list[RetainedItem]) -> None:
    for each in found:
        if str(each.why_not):
            raise BackupError(tr("{name} stays: {reason}", name=clean(each.name), reason=each.why_not))
