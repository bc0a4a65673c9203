"""What belongs to a database and not to what is in it, and so is in no dump of it: owner, rights, limit of connections,
comment, and the settings of ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET.

What is there now wins; of a database that is gone the manifest tells. Values go through no argv: they may be secrets.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.postgresql.detail import DatabaseDetail
from lilfox_tui.backup.postgresql.kept_session import KeptSession
from lilfox_tui.backup.postgresql.variables import variable

_OF_QUOTED_NAMES = frozenset(
    ("search_path", "temp_tablespaces", "session_preload_libraries", "shared_preload_libraries",
     "local_preload_libraries", "unix_socket_directories")
)  # fmt: skip
"""Settings whose value is a list of quoted names (GUC_LIST_QUOTE in the server; pg_dump knows the same list)."""
_READ = (
    'SELECT pg_get_userbyid(d.datdba) AS owner, d.datacl::text AS acl, d.datconnlimit AS "limit", '
    "shobj_description(d.oid, 'pg_database') AS comment, "
    "(SELECT coalesce(json_agg(json_build_object('role', CASE WHEN s.setrole = 0 THEN '' ELSE "
    "pg_get_userbyid(s.setrole) END, 'setting', c) ORDER BY s.setrole, n), '[]') "
    "FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) WITH ORDINALITY AS u (c, n) "
    "WHERE s.setdatabase = d.oid) AS settings FROM pg_database d WHERE d.datname = :'name'"
)
_GIVE = (
    "WITH c AS (SELECT :'carried'::json AS c) "
    "SELECT s FROM (SELECT 1 AS n, 0::int8 AS m, "
    "format('ALTER DATABASE %I OWNER TO %I', :'staged', c ->> 'owner') AS s FROM c WHERE c ->> 'owner' IS NOT NULL "
    "UNION ALL SELECT 2, 0, format('ALTER DATABASE %I CONNECTION LIMIT %s', :'staged', (c ->> 'limit')::int) FROM c "
    "UNION ALL SELECT 3, 0, format('COMMENT ON DATABASE %I IS %L', :'staged', c ->> 'comment') FROM c "
    "UNION ALL SELECT 4, m, CASE WHEN e ->> 'role' = '' THEN format('ALTER DATABASE %I', :'staged') "
    "ELSE format('ALTER ROLE %I IN DATABASE %I', e ->> 'role', :'staged') END || format(' SET %I TO ', e ->> 'name') "
    "|| (SELECT string_agg(quote_literal(v), ', ') FROM json_array_elements_text(e -> 'values') v) "
    "FROM c, json_array_elements(c -> 'settings') WITH ORDINALITY AS l (e, m) "
    "UNION ALL SELECT 5, 0, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'staged', c ->> 'owner') FROM c "
    "WHERE c ->> 'owner' IS NOT NULL "
    "UNION ALL SELECT 6, 0, format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, :'staged', "
    "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) "
    "|| CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END FROM c, pg_roles r, "
    "aclexplode(coalesce((c ->> 'acl')::aclitem[], acldefault('d', r.oid))) a WHERE r.rolname = c ->> 'owner' "
    ") q ORDER BY n, m \\gexec"
)


class Setting(Struct, frozen=True):
    """One setting; ``values`` are several where it is a list of names."""

    role: str
    """Empty: for all."""
    name: str
    values: tuple[str, ...]


class Carried(Struct, frozen=True, kw_only=True):
    """What a database is given. ``acl`` is an array of aclitem as text; None: the server's default."""

    owner: str | None = None
    acl: str | None = None
    limit: int = -1
    comment: str | None = None
    settings: tuple[Setting, ...] = ()


async def carried_of(session: KeptSession, name: str) -> Carried | None:
    """What the database ``name`` has now; None where there is none. ``session``: of any database of its server. Raises
    BackupError, HostError."""
    await session.tell(variable("name", name))
    rows = await session.ask(_READ)
    if not rows:
        return None
    row: dict[str, Any] = rows[0]
    settings = tuple(_setting(each["role"], each["setting"]) for each in row.pop("settings"))
    return Carried(**row, settings=settings)


def carried_by(detail: DatabaseDetail) -> Carried:
    """What the manifest tells."""
    return Carried(
        owner=detail.owner,
        acl=detail.acl,
        limit=-1 if detail.connection_limit is None else detail.connection_limit,
        comment=detail.comment,
        settings=tuple(_told(text) for text in detail.settings),
    )


async def give(session: KeptSession, carried: Carried) -> None:
    """Gives it to the database that the variable ``staged`` of the session names. Raises SqlRefused, BackupError,
    HostError."""
    await session.tell(variable("carried", json.dumps(msgspec.to_builtins(carried))))
    await session.tell(_GIVE)


def _told(text: str) -> Setting:
    """``work_mem=64MB`` or ``role: work_mem=64MB``."""
    left, _, value = text.partition("=")
    role, _, name = left.rpartition(": ")
    return _setting(role, f"{name}={value}")


def _setting(role: str, setting: str) -> Setting:
    name, _, value = setting.partition("=")
    values = _names(value) if name.lower() in _OF_QUOTED_NAMES else (value,)
    return Setting(role, name, values)


def _names(text: str) -> tuple[str, ...]:
    """The names of a list, each as it is without its quotes; one empty name for an empty list."""
    names, within = [""], False
    for position, character in enumerate(text):
        if character == '"':
            if not within and names[-1] and text[position - 1] == '"':
                names[-1] += '"'
            within = not within
        elif within or character not in ", ":
            names[-1] += character
        elif character == ",":
            names.append("")
    return tuple(names)
