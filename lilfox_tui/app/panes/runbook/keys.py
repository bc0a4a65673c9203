"""What the keys do in the Runbook pane: choosing a runbook, a step and a command of it.

Nothing of runbook/, incident/ and jobs/ is imported before it is needed: with keys of its own a configuration has this
imported before the first frame.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lilfox_tui.app.cause import Cause
from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.panes.runbook.item import Item
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.monitor.model import IncidentView, RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Command, Runbook
    from lilfox_tui.runbook.run.state import CommandResult, Turn

LIST, STEPS, COMMAND = 0, 1, 2
"""The columns."""
TWO, THREE = 100, 120
"""Columns of the screen from which two parts stand side by side, and three."""
Place = tuple[int, int | None]
"""A step, and a command of it where it has several."""


class RunbookKeys(Pane):
    """The pane's state that keys change, and their handlers. Drawing is in ``drawing.py``."""

    ID = "runbook"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.view: RunbooksView | None = None
        self.incident: IncidentView | None = None
        self.column = LIST
        self.chosen = ""
        """Key of the chosen item; the first when empty."""
        self.chosen_place: Place | None = None
        """What somebody selected; None goes along with the run."""
        self.cause: Cause | None = None
        """The alert that led here."""
        self.filter = ""
        self.zoomed = False
        self.busy = False
        """An order is being asked for, or given."""
        self.last_run: dict[str, str] = {}
        """The newest run of each item that was seen from here, by its job: ours, and what others began meanwhile."""
        self.output_top: int | None = None
        """Where somebody reads in an output; None at its end."""
        self._items: tuple[tuple[object, ...], tuple[Item, ...]] = ((), ())

    # ---- what is chosen ------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time that ages are told at (aware UTC)."""
        return self.lilfox.clock if self.lilfox.rewound is None else datetime.now(UTC)  # runs are shown as they are

    @property
    def firing(self) -> tuple[str, ...]:
        """Names of the alerts that fire, that which led here first, then the worst."""
        from lilfox_tui.app.cause import firing_names

        names = firing_names(self.lilfox.shown)
        return (
            names if self.cause is None else (self.cause.alert, *(each for each in names if each != self.cause.alert))
        )

    @property
    def items(self) -> tuple[Item, ...]:
        """All rows of the list that the filter leaves; the same object while nothing changes."""
        made_of = (self.view, self.firing, self.filter, tuple(sorted(self.last_run.items())))
        if self._items[0] != made_of:
            found = () if self.view is None else _items_of(self.view, self.firing, self.last_run)
            self._items = made_of, tuple(each for each in found if self._matches(each))
        return self._items[1]

    def _matches(self, item: Item) -> bool:
        return all(word in f"{item.title} {item.key}".lower() for word in self.filter.lower().split())

    @property
    def item(self) -> Item | None:
        """The chosen row: until somebody chooses the first."""
        items = self.items
        return next((each for each in items if each.key == self.chosen), items[0] if items else None)

    @property
    def seen(self) -> RunLog | None:
        """The run of the chosen row: that which goes on, or the last one that was seen from here."""
        item = self.item
        if item is None:
            return None
        ours = self.last_run.get(item.key, "")
        return self.lilfox.runs.get(ours or (item.job.id if item.job is not None else ""))

    @property
    def run(self) -> RunLog | None:
        """The run that takes orders: it goes on."""
        log = self.seen
        return log if log is not None and log.ended is None and log.folding is not None else None

    @property
    def runbook(self) -> Runbook | None:
        """As the run has it; without one, as its file has it."""
        log, item = self.seen, self.item
        if log is not None and log.folding is not None:
            return log.folding.runbook
        return None if item is None else item.runbook

    @property
    def killed(self) -> Job | None:
        """The run of the chosen row whose job is gone without an end."""
        item = self.item
        return item.job if item is not None and self.cut_off(item) else None

    def cut_off(self, item: Item) -> bool:
        """Whether its run was killed, and no other one was begun since that is not listed yet."""
        job = item.job
        return job is not None and job.state != "running" and self.last_run.get(item.key, job.id) == job.id

    @property
    def turn(self) -> Turn | None:
        """What runs, or is to be done next, in the run that is shown."""
        log = self.seen
        return None if log is None or log.ended is not None else log.turn

    @property
    def places(self) -> Sequence[Place]:
        """The rows of the list of steps."""
        runbook = self.runbook
        found: list[Place] = []
        for number, step in enumerate(() if runbook is None else runbook.steps):
            found.append((number, None))
            if len(step.commands) > 1:
                found += [(number, at) for at in range(len(step.commands))]
        return found

    @property
    def place(self) -> Place:
        """The selected step or command: what somebody chose, else what the run is at; of one that has ended, what ran
        last in it, which is the one whose output is shown."""
        places = self.places
        if self.chosen_place in places:
            return self.chosen_place  # type: ignore[return-value]
        turn, run = self.turn, self.seen
        if turn is None and run is not None and run.folding is not None:
            turn = run.folding.last_begun()
        if turn is not None:
            return self.place_of(turn)
        return (0, None) if run is None or run.folding is None else (max(0, len(run.folding.runbook.steps) - 1), None)

    def place_of(self, turn: Turn) -> Place:
        """Where a turn stands in the list."""
        runbook = self.runbook
        several = runbook is not None and len(runbook.steps[turn.step].commands) > 1
        return turn.step, turn.command if several else None

    @property
    def command(self) -> tuple[int, int, Command] | None:
        """The selected command with its step and number; None where a step of several, or of none, is selected."""
        runbook, (step, number) = self.runbook, self.place
        if runbook is None or step >= len(runbook.steps):
            return None
        commands = runbook.steps[step].commands
        if number is None and len(commands) != 1:
            return None
        return step, number or 0, commands[number or 0]

    @property
    def failed_undo(self) -> CommandResult | None:
        """What was to take a change back and did not, where nothing was begun after it."""
        run = self.run
        if run is None or run.state is None:
            return None
        begun = [result for step in run.state.steps for each in step.commands for result in each.results]
        last = max(begun, key=lambda result: result.began, default=None)
        return last if last is not None and last.rollback and last.state in ("failed", "unknown") else None

    def results(self) -> tuple[CommandResult, ...]:
        """What is shown below the command: what became of it on each host. Of a step of several commands, and of what
        waits for its turn while somebody goes along with the run, what became of the command that began last; of one
        that was to take something back and failed, before that of what waits."""
        run, found = self.seen, self.command
        if run is None or run.folding is None or run.state is None:
            return ()
        failed = None if self.chosen_place is not None or self.failed_undo is None else self.failed_undo.run
        if failed is not None and (place := run.folding.place(failed)) is not None:
            return tuple(run.folding.results(place[0].step, place[0].command or 0).values())
        own = () if found is None else tuple(run.folding.results(found[0], found[1]).values())
        if own or (found is not None and self.chosen_place is not None):
            return own
        along = self.chosen_place is None
        steps = run.state.steps if along else run.state.steps[self.place[0] : self.place[0] + 1]
        begun = [command.results for step in steps for command in step.commands if command.results]
        return max(begun, key=lambda results: results[-1].began, default=())

    def choose_item(self, key: str) -> None:
        """Makes it the runbook whose steps are shown."""
        if key != self.chosen:
            self.chosen, self.chosen_place, self.output_top = key, None, None
            self._scroll_up()

    def choose_place(self, place: Place | None) -> None:
        """Selects a step or command; None goes along with the run."""
        if place != self.chosen_place:
            self.chosen_place, self.output_top = place, None
            self._scroll_up()

    def _scroll_up(self) -> None:
        if self.is_mounted and self.children:
            self.query_one("#run-command", Lines).scroll_rows(-(10**6))

    @property
    def values(self) -> dict[str, str]:
        """The values that are known of the run that is shown, or that it would begin with; no secret ones."""
        log, runbook = self.seen, self.runbook
        if log is not None and log.folding is not None:
            return log.folding.values
        if runbook is None:
            return {}
        from lilfox_tui.app.panes.runbook.rows import values_of

        return values_of(runbook) | self.values_of_cause(runbook)

    def values_on(self, hosts: Sequence[str]) -> dict[str, str]:
        """The same for these hosts; what was captured on several is each one's own."""
        log = self.seen
        return self.values if log is None or log.folding is None else log.folding.known.shown(hosts)

    def values_of_cause(self, runbook: Runbook) -> dict[str, str]:
        """What the alert that led here tells of variables that it names, where that is of their type."""
        if self.cause is None:
            return {}
        from lilfox_tui.app.cause import values_from

        return values_from(self.cause, runbook)

    @property
    def side_by_side(self) -> int:
        """How many columns there are at once."""
        width = self.lilfox.room.width
        return 1 if self.zoomed else 3 if width >= THREE else 2 if width >= TWO else 1

    @property
    def shows_less(self) -> bool:
        """Whether enter first goes to the command, which has no place beside the steps."""
        return self.side_by_side == 1 and self.column < COMMAND


def _items_of(view: RunbooksView, firing: Sequence[str], seen: Collection[str]) -> Sequence[Item]:
    from lilfox_tui.app.panes.runbook.items import items_of

    return items_of(view, firing, seen)
