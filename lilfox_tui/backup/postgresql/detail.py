"""What the manifest records of a database's part, and which database each part of a set is restored to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import SourceRestoreSpec
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean

# What the manifest says of a database's part (``ManifestPart.detail``), and what restoring is held against.


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


class DatabaseContent(Struct, frozen=True, kw_only=True):
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
    content: DatabaseContent | None = None
    schema_sha256: str | None = None
    """Of what ``content.py`` says is a schema's text, as the programs ``dumped_by`` write it."""


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


# Which database each part of a set goes to, and under which names.


DATABASE_KINDS = ("postgresql-custom", "postgresql-plain")
GLOBALS_KIND = "postgresql-globals"


class DatabaseTarget(Struct, frozen=True, kw_only=True):
    """A part that holds a database, and the database that it is restored to."""

    part: FoundPart
    detail: DatabaseDetail
    """As the manifest has it; of an old set only what was counted in the dump."""
    database: str

    @property
    def plain(self) -> bool:
        """Whether it is a script for psql."""
        return self.part.kind == "postgresql-plain"


def database_targets(goal: SourceRestoreSpec, databases: Sequence[str]) -> tuple[DatabaseTarget, ...]:
    """The database parts of the goal. ``databases`` are those that the options or the place name: one takes any single
    part, several are found again by their names in the set.

    Raises UsageError where a part has no database to go to, BrokenSet for a manifest that tells nonsense.
    """
    parts = [part for part in goal.parts if part.kind in DATABASE_KINDS]
    if not parts:
        raise UsageError(tr("{set} has no part with a database", set=goal.set.id))
    details = [_detail(goal, part) for part in parts]
    if len(parts) == 1 and len(databases) == 1:
        return (DatabaseTarget(part=parts[0], detail=details[0], database=databases[0]),)
    aims = []
    for part, detail in zip(parts, details, strict=True):
        if detail.database not in databases:
            raise UsageError(
                tr("{part} holds the database {name}, which is not among those to restore to: {names}",
                   part=part.name, name=clean(detail.database), names=clean(listed(databases))),
                tr("Name it under databases:, or restore one part alone."),
            )  # fmt: skip
        aims.append(DatabaseTarget(part=part, detail=detail, database=detail.database))
    return tuple(aims)


def globals_of(goal: SourceRestoreSpec) -> FoundPart | None:
    """The part that holds roles and tablespaces."""
    return next((part for part in goal.parts if part.kind == GLOBALS_KIND), None)


def _detail(goal: SourceRestoreSpec, part: FoundPart) -> DatabaseDetail:
    """What the manifest tells; of a set without one what its proof says was counted."""
    said = part.said.detail if part.said is not None else None
    if said is None:
        proof = goal.set.proof
        said = {} if proof is None else proof.detail.get(part.name, {})
    try:
        return database_detail({"database": "", **said})
    except msgspec.ValidationError as error:
        raise BrokenSet(tr("{set}: what it says of {part} cannot be: {reason}",
                           set=goal.set.id, part=part.name, reason=error)) from None  # fmt: skip
