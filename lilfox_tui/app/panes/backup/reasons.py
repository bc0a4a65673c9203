"""Why something cannot be done in the Backup pane now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.backup.keys import BackupKeys, is_about
from lilfox_tui.backup.labels import status_text
from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.model import PlanView

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import Job


class BackupReasons(BackupKeys):
    """The reasons that the actions of ``job_keys.py`` name."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.busy = False
        """A job is being started."""

    def no_change(self) -> Message | None:
        """Why nothing may be changed from here."""
        if self.busy:
            return tr("a job is just being started")
        return tr("nothing is changed with read_only") if self.lilfox.config.read_only else None

    def no_backup(self) -> Message | None:
        """Why no backup can be begun."""
        view = self.view
        if view is None:
            return self.no_plan()
        if view.config is None:
            return tr(
                "no plan backs up into {store}; configure one under backup: plans:", store=view.where or view.store
            )
        return self.no_change() or self._is_running(view)

    def no_verify(self) -> Message | None:
        """Why the set cannot be verified."""
        return self.no_set() or self.no_change()

    def no_drill(self) -> Message | None:
        """Why the set cannot be restored into a scratch place."""
        return self.no_restore()

    def no_restore(self) -> Message | None:
        """Why the set cannot be restored."""
        found, why = self.chosen_set, self.no_set() or self.no_change() or self._protected()
        if why is not None or found is None:
            return why
        if found.refused:
            return tr("{set} is {status}: {reason}", set=found.id, status=status_text(found.status),
                      reason=found.reason)  # fmt: skip
        return None

    def no_undo(self) -> Message | None:
        """Why no restore can be undone."""
        return self.no_change() or self._protected()

    def no_prune(self) -> Message | None:
        """Why nothing can be pruned."""
        why = self.no_backup()
        view = self.view
        if why is None and view is not None and view.config is not None and view.config.keep is None:
            return tr("the plan has no retention: nothing of it is ever removed")
        return why

    def no_job(self) -> Message | None:
        """Why there is no output to show."""
        return None if self.last_job is not None else tr("no job is known of this plan")

    def no_running_job(self) -> Message | None:
        """Why there is nothing to cancel."""
        job = self.shown_job
        if job is None:
            return tr("no job runs")
        return tr("nothing is changed with read_only") if self.lilfox.config.read_only else None

    def _is_running(self, view: PlanView) -> Message | None:
        job = self.running(view)
        if job is None or job.kind not in ("backup", "prune", "restore", "undo"):
            return None
        return tr("{title} runs now; o shows it", title=job.title)

    def _protected(self) -> Message | None:
        """A host that is protected is not written to from here."""
        view = self.view
        sources = view.config.sources.values() if view is not None and view.config is not None else ()
        hosts = self.lilfox.config.hosts
        for options in sources:
            name = getattr(options, "host", None)
            if name in hosts and hosts[name].protected:
                return tr("{name} is protected: nothing is restored there from here", name=name)
        return None

    @property
    def last_job(self) -> Job | None:
        """The job whose output is shown: one that runs, else the plan's newest, else the newest of all."""
        if (job := self.shown_job) is not None:
            return job
        jobs = () if self.backups is None else self.backups.jobs or ()
        view = self.view
        return next((job for job in jobs if view is not None and is_about(job, view)), next(iter(jobs), None))
