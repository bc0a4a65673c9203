"""What the keys do in the Backup pane: choosing plans and sets.

Nothing of backup/ and jobs/ is imported before it is needed: with keys of its own a configuration has this imported
before the first frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Literal

from lilfox_tui.app import row_moves
from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.panes.backup.rows import newest_of
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.model import Backups, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job

PlanKey = tuple[str, str]


class BackupKeys(Pane):
    """The pane's state that keys change, and their handlers. Drawing is in ``pane.py``."""

    ID = "backup"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.backups: Backups | None = None
        self.focus_on: Literal["plans", "sets"] = "plans"
        self.plan: PlanKey | None = None
        self.set: str | None = None
        """Id of the chosen set; the newest when None."""
        self.page: str | None = None
        self.filter = ""
        self._zone: tzinfo = UTC
        self._chose = False
        self._matching: tuple[PlanView | None, str, tuple[BackupSet, ...]] = (None, "", ())

    # ---- what is chosen ------------------------------------------------------------------------------------------

    @property
    def plans(self) -> Sequence[PlanView]:
        """All rows of the left part."""
        return () if self.backups is None else tuple(self.backups.plans.values())

    @property
    def view(self) -> PlanView | None:
        """The plan that is chosen: until somebody chooses that of a job that runs, else the worst."""
        plans = self.plans
        chosen = None if self.backups is None or self.plan is None else self.backups.plans.get(self.plan)
        if chosen is not None and (self._chose or self.page):
            return chosen
        if not plans:
            return None
        first = next((each for each in plans if self.running(each) is not None), None)
        first = first or max(plans, key=lambda each: each.level)
        self.plan = first.key
        return first

    @property
    def sets(self) -> tuple[BackupSet, ...]:
        """The sets of the chosen plan that the filter leaves; the same object while nothing changes."""
        view = self.view
        if self._matching[0] is not view or self._matching[1] != self.filter:
            found = () if view is None else view.sets or ()
            if words := self.filter.lower().split():
                found = tuple(each for each in found if all(word in _words(each) for word in words))
            self._matching = view, self.filter, found
        return self._matching[2]

    @property
    def chosen_set(self) -> BackupSet | None:
        """The set that actions are about: the page's, the highlighted one, or the newest."""
        view = self.view
        wanted = self.page or (self.set if self.focus_on == "sets" else None)
        if view is None or view.sets is None:
            return None
        if wanted is not None:
            return next((found for found in view.sets if found.id == wanted), None)
        return newest_of(view)

    @property
    def place(self) -> int:
        """Where the highlighted set is among those that are shown."""
        if self.set is None:
            return 0
        return next((at for at, found in enumerate(self.sets) if found.id == self.set), 0)

    @property
    def now(self) -> datetime:
        """The time that ages are told at (aware UTC): the frame's, which stands still while the screen is held."""
        shown = self.lilfox.shown
        return shown.at if shown is not None and not shown.rewound else datetime.now(UTC)

    def running(self, view: PlanView | None) -> Job | None:
        """The job that runs now for a plan, in the row of its own store; with None any, the newest."""
        jobs = () if self.backups is None else self.backups.running
        if view is None:
            return next(iter(jobs), None)
        if view.copy:
            return None
        return next((job for job in jobs if is_about(job, view)), None)

    @property
    def shown_job(self) -> Job | None:
        """The running job that is drawn below: of the chosen plan, else any."""
        return self.running(self.view) or self.running(None)

    def move(self, step: int) -> None:
        """So many rows down, or up: of the list, or of the page that is open."""
        if self.page is not None:
            lines = self.query_one("#backup-page", Lines)
            lines.scroll_rows(step)
            self.look_below(lines)
            return
        if self.focus_on == "plans" or not self.sets:
            plans = self.plans
            if plans and (view := self.view) is not None:
                at = next(at for at, each in enumerate(plans) if each.key == view.key)
                self.choose_plan(plans[max(0, min(len(plans) - 1, at + step))].key)
        else:
            self.set = self.sets[max(0, min(len(self.sets) - 1, self.place + step))].id
        self.repaint()

    def choose_plan(self, key: PlanKey) -> None:
        """Makes it the plan whose sets are shown."""
        if key != self.plan or not self._chose:
            self.plan, self.set, self._chose = key, None, True

    def open_set_page(self, set_id: str | None) -> None:
        """Shows everything of a set, or the tables for None."""
        self.page = set_id
        self._chose = True
        self.query_one("#backup-page", Lines).scroll_rows(-(10**6))
        self.repaint()
        self.lilfox.repaint_frame()

    def set_filter(self, text: str) -> None:
        """Keeps the sets that hold every word of ``text``."""
        self.filter = text
        self.repaint()
        self.lilfox.repaint_frame()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        place = event.index - event.lines.sticky
        if place < 0 or self.page is not None:
            return
        if event.lines.id == "plans" and place < len(self.plans):
            self.focus_on = "plans"
            self.choose_plan(self.plans[place].key)
        elif event.lines.id == "sets" and place < len(self.sets):
            found = self.sets[place]
            again = self.focus_on == "sets" and self.set == found.id
            self.focus_on, self.set = "sets", found.id
            if again:
                self.open_set_page(found.id)
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if self.page is not None:
            self.look_below(event.lines)

    # ---- moving --------------------------------------------------------------------------------------------------

    @action("open", "enter", tr("open"), tr("the sets of a plan, then all that is known of a set"),
            why_not=lambda self: self.no_open(), footer=1)  # fmt: skip
    def open_selected(self) -> None:
        if self.focus_on == "plans":
            self.focus_on, self.set = "sets", None
            self.repaint()
        elif self.sets:
            self.open_set_page(self.sets[self.place].id)

    def no_open(self) -> Message | None:
        """Why there is nothing to open."""
        if self.page is not None:
            return tr("this page is open already")
        return None if self.sets else tr("there is no set")

    @action("back", "escape", tr("back"), tr("close the page, clear the filter, then to the plans; never quits"),
            why_not=lambda self: self.nothing_to_leave(), footer=2)  # fmt: skip
    def back(self) -> None:
        if self.page is not None:
            self.open_set_page(None)
        elif self.filter:
            self.set_filter("")
        else:
            self.focus_on = "plans"
            self.repaint()

    def nothing_to_leave(self) -> Message | None:
        """Why there is nothing to go back from."""
        if self.page is not None or self.filter or self.focus_on == "sets":
            return None
        return tr("this is the first screen; q quits")

    @action("other-list", "tab left right", tr("other list"), tr("from the plans to the sets, and back"))
    def other_list(self) -> None:
        self.focus_on = "sets" if self.focus_on == "plans" else "plans"
        self.repaint()

    down, up = row_moves.down, row_moves.up
    page_down, page_up = row_moves.page_down, row_moves.page_up
    first, last = row_moves.first, row_moves.last

    @action("filter", "slash", tr("filter"), tr("keep the sets that hold these words: date, proof or what is wrong"),
            footer=6)  # fmt: skip
    def ask_filter(self) -> None:
        self.focus_on = "sets"
        self.lilfox.ask_line("/", self.filter, self.set_filter)

    @action("read-again", "R", tr("read again"), tr("look at the stores now"), why_not=lambda self: self.no_plan())
    def read_again(self) -> None:
        self.lilfox.monitor.backups.look_again()

    @action(
        "copy", "y", tr("copy"), tr("the id of the set to the clipboard (OSC 52)"), why_not=lambda self: self.no_set()
    )
    def copy(self) -> None:
        if (found := self.chosen_set) is not None:
            self.lilfox.copy_text(found.id)

    def no_plan(self) -> Message | None:
        """Why there is nothing to act on."""
        if self.plans:
            return None
        return tr("no backups are configured: backup: plans: in the configuration")

    def no_set(self) -> Message | None:
        """Why an act on a set cannot be done."""
        if self.chosen_set is not None:
            return None
        return self.no_plan() or tr("there is no set")


def is_about(job: Job, view: PlanView) -> bool:
    """Whether a job acts on a plan, or on a store that has none: their keys say it."""
    _kind, _space, rest = job.key.partition(" ")
    subject = view.name if view.config is not None else view.where or view.store
    return rest == subject or rest.startswith(f"{subject} ")


def _words(found: BackupSet) -> str:
    return f"{found.id} {found.status} {found.reason} {' '.join(part.source for part in found.parts)}".lower()
