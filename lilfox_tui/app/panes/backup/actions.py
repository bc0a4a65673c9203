"""Actions of the Backup pane on plans, sets, jobs and restores; jobs outlive the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.messages import AskDialog
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.engine_rows import drill_text, engine_question
from lilfox_tui.app.panes.backup.rows import SET_ROLES, fact_row
from lilfox_tui.app.panes.backup.set_page import backup_question, drill_time_row, prune_question
from lilfox_tui.app.panes.backup.state import BackupState, is_of, undoable
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.job_words import job_kind_text
from lilfox_tui.backup.checks import proof_text
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import BackupRequest, PlanArguments, request_of, undo_command
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.sets.retention import RetentionVerdict, judge, unless_locked
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, ngettext, ntr, tr
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_bytes
from lilfox_tui.jobs.listing import cancel
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.plan import RequestKind
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored
    from lilfox_tui.backup.restores.retained import RetainedRow
    from lilfox_tui.config.model import KeepConfig
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.monitor.model import Backups, PlanView


# Starts the jobs of the Backup pane, which outlive the screen; nothing begins on one key.


START = "start"
"""The group of work that ends in a job: one question at a time."""


class JobStarter:
    """Makes a backup request and starts its job."""

    def __init__(self, context: PaneContext[BackupState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._started: set[str] = set()

    def request(self, plan: PlanView, set_id: str = "") -> BackupRequest:
        """Return a request for a plan (or for a store that has no plan) and one of its sets. Make it before asking
        anything: another plan may be selected when the answer comes."""
        config = self._app.monitor.backups.config_path
        if plan.config is None:
            return BackupRequest(config=config, plan_arguments=PlanArguments(store=plan.where), set=set_id)
        return BackupRequest(config=config, plan=plan.name, store=plan.store, set=set_id)

    def request_without_plan(self, set_id: str = "") -> BackupRequest:
        """Return a request without a plan, for restores recorded on this machine."""
        return BackupRequest(config=self._app.monitor.backups.config_path, set=set_id)

    def ask_and_start(self, kind: RequestKind, title: str, rows: Sequence[Row], request: BackupRequest) -> None:
        """Shows what will be done, and starts it after confirmation."""
        self._context.run(self._ask_and_start(kind, title, rows, request), group=START, exclusive=True)

    async def _ask_and_start(self, kind: RequestKind, title: str, rows: Sequence[Row], request: BackupRequest) -> None:
        ask = AskDialog(title, rows, does=_("back up") if kind == "backup" else job_kind_text(kind), stays=_("go back"))
        if await self._app.push_screen_wait(ask):
            await self.start(kind, request)

    async def start(self, kind: RequestKind, request: BackupRequest) -> None:
        """Starts the job and shows its id, or why it could not be started."""
        from lilfox_tui.jobs import start as starting

        self._state.busy = True
        try:
            job = await asyncio.to_thread(starting.start, request_of(kind, request))
        except LilFoxError as error:
            self._app.tell(error)
            return
        finally:
            self._state.busy = False
        runs = tr("{kind}: job {id} is running; l shows it, and it keeps running after you quit",
                  kind=job_kind_text(kind), id=job)  # fmt: skip
        if self._app.demo is not None:
            runs = tr(
                "{kind}: job {id} is running; l shows it, and it stops when the demo ends",
                kind=job_kind_text(kind),
                id=job,
            )
        self._started.add(job)
        self._app.tell(runs)

    def tell_ended(self, backups: Backups) -> None:
        """Reports how the jobs that were started here have ended."""
        for job in backups.jobs or ():
            if job.id in self._started and job.state != "running":
                self._started.discard(job.id)
                good = job.state == "ok"
                self._app.tell(job.message if good else tr("{title}: {message}", title=job.title, message=job.message))


_MOST_SHOWN = 12
_ANSWER_S = 10.0
"""Longest wait for a store's answer about one set: the screen does not show that a key waits."""
Context = PaneContext[BackupState]


