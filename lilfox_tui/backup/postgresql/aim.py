"""Which database each part of a set goes to, and under which names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.postgresql.detail import DatabaseDetail, database_detail
from lilfox_tui.backup.source import Goal
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean

DATABASE_KINDS = ("postgresql-custom", "postgresql-plain")
GLOBALS_KIND = "postgresql-globals"


class Aim(Struct, frozen=True, kw_only=True):
    """A part that holds a database, and the database that it is restored to."""

    part: FoundPart
    detail: DatabaseDetail
    """As the manifest has it; of an old set only what was counted in the dump."""
    database: str

    @property
    def plain(self) -> bool:
        """Whether it is a script for psql."""
        return self.part.kind == "postgresql-plain"


def aims_of(goal: Goal, databases: Sequence[str]) -> tuple[Aim, ...]:
    """The database parts of the goal. ``databases`` are those that the options or the place name: one takes any single
    part, several are found again by their names in the set.

    Raises UsageError where a part has no database to go to, BrokenSet for a manifest that tells nonsense.
    """
    parts = [part for part in goal.parts if part.kind in DATABASE_KINDS]
    if not parts:
        raise UsageError(tr("{set} has no part with a database", set=goal.set.id))
    details = [_detail(goal, part) for part in parts]
    if len(parts) == 1 and len(databases) == 1:
        return (Aim(part=parts[0], detail=details[0], database=databases[0]),)
    aims = []
    for part, detail in zip(parts, details, strict=True):
        if detail.database not in databases:
            raise UsageError(
                tr("{part} holds the database {name}, which is not among those to restore to: {names}",
                   part=part.name, name=clean(detail.database), names=clean(listed(databases))),
                tr("Name it under databases:, or restore one part alone."),
            )  # fmt: skip
        aims.append(Aim(part=part, detail=detail, database=detail.database))
    return tuple(aims)


def globals_of(goal: Goal) -> FoundPart | None:
    """The part that holds roles and tablespaces."""
    return next((part for part in goal.parts if part.kind == GLOBALS_KIND), None)


def _detail(goal: Goal, part: FoundPart) -> DatabaseDetail:
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
