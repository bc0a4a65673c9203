"""Staging databases of restores: their names and marks, created, found again, dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256

from msgspec import Struct

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.detail import DatabaseTarget
from lilfox_tui.backup.postgresql.psql import Psql, Row, SqlRefused
from lilfox_tui.backup.postgresql.server import MEETING, DatabaseFacts, ServerFacts, sessions_in
from lilfox_tui.backup.postgresql.swap import IN_USE, in_the_way
from lilfox_tui.backup.sets.names import stamp_of
from lilfox_tui.i18n import tr

# Names of databases that a restore makes: beside the one it restores, and never longer than the server keeps.


LONGEST_BYTES = 63
"""Of a name (NAMEDATALEN - 1); the server cuts longer ones in silence."""
DRILL = "lilfox_drill_"
_HASH_DIGITS = 8
_STAMP_LENGTH = len("20231230_020000")


def restored_name(name: str, stamp: str) -> str:
    """``lilfox_restore_20231230_020000``: restored, and not yet in place."""
    return _fitted(name, f"_restore_{stamp}")


def before_name(name: str, stamp: str) -> str:
    """``lilfox_before_20231230_020000``: what a restore found there."""
    return _fitted(name, f"_before_{stamp}")


def drill_name(name: str, stamp: str) -> str:
    """``lilfox_drill_lilfox_20231230_020000``: restored to be compared, and taken away."""
    return _fitted(DRILL + name, f"_{stamp}")


def is_staged(name: str, target: str) -> bool:
    """Whether a restore or a drill of ``target`` gives the name ``name`` to what it stages."""
    stamp = name[-_STAMP_LENGTH:]
    return name in (restored_name(target, stamp), drill_name(target, stamp))


def free_stamp(at: datetime, zone: tzinfo, names: list[str], taken: Container[str]) -> str:
    """The local time ``at`` as a stamp with which none of the names that a restore of ``names`` makes is ``taken``; a
    later second's where one is."""
    while True:
        stamp = stamp_of(at, zone)
        made = [make(name, stamp) for name in names for make in (restored_name, before_name, drill_name)]
        if not any(name in taken for name in made):
            return stamp
        at += timedelta(seconds=1)


def _fitted(name: str, end: str) -> str:
    """``name`` + ``end``; where that is too long ``name`` is shortened, and a hash of it keeps it apart from others."""
    if len((name + end).encode()) <= LONGEST_BYTES:
        return name + end
    end = f"_{sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}{end}"
    return name.encode()[: LONGEST_BYTES - len(end)].decode(errors="ignore") + end


# Databases that restores are staged in: made, marked as such, found again, taken away.
#
# The mark is the database's comment; who works on one holds its claim. A marked one that nobody claims is what a crash
# left, as long as it has the name that it was made with: one that somebody has renamed is somebody's.


MARK = "lilfox: staged to restore "
"""Begins the comment; the name of the database that it is for follows."""
LONG_S = 600.0
"""For CREATE and DROP DATABASE, which wait for a checkpoint."""
LEAVE_S = 30.0
"""So long sessions may take to leave that were ended, or have ended by themselves: a busy machine is slow at it, and
the server gives up after 5 s at each try."""
_AGAIN_S = 0.2
LEFT = f"""
SELECT d.datname AS name, substr(shobj_description(d.oid, 'pg_database'), {len(MARK) + 1}) AS "for"
FROM pg_database d WHERE shobj_description(d.oid, 'pg_database') LIKE '{MARK}%' AND NOT EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::int8 << 32) | l.objid::int8) = hashtextextended('lilfox restore ' || d.datname, 0))
ORDER BY 1
"""  # noqa: S608 - constants of ours
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name' AND pid <> pg_backend_pid()"
)
_SUBSCRIPTIONS = """
SELECT s.subname AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = :'name'
"""


class Leftover(Struct, frozen=True):
    """What a restore that did not come to its end left."""

    name: str
    target: str
    """The database that it was to become."""


class DatabaseTemplate(Struct, frozen=True, kw_only=True):
    """What a database is made with. None: as the server has it by default."""

    owner: str | None = None
    encoding: str | None = None
    collate: str | None = None
    ctype: str | None = None
    provider: str = "c"
    locale: str | None = None
    """Of ICU, or of the builtin provider."""
    tablespace: str | None = None


