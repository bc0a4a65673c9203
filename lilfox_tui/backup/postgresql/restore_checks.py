"""Checks before a restore: the server, what it must have for the dump, its disk, and the code that the dump
executes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from lilfox_tui.backends.postgresql.queries import without_secrets
from lilfox_tui.backup.checks import Check, ServerSession
from lilfox_tui.backup.postgresql.connect import ClientPrograms, HostClients, ServerAccess
from lilfox_tui.backup.postgresql.custom import executed_of
from lilfox_tui.backup.postgresql.executed_code import ExecutedCode, ExecutedCodeFinder
from lilfox_tui.backup.postgresql.plain import read_plain
from lilfox_tui.backup.postgresql.psql import DatabaseTarget, Psql, Row, SqlRefused
from lilfox_tui.backup.postgresql.server import (
    HOLDER,
    MEETING,
    SESSIONS,
    ServerFacts,
    holder_from,
    sessions_from,
)
from lilfox_tui.backup.postgresql.server_info import POWERS, ServerInfo
from lilfox_tui.backup.postgresql.swap import (
    LONGEST_BYTES,
    DatabaseTemplate,
    in_the_way,
    recorded_settings,
)
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import RestoreTask
from lilfox_tui.backup.store import NotReady
from lilfox_tui.core.i18n import Message, clauses, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes

# Whether a database can be restored to a server: what is asked before the first write.


_THE_SERVERS_OWN = ("postgres", "template0", "template1")


def major_of(version: str) -> int | None:
    """Return 17 for ``17.12``; None if the text has no major version."""
    major = version.partition(".")[0]
    return int(major) if major.isascii() and major.isdigit() else None


def fitting(clients: HostClients, server: ServerFacts, target: DatabaseTarget) -> ClientPrograms | None:
    """Return the newest programs that can restore the dump: not older than the pg_dump that made it, whose archive
    format they would not know, and not newer than the server, which would not know settings that they use. None if
    there are none.

    A script needs none but psql, of any version that guards it.
    """
    if target.plain:
        return clients.newest if clients.newest.guards_scripts else None
    made_by = major_of(target.detail.dumped_by) or (target.detail.server_version_num or 0) // 10000
    return next((each for each in clients.programs if made_by <= each.major <= server.major), None)


def about_server(info: ServerInfo, targets: tuple[DatabaseTarget, ...], task: RestoreTask, where: str) -> list[Check]:
    """Return the checks of the server: it accepts writes, LilFox's role may create databases, and it is the server that
    the set comes from."""
    server, about = info.server, tr("database server {server}", server=where)
    role = clean(server.role)
    checks = [Check(about, "good", tr("PostgreSQL {version}", version=server.version))]
    if server.standby:
        checks.append(Check(about, "bad", tr("it is a standby and cannot be written to"), tr("Use its primary.")))
    elif server.read_only:
        found = tr("default_transaction_read_only is on: {role} cannot write", role=role)
        checks.append(Check(about, "bad", found, tr("Run ALTER ROLE {role} RESET default_transaction_read_only, "
                                                    "or see postgresql.conf.", role=role)))  # fmt: skip
    if not server.can_create_db:
        found = tr("{role} cannot create databases", role=role)
        checks.append(Check(about, "bad", found, tr("Run ALTER ROLE {role} CREATEDB, or use a superuser.", role=role)))
    origins = {target.detail.system_identifier for target in targets} - {None}
    if task.scratch or task.spec.other_server or not origins:
        return checks
    if server.system_identifier is None:
        found = tr("{role} is not allowed to read the server's system identifier", role=role)
        hint = tr(
            "Run GRANT EXECUTE ON FUNCTION pg_control_system() TO {role}; or check yourself that it is the "
            "right server.",
            role=role,
        )
        checks.append(Check(about, "warning", found, hint))
    elif origins != {server.system_identifier}:
        found = tr("the set comes from a different server (system identifier {then}; here {now})",
                   now=server.system_identifier, then=listed(sorted(map(str, origins))))  # fmt: skip
        hint = tr("Make sure that this is the right server.")
        checks.append(Check(about, "bad", found, hint, "other-server"))
    return checks


def about_versions(info: ServerInfo, target: DatabaseTarget, clients: HostClients) -> list[Check]:
    """Return the checks of versions: the server is not older than the dump, and there are programs to restore it."""
    server, part = info.server, target.part.name
    dumped = (target.detail.server_version_num or 0) // 10000
    by = major_of(target.detail.dumped_by)
    about = tr("version of {part}", part=part)
    newest = max(dumped, by or 0)
    if newest > server.major:
        found = tr("dumped from PostgreSQL {then} by pg_dump {by}; the server is {now}",
                   then=dumped or "-", by=target.detail.dumped_by or "-", now=server.version)  # fmt: skip
        hint = tr("Dumps by pg_dump {major} can only be restored into PostgreSQL {major} or newer.", major=newest)
        return [Check(about, "bad", found, hint)]
    if fitting(clients, server, target) is None:
        if target.plain:
            found = tr("psql {version} can be tricked into running commands hidden in a script",
                       version=clients.newest.text)  # fmt: skip
            hint = tr("Install postgresql-client 14.25, 15.20, 16.16, 17.12, 18.6 or newer on {host}.",
                      host=clients.host)  # fmt: skip
            return [Check(tr("psql"), "bad", found, hint)]
        found = tr("it needs pg_restore {least} to {most}; {host} has {versions}",
                   least=by or dumped or "-", most=server.major, host=clients.host,
                   versions=listed(each.text for each in clients.programs))  # fmt: skip
        return [Check(about, "bad", found, tr("Install postgresql-client-{major} on the host.", major=server.major))]
    found = tr("dumped from PostgreSQL {then}, restored into {now}", then=dumped or "-", now=server.version)
    return [Check(about, "good", found)]


async def about_target(
    access: ServerAccess, info: ServerInfo, target: DatabaseTarget, task: RestoreTask
) -> list[Check]:
    """Return the checks of the target database: LilFox's role may replace it, nobody is connected, and no other restore
    is running."""
    name = target.database
    about = tr("database {name}", name=clean(name))
    if task.scratch:
        return []
    if name in _THE_SERVERS_OWN:
        return [Check(about, "bad", tr("it is a system database"), tr("Restore into a database with another name."))]
    if not name or len(name.encode()) > LONGEST_BYTES:
        return [Check(about, "bad", tr("a database cannot have this name"), tr("Names have 1 to 63 bytes."))]
    live = info.databases.get(name)
    if live is None:
        return [Check(about, "good", tr("does not exist yet"))]
    if live.is_template:
        return [Check(about, "bad", tr("it is a template database"), tr("Restore into a database with another name."))]
    found = tr("{size}; will be kept under another name", size=human_bytes(live.size_bytes))
    if task.spec.only:
        found = tr(
            "{size}; only {table} will be replaced", size=human_bytes(live.size_bytes), table=clean(task.spec.only)
        )
    checks = [Check(about, "good", found)]
    if not info.roles.get(live.owner, False):
        found = tr("it belongs to {owner}; {role} cannot rename it",
                   owner=clean(live.owner), role=clean(info.server.role))  # fmt: skip
        checks.append(Check(about, "bad", found, tr("Restore as its owner or as a superuser.")))
    holders, sessions, [ties] = await Psql(access).ask(
        HOLDER, SESSIONS, _TIES, database=MEETING, variables={"name": name}
    )
    if holder := holder_from(holders, name):
        checks.append(Check(about, "bad", holder, tr("Wait until it has ended.")))
    if not task.spec.only:
        checks += _about_sessions(sessions_from(sessions), info, name, task)
        checks += _about_ties(ties, name, task)
    return checks


def _about_sessions(sessions: list[ServerSession], info: ServerInfo, name: str, task: RestoreTask) -> list[Check]:
    if not sessions:
        return []
    about, found = tr("sessions in {name}", name=clean(name)), in_the_way(name, sessions)
    told = tuple(replace(each, query=without_secrets(each.query)) for each in sessions)
    brief = ntr("{count} session uses it; the swap needs it without sessions",
                "{count} sessions use it; the swap needs it without sessions", len(sessions))  # fmt: skip
    if not task.spec.end_sessions:
        hint = tr("Stop the applications that use it.")
        return [Check(about, "bad", found, hint, "end-sessions", brief, told)]
    others = [each for each in sessions if not info.roles.get(each.role, False)]
    if others and not info.may_end:
        hint = tr("Run GRANT pg_signal_backend TO {role}, or restore as a superuser.", role=clean(info.server.role))
        return [
            Check(
                about,
                "bad",
                tr(
                    "{sessions}; {role} is not allowed to terminate these sessions",
                    role=clean(info.server.role),
                    sessions=found,
                ),
                hint,
                brief=tr(
                    "{sessions}; {role} is not allowed to terminate these sessions",
                    role=clean(info.server.role),
                    sessions=brief,
                ),
                sessions=told,
            )
        ]
    hint = tr("They are terminated during the swap.")
    return [Check(about, "warning", found, hint, brief=brief, sessions=told)]


_TIES = """
SELECT (SELECT count(*) FROM pg_prepared_xacts WHERE database = :'name') AS prepared,
    (SELECT coalesce(string_agg(slot_name, ', '), '') FROM pg_replication_slots WHERE database = :'name') AS slots,
    (SELECT coalesce(string_agg(s.subname, ', '), '') FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
        WHERE d.datname = :'name' AND s.subenabled) AS subscriptions
