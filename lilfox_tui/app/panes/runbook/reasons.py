"""Why something cannot be done in the Runbook pane now, each in a sentence."""

from __future__ import annotations

from lilfox_tui.app.panes.runbook.keys import LIST
from lilfox_tui.app.panes.runbook.moving_keys import RunbookMovingKeys
from lilfox_tui.i18n import Message, tr


class RunbookReasons(RunbookMovingKeys):
    """What the keys of runs and of incidents ask before they act."""

    def not_now(self) -> Message | None:
        """Why nothing is changed from here now."""
        if self.lilfox.rewound is not None:
            return tr("this is the past; ` goes back to now")
        if self.lilfox.config.read_only:
            return tr("read_only: nothing is run and nothing is written from here")
        return tr("one moment: the order before this one is still being given") if self.busy else None

    def follows(self) -> Message | None:
        """Why we order nothing: somebody else acts."""
        if self.run is not None and self.run.actor:
            return tr("{who} acts in this run, you follow; O takes over", who=self.run.actor)
        if taken_by := self.lilfox.acting.taken_by:
            return tr("{who} took over the incident, you follow; O takes it back", who=taken_by)
        return None

    def no_enter(self) -> Message | None:
        """Why enter does nothing."""
        item = self.item
        if item is None:
            return tr(
                "no runbook is chosen; esc clears the filter, runbooks: folders: [PATH] in the configuration names some"
            )
        if self.column == LIST or self.shows_less:
            return None
        if item.runbook is None and item.last is not None and self.run is None:
            return tr(
                "this run has ended, and no folder of runbooks: has its file; begin another one with lilfox runbook run"
            )
        if item.runbook is None and item.job is None:
            return tr("this file holds no runbook that can be run; what is wrong stands beside it")
        if item.problems and self.run is None:
            return tr("line {line}: {what}; nothing of this file is run",
                      line=item.problems[0].line, what=item.problems[0].text)  # fmt: skip
        return self.not_now() or self.follows()

    def no_run(self) -> Message | None:
        """Why no run takes orders."""
        if self.run is None:
            return tr("no run of this runbook goes on; enter begins one")
        return self.not_now() or self.follows()

    def nothing_failed(self) -> Message | None:
        """Why there is nothing to try again."""
        run = self.run
        if run is not None and run.state is not None and run.state.waiting.what != "decision":
            return tr("the last command did not fail")
        return self.no_run()

    def nothing_waits(self) -> Message | None:
        """Why there is nothing to skip."""
        run = self.run
        if run is not None and run.state is not None and run.state.waiting.turn is None:
            return tr("nothing waits now")
        return self.no_run()

    def nothing_to_undo(self) -> Message | None:
        """Why nothing can be taken back."""
        run = self.run
        if run is not None and run.state is not None and not run.state.undoable:
            if run.state.changes:
                return tr("the runbook does not say how what was changed is taken back")
            return tr("nothing was changed by this run")
        return self.no_run()

    def nothing_by_hand(self) -> Message | None:
        """Why there is no step to be done by hand."""
        run = self.run
        if run is not None and run.state is not None and run.state.waiting.what != "hand":
            return tr("no step to be done by hand waits now")
        return self.no_run()

    def nothing_for_terminal(self) -> Message | None:
        """Why no command is run in this terminal."""
        run = self.run
        if run is not None and run.state is not None and run.state.waiting.what != "terminal":
            return tr("no command that needs a terminal waits now")
        return self.no_run()

    def nothing_runs(self) -> Message | None:
        """Why there is nothing to stop."""
        run = self.run
        if run is not None and run.folding is not None and not run.folding.running():
            return tr("no command runs now")
        return self.no_run()

    def not_ours(self) -> Message | None:
        """Why we do not change the incident's course."""
        taken_by = self.lilfox.acting.taken_by
        return self.not_now() or (
            tr("{who} took over the incident, you follow; O takes it back", who=taken_by) if taken_by else None
        )

    def nothing_to_take_over(self) -> Message | None:
        """Why nobody acts from whom we could take over."""
        if self.incident is not None and self.incident.incident is not None:
            return self.not_now()
        if self.run is None or not self.run.actor:
            return tr("no incident is open, and in no run here somebody else acts")
        return self.not_now()

    def no_incident(self) -> Message | None:
        """Why nothing is written into an incident."""
        if self.incident is None or self.incident.incident is None:
            return tr("no incident is open; I opens one")
        return self.not_now()

    def no_incident_to_read(self) -> Message | None:
        """Why there is no incident to read of."""
        if self.incident is None or self.incident.incident is None:
            return tr("no incident is open; I opens one")
        return None
