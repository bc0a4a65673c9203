"""Whether anything may be done from the Runbook pane now; each function says why not, in a sentence."""

from __future__ import annotations

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.state import LIST, RunbookState
from lilfox_tui.i18n import Message, tr


class Permission:
    """What the keys of runs and of incidents ask before they act."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._state, self._app = context.state, context.app

    def why_not_now(self) -> Message | None:
        """Why nothing is changed from here now."""
        if self._app.rewound is not None:
            return tr("this is the past; ` goes back to now")
        if self._app.config.read_only:
            return tr("read_only: nothing is run and nothing is written from here")
        return tr("one moment: the order before this one is still being given") if self._state.busy else None

    def why_not_order(self) -> Message | None:
        """Why no run is begun and none takes orders from here now: somebody else may act."""
        return self.why_not_now() or self._who_acts()

    def _who_acts(self) -> Message | None:
        run = self._state.run
        if run is not None and run.actor:
            return tr("{who} acts in this run, you follow; O takes over", who=run.actor)
        return self._who_took_over()

    def _who_took_over(self) -> Message | None:
        taken_by = self._app.acting.taken_by
        return tr("{who} took over the incident, you follow; O takes it back", who=taken_by) if taken_by else None

    def why_no_run(self) -> Message | None:
        """Why no run takes orders."""
        if self._state.run is None:
            return tr("no run of this runbook goes on; enter begins one")
        return self.why_not_order()

    def why_not_open(self) -> Message | None:
        """Why enter does nothing."""
        state, item = self._state, self._state.item
        if item is None:
            return tr(
                "no runbook is chosen; esc clears the filter, runbooks: folders: [PATH] in the configuration names some"
            )
        if state.column == LIST or state.shows_less(self._app.room.width):
            return None
        if item.runbook is None and item.last is not None and state.run is None:
            return tr(
                "this run has ended, and no folder of runbooks: has its file; begin another one with lilfox runbook run"
            )
        if item.runbook is None and item.job is None:
            return tr("this file holds no runbook that can be run; what is wrong stands beside it")
        if item.problems and state.run is None:
            return tr("line {line}: {what}; nothing of this file is run",
                      line=item.problems[0].line, what=item.problems[0].text)  # fmt: skip
        return self.why_not_order()

    def why_not_ours(self) -> Message | None:
        """Why the incident's course is not changed from here now."""
        return self.why_not_now() or self._who_took_over()

    def why_no_incident(self) -> Message | None:
        """Why nothing is written into an incident."""
        return self.why_no_incident_to_read() or self.why_not_now()

    def why_no_incident_to_read(self) -> Message | None:
        """Why there is no incident to read of."""
        return None if self._state.open_incident is not None else tr("no incident is open; I opens one")
