"""Whether a database can be restored to a server: what is asked before the first write."""

from __future__ import annotations

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.claim import HOLDER, MEETING, holder_from
from lilfox_tui.backup.postgresql.clients import Clients, Programs
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.naming import LONGEST_BYTES
from lilfox_tui.backup.postgresql.psql import Psql, Row
from lilfox_tui.backup.postgresql.server import SESSIONS, Server, Session, sessions_from
from lilfox_tui.backup.postgresql.swap import hint_to_end, in_the_way
from lilfox_tui.backup.source import Goal
from lilfox_tui.i18n import listed, ntr, tr
from lilfox_tui.text import clean, human_bytes

_THE_SERVERS_OWN = ("postgres", "template0", "template1")


def major_of(version: str) -> int | None:
    """17 of ``17.12``; None for what tells none."""
    major = version.partition(".")[0]
    return int(major) if major.isascii() and major.isdigit() else None


def fitting(clients: Clients, server: Server, aim: Aim) -> Programs | None:
    """The programs that restore the dump: not older than the pg_dump that made it (its archives have a newer form), not
    newer than the server (they set what it does not know); the newest of these. None: there are none.

    A script needs none but psql, of any version that guards it.
    """
    if aim.plain:
        return clients.newest if clients.newest.guards_scripts else None
    made_by = major_of(aim.detail.dumped_by) or (aim.detail.server_version_num or 0) // 10000
    return next((each for each in clients.programs if made_by <= each.major <= server.major), None)


def about_server(ground: Ground, aims: tuple[Aim, ...], goal: Goal, where: str) -> list[Check]:
    """It takes writes, we may make databases in it, it is the one that the set comes from."""
    server, about = ground.server, tr("database server {server}", server=where)
    role = clean(server.role)
    checks = [Check(about, "good", tr("PostgreSQL {version}", version=server.version))]
    if server.standby:
        checks.append(Check(about, "bad", tr("it is a standby: nothing can be written to it"), tr("Name its primary.")))
    elif server.read_only:
        found = tr("default_transaction_read_only is on: {role} writes nothing", role=role)
        checks.append(Check(about, "bad", found, tr("ALTER ROLE {role} RESET default_transaction_read_only, or see "
                                                    "postgresql.conf.", role=role)))  # fmt: skip
    if not server.can_create_db:
        found = tr("{role} may not create databases", role=role)
        checks.append(Check(about, "bad", found, tr("ALTER ROLE {role} CREATEDB, or use a superuser.", role=role)))
    origins = {aim.detail.system_identifier for aim in aims} - {None}
    if goal.scratch or goal.other_server or not origins:
        return checks
    if server.system_identifier is None:
        found = tr("{role} may not ask which server this is", role=role)
        hint = tr("GRANT EXECUTE ON FUNCTION pg_control_system() TO {role}; or look yourself.", role=role)
        checks.append(Check(about, "warning", found, hint))
    elif origins != {server.system_identifier}:
        found = tr("it is not the server that the set comes from (system identifier {now}, in the set {then})",
                   now=server.system_identifier, then=listed(sorted(map(str, origins))))  # fmt: skip
        checks.append(Check(about, "bad", found, tr("If that is what you want: --other-server")))
    return checks


def about_versions(ground: Ground, aim: Aim, clients: Clients) -> list[Check]:
    """The server is not older than the dump, and there are programs that restore it."""
    server, part = ground.server, aim.part.name
    dumped = (aim.detail.server_version_num or 0) // 10000
    by = major_of(aim.detail.dumped_by)
    about = tr("version of {part}", part=part)
    newest = max(dumped, by or 0)
    if newest > server.major:
        found = tr("dumped from PostgreSQL {then} by pg_dump {by}; the server is {now}",
                   then=dumped or "-", by=aim.detail.dumped_by or "-", now=server.version)  # fmt: skip
        hint = tr("What pg_dump {major} writes can be restored into PostgreSQL {major} and newer only.", major=newest)
        return [Check(about, "bad", found, hint)]
    if fitting(clients, server, aim) is None:
        if aim.plain:
            found = tr("psql {version} can be made to run commands that are hidden in a script",
                       version=clients.newest.text)  # fmt: skip
            hint = tr("Install postgresql-client 14.25, 15.20, 16.16, 17.12, 18.6 or newer on {host}.",
                      host=clients.host)  # fmt: skip
            return [Check(tr("psql"), "bad", found, hint)]
        found = tr("it needs pg_restore from {least} to {most}; {host} has {versions}",
                   least=by or dumped or "-", most=server.major, host=clients.host,
                   versions=listed(each.text for each in clients.programs))  # fmt: skip
        return [Check(about, "bad", found, tr("Install postgresql-client-{major} there.", major=server.major))]
    found = tr("dumped from PostgreSQL {then}, restored into {now}", then=dumped or "-", now=server.version)
    return [Check(about, "good", found)]


