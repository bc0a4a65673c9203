"""The key that opens the box for PromQL."""

from __future__ import annotations

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.panes.metrics.target_keys import TargetKeys
from lilfox_tui.i18n import tr


class QueryKeys(TargetKeys):
    """Remembers what was asked last."""

    def __init__(self) -> None:
        super().__init__()
        self._expression = ""

    @action("query", "Q", tr("query"), tr("ask an expression in PromQL, at this time: a table and a chart"))
    def ask_query(self) -> None:
        self._ask_query()

    @work(exclusive=True, group="query")
    async def _ask_query(self) -> None:
        from lilfox_tui.app.panes.metrics.query_dialog import QueryBox  # numpy and the parser, only for this

        box = QueryBox(
            self.lilfox.monitor.queries.engine,
            at=self.lilfox.rewound,
            window=self.window,
            glyphs=self.lilfox.glyphs,
            text=self._expression,
        )
        self._expression = await self.lilfox.push_screen_wait(box) or ""
