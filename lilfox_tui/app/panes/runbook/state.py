"""What the Runbook pane shows: its items, the selected and open ones, and the enabled actions. Nothing is drawn
here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lilfox_tui.app.evidence import Cause, cause_of, firing_alerts, firing_names
from lilfox_tui.app.panes.runbook.rows import values_of
from lilfox_tui.app.panes.runbook.timeline import IncidentTimeline
from lilfox_tui.app.rows.hosts import firing_role
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.monitor.model import Overview, RunbooksView
from lilfox_tui.redact import redact
from lilfox_tui.runbook.bash.asking import labels_for
from lilfox_tui.runbook.library import local_copies, ordered
from lilfox_tui.runbook.model import BUNDLED
from lilfox_tui.runbook.run.state import Turn
from lilfox_tui.runbook.run.variables import check_value, plain, shown

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.incident.model import Incident
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Command, Problem, Runbook
    from lilfox_tui.runbook.run.state import CommandResult, RunState


# The rows of the list of runbooks.


class RunbookItem(NamedTuple):
    """A row of the list: a runbook, a run of an unlisted runbook, or an unusable file."""

    key: str
    """That of a run's job."""
    title: str
    runbook: Runbook | None = None
    job: Job | None = None
    """A run of it that goes on, or whose job was killed."""
    alert: str = ""
    """A firing alert that it is for."""
    problems: tuple[Problem, ...] = ()
    last: Job | None = None
    """Its newest run, where that has ended."""
    origin: str = ""
    """Where it is from, if another row has its title."""


_CALLED = {"service": ("job",), "host": ("instance",)}
"""Labels that tell the same as a variable of another name."""


def values_from(cause: Cause, runbook: Runbook) -> dict[str, str]:
    """Return the values for variables that come from labels of an alert with a matching name. Skips variables that have
    a default or are secret, and values that the variable's type rejects."""
    found: dict[str, str] = {}
    for variable in runbook.variables:
        names = (*labels_for(variable.name), *_CALLED.get(variable.name, ()))
        text = next((cause.labels[name] for name in names if name in cause.labels), None)
        if text is None or variable.default is not None or variable.type == "secret":
            continue
        try:
            found[variable.name] = check_value(variable, text, denied=Denied())
        except LilFoxError:
            continue
    return found


def items_of(view: RunbooksView, firing: Sequence[str], seen: Collection[str] = ()) -> list[RunbookItem]:
    """Return the items of the list: those with a running or interrupted run first, then those for firing alerts, then
    the others, and unusable files last. An ended run of an unlisted runbook stays in the list if its key is in
    ``seen``."""
    live = left_over(view.runs)
    ended = {key: job for key, job in newest_of(view.runs).items() if key not in live}
    problems = {each.path: _errors(each.problems) for each in view.documents or ()}
    found = [
        RunbookItem(
            key_of(each), each.title, each, live.get(key_of(each)),
            next((name for name in firing if name in each.alerts), ""), problems.get(each.path, ()),
            ended.get(key_of(each)),
        )
        for each in ordered(view.runbooks, firing)
    ]  # fmt: skip
    known = {each.key for each in found}
    found = [RunbookItem(key, job.title, job=job) for key, job in live.items() if key not in known] + found
    found += [RunbookItem(key, job.title, last=job) for key, job in ended.items() if key not in known and key in seen]
    broken = [each for each in view.documents or () if not each.runbooks and _errors(each.problems)]
    found += [RunbookItem(each.path, each.path, problems=_errors(each.problems)) for each in broken]
    return sorted(_told_apart(found), key=lambda item: item.job is None)


def _told_apart(items: Sequence[RunbookItem]) -> list[RunbookItem]:
    """Adds the origin to items that have the same title, such as a user's own runbook and the one shipped with
    LilFox."""
    titles = Counter(item.title for item in items)
    return [
        item._replace(origin=_origin(item.runbook.path))
        if item.runbook is not None and titles[item.title] > 1
        else item
        for item in items
    ]