"""


def _about_ties(row: Row, name: str, task: RestoreTask) -> list[Check]:
    """Return the checks for anything that prevents renaming a database, or that stays with the renamed one."""
    about = tr("database {name}", name=clean(name))
    checks = []
    if row["prepared"]:
        found = ntr("{count} prepared transaction prevents renaming it",
                    "{count} prepared transactions prevent renaming it", int(row["prepared"]))  # fmt: skip
        checks.append(
            Check(about, "bad", found, tr("Run COMMIT PREPARED or ROLLBACK PREPARED for them: see pg_prepared_xacts"))
        )
    if row["slots"]:
        found = tr("replication slots stay with the existing database: {names}", names=clean(row["slots"]))
        checks.append(
            Check(about, "warning", found, tr("Recreate them in the restored database, and drop the old ones."))
        )
    if row["subscriptions"]:
        found = tr("subscriptions continue in the existing database: {names}", names=clean(row["subscriptions"]))
        hint = tr(
            "Run ALTER SUBSCRIPTION … DISABLE. If its sessions are terminated instead, disable the old "
            "subscription and enable the new one after the restore."
        )
        allowed = task.spec.end_sessions
        checks.append(
            Check(about, "warning", found, hint) if allowed else Check(about, "bad", found, hint, "end-sessions")
        )
    return checks


def about_leftovers(info: ServerInfo, names: list[str]) -> list[Check]:
    """Return the checks for leftovers of unfinished restores."""
    checks = []
    for left in info.leftovers:
        about = tr("database {name}", name=clean(left.name))
        found = tr("left by an unfinished restore of {target}", target=clean(left.target))
        if left.target in names:
            checks.append(Check(about, "warning", found, tr("It is dropped when this restore begins.")))
        else:
            quoted = '"' + left.name.replace('"', '""') + '"'
            checks.append(
                Check(about, "warning", found, tr("It can be dropped: DROP DATABASE {name}", name=clean(quoted)))
            )
    return checks


# What a dump needs of the server it is restored to: roles, extensions, tablespaces, locale, room.


_SOME = 8
_LOCALES_OF_EVERY_SERVER = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})


def about_roles(
    info: ServerInfo, target: DatabaseTarget, form: DatabaseTemplate, held_by: FoundPart | None
) -> list[Check]:
    """Return the checks of the roles that own objects or have rights: they exist, and LilFox's role may give objects to
    them."""
    needed = {*target.detail.roles, *([form.owner] if form.owner else [])}
    if target.database not in info.databases:
        needed |= {setting.role for setting in recorded_settings(target.detail).settings if setting.role}
    about = tr("roles for {name}", name=clean(target.database))
    if missing := sorted(needed - set(info.roles)):
        found = tr("the server lacks {names}", names=_some(missing))
        hint = (
            tr("Create them: see the CREATE ROLE statements in {part} and run those you need.", part=held_by.name)
            if held_by is not None
            else tr(
                "Create the roles, for example CREATE ROLE {name}; the set contains no roles.", name=clean(missing[0])
            )
        )
        return [Check(about, "bad", found, hint)]
    if not info.server.superuser and (foreign := sorted(name for name in needed if not info.roles[name])):
        found = tr("{role} is not a member of {names} and cannot assign objects to them",
                   role=clean(info.server.role), names=_some(foreign))  # fmt: skip
        return [
            Check(about, "bad", found, tr("Restore as a superuser, or grant these roles to the role that restores."))
        ]
    return [Check(about, "good", tr("all exist: {count}", count=len(needed)))] if needed else []


def about_extensions(info: ServerInfo, target: DatabaseTarget, *, restore_role: bool) -> list[Check]:
    """Return the checks of the dump's extensions: the server has them, and the role that runs the dump may install
    them: LilFox's, or a restore role, which is never a superuser."""
    checks = []
    about = tr("extensions for {name}", name=clean(target.database))
    for name, version in sorted(target.detail.extensions.items()):
        there = info.extensions.get(name)
        if there is None:
            found = tr("the server does not have {name}", name=clean(name))
            checks.append(Check(about, "bad", found, tr("Install its package on the server's host.")))
        elif there.superuser and not there.trusted and (restore_role or not info.server.superuser):
            found = tr("only a superuser may install {name}", name=clean(name))
            hint = tr("Restore as a superuser.")
            if restore_role:
                hint = tr("Remove restore_role: from the source for this restore, and restore as a superuser.")
            checks.append(Check(about, "bad", found, hint))
        elif version and version not in there.versions:
            found = tr("{name}: {then} in the dump, {now} on the server", name=clean(name), then=version,
                       now=listed(sorted(there.versions)))  # fmt: skip
            checks.append(Check(about, "warning", found, tr("The version available on the server will be installed.")))
    return checks


