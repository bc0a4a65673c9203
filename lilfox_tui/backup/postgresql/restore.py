"""Restores databases of a set: staged, compared, swapped; and settles renames that a crash interrupted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec import Struct, structs

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.postgresql.compare import EarlyCounter, changes_of, compare_database
from lilfox_tui.backup.postgresql.connect import Connection, HostClients, ServerAccess, open_server_access
from lilfox_tui.backup.postgresql.load import restore_part
from lilfox_tui.backup.postgresql.plain import PlainDump, read_plain
from lilfox_tui.backup.postgresql.psql import (
    DatabaseDetail,
    DatabaseTarget,
    PersistentPsql,
    Psql,
    database_targets,
    globals_of,
)
from lilfox_tui.backup.postgresql.restore_checks import (
    about_code,
    about_extensions,
    about_leftovers,
    about_locale,
    about_restore_role,
    about_roles,
    about_room,
    about_server,
    about_tablespaces,
    about_target,
    about_versions,
    barring,
    executed_in,
    refuse_restore_role,
)
from lilfox_tui.backup.postgresql.server import MEETING, databases_of, restore_lock
from lilfox_tui.backup.postgresql.server_info import ServerInfo, read_server_info
from lilfox_tui.backup.postgresql.swap import (
    DatabaseTemplate,
    PreservedSettings,
    RenameStep,
    before_name,
    create,
    current_settings,
    drill_name,
    drop,
    form_of,
    free_stamp,
    leftovers,
    recorded_settings,
    rename,
    restored_name,
)
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.backup.source import (
    Comparison,
    Renames,
    RestoreChange,
    RestoreTask,
    Settled,
    Standing,
    Swap,
    standing_of,
)
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import clauses, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host

# Databases of a set on their way back: staged, compared, swapped.


class ServerRoute(Struct, frozen=True, kw_only=True):
    """How to reach the server. ``options`` are the source's Options as JSON, for the journal."""

    host: Host
    host_name: str
    connection: Connection
    binaries: str
    options: dict[str, Any]
    restorer: Connection | None = None
    """By which dumps are run, where that is another role's."""
    run_code: bool = False
    """What dumps execute is right."""

    @asynccontextmanager
    async def opened_to_restore(self, access: ServerAccess) -> AsyncIterator[ServerAccess]:
        """Open the access that runs dumps: ``access`` itself, or that of the restore role, which has no rights beyond
        the database. That role logs in by itself, so that a script cannot regain other rights. Raises BackupError,
        HostError."""
        if self.restorer is None:
            yield access
            return
        async with open_server_access(
            self.host, self.restorer, binaries=self.binaries, clients=access.clients
        ) as restoring:
            yield restoring

    @asynccontextmanager
    async def opened(self, clients: HostClients | None = None) -> AsyncIterator[ServerAccess]:
        """Open access to the server. ``clients``: the programs found there just before. Raises BackupError,
        HostError."""
        async with open_server_access(self.host, self.connection, binaries=self.binaries, clients=clients) as access:
            yield access


class StagedDatabases(Struct, frozen=True, kw_only=True):
    """The state of a started restore that later calls need."""

    access: ServerAccess
    info: ServerInfo
    lock: PersistentPsql
    stamp: str
    restoring: ServerAccess
    """By which dumps are run."""
    powers: tuple[str, ...]
    """Of who runs them."""