def _origin(path: str) -> str:
    return "LilFox" if path.startswith(BUNDLED) else Path(path).name


def key_of(runbook: Runbook) -> str:
    """Return the key of the jobs that run this runbook, the same as in ``runbook.run.protocol.request_of``."""
    return f"runbook {runbook.path}#{runbook.id}"


def _errors(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return the errors because of which nothing of the file is run."""
    return tuple(each for each in problems if each.severity == "error" and each.blocks == "file")


def newest_of(runs: Sequence[Job]) -> dict[str, Job]:
    """The newest run of each key."""
    newest: dict[str, Job] = {}
    for job in runs:  # newest first
        newest.setdefault(job.key, job)
    return newest


def left_over(runs: Sequence[Job]) -> dict[str, Job]:
    """The newest run of each key, if it is running or was killed."""
    return {key: job for key, job in newest_of(runs).items() if job.state == "running" or _was_killed(job)}


def _was_killed(job: Job) -> bool:
    """Return whether a run's job ended without a result of its own."""
    return job.state in ("unknown", "cancelled") and not job.result and not job.checked


LIST, STEPS, COMMAND, INCIDENT = 0, 1, 2, 3
"""The columns, and the page of the incident."""
TWO, DOCUMENT, THREE = 80, 100, 120
"""Cells from which two columns stand side by side, from which the document of a runbook that has no run stands beside
the list, and from which three columns stand side by side while the list is there."""
Place = tuple[int, int | None]
"""A step, and a command of it where it has several."""


class RunbookAlerts:
    """The firing alerts of the overview, and which of them a runbook is for. ``cause``: the alert that opened the
    pane."""

    def __init__(self, overview: Callable[[], Overview | None], cause: Callable[[], Cause | None]) -> None:
        self._overview, self._cause = overview, cause

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the firing alerts: first the one for which the pane was opened, then worst first."""
        names, cause = firing_names(self._overview()), self._cause()
        return names if cause is None else (cause.alert, *(each for each in names if each != cause.alert))

    def of(self, runbook: Runbook) -> tuple[Alert, ...]:
        """The firing alerts that name the runbook: first the one for which the pane was opened, then worst first, those
        that are silenced last."""
        found = [each for each in firing_alerts(self._overview()) if each.name in runbook.alerts]
        cause = self._cause()
        first = None if cause is None else (cause.alert, dict(cause.labels))
        return tuple(sorted(found, key=lambda each: ((each.name, _labels_of(each)) != first, bool(each.silenced_by))))

    def cause_of_run(self, runbook: Runbook) -> Cause | None:
        """The alert that a run of the runbook would be for: the one for which the pane was opened, else a firing one
        that names it and is not silenced; None also where several of these would give the run different values."""
        if (cause := self._cause()) is not None:
            return cause
        causes = [cause_of(each) for each in self.of(runbook) if not each.silenced_by]
        same = all(values_from(each, runbook) == values_from(causes[0], runbook) for each in causes)
        return causes[0] if causes and same else None

    def values(self, runbook: Runbook) -> dict[str, list[str]]:
        """The values that the firing alerts provide for the runbook's variables, the worst alert's first."""
        found: dict[str, list[str]] = {}
        for alert in self.of(runbook):
            for name, value in values_from(cause_of(alert), runbook).items():
                if value not in (values := found.setdefault(name, [])):
                    values.append(value)
        return found

    def role_of(self, alert: str) -> str:
        """The colour of that alert, by the worst severity with which it fires; muted where it does not fire now."""
        urgencies = [each.urgency for each in firing_alerts(self._overview()) if each.name == alert]
        return firing_role(max(urgencies)) if urgencies else "muted"


class RunbookState:
    """The pane's state. ``runs`` are the watched ones by job; ``overview`` returns the shown overview."""

    def __init__(self, runs: Mapping[str, RunLog], overview: Callable[[], Overview | None]) -> None:
        self.runs = runs
        self.alerts = RunbookAlerts(overview, lambda: self.cause)
        self.view: RunbooksView | None = None
        self.timeline = IncidentTimeline()
        self.column = LIST
        self.chosen = ""
        """Key of the chosen item; the first when empty."""
        self.chosen_place: Place | None = None
        """What somebody selected; None goes along with the run."""
        self.cause: Cause | None = None
        """The alert that led here."""
        self.filter = ""
        self.only_matching = True
        self.zoomed = False
        self.busy = False
        """An order is being asked for, or given."""
        self.last_run: dict[str, str] = {}
        """The newest run of each item that was seen from here, by its job: ours, and what others began meanwhile."""
        self.output_top: int | None = None
        """Where somebody reads in an output; None where nobody scrolled."""
        self.command_top = 0
        """The first visible row of the command, or of the document."""
        self._before_incident = LIST
        """The column to go back to."""
        self._looks_for = False
        """An alert led here before the runbooks were read."""
        self._items: tuple[tuple[object, ...], tuple[RunbookItem, ...]] = ((), ())

    # ---- the list of runbooks ------------------------------------------------------------------------------------

    @property
    def items(self) -> tuple[RunbookItem, ...]:
        """All rows of the list that the filter leaves; the same object while nothing changes."""
        wanted = self.filter if self.only_matching else ""
        made_of = (self.view, self.alerts.names, wanted, tuple(sorted(self.last_run.items())))
        if self._items[0] != made_of:
            found = () if self.view is None else items_of(self.view, self.alerts.names, self.last_run)
            self._items = made_of, tuple(each for each in found if _holds_all(each, wanted))
        return self._items[1]

    @property
    def item(self) -> RunbookItem | None:
        """The selected row; if none was chosen, the first."""
        items = self.items
        return next((each for each in items if each.key == self.chosen), items[0] if items else None)

    def choose_item(self, key: str) -> None:
        """Chooses the runbook whose steps are shown."""
        if key != self.chosen:
            self.chosen, self.chosen_place, self.output_top, self.command_top = key, None, None, 0

    def select_match(self, direction: int) -> None:
        """Chooses the next (1) or previous (-1) runbook that the filter matches, wrapping around."""
        items, item = self.items, self.item
        start = items.index(item) if item is not None else 0
        for offset in range(1, len(items) + 1):
            found = items[(start + direction * offset) % len(items)]
            if _holds_all(found, self.filter):
                self.column = LIST
                self.choose_item(found.key)
                return

    def set_filter(self, text: str) -> None:
        """Shows only, or marks, the runbooks that contain every word of ``text``."""
        self.filter, self.column = text, LIST

    def toggle_only_matching(self) -> None:
        """Switches between hiding what does not match the filter and marking what does."""
        self.only_matching = not self.only_matching

    def take_runbooks(self, view: RunbooksView) -> None:
        """Stores ``view``, and selects the runbook for an alert if it could not be selected before."""
        self.view = view
        if self._looks_for:
            self._select_for_cause()

    def look_for(self, cause: Cause) -> None:
        """Puts the runbooks for an alert first, and chooses the first one."""
        self.cause, self.filter, self.chosen = cause, "", ""
        self.choose_place(None)
        self._select_for_cause()

    def _select_for_cause(self) -> None:
        """Selects the first runbook for the cause; repeated later if the runbooks are not read yet."""
        self._looks_for = self.view is None or self.view.documents is None
        cause, documents = self.cause, (None if self.view is None else self.view.documents) or ()
        first = next((each for each in self.items if cause is not None and each.alert == cause.alert), None)
        if first is None and cause is not None and cause.runbook_url:
            keys = {key_of(each) for each in local_copies(cause.runbook_url, documents)}
            first = next((each for each in self.items if each.key in keys), None)
        if first is not None:
            self.choose_item(first.key)
        self.column = STEPS if first is not None else LIST

    # ---- the run of the chosen row -------------------------------------------------------------------------------

    def run_of(self, item: RunbookItem) -> RunLog | None:
        """Return the run of a row: the running one, or the last one that was followed here."""
        ours = self.last_run.get(item.key, "")
        return self.runs.get(ours or (item.job.id if item.job is not None else ""))

    @property
    def seen(self) -> RunLog | None:
        """The run of the chosen row."""
        item = self.item
        return None if item is None else self.run_of(item)

    @property
    def run(self) -> RunLog | None:
        """The run of the selected row if it is in progress, so that it can be controlled."""
        log = self.seen
        return log if log is not None and log.ended is None and log.reducer is not None else None

    @property
    def runbook(self) -> Runbook | None:
        """The runbook text that the run uses; without a run, the text of the file."""
        log, item = self.seen, self.item
        if log is not None and log.reducer is not None:
            return log.reducer.runbook
        return None if item is None else item.runbook

    @property
    def killed(self) -> Job | None:
        """The run of the selected row if its job was killed."""
        item = self.item
        return item.job if item is not None and self.cut_off(item) else None

    def cut_off(self, item: RunbookItem) -> bool:
        """Return whether the item's run was killed, and no newer one has been started here since."""
        job = item.job
        return job is not None and job.state != "running" and self.last_run.get(item.key, job.id) == job.id

    @property
    def finished(self) -> str:
        """The id of the ended run whose result enter opens; empty where enter starts a run: none has ended, or the last
        one ended before this console looked, and an alert fires again."""
        item, log = self.item, self.seen
        if item is None or self.killed is not None:
            return ""
        if log is not None:
            return "" if log.ended is None else log.job_id
        return "" if item.last is None or item.alert else item.last.id

    @property
    def turn(self) -> Turn | None:
        """The turn that runs now or comes next in the shown run; None if it has ended."""
        log = self.seen
        return None if log is None or log.ended is not None else log.turn

    @property
    def failed_turn(self) -> Turn | None:
        """Of a run that has ended, the first command that failed, or of which nobody knows how it ended."""
        run = self.seen
        return None if run is None or run.ended is None else _failed_turn(run.state)

    @property
    def failed_undo(self) -> CommandResult | None:
        """The result of the last command if it was an undo and failed."""
        run = self.run
        if run is None or run.state is None:
            return None
        begun = [result for step in run.state.steps for each in step.commands for result in each.results]
        last = max(begun, key=lambda result: result.began, default=None)
        return last if last is not None and last.rollback and last.state in ("failed", "unknown") else None

    def results(self) -> tuple[CommandResult, ...]:
        """The results shown below the command, one per host. These are the selected command's own; if it has none,
        those of the command that started last (in the selected step, or in the whole run while the run is followed).
        The results of a failed undo take precedence."""
        run, found = self.seen, self.command
        if run is None or run.reducer is None or run.state is None:
            return ()
        failed = None if self.chosen_place is not None or self.failed_undo is None else self.failed_undo.run
        if failed is not None and (place := run.reducer.place(failed)) is not None:
            return tuple(run.reducer.results(place[0].step, place[0].command or 0).values())
        own = () if found is None else tuple(run.reducer.results(found[0], found[1]).values())
        if own or (found is not None and self.chosen_place is not None):
            return own
        along = self.chosen_place is None
        steps = run.state.steps if along else run.state.steps[self.place[0] : self.place[0] + 1]
        begun = [command.results for step in steps for command in step.commands if command.results]
        return max(begun, key=lambda results: results[-1].began, default=())

    # ---- steps and commands --------------------------------------------------------------------------------------

    @property
    def places(self) -> Sequence[Place]:
        """The rows of the step list."""
        runbook = self.runbook
        found: list[Place] = []
        for number, step in enumerate(() if runbook is None else runbook.steps):
            found.append((number, None))
            if len(step.commands) > 1:
                found += [(number, at) for at in range(len(step.commands))]
        return found

    @property
    def place(self) -> Place:
        """The selected step or command: the user's choice, else that of the run. For a run that has ended, it is the
        first one that failed or, if none did, the last one that ran."""
        chosen = self.chosen_place
        if chosen is not None and chosen in self.places:
            return chosen
        turn, run = self.turn, self.seen
        if turn is None and run is not None and run.reducer is not None:
            turn = self.failed_turn or run.reducer.last_begun()
        if turn is not None:
            return self.place_of(turn)
        return (0, None) if run is None or run.reducer is None else (max(0, len(run.reducer.runbook.steps) - 1), None)

    def place_of(self, turn: Turn) -> Place:
        """The position of a turn in the list."""
        runbook = self.runbook
        several = runbook is not None and len(runbook.steps[turn.step].commands) > 1
        return turn.step, turn.command if several else None

    def choose_place(self, place: Place | None) -> None:
        """Selects a step or command; None follows the run."""
        if place != self.chosen_place:
            self.chosen_place, self.output_top, self.command_top = place, None, 0

    @property
    def command(self) -> tuple[int, int, Command] | None:
        """The selected command with its step and number; None if no single command is selected."""
        runbook, (step, number) = self.runbook, self.place
        if runbook is None or step >= len(runbook.steps):
            return None
        commands = runbook.steps[step].commands
        if number is None and len(commands) != 1:
            return None
        return step, number or 0, commands[number or 0]

    @property
    def values(self) -> dict[str, str]:
        """The known values of the shown run; without a run, the initial ones. Without secret values."""
        log, runbook = self.seen, self.runbook
        if log is not None and log.reducer is not None:
            return log.reducer.values
        if runbook is None:
            return {}
        return values_of(runbook) | self.values_of_cause(runbook)

    def values_on(self, hosts: Sequence[str]) -> dict[str, str]:
        """Return the values known for these hosts; a value captured on several hosts may differ by host."""
        log = self.seen
        return self.values if log is None or log.reducer is None else log.reducer.known.shown(hosts)

    def values_of_cause(self, runbook: Runbook) -> dict[str, str]:
        """Return the values that the alert of a run provides for the runbook's variables."""
        cause = self.alerts.cause_of_run(runbook)
        return {} if cause is None else values_from(cause, runbook)

    def text_to_copy(self) -> str | None:
        """Return the text to copy to the clipboard: the selected command with its values filled in; in the runbook
        list, the runbook_url of the alert for which the pane was opened."""
        if self.column == LIST and self.cause is not None and self.cause.runbook_url:
            return self.cause.runbook_url
        runbook, found = self.runbook, self.command
        if runbook is None or found is None:
            return None
        log = self.seen
        hosts = () if log is None or log.state is None else log.state.steps[found[0]].commands[found[1]].hosts
        pieces = shown(found[2], self.values_on(hosts), runbook.variables)
        return redact(plain(pieces))

    # ---- columns -------------------------------------------------------------------------------------------------

    def side_by_side(self, width: int) -> int:
        """The number of columns that fit side by side in that width."""
        if self.zoomed or width < TWO:
            return 1
        return 3 if self.column == LIST and width >= THREE else 2

    def shows_document(self, width: int) -> bool:
        """Whether the document of the selected runbook stands beside the list in that width: no run of it is shown."""
        item = self.item
        at_rest = item is not None and item.runbook is not None and self.seen is None and self.killed is None
        return at_rest and self.column == LIST and not self.zoomed and width >= DOCUMENT

    def shows_less(self, width: int) -> bool:
        """Return whether enter first opens the next column, because only one column fits."""
        return self.side_by_side(width) == 1 and self.column < COMMAND

    def go_column(self, column: int) -> None:
        """Makes another column active."""
        if self.column == LIST:
            self.command_top = 0  # it was that of the document
        self.column = max(LIST, min(COMMAND, column))

    def next_column(self) -> None:
        """Makes the next part active: runbooks, steps, command, the open incident."""
        last = COMMAND if self.open_incident is None or self.zoomed else INCIDENT
        column = self.column + 1 if self.column < last else LIST
        if column == INCIDENT:
            self.open_page()
        else:
            self.column = column

    def open_page(self) -> None:
        """Shows the page of the incident."""
        if self.column != INCIDENT:
            self._before_incident, self.column, self.zoomed = self.column, INCIDENT, False
            self.timeline.entry = None

    def move(self, step: int) -> None:
        """Selects the row ``step`` rows down or up in the active list."""
        if self.column == INCIDENT:
            self.timeline.choose(self.timeline.entry_at + step)
        elif self.column == LIST:
            items, item = self.items, self.item
            if item is not None:
                self.choose_item(items[max(0, min(len(items) - 1, items.index(item) + step))].key)
        elif self.column == STEPS and (places := self.places):
            at = places.index(self.place) if self.place in places else 0
            self.choose_place(places[max(0, min(len(places) - 1, at + step))])

    def toggle_zoom(self) -> None:
        """Shows the command and its output alone, or all columns again."""
        self.zoomed = not self.zoomed
        self.column = COMMAND if self.zoomed else STEPS

    def back(self) -> None:
        """Goes back one level: leaves the incident or the zoom, else moves a column to the left, else clears the
        filter."""
        if self.column == INCIDENT:
            self.column = self._before_incident
        elif self.zoomed:
            self.toggle_zoom()
        elif self.column > LIST:
            self.column -= 1
        else:
            self.filter = ""

    def why_not_back(self) -> Message | None:
        """Why the pane cannot go back."""
        if self.zoomed or self.filter or self.column > LIST:
            return None
        return tr("this is the first screen; q quits")

    # ---- the incident --------------------------------------------------------------------------------------------

    @property
    def open_incident(self) -> Incident | None:
        """The open incident."""
        return None if self.timeline.view is None else self.timeline.view.incident

    def runs_of(self, incident: str) -> list[RunLog]:
        """The runs of that incident that are in progress."""
        return [
            run
            for run in self.runs.values()
            if run.ended is None and run.reducer is not None and run.reducer.incident == incident
        ]

    @property
    def next_runbook(self) -> RunbookItem | None:
        """The first runbook for a firing alert of the incident."""
        names = self.timeline.alerts
        offered = ((each, each.runbook) for each in self.items if each.alert)
        return next((each for each, found in offered if found and names.intersection(found.on_alert)), None)

    def leave_page(self) -> None:
        """Leaves the page of the incident for the run of it that is in progress, else for the runbook of its alert."""
        if self.column != INCIDENT:
            return
        live = [] if self.open_incident is None else self.runs_of(self.open_incident.id)
        found = next((each for each in self.items if self.run_of(each) in live), self.next_runbook)
        if found is None:
            self.back()
        else:
            self.choose_item(found.key)
            self.column = STEPS

    def runs_of_others(self) -> list[RunLog]:
        """The shown run and the runs of the open incident that somebody else controls."""
        incident = "" if self.open_incident is None else self.open_incident.id
        return [
            run
            for run in self.runs.values()
            if run.actor and (run is self.run or (run.reducer is not None and run.reducer.incident == incident != ""))
        ]


def _labels_of(alert: Alert) -> dict[str, str]:
    """The labels of an alert as those of a :class:`Cause`."""
    return {name: value for name, value in alert.labels if name != "alertname"}


def _failed_turn(state: RunState | None) -> Turn | None:
    """The first command of a run that failed, or of which nobody knows how it ended."""
    for step, each in enumerate(() if state is None else state.steps):
        for number, command in enumerate(each.commands):
            if command.state in ("failed", "unknown"):
                return Turn(step, number, command.hosts)
    return None


def _holds_all(item: RunbookItem, words: str) -> bool:
    return all(word in f"{item.title} {item.key}".lower() for word in words.lower().split())