def missing_tablespaces(info: ServerInfo, target: DatabaseTarget) -> list[str]:
    """Return the dump's tablespaces that the server does not have, or in which LilFox's role may not create
    anything."""
    there = {name for name, each in info.tablespaces.items() if each.allowed or info.server.superuser}
    return sorted(set(target.detail.tablespaces) - there)


def about_tablespaces(info: ServerInfo, target: DatabaseTarget) -> list[Check]:
    """Return the checks of tablespaces that are missing, or in which LilFox's role may not create anything. A script
    requires them; the tables of an archive go to the database's default tablespace instead."""
    about = tr("tablespaces for {name}", name=clean(target.database))
    unusable = missing_tablespaces(info, target)
    checks = []
    if absent := [name for name in unusable if name not in info.tablespaces]:
        found = tr("the server lacks {names}", names=_some(absent))
        by_script = tr("Create them with CREATE TABLESPACE: a script requires them.")
        by_archive = tr(
            "All tables go into the database's default tablespace (--no-tablespaces); to keep the original layout, "
            "create the tablespaces."
        )
        checks.append(_without_tablespaces(about, target, found, by_script, by_archive))
    if denied := [name for name in unusable if name in info.tablespaces]:
        role = clean(info.server.role)
        found = tr("{role} may not create objects in {names}", role=role, names=_some(denied))
        by_script = tr("Run GRANT CREATE ON TABLESPACE … TO {role}: a script requires them.", role=role)
        by_archive = tr(
            "All tables go into the database's default tablespace (--no-tablespaces); to keep the original layout, "
            "run GRANT CREATE ON TABLESPACE … TO {role}.",
            role=role,
        )
        checks.append(_without_tablespaces(about, target, found, by_script, by_archive))
    return checks


