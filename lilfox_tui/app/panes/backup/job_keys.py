"""What starts, watches and ends jobs in the Backup pane, each with the reason when it cannot be done.

Nothing begins on one key: there is a dialog or the wizard between. What it needs of backup/ and jobs/ is imported when
it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.panes.backup.reasons import BackupReasons
from lilfox_tui.app.panes.backup.rows import newest_of
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rows.job_words import kind_text
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, listed, ngettext, ntr, tr
from lilfox_tui.monitor.model import PlanView
from lilfox_tui.text import fit, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.app.panes.backup.restore_wizard import RestoreWizard
    from lilfox_tui.backup.plan import BackupRequest, RequestKind
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job

_MOST_SHOWN = 12


class BackupJobKeys(BackupReasons):
    """Acts on the chosen plan and set by jobs, which outlive the screen."""

    # ---- what starts a job ---------------------------------------------------------------------------------------

    def wish(self, found: BackupSet | None) -> BackupRequest:
        """The wish about the chosen plan, or about a store that has none."""
        from lilfox_tui.backup.plan import BackupRequest, PlanArguments

        view = self.view
        assert view is not None
        config = self.lilfox.monitor.backups.config_path
        chosen = "" if found is None else found.id
        if view.config is None:
            return BackupRequest(config=config, words=PlanArguments(store=view.where), set=chosen)
        return BackupRequest(config=config, plan=view.name, store=view.store, set=chosen)

    @work(exclusive=True, group="start", exit_on_error=False)
    async def _ask_and_start(self, kind: RequestKind, title: str, rows: Sequence[Row], found: BackupSet | None) -> None:
        from lilfox_tui.app.dialogs.messages import AskDialog

        ask = AskDialog(title, rows, does=kind_text(kind), stays=_("leave it"))
        if await self.lilfox.push_screen_wait(ask):
            await self.start(kind, self.wish(found))

    async def start(self, kind: RequestKind, wish: BackupRequest) -> str | None:
        """Starts the job; its id, or None where it could not begin and that is told."""
        from lilfox_tui.backup.plan import request_of
        from lilfox_tui.jobs import start as starting

        self.busy = True
        try:
            job = await asyncio.to_thread(starting.start, request_of(kind, wish))
        except LilFoxError as error:
            self.lilfox.tell(error)
            return None
        finally:
            self.busy = False
        runs = tr("{kind}: job {id} runs; o shows it, and it goes on when this is closed",
                  kind=kind_text(kind), id=job)  # fmt: skip
        if self.lilfox.demo is not None:
            runs = tr("{kind}: job {id} runs; o shows it, and it ends with the demo", kind=kind_text(kind), id=job)
        self.lilfox.tell(runs)
        return job

    @action("backup", "b", tr("back up"), tr("run the plan now: dump, read back, and remove what is old"),
            why_not=lambda self: self.no_backup(), footer=3)  # fmt: skip
    def back_up(self) -> None:
        view = self.view
        if view is None or view.config is None:
            return
        newest = newest_of(view)
        rows: list[Row] = [
            _line(_("plan"), view.name),
            _line(_("holds"), listed(view.config.sources)),
            _line(_("to"), listed((view.where or view.store, *view.config.copies))),
        ]
        if newest is not None:
            rows.append(_line(_("last time"), human_bytes(newest.size_bytes)))
        self._ask_and_start("backup", _("Back up now"), rows, None)

    @action("verify", "v", tr("verify"), tr("read the set whole: digests, trailer, content"),
            why_not=lambda self: self.no_verify(), footer=4)  # fmt: skip
    def verify(self) -> None:
        if (found := self.chosen_set) is not None:
            rows = [
                _line(_("set"), found.id),
                _line(_("size"), human_bytes(found.size_bytes)),
                (Piece("  "), Piece(_("It is read from its store whole; nothing is written but its proof."))),
            ]
            self._ask_and_start("verify", _("Verify this set"), rows, found)

    @action("drill", "D", tr("drill"), tr("restore the set into a scratch place, compare, measure, take it away"),
            why_not=lambda self: self.no_drill(), footer=5)  # fmt: skip
    def drill(self) -> None:
        found, view = self.chosen_set, self.view
        if found is None or view is None:
            return
        if view.config is None:
            self.lilfox.tell(
                tr("a drill needs the database and folders of a plan, or: lilfox backup drill --database URL")
            )
            return
        rows = [
            _line(_("set"), found.id),
            (Piece("  "), Piece(_("It is restored into a scratch database and folder beside what is there, compared, "
                                  "and taken away. What is in use is not touched."))),
        ]  # fmt: skip
        self._ask_and_start("drill", _("Restore it to prove it"), rows, found)

    @action("restore", "r", tr("restore"), tr("restore the set, step by step: nothing happens before the last"),
            why_not=lambda self: self.no_restore(), footer=3)  # fmt: skip
    def restore(self) -> None:
        found, view = self.chosen_set, self.view
        if found is None or view is None:
            return
        self.lilfox.push_screen(self.wizard(found, view))

    def wizard(self, found: BackupSet, view: PlanView) -> RestoreWizard:
        """The pages that lead to a restore of ``found``."""
        from lilfox_tui.app.panes.backup.restore_choice import RestoreChoice
        from lilfox_tui.app.panes.backup.restore_wizard import RestoreWizard

        choice = RestoreChoice.of(found, view, self.wish(found))
        return RestoreWizard(choice, glyphs=self.lilfox.glyphs, zone=self._zone, slow=self.lilfox.slow_link)

    @action(
        "undo",
        "u",
        tr("undo"),
        tr("put back what was there before the last restore"),
        why_not=lambda self: self.no_undo(),
    )
    def undo(self) -> None:
        self._undo()

    @work(exclusive=True, group="start", exit_on_error=False)
    async def _undo(self) -> None:
        from lilfox_tui.backup.restores import journal

        restored = [each for each in await asyncio.to_thread(journal.read_all) if each.stage == "swapped"]
        view = self.view
        if view is not None and view.config is not None:
            restored = [each for each in restored if self._is_of(each.set, view)]
        if not restored:
            self.lilfox.tell(tr("no restore is known that could be undone"))
            return
        last = restored[0]
        rows: list[Row] = [_line(_("set"), last.set), _line(_("when"), self._local(last.at))]
        for swap in [renames for each in last.swaps for renames in each.renames][:_MOST_SHOWN]:
            if swap.before:
                back = _(
                    "{target} is again what it was before, kept as {before}", target=swap.target, before=swap.before
                )
            else:
                back = _("{target} is taken away: nothing was there before", target=swap.target)
            rows.append((Piece("  "), Piece(back)))
        rows.append(
            (Piece("  "), Piece(_("What was written there since the restore is no longer in use."), "degraded"))
        )
        if await self.lilfox.confirm(_("Undo the last restore"), rows, "undo"):
            from msgspec.structs import replace

            from lilfox_tui.backup.plan import BackupRequest

            wish = BackupRequest(config=self.lilfox.monitor.backups.config_path) if view is None else self.wish(None)
            await self.start("undo", replace(wish, set=last.set))

    def _is_of(self, set_id: str, view: PlanView) -> bool:
        return set_id.startswith(f"{view.name}_") or any(found.id == set_id for found in view.sets or ())

    @action("prune", "P", tr("prune"), tr("show which sets the plan's retention lets go, then remove them"),
            why_not=lambda self: self.no_prune())  # fmt: skip
    def prune(self) -> None:
        self._prune()

    @work(exclusive=True, group="start", exit_on_error=False)
    async def _prune(self) -> None:
        view = self.view
        if view is None or view.config is None:
            return
        from lilfox_tui.backup.sets.retention import judge

        own = [found for found in view.sets or () if found.plan == view.name]
        verdicts = judge(own, view.config.keep, now=datetime.now(UTC), zone=self._zone)
        going = [verdict for verdict in verdicts if verdict.goes]
        if not going:
            self.lilfox.tell(
                ntr(
                    "nothing to remove: retention keeps the one set",
                    "nothing to remove: retention keeps all {count} sets",
                    len(own),
                )
            )
            return
        rows: list[Row] = [(Piece(f"  {each.set.id}", "strong"), Piece(f"  {each.why}", "muted")) for each in going]
        if len(rows) > _MOST_SHOWN:
            rows = [
                *rows[:_MOST_SHOWN],
                (Piece("  " + _("and {count} more", count=len(going) - _MOST_SHOWN), "muted"),),
            ]
        stay = ngettext("{count} set stays.", "{count} sets stay.", len(own) - len(going))
        rows.append((Piece("  "), Piece(stay)))
        title = ngettext("Remove {count} set", "Remove {count} sets", len(going))
        if await self.lilfox.confirm(title, rows, view.name):
            await self.start("prune", self.wish(None))

    # ---- jobs ----------------------------------------------------------------------------------------------------

    @action(
        "output",
        "o",
        tr("output"),
        tr("the job from its first event on, as it goes"),
        why_not=lambda self: self.no_job(),
        footer=2,
    )
    def output(self) -> None:
        if (job := self.last_job) is not None:
            from lilfox_tui.app.dialogs.job_output import JobOutput

            app = self.lilfox
            app.push_screen(JobOutput(job, glyphs=app.glyphs, zone=self._zone, slow=app.slow_link))

    @action("cancel", "C", tr("cancel job"), tr("end the job that runs, and wait for its clean-up"),
            why_not=lambda self: self.no_running_job(), footer=6)  # fmt: skip
    def cancel(self) -> None:
        if (job := self.shown_job) is not None:
            self._cancel(job)

    @work(exclusive=True, group="cancel", exit_on_error=False)
    async def _cancel(self, job: Job) -> None:
        rows: list[Row] = [
            _line(_("job"), f"{job.title}  ({job.id})"),
            (Piece("  "), Piece(_("It takes away what it has not finished; what was there before stays as it is."))),
        ]
        if await self.lilfox.confirm(_("End this job"), rows, "cancel"):
            from lilfox_tui.jobs.control import cancel

            self.lilfox.tell(tr("{title}: told to end; waiting for its clean-up", title=job.title))
            try:
                ended = await cancel(job.id)
            except LilFoxError as error:
                self.lilfox.tell(error)
            else:
                self.lilfox.tell(tr("{title}: {message}", title=ended.title, message=ended.message))

    def _local(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")


def _line(label: str, text: str) -> Row:
    return (Piece("  " + fit(label, 10) + "  ", "muted"), Piece(text, "strong"))
