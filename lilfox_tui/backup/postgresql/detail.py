"""What the manifest says of a database's part (``Part.detail``), and what restoring is held against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

DigestWay = Literal["values", "rows", "columns", "none"]
"""``values``: the sum over a table of ``hash_record_extended`` of each row's binary form (``record_send``), its columns
by name: booleans, whole numbers, dates, times and UUIDs as they are, the SHA-256 of a bytea, ``hashtextextended`` of
texts and of every other value's text. Servers before 14 have no such hash; of theirs, and in older sets: ``rows``:
``sum(hashtextextended(t::text, 0))`` over the table ``t``. ``columns``: the same of the digests of a row's columns by
name, for tables with values that are too large for a row's text (1 GB) or whose columns change places when restored
(children of inheritance). ``none``: the text of a value is not the same each time."""


class TableContent(Struct, frozen=True):
    """A table's own rows (not those of its partitions and children) in the dump's snapshot."""

    rows: int | None
    """None where they could not be counted; ``note`` says why."""
    digest: str | None = None
    """A sum, as decimal digits; None where there is none to compare."""
    way: DigestWay = "none"
    note: str = ""


class SequenceValue(Struct, frozen=True):
    """A sequence does not follow snapshots: pg_dump read a value from ``last`` (before it began) to ``last_after``."""

    last: int
    called: bool
    last_after: int | None = None
    """None where it was the same."""


class Content(Struct, frozen=True, kw_only=True):
    """What is in a database. Names are as SQL writes them, with their schema (``public."Some table"``)."""

    tables: dict[str, TableContent]
    sequences: dict[str, SequenceValue] = {}
    large_objects: int | None = None
    large_objects_digest: str | None = None


class DatabaseDetail(Struct, frozen=True, kw_only=True):
    """Of a part of kind ``postgresql-custom`` or ``postgresql-plain``. What is not known is None."""

    database: str
    server_version_num: int | None = None
    dumped_by: str = ""
    """Version of pg_dump: ``17.12``."""
    system_identifier: str | None = None
    standby: bool = False
    owner: str | None = None
    encoding: str | None = None
    collate: str | None = None
    ctype: str | None = None
    locale_provider: str | None = None
    icu_locale: str | None = None
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    """Of the database on its server's disk."""
    settings: tuple[str, ...] = ()
    """``ALTER DATABASE … SET``: ``work_mem=64MB``; with a role, ``role: work_mem=64MB``. pg_dump leaves them out."""
    acl: str | None = None
    """Rights on the database itself, as text of an array of aclitem; None: the server's default."""
    connection_limit: int | None = None
    comment: str | None = None
    extensions: dict[str, str] = {}
    """Name → version."""
    tablespaces: tuple[str, ...] = ()
    """Other than pg_default that tables or indexes lie in."""
    roles: tuple[str, ...] = ()
    """That own something in it."""
    content: Content | None = None
    schema_sha256: str | None = None
    """Of what ``schema.py`` says is a schema's text, as the programs ``dumped_by`` write it."""


class GlobalsDetail(Struct, frozen=True, kw_only=True):
    """Of a part of kind ``postgresql-globals``: roles, their memberships and settings, tablespaces."""

    server_version_num: int | None = None
    system_identifier: str | None = None
    passwords: bool = False
    """Whether the (hashed) passwords of roles are in it; only a superuser may read them."""


def as_detail(detail: DatabaseDetail | GlobalsDetail) -> dict[str, Any]:
    """As the manifest takes it."""
    built: dict[str, Any] = msgspec.to_builtins(detail)
    return built


def database_detail(detail: dict[str, Any]) -> DatabaseDetail:
    """Back from the manifest. Raises msgspec.ValidationError for what is no such detail."""
    return msgspec.convert(detail, DatabaseDetail)