def _without_tablespaces(
    about: Message, target: DatabaseTarget, found: Message, by_script: Message, by_archive: Message
) -> Check:
    return Check(about, "bad", found, by_script) if target.plain else Check(about, "warning", found, by_archive)


async def about_locale(psql: Psql, info: ServerInfo, target: DatabaseTarget, form: DatabaseTemplate) -> list[Check]:
    """Check by trial that the staging database can be created with the dump's encoding and locale, and compare these
    with the current ones. The trial leaves nothing behind. Raises BackupError, HostError."""
    about = tr("encoding and locale of {name}", name=clean(target.database))
    said = listed(word for word in (form.encoding, form.collate, form.locale) if word)
    if form.provider == "b" and info.server.major < 17:
        found = tr("{said}, with PostgreSQL's builtin locale provider", said=clean(said))
        return [Check(about, "bad", found, tr("It requires PostgreSQL 17 or newer."))]
    if form.provider == "i" and info.server.major < 15:
        return [Check(about, "bad", tr("{said}, with ICU as the database's locale provider", said=clean(said)),
                      tr("It requires PostgreSQL 15 or newer."))]  # fmt: skip
    for locale in dict.fromkeys(each for each in (form.collate, form.ctype) if each):
        if locale not in _LOCALES_OF_EVERY_SERVER and (reason := await _no_such_locale(psql, info, locale, form)):
            return [
                Check(about, "bad", reason, tr("Generate the locale on the server's host, then restart the server."))
            ]
    live = info.databases.get(target.database)
    if live is not None and form.encoding and (live.encoding, live.collate) != (form.encoding, form.collate):
        found = tr("{then} in the set, {now} in the existing database", then=clean(f"{form.encoding}, {form.collate}"),
                   now=clean(f"{live.encoding}, {live.collate}"))  # fmt: skip
        return [
            Check(
                about,
                "warning",
                found,
                tr("The restored database uses the encoding and locale of the set; no text is changed."),
            )
        ]
    return [Check(about, "good", said)] if said else []