class PlanListActions(ActionGroup):
    """Actions that choose the active list and refresh the data."""

    TASK = tr("Display")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    @action("other-list", "tab left right", tr("other list"), tr("switch between plans and sets"))
    def switch_list(self) -> None:
        self._state.switch_list()
        self._context.repaint()

    def _why_not_read_again(self) -> Message | None:
        return self._state.why_no_plan()

    @action("read-again", "R", tr("refresh"), tr("refresh all stores now"), why_not=_why_not_read_again)
    def read_again(self) -> None:
        self._app.monitor.backups.look_again()


class JobActions(ActionGroup):
    """Actions on running and past jobs: show their output, and cancel them."""

    TASK = tr("Jobs")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_no_output(self) -> Message | None:
        return None if self._state.last_job is not None else tr("no known jobs")

    @action(
        "output",
        "l",
        tr("output"),
        tr("replay the job's events, then follow it"),
        why_not=_why_no_output,
        footer=2,
    )
    def show_output(self) -> None:
        from lilfox_tui.app.dialogs.job_output import JobOutput

        if (job := self._state.last_job) is not None:
            app = self._app
            app.push_screen(JobOutput(job, glyphs=app.glyphs, zone=self._state.zone, slow=app.slow_link))

    def _why_not_cancel(self) -> Message | None:
        if (why := self._state.why_past()) is not None:
            return why
        return tr("no job is running") if self._state.shown_job is None else self._state.why_read_only()

    @action(
        "cancel",
        "C",
        tr("cancel job"),
        tr("cancel the running job and wait for its cleanup"),
        why_not=_why_not_cancel,
        footer=6,
    )
    def cancel(self) -> None:
        if (job := self._state.shown_job) is not None:
            self._context.run(self._cancel(job), group="cancel", exclusive=True)

    async def _cancel(self, job: Job) -> None:
        rows: list[Row] = [
            fact_row(_("job"), f"{job.title}  ({job.id})"),
            (
                Piece("  "),
                Piece(_("The job removes its unfinished work. Changes that it has already completed are not undone.")),
            ),
        ]
        if await self._app.confirm(_("Cancel this job"), rows, "cancel"):
            self._app.tell(tr("{title}: cancellation requested; waiting for its cleanup", title=job.title))
            try:
                ended = await cancel(job.id)
            except LilFoxError as error:
                self._app.tell(error)
            else:
                self._app.tell(tr("{title}: {message}", title=ended.title, message=ended.message))


