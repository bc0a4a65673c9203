"""What the keys do in the Runbook pane: choosing a runbook, a step and a command of it.

Nothing of runbook/, incident/ and jobs/ is imported before it is needed: with keys of its own a configuration has this
imported before the first frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from lilfox_tui.app.actions import action
from lilfox_tui.app.cause import Cause
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.incident_view import IncidentView, RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Command, Problem, Runbook
    from lilfox_tui.runbook.states import Result
    from lilfox_tui.runbook.turns import Turn

KIND = "runbook"
"""Of a run's job."""
LIST, STEPS, COMMAND = 0, 1, 2
"""The columns."""
TWO, THREE = 100, 120
"""Columns of the screen from which two parts stand side by side, and three."""
Place = tuple[int, int | None]
"""A step, and a command of it where it has several."""


class Item(NamedTuple):
    """A row of the list: a runbook, a run of one that is listed no more, or a file that cannot be used."""

    key: str
    """That of a run's job."""
    title: str
    runbook: Runbook | None = None
    job: Job | None = None
    """A run of it that goes on, or whose job was killed."""
    alert: str = ""
    """A firing alert that it is for."""
    problems: tuple[Problem, ...] = ()


class RunbookKeys(Pane):
    """The pane's state that keys change, and their handlers. Drawing is in ``runbook_drawing.py``."""

    def __init__(self) -> None:
        super().__init__(id="runbook")
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
        """The newest run of each item that was seen from here, by its job."""
        self.output_top: int | None = None
        """Where somebody reads in an output; None at its end."""
        self._items: tuple[tuple[object, ...], tuple[Item, ...]] = ((), ())

    # ---- what is chosen ------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time that ages are told at (aware UTC)."""
        shown = self.lilfox.shown
        return shown.at if shown is not None and not shown.rewound else datetime.now(UTC)

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
            self._items = made_of, tuple(each for each in self._all_items() if self._matches(each))
        return self._items[1]

    def _matches(self, item: Item) -> bool:
        return all(word in f"{item.title} {item.key}".lower() for word in self.filter.lower().split())

    def _all_items(self) -> list[Item]:
        if self.view is None:
            return []
        from lilfox_tui.runbook.library import ordered

        firing, live = self.firing, _live(self.view.runs)
        problems = {each.path: _errors(each.problems) for each in self.view.documents or ()}
        found = [
            Item(
                key_of(each), each.title, each, live.get(key_of(each)),
                next((name for name in firing if name in each.on_alert), ""), problems.get(each.path, ()),
            )
            for each in ordered(self.view.runbooks, firing)
        ]  # fmt: skip
        known = {each.key for each in found}
        found = [Item(key, job.title, job=job) for key, job in live.items() if key not in known] + found
        broken = [each for each in self.view.documents or () if not each.runbooks and _errors(each.problems)]
        found += [Item(each.path, each.path, problems=_errors(each.problems)) for each in broken]
        return sorted(found, key=lambda item: item.job is None)

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
        if item is None or item.job is None or item.job.state == "running" or item.key in self.last_run:
            return None
        return item.job

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
        """The selected step or command: what somebody chose, else what the run is at."""
        places = self.places
        if self.chosen_place in places:
            return self.chosen_place  # type: ignore[return-value]
        turn = self.turn
        return (0, None) if turn is None else self.place_of(turn)

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

    def results(self) -> tuple[Result, ...]:
        """Of the selected command on each host; of a step of several that of what began last."""
        log, found = self.seen, self.command
        if log is None or log.folding is None or log.state is None:
            return ()
        if found is not None:
            return tuple(log.folding.results(found[0], found[1]).values())
        step = self.place[0]
        commands = log.state.steps[step].commands if step < len(log.state.steps) else ()
        begun = [result for command in commands for result in command.results]
        return (max(begun, key=lambda result: result.began),) if begun else ()

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

    # ---- moving --------------------------------------------------------------------------------------------------

    @property
    def side_by_side(self) -> int:
        """How many columns there are at once."""
        width = self.lilfox.room.width
        return 1 if self.zoomed else 3 if width >= THREE else 2 if width >= TWO else 1

    def move(self, step: int) -> None:
        """The next row, or so many on."""
        if self.column == LIST:
            items, item = self.items, self.item
            if item is not None:
                self.choose_item(items[max(0, min(len(items) - 1, items.index(item) + step))].key)
        elif self.column == STEPS:
            places = self.places
            if places:
                at = places.index(self.place) if self.place in places else 0
                self.choose_place(places[max(0, min(len(places) - 1, at + step))])
        else:
            self._read(step)
        self.repaint()
        self.lilfox.repaint_frame()

    def _read(self, step: int) -> None:
        """Scrolls the output, and above its start the command."""
        output, command = self.query_one("#run-output", Lines), self.query_one("#run-command", Lines)
        if not output.display or (step < 0 and output.top == 0) or (step > 0 and command.hidden_below):
            command.scroll_rows(step)
            return
        output.scroll_rows(step)
        self.output_top = None if output.hidden_below == 0 else output.top

    def go_column(self, column: int) -> None:
        """Gives the keys to another column."""
        self.column = max(LIST, min(COMMAND, column))
        self.repaint()
        self.lilfox.repaint_frame()

    @action("back", "escape", tr("back"), tr("a column back, or out of the zoom or filter; never quits"),
            why_not="nothing_to_leave", footer=8)  # fmt: skip
    def back(self) -> None:
        if self.zoomed:
            self.zoom()
        elif self.column > LIST:
            self.go_column(self.column - 1)
        else:
            self.set_filter("")

    def nothing_to_leave(self) -> Message | None:
        """Why there is nothing to go back from."""
        if self.zoomed or self.filter or self.column > LIST:
            return None
        return tr("this is the first screen; q quits")

    @action("other-list", "tab left right", tr("other list"), tr("the next column: runbooks, steps, the command"))
    def other_list(self) -> None:
        self.go_column((self.column + 1) % 3)

    @action("down", "j down", tr("down"), tr("the next row"))
    def down(self) -> None:
        self.move(1)

    @action("up", "k up", tr("up"), tr("the row before"))
    def up(self) -> None:
        self.move(-1)

    @action("page-down", "pagedown ctrl+d space", tr("page down"), tr("ten rows down"))
    def page_down(self) -> None:
        self.move(10)

    @action("page-up", "pageup ctrl+u", tr("page up"), tr("ten rows up"))
    def page_up(self) -> None:
        self.move(-10)

    @action("first", "g home", tr("first"), tr("the first row"))
    def first(self) -> None:
        self.move(-(10**6))

    @action("last", "G end", tr("last"), tr("the last row; of an output its end, as it grows"))
    def last(self) -> None:
        self.move(10**6)

    @action("filter", "slash", tr("filter"), tr("keep the runbooks that hold these words"), footer=9)
    def ask_filter(self) -> None:
        self.column = LIST
        self.lilfox.ask_line("/", self.filter, self.set_filter)

    def set_filter(self, text: str) -> None:
        """Keeps the runbooks that hold every word of ``text``."""
        self.filter = text
        self.repaint()
        self.lilfox.repaint_frame()

    @action("zoom", "z", tr("zoom"), tr("the command and its output alone, or all columns again"))
    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.go_column(COMMAND if self.zoomed else STEPS)

    @action("follow", "F", tr("follow"), tr("go along with the run again, and with the end of its output"))
    def follow_run(self) -> None:
        self.choose_place(None)
        self.output_top = None
        self.repaint()

    @action("copy", "y", tr("copy"), tr("the command with its values, or the alert's runbook_url, to the clipboard "
            "(OSC 52)"), why_not="nothing_to_copy")  # fmt: skip
    def copy(self) -> None:
        if (text := self._to_copy()) is not None:
            self.lilfox.copy_text(text)

    def nothing_to_copy(self) -> Message | None:
        """Why there is nothing to copy."""
        return None if self._to_copy() is not None else tr("no command is selected")

    def _to_copy(self) -> str | None:
        if self.column == LIST and self.cause is not None and self.cause.runbook_url:
            return self.cause.runbook_url
        runbook, found = self.runbook, self.command
        if runbook is None or found is None:
            return None
        from lilfox_tui.redact import redact
        from lilfox_tui.runbook.filling import shown

        pieces = shown(found[2].text, self.values, runbook.variables)
        return redact("".join(piece.text for piece in pieces))

    @property
    def values(self) -> dict[str, str]:
        """The values that are known of the run that is shown, or that it would begin with; no secret ones."""
        log, runbook = self.seen, self.runbook
        if log is not None and log.folding is not None:
            return log.folding.values
        if runbook is None:
            return {}
        from lilfox_tui.app.runbook_rows import values_of

        return values_of(runbook) | self.values_of_cause(runbook)

    def values_of_cause(self, runbook: Runbook) -> dict[str, str]:
        """What the alert that led here tells of variables that it names, where that is of their type."""
        if self.cause is None:
            return {}
        from lilfox_tui.app.cause import values_from

        return values_from(self.cause, runbook)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        place = event.index - event.lines.sticky
        if place < 0:
            return
        if event.lines.id == "runbooks" and place < len(self.items):
            self.column = LIST
            self.choose_item(self.items[place].key)
        elif event.lines.id == "steps" and place < len(self.places):
            self.column = STEPS
            self.choose_place(self.places[place])
        elif event.lines.id in ("run-command", "run-output"):
            self.column = COMMAND
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if event.lines.id == "run-output":
            self.output_top = None if event.lines.hidden_below == 0 else event.lines.top


def key_of(runbook: Runbook) -> str:
    """The key of a run's job, as ``runbook.wish`` makes it."""
    return f"runbook {runbook.path}#{runbook.id}"


def _errors(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(each for each in problems if each.severity == "error")


def _live(runs: Sequence[Job]) -> dict[str, Job]:
    """By its key each run that goes on or was killed, where none began after it."""
    newest: dict[str, Job] = {}
    for job in runs:  # newest first
        newest.setdefault(job.key, job)
    return {key: job for key, job in newest.items() if job.state == "running" or _was_killed(job)}


def _was_killed(job: Job) -> bool:
    """Without an end that the run itself told."""
    return job.state in ("unknown", "cancelled") and not job.result and not job.checked
