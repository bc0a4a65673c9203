"""One table of a database on its way back: staged with what it needs, compared, then put into the live table in one
transaction, its rows of now kept beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress

from msgspec import structs

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.changes import changes_of
from lilfox_tui.backup.postgresql.claim import claimed
from lilfox_tui.backup.postgresql.code_checks import barring
from lilfox_tui.backup.postgresql.compare import content_of, differing
from lilfox_tui.backup.postgresql.content import TEXT_FORM
from lilfox_tui.backup.postgresql.detail import Content
from lilfox_tui.backup.postgresql.ground import Ground, ground_of
from lilfox_tui.backup.postgresql.kept_session import LONGEST_S
from lilfox_tui.backup.postgresql.naming import before_name, restored_name
from lilfox_tui.backup.postgresql.plain import PlainDump
from lilfox_tui.backup.postgresql.pouring import run_script
from lilfox_tui.backup.postgresql.psql import Psql, SqlRefused
from lilfox_tui.backup.postgresql.restoring import restore_part
from lilfox_tui.backup.postgresql.staging import drop
from lilfox_tui.backup.postgresql.table_script import (
    COPY,
    DROP,
    INSERT,
    SAME,
    Shape,
    beside,
    digest_of,
    digesting,
    sequences_of,
    shape_of,
    steps_of,
    taking,
)
from lilfox_tui.backup.postgresql.target import DatabaseTarget, Staging, Way
from lilfox_tui.backup.source import Change, Comparison, Goal, Settled, Standing, Swap
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import Message, _, listed, tr
from lilfox_tui.text import clean

_KINDS = {
    "p": tr("it is partitioned: restore its partitions one by one"),
    "v": tr("it is a view, and has no rows of its own"),
    "m": tr("it is a materialized view: REFRESH it instead"),
    "f": tr("it is a foreign table: its rows are elsewhere"),
    "S": tr("it is a sequence"),
}
_AS_IT_WAS = tr("The transaction was taken back: the table is as it was.")
_OTHER_ROWS, _OTHER_ROWS_STATE = "division by zero", "22012"
"""What the last statement says when the table did not get the rows that were staged."""


class TableTarget(DatabaseTarget):
    """See :class:`~lilfox_tui.backup.source.Target`: ``goal.only`` of one database."""

    def __init__(self, way: Way, goal: Goal, databases: Sequence[str]) -> None:
        super().__init__(way, goal, databases)
        self._table = goal.only
        self._relation = self._before = ""

    @property
    def where(self) -> str:
        """``table public.users of lilfox on db-1``"""
        names = clean(listed(aim.database for aim in self._aims))
        return str(tr("table {table} of {name} on {host}", table=clean(self._table), name=names,
                      host=self._way.host.name))  # fmt: skip

    async def changes(self) -> list[Change]:
        """See :meth:`Target.changes`."""
        async with self._way.opened() as access:
            await self._read_untold()
            [aim] = self._find_table()
            return await changes_of(access, await ground_of(Psql(access)), aim, table=self._table)

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`Target.stage`."""
        self._aims = self._find_table()
        await super().stage(moved)

    async def compare(self) -> Comparison:
        """See :meth:`Target.compare`."""
        staging, [aim] = self._begun(), self._find_table()
        said = aim.detail.content
        if said is None or self._table not in said.tables:
            return Comparison((), _("restored without an error; the set does not tell what was in it"))
        found = await content_of(
            staging.access, self._staged(aim, staging.stamp), staging.ground.server.version_num, said
        )
        one = [Content(tables={name: table for name, table in each.tables.items() if name == self._table})
               for each in (said, found)]  # fmt: skip
        words = _("rows and content") if said.tables[self._table].digest is not None else _("rows")
        return Comparison(tuple(str(each) for each in differing(*one)), f"{clean(self._table)}: {words}")

    def swap_plan(self) -> Swap:
        """See :meth:`Target.swap_plan`."""
        [aim] = self._aims
        plan = super().swap_plan()
        return structs.replace(plan, target=self._table, before=self._before, within=aim.database)

    async def swap(self) -> None:
        """See :meth:`Target.swap`."""
        staging, [aim] = self._begun(), self._aims
        staged = self._staged(aim, staging.stamp)
        script = _putting(staging, aim, staged, self._table, self._relation)
        settings = {**TEXT_FORM, "lock_timeout": "10s"}
        try:
            await run_script(staging.access, script, aim.database, settings, _AS_IT_WAS)
        except BackupError as error:
            if _OTHER_ROWS in str(error):
                message = tr("{table}: did not get the rows of the set; a rule or generated column changed them",
                             table=clean(self._table))  # fmt: skip
                raise BackupError(message, _AS_IT_WAS) from None
            raise
        phase("swap-second")
        with suppress(LilFoxError):  # what is left is listed by the next restore
            await self._drop_made(staging.ground)
        await self._stack.aclose()

    async def _checks_of(self, access: Access, ground: Ground, aim: Aim) -> list[Check]:
        checks = await super()._checks_of(access, ground, aim)
        about = tr("table {table}", table=clean(self._table))
        if aim.database not in ground.databases:
            return [*checks, Check(about, "bad", tr("there is no database {name}", name=clean(aim.database)),
                                   tr("Restore the whole database."))]  # fmt: skip
        live = await shape_of(Psql(access), aim.database, self._table)
        if live is None:
            return [*checks, Check(about, "bad", tr("{name} has no such table now", name=clean(aim.database)),
                                   tr("Create it as it was, or restore the whole database."))]  # fmt: skip
        why_not = _not_whole(live)
        return [*checks, Check(about, "bad", why_not) if why_not else Check(about, "good", tr("it is there"))]

    async def _restore(
        self, staging: Staging, aim: Aim, name: str, moved: Callable[[int], None], make: Callable[[], Awaitable[None]]
    ) -> PlainDump | None:
        psql = Psql(staging.access)
        live = await shape_of(psql, aim.database, self._table)
        if live is None:
            raise BackupError(tr("{table} is not there any more", table=clean(self._table)))
        self._relation = before_name(live.table, staging.stamp)
        passes = (["--section=pre-data"], ["--data-only", "-n", live.schema, "-t", live.table])
        dump = await restore_part(
            staging.restoring,
            staging.ground,
            staging.claim,
            aim,
            name,
            self._goal,
            moved,
            make,
            passes,
            heard=barring(aim.part.name, staging.powers, allowed=self._allowed),
        )
        there = await shape_of(psql, name, self._table)
        if there is None:
            raise BackupError(tr("{table} is not in the set", table=clean(self._table)))
        if there.kind != live.kind:  # a view would run its query, with our rights
            raise BackupError(tr("{table} is no table in the set", table=clean(self._table)))
        if set(there.columns) != set(live.columns):
            raise BackupError(
                tr("{table}: its columns are others now: {names}", table=clean(self._table),
                   names=_apart(there, live)),
                tr("Change them back, or restore the whole database under another name and take what is needed."),
            )  # fmt: skip
        self._before = beside(live, self._relation)
        return dump

    async def _read_untold(self) -> None:
        await super()._read_untold()
        self._aims = self._find_table()

    def _find_table(self) -> tuple[Aim]:
        """The database that has the table, which gets its name as the set has it. Raises UsageError."""
        wanted = (self._table, f"public.{self._table}")
        untold = [aim for aim in self._aims if aim.detail.content is None]
        found = [
            (aim, name)
            for aim in self._aims
            for name in (aim.detail.content.tables if aim.detail.content is not None else ())
            if name in wanted
        ]
        if len(found) == 1:
            [(aim, self._table)] = found
            return (aim,)
        if not found and len(untold) == 1 == len(self._aims):
            return (untold[0],)
        raise UsageError(
            tr("{table} is in several databases of the set: restore one of them alone", table=clean(self._table))
            if found
            else tr("{set} has no table {table}", set=self._goal.set.id, table=clean(self._table)),
            tr("Name it as SQL does, with its schema: public.users"),
        )