class PlanActions(ActionGroup):
    """Actions on the selected plan: run it, and apply its retention."""

    TASK = tr("Back up and restore")

    def __init__(self, context: Context, starter: JobStarter) -> None:
        self._context, self._state, self._app, self._starter = context, context.state, context.app, starter

    def _why_not_back_up(self) -> Message | None:
        return self._state.why_not_back_up()

    @action(
        "backup",
        "b",
        tr("back up"),
        tr("run the plan now: dump, read back, remove old sets"),
        why_not=_why_not_back_up,
        footer=2,
    )
    def back_up(self) -> None:
        plan = self._state.selected_plan
        if plan is None:
            return
        if plan.engine is not None:
            rows = engine_question(plan.name, plan.engine)
        elif plan.own_config is None:
            return
        else:
            rows = backup_question(plan, datetime.now(UTC), self._state.zone)
        self._starter.ask_and_start("backup", _("Back up now"), rows, self._starter.request(plan))

    def _why_not_prune(self) -> Message | None:
        return self._state.why_not_prune()

    @action(
        "prune",
        "",
        tr("prune"),
        tr("show the sets that retention no longer keeps, then remove them"),
        why_not=_why_not_prune,
    )
    def prune(self) -> None:
        plan = self._state.selected_plan
        if plan is not None and plan.own_config is not None and plan.own_config.keep is not None:
            self._context.run(self._prune(plan, plan.own_config.keep), group=START, exclusive=True)

    async def _prune(self, plan: PlanView, keep: KeepConfig) -> None:
        try:
            verdicts = await self._verdicts(plan.name, keep)
        except LilFoxError as error:
            self._app.tell(error)
            return
        every = [verdict for judged in verdicts.values() for verdict in judged]
        going = sum(verdict.goes for verdict in every)
        if not going:
            kept = ntr(
                "nothing to remove: retention keeps the only set",
                "nothing to remove: retention keeps all {count} sets",
                len(every),
            )
            self._app.tell(next((verdict.stays for verdict in every if verdict.locked), kept))
            return
        title = ngettext("Remove {count} set", "Remove {count} sets", going)
        if await self._app.confirm(title, prune_question(verdicts), plan.name):
            await self._starter.start("prune", self._starter.request(plan))

    async def _verdicts(self, name: str, keep: KeepConfig) -> dict[str, list[RetentionVerdict]]:
        """Return what retention does to the sets of a plan in each of its stores, as they are shown: a job removes them
        from all. Raises LilFoxError if a store was not read yet, or does not tell which sets are locked."""
        views = [view for view in self._state.plans if view.name == name]
        verdicts: dict[str, list[RetentionVerdict]] = {}
        async with BackupContext(self._app.config) as context:
            for view in views:
                where = view.where or view.store
                if view.sets is None:
                    raise LilFoxError(tr("{store}: the sets have not been read", store=where))
                own = [found for found in view.sets if found.plan == name]
                store = context.store(view.store, self._app.config.backup.stores[view.store])
                judged = judge(own, keep, now=datetime.now(UTC), zone=self._state.zone)
                verdicts[where] = await unless_locked(store, judged, answer_s=_ANSWER_S)
        return verdicts


class SetActions(ActionGroup):
    """Actions on the selected set: restore or verify it. ``undo`` asks whether to undo a plan's last restore."""

    TASK = tr("Back up and restore")

    def __init__(self, context: Context, starter: JobStarter, undo: Callable[[PlanView], None]) -> None:
        self._state, self._app, self._starter, self._undo = context.state, context.app, starter, undo

    def _why_not_drill(self) -> Message | None:
        return self._state.why_not_drill()

    def _why_not_restore(self) -> Message | None:
        return self._state.why_not_restore()

    @action(
        "restore",
        "B",
        tr("restore"),
        tr("restore the set step by step; nothing changes before the last step"),
        why_not=_why_not_restore,
        footer=2,
    )
    def restore(self) -> None:
        found, plan = self._state.set_now(), self._state.selected_plan
        if found is None or plan is None:
            return
        app, request = self._app, self._starter.request(plan, found.id)
        if found.physical is not None:
            from lilfox_tui.app.panes.backup.recovery_wizard import RecoveryState, RecoveryWizard

            state = RecoveryState(found, found.physical, request)
            app.push_screen(RecoveryWizard(state, glyphs=app.glyphs, zone=self._state.zone, slow=app.slow_link))
            return
        from lilfox_tui.app.panes.backup.restore_wizard import restore_wizard

        command = undo_command(found.id, request.config) if app.demo is None else ""  # its state is not found there
        wizard = restore_wizard(
            found, plan, request, glyphs=app.glyphs, zone=self._state.zone, slow=app.slow_link, undo_command=command
        )
        app.push_screen(wizard, lambda undoes: self._undo(plan) if undoes else None)

    def _why_not_verify(self) -> Message | None:
        state = self._state
        return state.why_no_set() or state.why_foreign() or state.why_removed() or state.why_no_change()

    @action(
        "verify",
        "V",
        tr("verify"),
        tr("read the whole set: check digests, trailer and content"),
        why_not=_why_not_verify,
        footer=2,
    )
    def verify(self) -> None:
        found, plan = self._state.set_now(), self._state.selected_plan
        if found is None or plan is None:
            return
        rows = [
            fact_row(_("set"), found.id),
            fact_row(_("size"), human_bytes(found.size_bytes)),
            fact_row(_("proof"), proof_text(found.status, found.missing), SET_ROLES[found.status]),
            (Piece("  "), Piece(_("Reads the whole set from its store. Writes only the proof."))),
        ]
        self._starter.ask_and_start("verify", _("Verify this set"), rows, self._starter.request(plan, found.id))

    @action(
        "drill",
        "D",
        tr("drill"),
        tr("restore the set into a scratch location, compare, measure the time, remove it"),
        why_not=_why_not_drill,
        footer=2,
    )
    def drill(self) -> None:
        found, plan = self._state.set_now(), self._state.selected_plan
        if found is None or plan is None:
            return
        if plan.config is None:
            self._app.tell(
                tr(
                    "a drill needs a plan's database and folders; without a plan run: lilfox backup drill "
                    "--database URL"
                )
            )
            return
        rows = [
            fact_row(_("set"), found.id),
            fact_row(_("size"), human_bytes(found.size_bytes)),
            fact_row(_("proof"), proof_text(found.status, found.missing), SET_ROLES[found.status]),
            drill_time_row(plan),
            (Piece("  "), Piece(_("Restores the set into a scratch database and folder beside the live data, "
                                  "compares the result, then removes it. Live data is not touched."))),
        ]  # fmt: skip
        if plan.engine is not None:
            rows[-1:] = [(Piece("  "), Piece(drill_text(plan.engine)))]
        self._starter.ask_and_start("drill", _("Run a restore drill"), rows, self._starter.request(plan, found.id))


