"""What a dump executes at a restore, as checks before it and as a bar while it is read; and the role without rights
beyond the database that may run it instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import NotReady
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.claim import MEETING
from lilfox_tui.backup.postgresql.contents import executed_of
from lilfox_tui.backup.postgresql.executing import Executed, Executing
from lilfox_tui.backup.postgresql.ground import POWERS, Ground
from lilfox_tui.backup.postgresql.plain import read_plain
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.source import Goal
from lilfox_tui.i18n import Message, clauses, listed, tr
from lilfox_tui.text import clean

_ROLE = """
SELECT rolcanlogin AS logs_in, array_to_json(array(SELECT r.rolname FROM pg_roles r
    WHERE pg_has_role(me.oid, r.oid, 'MEMBER'))) AS member_of FROM pg_roles me WHERE me.rolname = :'role'
"""


async def executed_in(aim: Aim, goal: Goal) -> Sequence[Executed]:
    """What the part executes: of an archive its table of contents is read, of a script all. Raises BrokenSet,
    StoreError, HostError."""
    blocks = goal.blocks(aim.part)
    if not aim.plain:
        return (await executed_of(blocks)).found
    async with aclosing(blocks):
        return (await read_plain(blocks)).executed


def about_code(aim: Aim, executed: Sequence[Executed], powers: Sequence[str], *, allowed: bool) -> list[Check]:
    """One check for each kind of it. ``powers``: roles with rights beyond the database that who runs it has."""
    about = tr("what {part} executes", part=aim.part.name)
    if not executed:
        return [Check(about, "good", tr("nothing but data and definitions"))]
    asked = bool(powers) and not allowed
    checks = []
    for each in executed:
        if not each.asks:
            checks.append(Check(about, "good", each.what))
        elif asked:
            checks.append(Check(about, "bad", _with_powers(each.what, powers), _hint()))
        else:
            checks.append(Check(about, "warning", each.what, tr("It was said to be right.") if powers else ""))
    return checks


def barring(part: str, powers: Sequence[str], *, allowed: bool) -> Callable[[Executing], None]:
    """Raises NotReady for what asks, where who runs it could do anything and nobody said that it is right: what a
    check has found is asked again of what is really run."""

    def heard(executing: Executing) -> None:
        if powers and not allowed and (asking := executing.asking):
            what = clauses(str(each.what) for each in asking)
            raise NotReady(
                tr("{part} executes {what}; nothing of that was run", part=part, what=_with_powers(what, powers)),
                _hint(),
            )

    return heard


async def about_restore_role(psql: Psql, ground: Ground, role: str) -> tuple[list[Check], frozenset[str]]:
    """Whether the role that runs dumps can log in and has no rights beyond the database; and the roles that it is a
    member of. Raises BackupError, HostError."""
    about = tr("restore_role {role}", role=clean(role))
    rows, powers = await psql.ask(_ROLE, POWERS.format(role=":'role'"), database=MEETING, variables={"role": role})
    if not rows:
        found = tr("the server has no such role")
        return [Check(about, "bad", found, tr("CREATE ROLE {role} LOGIN PASSWORD …", role=clean(role)))], frozenset()
    member_of = frozenset(rows[0]["member_of"])
    if not rows[0]["logs_in"]:
        return [
            Check(about, "bad", tr("it may not log in"), tr("ALTER ROLE {role} LOGIN", role=clean(role)))
        ], member_of
    if powers:
        names = clean(listed(row["name"] for row in powers))
        found = tr("it has the rights of {names}: what a dump executes could have them too", names=names)
        return [Check(about, "bad", found, tr("Name a role without them."))], member_of
    if not ground.server.superuser and not ground.roles.get(role, False):
        found = tr("{us} is no member of it and may give it no database", us=clean(ground.server.role))
        return [Check(about, "bad", found, tr("GRANT it to {us}.", us=clean(ground.server.role)))], member_of
    return [Check(about, "good", tr("it runs the dumps, by a login of its own"))], member_of


def refuse_restore_role(checks: Sequence[Check]) -> None:
    """Raises NotReady where the role may not run dumps: it may have been given rights since the checks."""
    for check in checks:
        if check.state == "bad":
            raise NotReady(
                tr("{about}: {found}; nothing was written", about=check.about, found=check.found), check.hint
            )


def _with_powers(what: Message | str, powers: Sequence[str]) -> Message:
    return tr("{what} – with the rights of {powers}", what=what, powers=clean(listed(powers[:3])))


def _hint() -> Message:
    return tr(
        "Look at it (pg_restore -f -, zstdcat). If it is right: --run-code, or run_code: true of the source. Better: "
        "restore_role: of the source, a role without such rights."
    )