async def undo_table(way: Way, swap: Swap) -> None:
    """The rows that were kept are in the table again, those of now are put aside. Raises BackupError with everything as
    it is now, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        ground = await ground_of(psql)
        async with claimed(access, ground.server.version_num, [swap.within]):
            kept = await shape_of(psql, swap.within, swap.before)
            if kept is None and swap.staged in ground.databases:  # it never came to the swap
                await drop(psql, ground.server, swap.staged)
                return
            if kept is None:
                raise BackupError(tr("{names}: is not there any more, so the restore cannot be undone",
                                     names=clean(swap.before)))  # fmt: skip
            live = await shape_of(psql, swap.within, swap.target)
            if live is None:
                raise BackupError(tr("{table} is not there any more", table=clean(swap.target)))
            if apart := {column[0] for column in kept.columns} ^ {column[0] for column in live.columns}:
                raise BackupError(
                    tr("{table}: its columns are others now: {names}", table=clean(swap.target),
                       names=clean(listed(sorted(apart)))),
                    tr("Change them back, or take what is needed from {before}.", before=clean(swap.before)),
                )  # fmt: skip
            aside = aside_name(live.table, swap)
            steps = await steps_of(psql, swap.within, swap.target, before=kept.table, aside=aside)
            try:
                await psql.execute(
                    *(sql for number, sql in steps if number != COPY), database=swap.within, timeout_s=LONGEST_S
                )
            except SqlRefused as error:
                if error.sqlstate != _OTHER_ROWS_STATE:
                    raise
                raise BackupError(
                    tr("{table}: did not get the rows that were kept; a rule changed them", table=clean(swap.target)),
                    _AS_IT_WAS,
                ) from None


def aside_name(table: str, swap: Swap) -> str:
    """Of the table that keeps the rows which undoing ``swap`` takes out of ``table``."""
    return restored_name(table, swap.staged[-len("20231230_020000") :])


async def settle_table(way: Way, swap: Swap) -> Settled:
    """The rows are put in by one transaction: it was made, or not at all; ``undo_table`` then takes away what was
    staged. Raises BackupError, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        ground = await ground_of(psql)
        async with claimed(access, ground.server.version_num, [swap.within]):
            if await shape_of(psql, swap.within, swap.before) is None:
                return "undone"
            if swap.staged in ground.databases:
                await drop(psql, ground.server, swap.staged)
            return "finished"