# What can be done with restores from the Backup pane: undone, settled when interrupted, and let go of what they keep.


_NAME = 44


class RestoreActions(ActionGroup):
    """Actions after a restore: undo it, and delete the earlier data that it retains."""

    TASK = tr("Back up and restore")

    def __init__(self, context: PaneContext[BackupState], starter: JobStarter) -> None:
        self._context, self._state, self._app, self._starter = context, context.state, context.app, starter

    # ---- undo ----------------------------------------------------------------------------------------------------

    def _why_not_undo(self) -> Message | None:
        return self._state.why_not_undo()

    @action(
        "undo",
        "u",
        tr("undo"),
        tr("put back the data from before the last restore"),
        why_not=_why_not_undo,
        footer=2,
    )
    def undo(self) -> None:
        self.undo_of(self._state.selected_plan)

    def undo_of(self, plan: PlanView | None) -> None:
        """Asks whether to undo the last restore of a plan's sets, or of any, and starts the job."""
        self._context.run(self._undo(plan), group=START, exclusive=True)

    async def _undo(self, plan: PlanView | None) -> None:
        restored = undoable(await asyncio.to_thread(interrupted.read_all), plan)
        if not restored:
            self._app.tell(tr("no known restore can be undone"))
            return
        last = restored[0]
        if await self._app.confirm(_("Undo the last restore"), self._undo_rows(last), "undo"):
            request = (
                self._starter.request_without_plan(last.set) if plan is None else self._starter.request(plan, last.set)
            )
            await self._starter.start("undo", request)

    def _undo_rows(self, last: Restored) -> list[Row]:
        when = last.at.astimezone(self._state.zone).strftime("%Y-%m-%d %H:%M:%S")
        rows: list[Row] = [fact_row(_("set"), last.set), fact_row(_("when"), when), BLANK]
        for swap in [renames for each in last.swaps for renames in each.renames][:_MOST_SHOWN]:
            folder = swap.target.rpartition("/")[0] + "/"
            back = _("is replaced by {before}", before=swap.before.removeprefix(folder))
            if not swap.before:
                back = _("is removed: it did not exist before the restore")
            rows += [(Piece(f"  {swap.target}", "strong"),), (Piece("    "), Piece(back))]
        lost = _("Data written since the restore will no longer be in use.")
        return [*rows, BLANK, (Piece("  "), Piece(lost, "degraded"))]

    # ---- what restores keep --------------------------------------------------------------------------------------

    def _why_nothing_kept(self) -> Message | None:
        return None if self._state.backups is not None else tr("loading")

    @action(
        "kept",
        "",
        tr("retained"),
        tr("list or discard the data retained by restores"),
        why_not=_why_nothing_kept,
        fits=lambda self: self._state.selected_plan is not None,
    )
    def show_kept(self) -> None:
        self._context.run(self._show_kept(self._state.selected_plan), group=START, exclusive=True)

    async def _show_kept(self, plan: PlanView | None) -> None:
        self._app.tell(tr("querying retained data …"))
        lines = await self._kept_lines(plan)
        if not self._context.is_on_top:
            return  # somebody has begun to do something else meanwhile
        if not lines:
            self._app.tell(tr("nothing is retained"))
            return
        self._app.tell("")
        choices = [_kept_choice(at, line, self._app.glyphs) for at, line in enumerate(lines)]
        asked = Chooser(_("Retained by restores"), choices, wide=True, does=_("discards it"))
        chosen = await self._app.push_screen_wait(asked)
        if chosen is not None:
            await self._let_go(lines[int(chosen)], lines, plan)

    async def _kept_lines(self, plan: PlanView | None) -> list[RetainedRow]:
        """Return the retained items of all known restores, and what drills of the plan left behind."""
        from lilfox_tui.backup.restores.retained import all_kept, all_left

        async with BackupContext(self._app.config) as context:
            plans = [] if plan is None or plan.own_config is None else [plan.own_config]
            return await all_kept(context) + await all_left(context, plans)

    async def _let_go(self, line: RetainedRow, lines: Sequence[RetainedRow], plan: PlanView | None) -> None:
        """Deletes everything that the restore of ``line`` retains; if one item cannot be deleted, nothing is."""
        if (why := self._state.why_past() or self._state.why_no_change()) is not None:
            self._app.tell(why)
            return
        run = None if line.restored is None else line.restored.run
        going = [each for each in lines if each.there and (each.restored and each.restored.run) == run]
        stays = next((each for each in (going if run is not None else [line]) if str(each.reason)), None)
        if stays is not None:
            self._app.tell(
                tr("cannot remove {name}: {reason}; nothing was removed", name=stays.name, reason=stays.reason)
            )
            return
        going = [each for each in going if not str(each.reason)]
        if await self._app.confirm(_("Discard retained data"), list(_going_rows(going)), line.name):
            await self._starter.start("forget", self._request_to_forget(line.restored, plan))

    def _request_to_forget(self, restored: Restored | None, plan: PlanView | None) -> BackupRequest:
        """Return the request to delete retained items: with the set's id if the set was restored once, else with the id
        of the restore's job; without either for what drills left behind."""
        if restored is None:
            return self._starter.request_without_plan() if plan is None else self._starter.request(plan)
        alike = [each for each in self._state.restores or () if each.set == restored.set]
        name = restored.set if len(alike) == 1 else restored.run
        if plan is not None and plan.config is not None and is_of(restored.set, plan):
            return self._starter.request(plan, name)
        return self._starter.request_without_plan(name)

    # ---- settle --------------------------------------------------------------------------------------------------

    def _why_not_settle(self) -> Message | None:
        if not self._state.interrupted_restores:
            return tr("no restore is interrupted")
        return self._state.why_past() or self._state.why_no_change()

    @action(
        "settle",
        "",
        tr("settle"),
        tr("finish or revert an interrupted restore"),
        why_not=_why_not_settle,
    )
    def settle(self) -> None:
        self._context.run(self._settle(), group=START, exclusive=True)

    async def _settle(self) -> None:
        ways = [(half, finish) for half in self._state.interrupted_restores for finish in (True, False)]
        choices = [_settle_choice(at, half, finish=finish) for at, (half, finish) in enumerate(ways)]
        chosen = await self._app.push_screen_wait(Chooser(_("Interrupted restore"), choices, wide=True))
        if chosen is None:
            return
        half, finish = ways[int(chosen)]
        word = "finish" if finish else "take-back"
        rows = settle_rows(half, self._state.zone, finish=finish)
        if await self._app.confirm(_settle_text(half, finish=finish), rows, word):
            request = self._starter.request_without_plan(half.restored.run)
            await self._starter.start("settle", replace(request, finish=finish))


