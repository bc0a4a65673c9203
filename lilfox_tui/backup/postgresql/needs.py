"""What a dump needs of the server it is restored to: roles, extensions, tablespaces, locale, room."""

from __future__ import annotations

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.carried import carried_by
from lilfox_tui.backup.postgresql.claim import MEETING
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.psql import Psql, SqlRefused
from lilfox_tui.backup.postgresql.staging import Form
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean

_SOME = 8
_LOCALES_OF_EVERY_SERVER = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})


def about_roles(ground: Ground, aim: Aim, form: Form, held_by: FoundPart | None) -> list[Check]:
    """Roles that own something or have rights: there, and such that we may give things to them."""
    needed = {*aim.detail.roles, *([form.owner] if form.owner else [])}
    if aim.database not in ground.databases:
        needed |= {setting.role for setting in carried_by(aim.detail).settings if setting.role}
    about = tr("roles for {name}", name=clean(aim.database))
    if missing := sorted(needed - set(ground.roles)):
        found = tr("the server has no {names}", names=_some(missing))
        hint = (
            tr("Create them: {part} holds them; look at its CREATE ROLE and run what is meant.", part=held_by.name)
            if held_by is not None
            else tr("CREATE ROLE {name}; and so on: the set holds none.", name=clean(missing[0]))
        )
        return [Check(about, "bad", found, hint)]
    if not ground.server.superuser and (foreign := sorted(name for name in needed if not ground.roles[name])):
        found = tr("{role} is no member of {names} and may give nothing to them",
                   role=clean(ground.server.role), names=_some(foreign))  # fmt: skip
        return [Check(about, "bad", found, tr("Restore as a superuser, or GRANT the roles to it."))]
    return [Check(about, "good", tr("all are there: {count}", count=len(needed)))] if needed else []


def about_extensions(ground: Ground, aim: Aim) -> list[Check]:
    """Those in the dump can be installed, and by us."""
    checks = []
    about = tr("extensions for {name}", name=clean(aim.database))
    for name, version in sorted(aim.detail.extensions.items()):
        there = ground.extensions.get(name)
        if there is None:
            found = tr("the server does not have {name}", name=clean(name))
            checks.append(Check(about, "bad", found, tr("Install its package on the server's host.")))
        elif there.superuser and not there.trusted and not ground.server.superuser:
            found = tr("only a superuser may install {name}", name=clean(name))
            checks.append(Check(about, "bad", found, tr("Restore as a superuser.")))
        elif version and version not in there.versions:
            found = tr("{name} {then} in the dump, {now} on the server", name=clean(name), then=version,
                       now=listed(sorted(there.versions)))  # fmt: skip
            checks.append(Check(about, "warning", found, tr("The server's own version is installed.")))
    return checks


def missing_tablespaces(ground: Ground, aim: Aim) -> list[str]:
    """Those in the dump that the server does not have, or in which we may put nothing."""
    there = {name for name, each in ground.tablespaces.items() if each.allowed or ground.server.superuser}
    return sorted(set(aim.detail.tablespaces) - there)


def about_tablespaces(ground: Ground, aim: Aim) -> list[Check]:
    """Named; what lies in missing ones goes where the database's other tables are, but not of a script."""
    if not (missing := missing_tablespaces(ground, aim)):
        return []
    about = tr("tablespaces for {name}", name=clean(aim.database))
    found = tr("the server has no {names}", names=_some(missing))
    if aim.plain:
        return [Check(about, "bad", found, tr("CREATE TABLESPACE them: a script cannot do without."))]
    hint = tr(
        "All tables go into the database's default tablespace (--no-tablespaces); create them to have it as it was."
    )
    return [Check(about, "warning", found, hint)]


async def about_locale(psql: Psql, ground: Ground, aim: Aim, form: Form) -> list[Check]:
    """The staging database can be made with the dump's encoding and locale, and is what was there before. Nothing is
    kept of the try. Raises BackupError, HostError."""
    about = tr("encoding and locale of {name}", name=clean(aim.database))
    said = listed(word for word in (form.encoding, form.collate, form.locale) if word)
    if form.provider == "b" and ground.server.major < 17:
        found = tr("{said} of PostgreSQL's own provider", said=clean(said))
        return [Check(about, "bad", found, tr("It is there from PostgreSQL 17 on."))]
    if form.provider == "i" and ground.server.major < 15:
        return [Check(about, "bad", tr("{said} of ICU for a whole database", said=clean(said)),
                      tr("It is there from PostgreSQL 15 on."))]  # fmt: skip
    for locale in dict.fromkeys(each for each in (form.collate, form.ctype) if each):
        if locale not in _LOCALES_OF_EVERY_SERVER and (reason := await _no_such_locale(psql, ground, locale, form)):
            return [
                Check(about, "bad", reason, tr("Generate the locale on the server's host, then restart the server."))
            ]
    live = ground.databases.get(aim.database)
    if live is not None and form.encoding and (live.encoding, live.collate) != (form.encoding, form.collate):
        found = tr("{then} in the set, {now} there now", then=clean(f"{form.encoding}, {form.collate}"),
                   now=clean(f"{live.encoding}, {live.collate}"))  # fmt: skip
        return [Check(about, "warning", found, tr("The restored database is as the set has it: no text is changed."))]
    return [Check(about, "good", said)] if said else []


async def _no_such_locale(psql: Psql, ground: Ground, locale: str, form: Form) -> str:
    """Why the server cannot use it; empty where it can, or where only CREATE DATABASE will tell."""
    meeting = ground.databases.get(MEETING)
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
