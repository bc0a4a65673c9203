"""What the keys do with a selected backend: how a database would run one of its slow statements."""

from __future__ import annotations

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.panes.metrics.backend_page import cell_text
from lilfox_tui.app.panes.metrics.query_keys import QueryKeys
from lilfox_tui.backends.model import Plan
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.monitor.model import BackendView

_NUMBERS = 4
"""Columns of a slow statement that are shown in front of it: total, calls and mean time."""


class BackendKeys(QueryKeys):
    """Acts on a backend."""

    @action(
        "explain",
        "E",
        tr("explain"),
        tr("how the database would run one of its slow statements; the statement is not run"),
        why_not=lambda self: self.no_statements(),
    )
    def explain(self) -> None:
        self._explain()

    def no_statements(self) -> Message | None:
        """Why there is no statement to explain."""
        view = self.selected_view()
        if not isinstance(view, BackendView):
            return tr("select a database first")
        return None if statement_choices(view) else tr("{name} tells of no slow statements", name=view.name)

    @work(exclusive=True, group="explain")
    async def _explain(self) -> None:
        view = self.selected_view()
        if not isinstance(view, BackendView):
            return
        title = _("How would it run this statement?")
        chosen = await self.lilfox.push_screen_wait(Chooser(title, statement_choices(view), wide=True))
        if chosen is None:
            return
        try:
            plan = await self.lilfox.monitor.backends.explain(view.name, chosen)
        except LilFoxError as refused:
            self.lilfox.tell(refused)
        else:
            self.lilfox.push_screen(Reader(plan_rows(plan)))


def statement_choices(view: BackendView) -> list[Choice]:
    """The slow statements of a database, by their ids; none where it tells of none."""
    tables = () if view.reading is None else view.reading.tables
    choices = []
    for table in tables:
        for row in table.rows if table.key == "slow_statements" else ():
            cells = [cell_text(value, column.unit) for value, column in zip(row, table.columns, strict=True)]
            if row[0] is not None:
                numbers = "  ".join(f"{cell:>8}" for cell in cells[1:_NUMBERS])
                shown = (Piece(numbers + "  ", "muted"), Piece(cells[-1]))
                choices.append(Choice(str(row[0]), shown, cells[-1], more=cells[-1]))
    return choices


def plan_rows(plan: Plan) -> list[Row]:
    """A plan as rows to read."""
    how = _("made without the values of its parameters (generic)") if plan.generic else _("made, not run")
    rows: list[Row] = [(Piece(" " + _("Plan"), "title"), Piece("  " + how, "muted")), BLANK]
    rows += [(Piece(" " + line, "muted"),) for line in plan.statement.splitlines()]
    return [*rows, BLANK, *((Piece(" " + line),) for line in plan.lines)]