async def _no_such_locale(psql: Psql, info: ServerInfo, locale: str, form: DatabaseTemplate) -> str:
    """Return why the server cannot use the locale; empty if it can, or if only CREATE DATABASE will tell."""
    meeting = info.databases.get(MEETING)
    if meeting is None or meeting.encoding != form.encoding:
        return ""
    try:
        await psql.execute(
            "BEGIN",
            "CREATE COLLATION pg_temp.lilfox_try (PROVIDER = libc, LOCALE = :'locale')",
            "ROLLBACK",
            database=MEETING,
            variables={"locale": locale},
            together=False,
        )
    except SqlRefused as error:
        return "" if error.sqlstate == "42501" else error.said
    return ""


def _some(names: list[str]) -> str:
    shown = listed(clean(name) for name in names[:_SOME])
    return shown + (f" … (+{len(names) - _SOME})" if len(names) > _SOME else "")


# Room for a staging database on the server's disk, where that can be seen: when the server runs on the host on which
# its client programs run, and tells where its data is.


_LOOPBACK = ("localhost", "::1")
_DF = "df -Pk \"$1\" | awk 'NR == 2 { print $4 }'"


def needed_bytes(target: DatabaseTarget, max_wal_bytes: int) -> int | None:
    """Return the space that a restore needs: the size of the database, plus the WAL that is retained during the
    restore."""
    size = target.detail.size_bytes
    if size is None:
        size = target.part.said.raw_bytes if target.part.said is not None else None
    return None if size is None else size + min(size, max_wal_bytes)


async def free_bytes(access: ServerAccess, info: ServerInfo, form: DatabaseTemplate) -> tuple[int | None, str]:
    """Return the free space where the staging database will be, and the folder; None if it is not visible. Raises
    HostError."""
    space = info.tablespaces.get(form.tablespace or "")
    folder = space.location if space is not None and space.location else info.server.data_directory
    address = access.connection.address
    here = access.connection.socket or address in _LOOPBACK or address.startswith("127.")
    if not here or not folder:
        return None, ""
    done = await access.host.run(access.argv("/bin/sh", "-c", _DF, "sh", folder), sudo=access.sudo)
    text = done.stdout.decode("ascii", "replace").strip()
    return (int(text) * 1024, folder) if text.isdigit() else (None, folder)


async def about_room(
    access: ServerAccess, info: ServerInfo, targets: list[tuple[DatabaseTarget, DatabaseTemplate]]
) -> list[Check]:
    """Return the check that there is enough space for all databases at once, in addition to the current ones. Raises
    HostError."""
    about = tr("room on the server's disk")
    needed = [needed_bytes(target, info.max_wal_bytes) for target, _ in targets]
    known = sum(each for each in needed if each is not None)
    if None in needed and not known:
        return []
    free, folder = await free_bytes(access, info, targets[0][1])
    if free is None:
        found = tr("{needed} needed; free space cannot be determined from here", needed=human_bytes(known))
        return [Check(about, "warning", found, tr("Check the server's disk."))]
    found = tr("{needed} needed, {free} free in {folder}", needed=human_bytes(known), free=human_bytes(free),
               folder=clean(folder))  # fmt: skip
    if free < known:
        return [Check(about, "bad", found, tr("Free up space, or restore to another server."))]
    return [Check(about, "good", found)]


# What a dump executes at a restore, as checks before it and as a bar while it is read; and the role without rights
# beyond the database that may run it instead.


_ROLE = """
SELECT rolcanlogin AS logs_in, array_to_json(array(SELECT r.rolname FROM pg_roles r
    WHERE pg_has_role(me.oid, r.oid, 'MEMBER'))) AS member_of FROM pg_roles me WHERE me.rolname = :'role'
"""


