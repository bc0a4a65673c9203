"""What the Backup pane shows: the selected plan and set, the open page, and the enabled actions. No screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal

from lilfox_tui.backup.checks import proof_text, status_text
from lilfox_tui.config.model import Config
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.backup_levels import backups_at
from lilfox_tui.monitor.model import Backups, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job

PlanKey = tuple[str, str]
_CHANGES_PLAN = ("backup", "prune", "restore", "undo")
"""Jobs beside which no other backup of the plan begins."""


class BackupState:
    """The pane's state. ``config`` determines what may be changed from here."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.backups: Backups | None = None
        """What is shown: the present, or on a rewound screen what there was."""
        self.present: Backups | None = None
        self.rewound: datetime | None = None
        """The time that the screen shows (aware UTC); None for now."""
        self.restores: Sequence[Restored] | None = None
        """Those that keep something, as they are noted on this machine; None before the first read."""
        self.focus: Literal["plans", "sets"] = "plans"
        """The list that the keys move in."""
        self.page: str | None = None
        """Id of the set whose page is open; None where the lists are shown."""
        self.filter = ""
        self.only_matching = True
        self.busy = False
        """A job is being started."""
        self.zone: tzinfo = UTC
        """In which times are shown."""
        self._plan: PlanKey | None = None
        self._set: str | None = None
        self._chosen = False
        self._sets: tuple[BackupSet, ...] = ()
        self._sets_of: tuple[PlanView | None, str] = (None, "")

    def take(self, present: Backups | None) -> None:
        """Takes the newest state of the backups."""
        self.present = present
        self._show()

    def rewind(self, at: datetime | None) -> None:
        """Shows the backups of that time (aware UTC), or the present ones."""
        self.rewound = at
        self._show()

    def _show(self) -> None:
        self.backups = self.present
        if self.rewound is not None and self.present is not None:
            self.backups = backups_at(self.present, self.rewound, self.zone)

    # ---- rows ----------------------------------------------------------------------------------------------------

    @property
    def plans(self) -> Sequence[PlanView]:
        """The rows of the plan list."""
        return () if self.backups is None else tuple(self.backups.plans.values())

    @property
    def sets(self) -> tuple[BackupSet, ...]:
        """The rows of the set list, the sets of the selected plan; the same object until something changes."""
        plan, wanted = self.selected_plan, self.filter if self.only_matching else ""
        if self._sets_of[0] is not plan or self._sets_of[1] != wanted:
            found = () if plan is None else plan.sets or ()
            self._sets = tuple(each for each in found if _holds_all(each, wanted)) if wanted else found
            self._sets_of = plan, wanted
        return self._sets

    def is_marked(self, found: BackupSet) -> bool:
        """Whether a set is marked as matching the filter while other sets are shown too."""
        return bool(self.filter) and not self.only_matching and _holds_all(found, self.filter)

    # ---- the selection -------------------------------------------------------------------------------------------

    @property
    def selected_plan(self) -> PlanView | None:
        """The selected plan; if none was chosen, the plan of a running job, else the worst one."""
        chosen = None if self.backups is None or self._plan is None else self.backups.plans.get(self._plan)
        if chosen is not None and self._chosen:
            return chosen
        running = next((each for each in self.plans if self.running(each) is not None), None)
        return running or max(self.plans, key=lambda each: each.level, default=None)

    @property
    def selected_set(self) -> BackupSet | None:
        """The set that actions act on: the page's, the highlighted one, or the newest of the selected plan."""
        plan = self.selected_plan
        if plan is None or plan.sets is None:
            return None
        if self.page is not None:
            return next((found for found in plan.sets if found.id == self.page), None)
        if self.focus == "sets":
            return self.sets[self.place] if self.sets else None
        return newest_of(plan)

    @property
    def place(self) -> int:
        """The index of the highlighted set among the shown ones."""
        return next((at for at, found in enumerate(self.sets) if found.id == self._set), 0)

    def choose_plan(self, key: PlanKey) -> None:
        """Selects a plan and shows its sets."""
        if key != self._plan or not self._chosen:
            self._plan, self._set, self._chosen = key, None, True

    def choose_set(self, set_id: str | None) -> None:
        """Selects a set of the selected plan; None selects the first. The plan stays selected from then on."""
        self._keep_plan()
        self._set = set_id
        self.focus = "sets"

    def _keep_plan(self) -> None:
        if (plan := self.selected_plan) is not None:
            self._plan, self._chosen = plan.key, True

    def switch_list(self) -> None:
        """Switches between plans and sets."""
        self._keep_plan()
        self.focus = "sets" if self.focus == "plans" else "plans"

    def move(self, step: int) -> None:
        """Selects the row ``step`` rows down or up in the active list."""
        if self.focus == "sets" and self.sets:
            self.choose_set(self.sets[_within(self.sets, self.place + step)].id)
        elif (plan := self.selected_plan) is not None:
            keys = [each.key for each in self.plans]
            self.choose_plan(keys[_within(keys, keys.index(plan.key) + step)])

    def select_match(self, direction: int) -> None:
        """Selects the next (1) or previous (-1) set that the filter matches, wrapping around."""
        sets = self.sets
        start = self.place if self.focus == "sets" else -1 if direction > 0 else 0
        for offset in range(1, len(sets) + 1):
            found = sets[(start + direction * offset) % len(sets)]
            if _holds_all(found, self.filter):
                self.choose_set(found.id)
                return

    def set_filter(self, text: str) -> None:
        """Shows only, or marks, the sets that contain every word of ``text``, and makes their list active."""
        self.filter = text
        if text:
            self._keep_plan()
            self.focus = "sets"

    def toggle_only_matching(self) -> None:
        """Switches between hiding what does not match the filter and marking what does; the highlight stays on its
        set."""
        if self.focus == "sets" and self.page is None and (found := self.selected_set) is not None:
            self._set = found.id
        self.only_matching = not self.only_matching

    def open(self, set_id: str | None) -> None:
        """Opens the page of a set; None shows the lists."""
        self._keep_plan()
        self.page, self._set = set_id, set_id or self._set

    def why_not_open(self) -> Message | None:
        """Why nothing can be opened."""
        if self.page is not None:
            return tr("this page is already open")
        return None if self.sets else self._why_empty()

    def why_not_back(self) -> Message | None:
        """Why the pane cannot go back."""
        if self.page is not None or self.filter or self.focus == "sets":
            return None
        return tr("nothing to close or clear here; q quits")

    # ---- jobs and restores ---------------------------------------------------------------------------------------

    def running(self, plan: PlanView | None) -> Job | None:
        """Return the running job of a plan; None for a row that shows the plan's copies in another store. Without a
        plan, return the newest job of any plan."""
        jobs = () if self.backups is None else self.backups.running
        if plan is None:
            return next(iter(jobs), None)
        if plan.copy:
            return None
        return next((job for job in jobs if is_about(job, plan)), None)

    @property
    def shown_job(self) -> Job | None:
        """The running job that is drawn below the lists: of the selected plan, else any."""
        return self.running(self.selected_plan) or self.running(None)

    @property
    def last_job(self) -> Job | None:
        """The job whose output is shown: a running one, else the plan's newest, else the newest of all."""
        if (job := self.shown_job) is not None:
            return job
        jobs = () if self.backups is None else self.backups.jobs or ()
        plan = self.selected_plan
        return next((job for job in jobs if plan is not None and is_about(job, plan)), next(iter(jobs), None))

    @property
    def interrupted_restores(self) -> tuple[InterruptedRestore, ...]:
        """Restores that are only partly in place."""
        return () if self.backups is None else self.backups.interrupted_restores

    def restores_of(self, plan: PlanView) -> Sequence[Restored]:
        """The restores of a plan's sets that retain the earlier data."""
        return [each for each in self.restores or () if is_of(each.set, plan)]

    @property
    def undoable(self) -> Sequence[Restored]:
        """The restores that can be undone: of the selected plan if it is configured."""
        return undoable(self.restores or (), self.selected_plan)

    # ---- what may be done ----------------------------------------------------------------------------------------

    def why_no_plan(self) -> Message | None:
        """Why there is no plan to act on."""
        if self.plans:
            return None
        return tr("no backups are configured; add backup: plans: to the configuration")

    def why_no_set(self) -> Message | None:
        """Why an action on a set is disabled."""
        if self.selected_set is not None:
            return None
        return self.why_no_plan() or self._why_empty()

    def _why_empty(self) -> Message:
        """Why the list of sets has no row."""
        plan = self.selected_plan
        if plan is not None and plan.outage is not None:
            return tr("its store cannot be read")
        if plan is not None and plan.behind:
            return tr("the sets are being read again")
        return tr("loading") if plan is not None and plan.sets is None else tr("there is no set")

    def why_read_only(self) -> Message | None:
        """Why this console must not change anything: the configuration is ``read_only``."""
        return tr("changes are disabled in read_only mode") if self.config.read_only else None

    def why_past(self) -> Message | None:
        """Why what acts on the present is disabled: the screen shows the past."""
        return tr("you are viewing the past; ` returns to now") if self.rewound is not None else None

    def set_now(self) -> BackupSet | None:
        """The selected set as it is now; on a rewound screen it may have been removed since."""
        found, plan = self.selected_set, self.selected_plan
        if self.rewound is None or found is None or plan is None:
            return found
        view = None if self.present is None else self.present.plans.get(plan.key)
        return next((each for each in (view.sets if view is not None else None) or () if each.id == found.id), None)

    def why_removed(self) -> Message | None:
        """Why the selected set cannot be read: it was in the store at the time that is shown, and is not now."""
        found = self.selected_set
        return None if found is None or self.set_now() is not None else tr("{set} was removed since", set=found.id)

    def why_no_change(self) -> Message | None:
        """Why nothing can be changed now."""
        return tr("a job is already starting") if self.busy else self.why_read_only()

    def why_foreign(self) -> Message | None:
        """Why nothing can be done with the sets of the selected plan: another program makes them."""
        plan = self.selected_plan
        if plan is None or plan.foreign is None:
            return None
        return tr("another program makes these backups ({tool}); LilFox only watches them", tool=plan.foreign.tool)

    def why_not_back_up(self) -> Message | None:
        """Why the selected plan cannot be run."""
        plan = self.selected_plan
        if plan is None:
            return self.why_no_plan()
        if (foreign := self.why_foreign()) is not None:
            return foreign
        if plan.config is None:
            store = plan.where or plan.store
            return tr("no plan backs up to {store}; configure one under backup: plans:", store=store)
        if (why := self.why_past() or self.why_no_change()) is not None:
            return why
        job = self.running(plan)
        if job is None or job.kind not in _CHANGES_PLAN:
            return None
        return tr("{title} is running; l shows it", title=job.title)

    def why_not_prune(self) -> Message | None:
        """Why the retention of the selected plan cannot be applied."""
        why, plan = self.why_not_back_up(), self.selected_plan
        if why is not None or plan is None:
            return why
        engine, own = plan.engine, plan.own_config
        if engine is not None and (engine.kind == "pgbackrest" or engine.keep is not None):
            return tr("old sets are removed after each backup; by hand: lilfox backup prune {plan}", plan=plan.name)
        if engine is not None or (own is not None and own.keep is None):
            return tr("the plan has no retention: its sets are never removed")
        return None

    def why_not_restore(self) -> Message | None:
        """Why the selected set cannot be restored step by step."""
        found = self.set_now()
        if (why := self.why_not_drill()) is None and found is not None and found.snapshot is not None:
            return tr("to restore it into a new folder: lilfox restore {set} --into DIR", set=found.id)
        return why

    def why_not_drill(self) -> Message | None:
        """Why the selected set cannot be restored, neither for use nor for a drill."""
        why = self.why_no_set() or self.why_foreign() or self.why_removed() or self.why_no_change()
        why = why or self.why_protected()
        found = self.set_now()
        if why is not None or found is None:
            return why
        if found.refused:
            status = status_text(found.status)
            return tr("{set} is {status}: {reason}", set=found.id, status=status, reason=found.reason)
        return None

    def why_not_undo(self) -> Message | None:
        """Why no restore can be undone."""
        why = self.why_past() or self.why_no_change() or self.why_protected()
        if why is not None or self.undoable:
            return why
        return tr("loading") if self.restores is None else tr("no known restore can be undone")

    def why_protected(self) -> Message | None:
        """Why nothing can be restored to the hosts of the selected plan: one of them is protected."""
        plan, hosts = self.selected_plan, self.config.hosts
        places: list[Any] = []
        if plan is not None:
            places = [plan.engine] if plan.own_config is None else list(plan.own_config.sources.values())
        for options in places:
            name = getattr(options, "host", None)
            if name in hosts and hosts[name].protected:
                return tr("{name} is protected: cannot restore to it from here", name=name)
        return None