async def about_target(access: Access, ground: Ground, aim: Aim, goal: Goal) -> list[Check]:
    """What is there: a database of ours to replace, nobody in it, nobody else restoring it."""
    name = aim.database
    about = tr("database {name}", name=clean(name))
    if goal.scratch:
        return []
    if name in _THE_SERVERS_OWN:
        return [Check(about, "bad", tr("it is the server's own"), tr("Restore into a database of another name."))]
    if not name or len(name.encode()) > LONGEST_BYTES:
        return [Check(about, "bad", tr("no database can have this name"), tr("Names have 1 to 63 bytes."))]
    live = ground.databases.get(name)
    if live is None:
        return [Check(about, "good", tr("there is none yet"))]
    if live.is_template:
        return [Check(about, "bad", tr("it is a template"), tr("Restore into a database of another name."))]
    found = tr("{size}; it is kept under another name", size=human_bytes(live.size_bytes))
    if goal.only:
        found = tr("{size}; only {table} is replaced", size=human_bytes(live.size_bytes), table=clean(goal.only))
    checks = [Check(about, "good", found)]
    if not ground.roles.get(live.owner, False):
        found = tr("it belongs to {owner}; {role} may not rename it",
                   owner=clean(live.owner), role=clean(ground.server.role))  # fmt: skip
        checks.append(Check(about, "bad", found, tr("Restore as its owner or as a superuser.")))
    holders, sessions, [ties] = await Psql(access).ask(
        HOLDER, SESSIONS, _TIES, database=MEETING, variables={"name": name}
    )
    if holder := holder_from(holders, name):
        checks.append(Check(about, "bad", holder, tr("Wait until that has ended.")))
    if not goal.only:
        checks += _about_sessions(sessions_from(sessions), ground, name, goal)
        checks += _about_ties(ties, name, goal)
    return checks


def _about_sessions(sessions: list[Session], ground: Ground, name: str, goal: Goal) -> list[Check]:
    if not sessions:
        return []
    about, found = tr("sessions in {name}", name=clean(name)), in_the_way(name, sessions)
    if not goal.end_sessions:
        return [Check(about, "bad", found, hint_to_end())]
    others = [each for each in sessions if not ground.roles.get(each.role, False)]
    if others and not ground.may_end:
        hint = tr("GRANT pg_signal_backend TO {role}, or restore as a superuser.", role=clean(ground.server.role))
        return [Check(about, "bad", tr("{role} may not end them: {sessions}", role=clean(ground.server.role),
                                       sessions=found), hint)]  # fmt: skip
    return [Check(about, "warning", found, tr("They are ended at the swap."))]


_TIES = """
SELECT (SELECT count(*) FROM pg_prepared_xacts WHERE database = :'name') AS prepared,
    (SELECT coalesce(string_agg(slot_name, ', '), '') FROM pg_replication_slots WHERE database = :'name') AS slots,
    (SELECT coalesce(string_agg(s.subname, ', '), '') FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
        WHERE d.datname = :'name' AND s.subenabled) AS subscriptions
"""


def _about_ties(row: Row, name: str, goal: Goal) -> list[Check]:
    """What keeps a database from being renamed, or stays with the one that is renamed."""
    about = tr("database {name}", name=clean(name))
    checks = []
    if row["prepared"]:
        found = ntr("{count} prepared transaction keeps it from being renamed",
                    "{count} prepared transactions keep it from being renamed", int(row["prepared"]))  # fmt: skip
        checks.append(Check(about, "bad", found, tr("COMMIT PREPARED or ROLLBACK PREPARED them: pg_prepared_xacts")))
    if row["slots"]:
        found = tr("replication slots stay with the database that is there now: {names}", names=clean(row["slots"]))
        checks.append(Check(about, "warning", found, tr("Make them anew in the restored one, and drop the old.")))
    if row["subscriptions"]:
        found = tr("subscriptions go on in the database that is there now: {names}", names=clean(row["subscriptions"]))
        hint = tr("ALTER SUBSCRIPTION … DISABLE; or --end-sessions, and later disable the old and enable the new.")
        checks.append(Check(about, "warning" if goal.end_sessions else "bad", found, hint))
    return checks


def about_leftovers(ground: Ground, names: list[str]) -> list[Check]:
    """What restores that did not come to their end left."""
    checks = []
    for left in ground.leftovers:
        about = tr("database {name}", name=clean(left.name))
        found = tr("a restore of {target} that did not come to its end left it", target=clean(left.target))
        if left.target in names:
            checks.append(Check(about, "warning", found, tr("It is dropped when this restore begins.")))
        else:
            quoted = '"' + left.name.replace('"', '""') + '"'
            checks.append(Check(about, "warning", found, tr("It can go: DROP DATABASE {name}", name=clean(quoted))))
    return checks