async def executed_in(target: DatabaseTarget, task: RestoreTask) -> Sequence[ExecutedCode]:
    """Return the code that the part executes. Reads the table of contents of an archive, or the whole script. Raises
    BrokenSet, StoreError, HostError."""
    blocks = task.blocks(target.part)
    if not target.plain:
        return (await executed_of(blocks)).found
    async with aclosing(blocks):
        return (await read_plain(blocks)).executed


def about_code(
    target: DatabaseTarget, executed: Sequence[ExecutedCode], powers: Sequence[str], *, allowed: bool
) -> list[Check]:
    """Return one check for each kind of executed code. ``powers`` are the rights that the role that runs it has beyond
    the database."""
    about = tr("what {part} executes", part=target.part.name)
    if not executed:
        return [Check(about, "good", tr("only data and definitions"))]
    asked = bool(powers) and not allowed
    checks = []
    for each in executed:
        if not each.asks:
            checks.append(Check(about, "good", each.what))
        elif asked:
            hint = tr(
                "Inspect it (pg_restore -f -, zstdcat). Better: set restore_role: for the source to a role without "
                "these privileges."
            )
            checks.append(Check(about, "bad", _with_powers(each.what, powers), hint, "run-code"))
        else:
            checks.append(
                Check(
                    about,
                    "warning",
                    each.what,
                    tr("You allowed it, either here or with run_code: true.") if powers else "",
                )
            )
    return checks


def barring(part: str, powers: Sequence[str], *, allowed: bool) -> Callable[[ExecutedCodeFinder], None]:
    """Return a function that raises NotReady for code that needs permission, if ``powers`` is not empty and it is not
    ``allowed``: the verdict of the checks is repeated for the code that really runs."""

    def heard(executing: ExecutedCodeFinder) -> None:
        if powers and not allowed and (asking := executing.asking):
            what = clauses(str(each.what) for each in asking)
            raise NotReady(
                tr("{part} would execute {what}; none of it was executed", part=part, what=_with_powers(what, powers)),
                _hint(),
            )

    return heard


async def about_restore_role(psql: Psql, info: ServerInfo, role: str) -> tuple[list[Check], frozenset[str]]:
    """Check that the role that runs dumps can log in and has no rights beyond the database; return also the roles that
    it is a member of. Raises BackupError, HostError."""
    about = tr("restore_role {role}", role=clean(role))
    rows, powers = await psql.ask(_ROLE, POWERS.format(role=":'role'"), database=MEETING, variables={"role": role})
    if not rows:
        found = tr("the server has no such role")
        return [
            Check(about, "bad", found, tr("Run CREATE ROLE {role} LOGIN PASSWORD …", role=clean(role)))
        ], frozenset()
    member_of = frozenset(rows[0]["member_of"])
    if not rows[0]["logs_in"]:
        return [
            Check(about, "bad", tr("it cannot log in"), tr("Run ALTER ROLE {role} LOGIN", role=clean(role)))
        ], member_of
    if powers:
        names = clean(listed(row["name"] for row in powers))
        found = tr("it has the privileges of {names}: code in a dump could use them too", names=names)
        return [Check(about, "bad", found, tr("Use a role without these privileges."))], member_of
    if not info.server.superuser and not info.roles.get(role, False):
        found = tr(
            "{us} is not a member of this role and cannot make it the owner of a database", us=clean(info.server.role)
        )
        return [Check(about, "bad", found, tr("Grant {us} membership in it.", us=clean(info.server.role)))], member_of
    return [Check(about, "good", tr("this role restores the dump, over its own connection"))], member_of


def refuse_restore_role(checks: Sequence[Check]) -> None:
    """Raise NotReady if a check of the restore role failed: it may have been granted rights since the first checks."""
    for check in checks:
        if check.state == "bad":
            raise NotReady(
                tr("{about}: {found}; nothing was written", about=check.about, found=check.found), check.hint
            )


def _with_powers(what: Message | str, powers: Sequence[str]) -> Message:
    return tr("{what} – with the privileges of {powers}", what=what, powers=clean(listed(powers[:3])))


def _hint() -> Message:
    return tr(
        "Inspect it (pg_restore -f -, zstdcat). If you trust it, use --run-code, or set run_code: true for the "
        "source. Better: set restore_role: for the source to a role without these privileges."
    )
