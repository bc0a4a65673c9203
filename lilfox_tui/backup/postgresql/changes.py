"""What a restore would change in a database: rows per table, as they are now and as they were."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.compare import content_of
from lilfox_tui.backup.postgresql.detail import TableContent
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.source import Change
from lilfox_tui.i18n import _, ngettext, ntr, tr
from lilfox_tui.text import clean

COUNTED_UP_TO_BYTES = 1024 * 1024 * 1024
"""Of a database: larger ones are not read for a preview, and what the planner thinks is told."""
_ESTIMATES = """
SELECT c.oid::regclass::text AS name, CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::int8 END AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


async def changes_of(access: Access, ground: Ground, aim: Aim, *, table: str = "") -> list[Change]:
    """A line for each table that would change (of ``table`` alone where one is given), most rows first.

    Raises BackupError, HostError.
    """
    live = ground.databases.get(aim.database)
    said = aim.detail.content
    if live is None:
        tables = None if said is None else ntr("{count} table", "{count} tables", len(said.tables))
        return [Change(clean(aim.database), "-", str(tables or tr("the set does not say what is in it")))]
    if said is None:
        return [Change(clean(aim.database), str(tr("is replaced")), str(tr("the set does not say what is in it")))]
    about = live.size_bytes > COUNTED_UP_TO_BYTES
    if about:
        [rows] = await Psql(access).ask(_ESTIMATES, database=aim.database)
        now = {row["name"]: TableContent(row["rows"]) for row in rows}
    else:
        now = dict((await content_of(access, aim.database, ground.server.version_num, said)).tables)
    names = [table] if table else [*said.tables, *(name for name in now if name not in said.tables)]
    changes = [change for name in names for change in _change(name, now.get(name), said.tables.get(name), about=about)]
    return sorted(changes, key=lambda change: not change.newer)


def _change(name: str, now: TableContent | None, then: TableContent | None, *, about: bool) -> Iterator[Change]:
    more = ((now.rows if now else 0) or 0) - ((then.rows if then else 0) or 0)
    shown = (_rows(now, about=about), _rows(then, about=False))
    if shown[0] != shown[1]:
        yield Change(clean(name), *shown, lost_rows=max(0, more))
    elif now and then and now.digest and then.digest and now.digest != then.digest:
        yield Change(clean(name), shown[0], _("{rows}, other content", rows=shown[1]))


def _rows(content: TableContent | None, *, about: bool) -> str:
    if content is None:
        return _("not there")
    if content.rows is None:
        return _("rows not counted")
    rows = ngettext("{count} row", "{count} rows", content.rows)
    return _("about {rows}", rows=rows) if about else rows