class DatabaseRestore:
    """See :class:`~lilfox_tui.backup.source.RestoreTarget`: all databases of one source."""

    def __init__(self, route: ServerRoute, task: RestoreTask, databases: Sequence[str]) -> None:
        self._route, self._task = route, task
        self._targets = database_targets(task, databases)
        self._clients: HostClients | None = None
        """As the checks found them."""
        self._stack = AsyncExitStack()
        self._staging: StagedDatabases | None = None
        self._made: list[str] = []
        self._member_of: frozenset[str] = frozenset()
        """Roles that the restore role is a member of."""
        self._ahead: dict[str, EarlyCounter] = {}
        """Staging database → who counts it while it is restored."""

    @property
    def where(self) -> str:
        """The restore target for display: ``database lilfox on db-1``."""
        names = clean(listed(target.database for target in self._targets))
        if self._task.scratch:
            return str(tr("a scratch database on {server}", server=self._route.connection.server))
        return str(tr("database {names} on {host}", names=names, host=self._route.host.name))

    @property
    def replaces(self) -> tuple[str, ...]:
        """See :attr:`RestoreTarget.replaces`."""
        return tuple(target.database for target in self._targets)

    async def checks(self) -> list[Check]:
        """See :meth:`RestoreTarget.checks`."""
        try:
            async with self._route.opened() as access:
                self._clients = access.clients
                await self._read_untold()
                info = await read_server_info(Psql(access))
                checks = about_server(info, self._targets, self._task, self._route.connection.server)
                if self._route.restorer is not None:
                    checks += await self._check_restorer(access, info)
                for target in self._targets:
                    checks += await self._checks_of(access, info, target)
                checks += await about_room(access, info, [(target, _form(target, info)) for target in self._targets])
                return checks + about_leftovers(info, [target.database for target in self._targets])
        except LilFoxError as error:
            about = tr("database server {server}", server=self._route.connection.server)
            return [Check(about, "bad", error.message, error.hint)]

    async def changes(self) -> list[RestoreChange]:
        """See :meth:`RestoreTarget.changes`."""
        async with self._route.opened() as access:
            await self._read_untold()
            info = await read_server_info(Psql(access))
            return [
                change
                for target in self._targets
                for change in await changes_of(access, info, target, partial(self._task.blocks, target.part))
            ]

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`RestoreTarget.stage`."""
        access = await self._stack.enter_async_context(self._route.opened(self._clients))
        info = await read_server_info(Psql(access))
        names = [target.database for target in self._targets]
        stamp = free_stamp(datetime.now(UTC), local_zone(), names, set(info.databases))
        staged = [self._staged(target, stamp) for target in self._targets]
        lock = await self._stack.enter_async_context(
            restore_lock(access, info.server.version_num, staged if self._task.scratch else [*names, *staged])
        )
        restoring = await self._stack.enter_async_context(self._route.opened_to_restore(access))
        if self._route.restorer is not None:
            refuse_restore_role(await self._check_restorer(access, info))
        self._staging = StagedDatabases(
            access=access, info=info, lock=lock, stamp=stamp, restoring=restoring, powers=self._powers(info)
        )
        for left in info.leftovers:
            if left.target in names:
                await drop(Psql(access), info.server, left.name)
        done = 0
        for number, (target, name) in enumerate(zip(self._targets, staged, strict=True)):
            self._made.append(name)
            make = partial(create, Psql(access), name, target.database, self._made_as(target, info))
            dump = await self._restore(self._staging, target, name, _after(moved, done), make)
            if dump is not None and target.detail.content is None:
                self._targets = _with(
                    self._targets, number, structs.replace(target, detail=_untold(dump.detail(), dump.inserts))
                )
            done += target.part.said.raw_bytes if target.part.said is not None else 0

    async def compare(self) -> Comparison:
        """See :meth:`RestoreTarget.compare`."""
        staging = self._begun()
        differences: list[str] = []
        compared: list[str] = []
        uncompared: list[str] = []
        for target in self._targets:
            staged = self._staged(target, staging.stamp)
            ahead = self._ahead.get(staged)
            archive = partial(self._task.blocks, target.part)
            found = await compare_database(staging.access, staging.info.server, staged, target.detail, archive, ahead)
            differences += found.differences
            if found.compared:
                compared.append(found.compared)
            else:
                uncompared.append(clean(target.database))
        return Comparison(tuple(differences), clauses(compared), tuple(uncompared))

    def swap_plan(self) -> Swap:
        """See :meth:`RestoreTarget.swap_plan`."""
        first, *others = [self._renames(target) for target in self._targets]
        return Swap(
            kind="postgresql",
            set=self._task.set.id,
            target=first.target,
            staged=first.staged,
            before=first.before,
            also=tuple(others),
            host=self._route.host_name,
            options=self._route.options,
            end_sessions=self._task.spec.end_sessions,
        )

    async def swap(self) -> None:
        """See :meth:`RestoreTarget.swap`."""
        staging = self._begun()
        steps: list[RenameStep] = []
        for target in self._targets:
            renames = self._renames(target)
            if renames.before:
                steps.append(RenameStep(renames.target, renames.before))
            carried = await current_settings(staging.lock, target.database) or recorded_settings(target.detail)
            given = structs.replace(carried, owner=carried.owner or staging.info.server.role)
            steps.append(RenameStep(renames.staged, renames.target, given=given, ours=True))
        await rename(
            staging.access, staging.info.server, staging.lock, steps, end_sessions=self._task.spec.end_sessions
        )
        self._made.clear()
        await self._stack.aclose()

    async def discard(self) -> None:
        """See :meth:`RestoreTarget.discard`."""
        try:
            if self._made and self._staging is not None:
                await self._drop_made(self._staging.info)
        finally:
            await self._stack.aclose()

    async def leave(self) -> None:
        """See :meth:`RestoreTarget.leave`."""
        await self._stack.aclose()

    async def _restore(
        self,
        staging: StagedDatabases,
        target: DatabaseTarget,
        name: str,
        moved: Callable[[int], None],
        make: Callable[[], Awaitable[None]],
    ) -> PlainDump | None:
        ahead = None
        if target.detail.content is not None:
            ahead = EarlyCounter(staging.access, name, staging.info.server.version_num, target.detail.content)
            self._ahead[name] = ahead
            self._stack.push_async_callback(ahead.leave)
        return await restore_part(
            staging.restoring,
            staging.info,
            staging.lock,
            target,
            name,
            self._task,
            moved,
            make,
            ahead=ahead,
            heard=barring(target.part.name, staging.powers, allowed=self._allowed),
        )

    @property
    def _allowed(self) -> bool:
        return self._task.spec.run_code or self._route.run_code

    def _powers(self, info: ServerInfo) -> tuple[str, ...]:
        """Return the rights that the role that runs the dumps has beyond the database; none for a restore role, which
        has been checked."""
        return () if self._route.restorer is not None else info.powers

    async def _check_restorer(self, access: ServerAccess, info: ServerInfo) -> list[Check]:
        assert self._route.restorer is not None
        checks, self._member_of = await about_restore_role(Psql(access), info, self._route.restorer.user)
        return checks

    def _made_as(self, target: DatabaseTarget, info: ServerInfo) -> DatabaseTemplate:
        """Return the settings for creating the staging database. Until it is put in place, its owner is the role that
        runs the dump."""
        form = _form(target, info)
        restorer = self._route.restorer
        if restorer is None or form.owner in self._member_of:
            return form
        return structs.replace(form, owner=restorer.user)

    async def _drop_made(self, info: ServerInfo) -> None:
        """Drop the staging databases over a new connection, because the old one may be what failed."""
        try:
            async with self._route.opened() as access:
                for name in self._made:
                    await drop(Psql(access), info.server, name)
        except LilFoxError as error:
            raise BackupError(
                tr("the staged databases could not be removed ({names}): {reason}",
                   names=clean(listed(self._made)), reason=error.message),
                tr("The existing data was not touched. The next backup run, backup prune or restore removes the "
                   "leftovers; to remove them now, run: {statements}",
                   statements=clean("; ".join(map(_drop_by_hand, self._made)))),
            ) from None  # fmt: skip
        self._made.clear()

    async def _checks_of(self, access: ServerAccess, info: ServerInfo, target: DatabaseTarget) -> list[Check]:
        form = _form(target, info)
        executed = await executed_in(target, self._task)
        return [
            *about_versions(info, target, access.clients),
            *about_code(target, executed, self._powers(info), allowed=self._allowed),
            *await about_target(access, info, target, self._task),
            *about_roles(info, target, form, globals_of(self._task)),
            *about_extensions(info, target, restore_role=self._route.restorer is not None),
            *about_tablespaces(info, target),
            *await about_locale(Psql(access), info, target, form),
        ]

    async def _read_untold(self) -> None:
        """Read the scripts whose content neither the manifest nor a proof records."""
        for number, target in enumerate(self._targets):
            if target.plain and target.part.said is None and target.detail.content is None:
                async with aclosing(self._task.blocks(target.part)) as blocks:
                    dump = await read_plain(blocks)
                detail = _untold(dump.detail(), dump.inserts)
                self._targets = _with(self._targets, number, structs.replace(target, detail=detail))

    def _staged(self, target: DatabaseTarget, stamp: str) -> str:
        return drill_name(target.database, stamp) if self._task.scratch else restored_name(target.database, stamp)

    def _renames(self, target: DatabaseTarget) -> Renames:
        staging = self._begun()
        there = target.database in staging.info.databases
        return Renames(
            target=target.database,
            staged=self._staged(target, staging.stamp),
            before=before_name(target.database, staging.stamp) if there else "",
        )

    def _begun(self) -> StagedDatabases:
        if self._staging is None:
            raise BackupError(tr("nothing was staged"))
        return self._staging


def _drop_by_hand(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'DROP DATABASE "{quoted}"'


def _form(target: DatabaseTarget, info: ServerInfo) -> DatabaseTemplate:
    return form_of(target, info.databases.get(target.database))


def _with(targets: tuple[DatabaseTarget, ...], number: int, target: DatabaseTarget) -> tuple[DatabaseTarget, ...]:
    return (*targets[:number], target, *targets[number + 1 :])


def _untold(detail: DatabaseDetail, inserts: int) -> DatabaseDetail:
    """Return the detail of a script, without its content if its rows are INSERT statements, which are not counted."""
    return structs.replace(detail, content=None) if inserts else detail


def _after(moved: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda done: moved(before + done)


# Databases whose renames did not come to their end: what is in place, finishing, undoing.


async def undo_databases(route: ServerRoute, swap: Swap) -> None:
    """Give the previous databases their names back, and the restored ones their staging names.

    Raises BackupError with everything as it is now, HostError.
    """
    async with route.opened() as access:
        psql = Psql(access)
        info = await read_server_info(psql)
        there = set(info.databases)
        pairs = swap.renames
        async with restore_lock(access, info.server.version_num, [pair.target for pair in pairs]) as lock:
            if all(_as_before(pair, there) for pair in pairs):
                return
            lost = [pair.before for pair in pairs if pair.before and pair.before not in there]
            if lost:
                raise BackupError(tr("the restore cannot be undone; missing: {names}", names=clean(listed(lost))))
            steps: list[RenameStep] = []
            for pair in pairs:
                if pair.target in there:
                    steps.append(RenameStep(pair.target, pair.staged))
                if pair.before:
                    steps.append(RenameStep(pair.before, pair.target))
            await rename(access, info.server, lock, steps, end_sessions=swap.end_sessions)


async def settle_databases(route: ServerRoute, swap: Swap) -> Settled:
    """Settle interrupted renames. They are one transaction, so either all or none were made; if none, the staged
    databases are dropped.

    Raises BackupError, HostError.
    """
    async with route.opened() as access:
        psql = Psql(access)
        info = await read_server_info(psql)
        pairs = swap.renames
        async with restore_lock(access, info.server.version_num, [pair.target for pair in pairs]):
            there = set(await databases_of(psql, database=MEETING))
            if not any(pair.staged in there for pair in pairs) and all(
                pair.target in there and (not pair.before or pair.before in there) for pair in pairs
            ):
                return "finished"
            for pair in pairs:
                if pair.target in there and not pair.before:
                    raise BackupError(
                        tr("{target} did not exist before the restore; it was created in the meantime",
                           target=clean(pair.target)),
                        tr("Rename it, then try again."),
                    )  # fmt: skip
            left = {left.name for left in await leftovers(psql)}
            for pair in pairs:
                if pair.staged in left:
                    await drop(psql, info.server, pair.staged)
            return "undone"


async def standing_of_databases(route: ServerRoute, swap: Swap) -> list[Standing]:
    """Return which data is in place for each database. Raises BackupError, HostError."""
    async with route.opened() as access:
        known = await databases_of(Psql(access), database=MEETING)
    return [
        standing_of(pair, target=pair.target in known, staged=pair.staged in known, before=pair.before in known)
        for pair in swap.renames
    ]


async def finish_databases(route: ServerRoute, swap: Swap) -> None:
    """Put the staged databases in place in one transaction, unless that has been done. If the database to be replaced
    does not exist, only its owner is known; its settings and rights must be set by hand.

    Raises BackupError with everything as it is now, HostError.
    """
    async with route.opened() as access:
        info = await read_server_info(Psql(access))
        pairs = swap.renames
        names = [name for pair in pairs for name in (pair.target, pair.staged)]
        async with restore_lock(access, info.server.version_num, names) as lock:
            there = set(await databases_of(Psql(access), database=MEETING))
            steps: list[RenameStep] = []
            for pair in pairs:
                standing = standing_of(
                    pair, target=pair.target in there, staged=pair.staged in there, before=pair.before in there
                )
                if standing == "restored":
                    continue
                if pair.staged not in there or standing == "unknown":
                    raise BackupError(
                        tr("{target} cannot be put in place: the databases are not as the restore left them "
                           "(staged: {staged})",
                           target=clean(pair.target), staged=clean(pair.staged)),
                        tr("revert the interrupted restore, then restore again"),
                    )  # fmt: skip
                if standing == "before" and pair.before:
                    steps.append(RenameStep(pair.target, pair.before))
                carried = await current_settings(lock, pair.target) or PreservedSettings(owner=info.server.role)
                steps.append(RenameStep(pair.staged, pair.target, given=carried, ours=True))
            if steps:
                await rename(access, info.server, lock, steps, end_sessions=swap.end_sessions)


def _as_before(pair: Renames, there: set[str]) -> bool:
    return pair.before not in there and (pair.target in there) == bool(pair.before)