def form_of(aim: DatabaseTarget, live: DatabaseFacts | None) -> DatabaseTemplate:
    """As the set has it; what it does not tell, and the owner and tablespace, as the database that is there has."""
    detail = aim.detail
    tablespace = live.tablespace if live is not None and live.tablespace != "pg_default" else None
    owner = live.owner if live is not None else detail.owner
    if detail.collate is not None:  # of a script the encoding of its text alone is known
        return DatabaseTemplate(
            owner=owner,
            encoding=detail.encoding,
            collate=detail.collate,
            ctype=detail.ctype,
            provider=detail.locale_provider or "c",
            locale=detail.icu_locale,
            tablespace=tablespace,
        )
    if live is None:
        return DatabaseTemplate(owner=owner)
    return DatabaseTemplate(
        owner=owner,
        encoding=live.encoding,
        collate=live.collate,
        ctype=live.ctype,
        provider=live.locale_provider,
        locale=live.icu_locale,
        tablespace=tablespace,
    )


async def create(psql: Psql, name: str, target: str, form: DatabaseTemplate) -> None:
    """Makes an empty database, into which nobody else may get by right of PUBLIC. Raises BackupError, HostError."""
    words, variables = ['CREATE DATABASE :"name" TEMPLATE template0'], {"name": name, "mark": MARK + target}
    given = (
        ('OWNER :"owner"', form.owner),
        ("ENCODING :'encoding'", form.encoding),
        ("LC_COLLATE :'collate'", form.collate),
        ("LC_CTYPE :'ctype'", form.ctype),
        ('TABLESPACE :"tablespace"', form.tablespace),
    )
    for clause, value in given:
        if value is not None:
            words.append(clause)
            variables[clause.split(":")[1].strip("'\"")] = value
    if form.locale is not None and form.provider in ("i", "b"):
        provider, clause = ("icu", "ICU_LOCALE") if form.provider == "i" else ("builtin", "BUILTIN_LOCALE")
        words.append(f"LOCALE_PROVIDER {provider} {clause} :'locale'")
        variables["locale"] = form.locale
    await once_left(
        psql,
        "template0",
        " ".join(words),
        "COMMENT ON DATABASE :\"name\" IS :'mark'",
        'REVOKE ALL ON DATABASE :"name" FROM PUBLIC',
        variables=variables,
    )


async def drop(psql: Psql, server: ServerFacts, name: str) -> None:
    """Takes a database away, whoever is in it; nothing where there is none. Raises BackupError, HostError."""
    await _drop_subscriptions(psql, name)
    force = " WITH (FORCE)" if server.version_num >= 130000 else ""
    ends = () if force else (_END_SESSIONS + " \\g /dev/null",)
    await once_left(psql, name, *ends, f'DROP DATABASE IF EXISTS :"name"{force}', variables={"name": name})


async def once_left(psql: Psql, name: str, *statements: str, variables: Mapping[str, str]) -> None:
    """Runs statements, of which the first needs that nobody is in the database ``name``, as soon as nobody is; after
    ``LEAVE_S`` it says who. Raises BackupError, HostError."""
    clock = asyncio.get_running_loop().time
    ends_s = clock() + LEAVE_S
    while True:
        try:
            return await psql.execute(
                *statements, database=MEETING, variables=variables, timeout_s=LONG_S, together=False
            )
        except SqlRefused as error:
            if error.sqlstate != IN_USE:
                raise
            if clock() >= ends_s:
                sessions = await sessions_in(psql, name, database=MEETING)
                if not sessions:
                    raise
                hint = tr("stop what uses it; the next run tries again")
                raise BackupError(in_the_way(name, sessions), hint) from None
        await asyncio.sleep(_AGAIN_S)


async def _drop_subscriptions(psql: Psql, name: str) -> None:
    """No database with a subscription can be dropped. Each is parted from its slot first: that is the one of the
    database which was dumped, and stays with its publisher."""
    [rows] = await psql.ask(_SUBSCRIPTIONS, database=MEETING, variables={"name": name})
    for row in rows:
        await psql.execute(
            'ALTER SUBSCRIPTION :"name" DISABLE',
            'ALTER SUBSCRIPTION :"name" SET (slot_name = NONE)',
            'DROP SUBSCRIPTION :"name"',
            database=name,
            variables={"name": row["name"]},
            timeout_s=LONG_S,
        )


async def leftovers(psql: Psql) -> Sequence[Leftover]:
    """What restores that did not come to their end left on the server. Raises BackupError, HostError."""
    [rows] = await psql.ask(LEFT, database=MEETING)
    return leftovers_from(rows)


def leftovers_from(rows: Sequence[Row]) -> Sequence[Leftover]:
    """What ``LEFT`` gave."""
    return [Leftover(row["name"], row["for"]) for row in rows if is_staged(row["name"], row["for"])]