def _kept_choice(at: int, line: RetainedRow, glyphs: Glyphs) -> Choice:
    of_set = "-" if line.restored is None else line.restored.set
    level = Level.UNKNOWN if line.there is None else Level.GOOD if line.there else Level.FAILING
    return Choice(
        str(at),
        (
            Piece(f"{glyphs.level(level)} ", "muted"),
            Piece(fit(line.name or "-", _NAME), "strong"),
            Piece("  " + fit(human_bytes(line.size_bytes), 5, right=True)),
            Piece(f"  {of_set}", "muted"),
        ),
        f"{line.name} {of_set} {_where(line)}",
        possible=bool(line.there),
        more=f"{_where(line)}: {line.state_text}",
    )


def _going_rows(lines: Sequence[RetainedRow]) -> Iterator[Row]:
    for line in lines:
        yield (Piece(f"  {line.name}", "strong"), Piece(f"  {human_bytes(line.size_bytes)}  {_where(line)}", "muted"))
    told = _("This deletes the data for good. Without that data, a restore cannot be undone.")
    if all(line.restored is None for line in lines):
        told = _("This deletes the data for good; data in use is not touched.")
    yield (Piece("  "), Piece(told, "degraded"))


def _where(line: RetainedRow) -> str:
    return f"{line.host}:{line.target}" if line.host else line.target