async def standing_of_table(way: Way, swap: Swap) -> list[Standing]:
    """Whose rows the table has: what was there before is kept from the transaction on that puts others in. Raises
    BackupError, HostError."""
    async with way.opened() as access:
        psql = Psql(access)
        if await shape_of(psql, swap.within, swap.target) is None:
            return ["neither"]
        return ["before" if await shape_of(psql, swap.within, swap.before) is None else "restored"]


async def finish_table(way: Way, swap: Swap) -> None:
    """Raises BackupError where the rows were not put in: that takes the set. Raises HostError."""
    if await standing_of_table(way, swap) != ["restored"]:
        raise BackupError(
            tr("{table} has the rows of before: none of the set's were put in", table=clean(swap.target)),
            tr("take it back, then restore the table again"),
        )
    await settle_table(way, swap)


async def _putting(staging: Staging, aim: Aim, staged: str, table: str, relation: str) -> AsyncGenerator[bytes, None]:
    """The whole transaction, with the staged rows in it."""
    access, psql = staging.access, Psql(staging.access)
    live, there = await shape_of(psql, aim.database, table), await shape_of(psql, staged, table)
    if live is None or there is None:
        raise BackupError(tr("{table} is not there any more", table=clean(table)), _AS_IT_WAS)
    made = await steps_of(psql, aim.database, table, before=relation, aside=relation)
    steps = [step for step in made if step[0] not in (INSERT, SAME, DROP)]
    rows, digest = await digest_of(access, staged, await digesting(psql, staged, there.oid))
    head = "".join(f"{sql};\n" for number, sql in steps if number <= COPY)
    yield f"BEGIN;\nSET LOCAL standard_conforming_strings = on;\n{head}".encode()
    phase("swap-first")
    columns = [name for name, _type, generated in live.columns if not generated]
    words = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", access.conninfo(staged, TEXT_FORM), "-c"]
    argv = access.argv(access.clients.newest.path("psql"), *words, await taking(psql, staged, table, columns))
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            yield block
    same = f"q.j ->> 'rows' = '{rows}' AND coalesce(q.j ->> 'digest', '') = '{digest or ''}'"
    check = f"SELECT 1 / ({same})::int FROM ({await digesting(psql, aim.database, live.oid)}) AS q (j)"  # noqa: S608
    tail = [*await _sequences(psql, aim, staged, table), *(sql for number, sql in steps if number > COPY), check]
    yield ("\\.\n" + "".join(f"{sql};\n" for sql in tail) + "COMMIT;\n").encode()


async def _sequences(psql: Psql, aim: Aim, staged: str, table: str) -> list[str]:
    """Sequences that the table owns go on from the higher value, so that they give none that is there."""
    live, there = await sequences_of(psql, aim.database, table), await sequences_of(psql, staged, table)
    said = aim.detail.content.sequences if aim.detail.content is not None else {}
    return [
        f"SELECT setval({_literal(name)}, greatest(last_value, {said[there[column]].last})) FROM {name}"  # noqa: S608
        for column, name in live.items()
        if column in there and there[column] in said
    ]


def _not_whole(live: Shape) -> Message | None:
    """Why the table's rows cannot be replaced whole."""
    if live.kind != "r":
        return _KINDS.get(live.kind, tr("it is no table"))
    if not live.ours:
        return tr("it belongs to another role")
    if live.hides_rows:
        return tr("row-level security hides rows of it from this role")
    if live.others:
        return tr("tables of other owners refer to it: {names}", names=clean(listed(live.others)))
    return None


def _apart(there: Shape, live: Shape) -> str:
    """Columns that only one of both has."""
    then = [f"-{name} {kind}" for name, kind, _ in set(there.columns) - set(live.columns)]
    now = [f"+{name} {kind}" for name, kind, _ in set(live.columns) - set(there.columns)]
    return clean(listed(sorted([*then, *now])))


def _literal(text: str) -> str:
    """With standard_conforming_strings, which the script sets."""
    return "'" + text.replace("'", "''") + "'"