def newest_of(plan: PlanView) -> BackupSet | None:
    """Return the set that represents a plan in its row: the plan's newest, else the newest in the store."""
    sets = plan.sets or ()
    own = (found for found in sets if plan.config is None or found.plan == plan.name)
    return next(own, None) or next(iter(sets), None)


def is_about(job: Job, plan: PlanView) -> bool:
    """Return whether a job's key names this plan, or the store if it has no plan."""
    _kind, _space, rest = job.key.partition(" ")
    subject = plan.name if plan.config is not None else plan.where or plan.store
    return rest == subject or rest.startswith(f"{subject} ")


def is_of(set_id: str, plan: PlanView) -> bool:
    """Whether a set belongs to a plan, by its name or because it is among the plan's sets."""
    return set_id.startswith(f"{plan.name}_") or any(found.id == set_id for found in plan.sets or ())


def undoable(restores: Sequence[Restored], plan: PlanView | None) -> list[Restored]:
    """Return the restores that can be undone; if ``plan`` is a configured one, only those of its sets."""
    done = [each for each in restores if each.stage == "swapped"]
    return done if plan is None or plan.config is None else [each for each in done if is_of(each.set, plan)]


def _holds_all(found: BackupSet, words: str) -> bool:
    sources = " ".join(part.source for part in found.parts)
    proof = proof_text(found.status, found.missing)
    text = f"{found.id} {found.status} {proof} {found.reason} {sources}".lower()
    return all(word in text for word in words.lower().split())


def _within(rows: Sequence[object], place: int) -> int:
    return max(0, min(len(rows) - 1, place))