def settle_rows(half: InterruptedRestore, zone: tzinfo, *, finish: bool) -> list[Row]:
    """What was interrupted and when, and of each target which data is in place there and what becomes of it."""
    restored = half.restored
    what = _("undoing its restore") if restored.stage == "undoing" else _("its restore")
    when = f"{restored.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    rows = [
        fact_row(_("set"), restored.set),
        (
            *fact_row(_("stopped"), what, "text"),
            Piece("  " + _("since {time}, job {job}", time=when, job=restored.run), "muted"),
        ),
        BLANK,
    ]
    wanted = "restored" if finish is (restored.stage != "undoing") else "before"
    texts = {"restored": _("restored data"), "before": _("previous data"), "neither": _("absent")}
    names = [clean(f"{side.host}:{side.target}" if side.host else side.target) for side in half.sides]
    width = min(_NAME, max(map(cell_width, names), default=0))
    for name, side in zip(names, half.sides, strict=True):
        becomes = () if side.standing == wanted else (Piece(" → "), Piece(texts[wanted], "degraded"))
        told = texts.get(side.standing) or str(side.reason) or _("unknown")
        row = (Piece("  " + fit(fit_middle(name, width), width), "strong"), Piece(f"  {told}"), *becomes)
        rows.append(row if becomes else (*row, Piece("  " + _("stays"), "muted")))
    return rows


def _settle_text(half: InterruptedRestore, *, finish: bool) -> str:
    if finish is (half.restored.stage != "undoing"):
        return _("Put all data from {set} in place", set=half.restored.set)
    return _("Roll all data back to its state before restoring {set}", set=half.restored.set)


def _settle_choice(at: int, half: InterruptedRestore, *, finish: bool) -> Choice:
    text = _settle_text(half, finish=finish)
    word = _("finish") if finish else _("revert")
    row = (Piece(f"  {text}", "strong"), Piece(f"  {word}", "muted"))
    return Choice(str(at), row, f"{text} {word}", possible=not half.owner, more=str(half.message))
