"""What the manifest tells of a database besides its content: where it came from, and what restoring it will need."""

from __future__ import annotations

from lilfox_tui.backup.postgresql.clients import Programs
from lilfox_tui.backup.postgresql.detail import Content, DatabaseDetail
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.server import Server, databases_of, extensions_of

_SETTINGS = """
SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_get_userbyid(s.setrole) || ': ' END || c AS setting
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
"""
_TABLESPACES = """
SELECT DISTINCT t.spcname AS name FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE t.spcname <> 'pg_global' ORDER BY 1
"""
_ROLES = """
SELECT DISTINCT r.rolname AS name FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
WHERE d.refclassid = 'pg_authid'::regclass
    AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        OR (d.classid = 'pg_database'::regclass
            AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database())))
ORDER BY 1
"""
_OF_ITSELF = """
SELECT datacl::text AS acl, shobj_description(oid, 'pg_database') AS comment
FROM pg_database WHERE datname = current_database()
"""


async def described_database(
    psql: Psql, server: Server, programs: Programs, name: str, content: Content | None, schema_sha256: str | None
) -> DatabaseDetail:
    """The detail of the database ``name`` of ``server``, dumped by ``programs``. Raises BackupError, HostError."""
    found = (await databases_of(psql, database=name))[name]
    settings, tablespaces, roles, [itself] = await psql.ask(_SETTINGS, _TABLESPACES, _ROLES, _OF_ITSELF, database=name)
    extensions = await extensions_of(psql, database=name)
    return DatabaseDetail(
        database=name,
        server_version_num=server.version_num,
        dumped_by=programs.text,
        system_identifier=server.system_identifier,
        standby=server.standby,
        owner=found.owner,
        encoding=found.encoding,
        collate=found.collate,
        ctype=found.ctype,
        locale_provider=found.locale_provider,
        icu_locale=found.icu_locale,
        size_bytes=found.size_bytes,
        settings=tuple(row["setting"] for row in settings),
        acl=itself["acl"],
        connection_limit=found.connection_limit,
        comment=itself["comment"],
        extensions={row["name"]: row["version"] for row in extensions},
        tablespaces=tuple(row["name"] for row in tablespaces),
        roles=tuple(sorted({found.owner, *(row["name"] for row in roles)})),
        content=content,
        schema_sha256=schema_sha256,
    )
