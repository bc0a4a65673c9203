"""Draws the Runbook pane from its state: runbooks, steps, the command over its output, and the incident. Imported when
the pane is first shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.layout import BESIDE, PartId, Wants, arrange_parts, draw_plain, incident_left
from lilfox_tui.app.panes.runbook.outputs import OutputOf, Outputs, earlier_outputs
from lilfox_tui.app.panes.runbook.preview import (
    DocumentSteps,
    Preview,
    alerts_with_rules,
    contents_rows,
    head_rows,
    steps_rows,
)
from lilfox_tui.app.panes.runbook.rows import (
    RunbookStyle,
    about_row,
    command_label,
    command_row,
    item_row,
    prose_rows,
    rollback_rows,
    step_row,
    text_rows,
    title_row_of,
    undo_piece,
)
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS, RunbookItem, RunbookState
from lilfox_tui.app.panes.runbook.waiting import WaitingLine
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import (
    NARROWEST,
    PanelArea,
    ScreenPanel,
    bordered,
    cut_row,
    draw_panels,
    highlighted,
    in_sight,
    row_width,
)
from lilfox_tui.app.rows.incidents import (
    authors_width,
    fact_rows,
    incident_note,
    incident_title,
    item_lines,
    item_rows,
    wrapped_facts,
)
from lilfox_tui.app.rows.incidents import item_row as timeline_row
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, clean, fit_middle
from lilfox_tui.incident.model import Incident
from lilfox_tui.incident.reducer import still_in_force
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run.gate import words
from lilfox_tui.runbook.run.state import CommandState, hosts_of

_COLUMN_OF: dict[PartId, int] = {"list": LIST, "document": LIST, "steps": STEPS, "command": COMMAND, "output": COMMAND,
                                 "facts": INCIDENT, "timeline": INCIDENT, "entry": INCIDENT}  # fmt: skip
_IN_BORDER = 5
"""Cells of an upper border that its title cannot have."""
_TITLE_INDENT, _STEP_INDENT, _COMMAND_INDENT, _ROLLBACK_INDENT = 9, 8, 9, 11
"""Cells beside the title of a runbook (with its progress), of a step, and the names of a command and a rollback."""


class PlacedPart(Struct, frozen=True):
    """A part on the screen, and the index of its first visible row."""

    name: PartId
    area: PanelArea
    top: int = 0
    rows: Sequence[int] = ()
    """Of a list whose lines are wrapped, which one each visible row is of."""


class RunbookScreen(Struct, frozen=True):
    """The drawn pane, and what is where on it."""

    rows: Sequence[Row] = ()
    parts: Sequence[PlacedPart] = ()
    command_last: int = 0
    """The first visible row at the end of the command."""
    output_top: int = 0
    output_rest: int = 0
    output_last: int = 0
    """The first visible row of the output: now, where nobody scrolls, and at its end."""

    def at(self, x: int, y: int) -> tuple[PartId, int] | None:
        """The part at those cells, and the index of its row there."""
        for part in self.parts:
            left, y_in = x - part.area.left - 1, y - part.area.top - 1
            if 0 <= left < part.area.inner_width and 0 <= y_in < part.area.inner_height:
                return part.name, part.rows[min(y_in, len(part.rows) - 1)] if part.rows else part.top + y_in
        return None

    def scrolled_output(self, step: int) -> int | None:
        """The first row of the output ``step`` rows further; None at the end, which is followed."""
        top = max(0, min(self.output_last, self.output_top + step))
        return None if top == self.output_rest else top

    def has(self, name: PartId) -> bool:
        """Whether a part is on the screen."""
        return any(part.name == name for part in self.parts)


class Drawing:
    """Makes the rows of the Runbook pane."""

    def __init__(self, context: PaneContext[RunbookState]) -> None:
        self._state, self._app = context.state, context.app
        self._waiting = WaitingLine(context)
        self._outputs = Outputs()
        self._document: tuple[object, Runbook | None, DocumentSteps] = ((), None, DocumentSteps())
        """The steps of a document: what they are made of, and the runbook, which is kept so that its id stays its."""
        self._tops: dict[PartId, int] = {}
        """The first visible row of each list that is longer than its part."""
        self._facts: dict[int, list[Row]] = {}
        """Of this drawing, by their cells."""
        self._entries: Sequence[int] = ()
        """Which line of the timeline each visible row of it is of; empty where each is one row."""

    @property
    def _now(self) -> datetime:
        """The time from which ages are computed (aware UTC); the present on a rewound screen, because runs are not
        rewound."""
        return self._app.clock if self._app.rewound is None else datetime.now(UTC)  # runs are shown as they are

    @property
    def _then(self) -> datetime:
        """The time of the incident that is shown."""
        return self._app.clock if self._app.rewound is None else self._app.rewound

    def style(self, width: int) -> RunbookStyle:
        """The style for a part of that width."""
        return RunbookStyle(width, self._app.glyphs, self._now)

    # ---- the whole pane -----------------------------------------------------------------------------------------

    def draw(self) -> RunbookScreen:
        """Draws everything in the room that the frame leaves."""
        width, height = self._app.room.width, self._app.room.height
        self._facts = {}
        waits = self._waiting.rows()
        main = height - len(waits)
        areas = arrange_parts(width, main, self._wants(width, main))
        screen = RunbookScreen()
        panels: list[ScreenPanel] = []
        parts: list[PlacedPart] = []
        for name, area in areas.items():
            if name == "output":
                panel, screen = self._output_panel(area, screen)
            elif name == "command":
                panel, screen = self._command_panel(area, screen)
            elif name == "document":
                panel, screen = self._document_panel(area, screen)
            else:
                panel = self._panel_of(name)(area)
            panels.append(panel)
            owners = self._entries if name == "timeline" else ()
            parts.append(PlacedPart(name, area, self._tops.get(name, 0), owners))
        if bordered(width, main):
            rows = draw_panels(panels, width, main, self._app.glyphs, slow_link=self._app.slow_link)
        else:
            rows = draw_plain(panels, width, main)
        bar = [tuple(Piece(p.text, p.role, "bar") for p in row) for row in (cut_row(row, width) for row in waits)]
        rows += [(*row, Piece(" " * (width - row_width(row)), "text", "bar")) for row in bar]
        return replace(screen, rows=rows, parts=parts)

    def _wants(self, width: int, height: int) -> Wants:
        state = self._state
        beside = state.side_by_side(width) if state.items else 1
        then = state.timeline.then
        steps = self._steps_width() if beside > 1 else 0
        output = state.column != INCIDENT and bool(state.results())
        text = self._command_rows(self._command_width(width, height, beside, steps)) if output else ()
        return Wants(
            column=state.column,
            beside=beside,
            document=state.shows_document(width),
            titles=self._titles_width() if beside > 1 else 0,
            steps=steps,
            command=len(text),
            output=output,
            zoomed=state.zoomed,
            facts=0 if then is None or state.column != INCIDENT else len(self._fact_rows(self._facts_width(width))),
            timeline=self._timeline_rows(width, height) if then is not None else int(self._was_not_open()),
        )

    def _command_width(self, width: int, height: int, beside: int, steps: int) -> int:
        """The cells of a row of the command."""
        column = COMMAND if beside == 1 else self._state.column
        probe = Wants(column=column, beside=beside, steps=steps, output=True, zoomed=self._state.zoomed)
        area = arrange_parts(width, height, probe).get("command")
        return width if area is None else area.inner_width

    def _titles_width(self) -> int:
        """The cells that the longest row of the runbooks needs."""
        longest = [cell_width(clean(f"{each.title} {each.origin or each.alert}")) for each in self._state.items]
        return max(longest, default=0) + _TITLE_INDENT + (4 if self._app.runs else 0)  # and the step of a run

    def _steps_width(self) -> int:
        """The cells that the longest row of the steps needs."""
        runbook = self._state.runbook
        steps = () if runbook is None else runbook.steps
        log = self._state.seen
        waits = cell_width(log.waits) + 2 if log is not None and log.waits else 0
        longest = [_STEP_INDENT + cell_width(clean(step.title)) + waits for step in steps]
        longest += [
            (_ROLLBACK_INDENT if command.attributes.rollback_of else _COMMAND_INDENT)
            + cell_width(clean("  ".join(filter(None, command_label(command)))))
            for step in steps
            for command in step.commands
            if len(step.commands) > 1
        ]
        return max(longest, default=0)

    def _panel_of(self, name: PartId) -> Callable[[PanelArea], ScreenPanel]:
        panels: dict[PartId, Callable[[PanelArea], ScreenPanel]] = {
            "list": self._list_panel, "steps": self._steps_panel, "facts": self._facts_panel,
            "timeline": self._timeline_panel, "entry": self._entry_panel,
        }  # fmt: skip
        return panels[name]

    def _title(self, name: PartId, text: str) -> Row:
        """The title of a part, which stands out if the part is active."""
        active = _COLUMN_OF[name] == self._state.column
        return (Piece(text, "title" if active else "text"),)

    def _list(
        self, name: PartId, area: PanelArea, count: int, at: int | None, make: Callable[[int], Row], *, here: bool
    ) -> tuple[list[Row], str]:
        """The visible rows of a list with the selected one, and how many are below them."""
        room = max(1, area.inner_height)
        top = self._tops[name] = in_sight(self._tops.get(name, 0), count, room, at)
        rows = [make(index) for index in range(top, min(count, top + room))]
        if here and at is not None:
            rows[at - top] = highlighted(rows[at - top], area.inner_width)
        return rows, more_below(count - top - room)

    # ---- the list ----------------------------------------------------------------------------------------------

    def _list_panel(self, area: PanelArea) -> ScreenPanel:
        state = self._state
        items, item = state.items, state.item
        title = self._title("list", _("Runbooks"))
        if state.filter:
            told = f"/{state.filter}" + ("" if state.only_matching else " " + _("(matches marked)"))
            title = (*title, Piece(f"  {told}", "accent"))
        if not items:
            rows = wrapped([(Piece(" "), Piece(self._waiting.why_none(), "muted"))], area.inner_width)
            return ScreenPanel(area, title, rows)
        here = state.column == LIST
        at = items.index(item) if item is not None else None

        def make(place: int) -> Row:
            return self._item(items[place], area.inner_width, marked=place == at and not here)

        shown, below = self._list("list", area, len(items), at, make, here=here)
        return ScreenPanel(area, title, shown, (Piece(str(len(items)), "muted"),), below)

    def _item(self, item: RunbookItem, width: int, *, marked: bool) -> Row:
        glyphs, right = self._app.glyphs, Piece("", "muted")
        log = self._state.run_of(item)
        if log is not None and log.ended is None and log.state is not None:
            turn = log.turn
            number = len(log.state.steps) if turn is None else turn.step + 1
            bad = log.state.waiting.what == "decision"
            mark = Piece(glyphs.failing if bad else glyphs.job, "failing" if bad else "accent")
            right = Piece(f"{number}/{len(log.state.steps)}", mark.role)
        elif item.job is not None and item.job.state == "running":
            mark = Piece(glyphs.job, "accent")
        elif self._state.cut_off(item):
            mark, right = Piece("?", "failing"), Piece(_("interrupted"), "failing")
        elif log is not None and log.ended is not None:
            good = log.ended.state == "ok"
            mark = Piece(glyphs.done, "good") if good else Piece(glyphs.failing, "degraded")
        elif item.problems:
            mark = Piece(glyphs.failing, "failing")
        elif item.alert:
            fits = cell_width(item.title) + cell_width(item.alert) + 5 <= width  # else the title, and no reason
            mark, right = Piece(glyphs.alert, self._state.alerts.role_of(item.alert)), Piece(item.alert * fits, "muted")
        else:
            mark = Piece(" ", "muted")
        if item.origin and not right.text:
            right = Piece(fit_middle(item.origin, min(cell_width(item.origin), width // 3)), "muted")
        return item_row(mark, item.title, right, width, marked=marked)

    # ---- the document -------------------------------------------------------------------------------------------

    def _document_panel(self, area: PanelArea, screen: RunbookScreen) -> tuple[ScreenPanel, RunbookScreen]:
        """The selected runbook as a whole, before it runs."""
        state, shown = self._state, self._preview()
        assert shown is not None
        runbook = shown.runbook
        style = self.style(area.inner_width)
        then = replace(style, now=self._then)  # of the alerts, which are those of that time
        rows = [*self._problem_rows(area.inner_width), *head_rows(shown, then), *self._steps(shown, style).rows]
        last = max(0, len(rows) - max(1, area.inner_height))
        top = state.command_top = min(state.command_top, last)
        note = (Piece(runbook.severity, "muted"), Piece(f"{runbook.path}:{runbook.line}", "muted"))
        title = self._title("document", runbook.title)
        panel = ScreenPanel(
            area, title, rows[top : top + area.inner_height], note[not runbook.severity :], more_below(last - top)
        )
        return panel, replace(screen, command_last=last)

    def _preview(self) -> Preview | None:
        """What a run of the selected runbook would do; None where it has one."""
        state, item, runbook = self._state, self._state.item, self._state.runbook
        if item is None or runbook is None or state.seen is not None or state.killed is not None:
            return None
        alerts = alerts_with_rules(state.alerts.of(runbook), self._app.shown)
        own, offered = state.values_of_cause(runbook), state.alerts.values(runbook)
        return Preview(runbook, alerts, state.values, own, offered)

    def _steps(self, shown: Preview, style: RunbookStyle) -> DocumentSteps:
        """The steps of the document; the same rows while nothing changes, because a long one takes its time."""
        made_of = (id(shown.runbook), id(self._app.config), dict(shown.values), style.width, style.glyphs)
        if self._document[0] != made_of:
            self._document = made_of, shown.runbook, steps_rows(shown, self._hosts, style)
        return self._document[2]

    # ---- the steps ----------------------------------------------------------------------------------------------

    def _steps_panel(self, area: PanelArea) -> ScreenPanel:
        shown, width = self._state, area.inner_width
        runbook, item = shown.runbook, shown.item
        if runbook is None:
            problems = () if item is None else item.problems
            rows: list[Row] = [(Piece(f"{each.line:>4}  ", "muted"), Piece(each.text, "failing")) for each in problems]
            return ScreenPanel(area, self._title("steps", _("Steps")), wrapped(rows, width))
        places, here = shown.places, shown.column == STEPS
        state = None if shown.seen is None else shown.seen.state
        turn = shown.turn
        at = places.index(shown.place) if shown.place in places else None
        next_place = None if turn is None else shown.place_of(turn)
        waits = "" if shown.seen is None else shown.seen.waits

        def make(index: int) -> Row:
            step, number = places[index]
            marked = index == at and not here
            style = self.style(width)
            if number is None:
                of_step = "ready" if state is None else state.steps[step].state
                is_here = next_place is not None and next_place[0] == step
                told = waits if is_here else ""
                return step_row(step, runbook.steps[step], of_step, style, here=is_here, marked=marked, waits=told)
            of_command = "ready" if state is None else state.steps[step].commands[number].state
            is_here = next_place == (step, number)
            command, waiting = runbook.steps[step].commands[number], is_here and bool(waits)
            return command_row(command, of_command, style, here=is_here, marked=marked, waits=waiting)

        drawn, below = self._list("steps", area, len(places), at, make, here=here)
        return ScreenPanel(area, self._title("steps", runbook.title), drawn, self._waiting.progress(), below)

    # ---- the command -------------------------------------------------------------------------------------------------

    def _command_panel(self, area: PanelArea, screen: RunbookScreen) -> tuple[ScreenPanel, RunbookScreen]:
        state = self._state
        if (shown := self._preview()) is not None:
            return self._preview_panel(shown, area, screen)
        rows = self._command_rows(area.inner_width)
        room = max(1, area.inner_height)
        last = max(0, len(rows) - room)
        top = state.command_top = min(state.command_top, last)
        runbook, step = state.runbook, state.place[0]
        named = runbook is not None and step < len(runbook.steps)
        title = self._title(
            "command", f"{step + 1}. {runbook.steps[step].title}" if runbook and named else _("Command")
        )
        self._tops["command"] = top
        panel = ScreenPanel(area, title, rows[top : top + room], self._waiting.enter_note(), more_below(last - top))
        return panel, replace(screen, command_last=last)

    def _preview_panel(
        self, shown: Preview, area: PanelArea, screen: RunbookScreen
    ) -> tuple[ScreenPanel, RunbookScreen]:
        """All commands of a runbook that has no run, in order; it is read from the selected step on if that would not
        be in sight."""
        state, style, room = self._state, self.style(area.inner_width), max(1, area.inner_height)
        above, steps = [*self._problem_rows(area.inner_width), *contents_rows(shown, style)], self._steps(shown, style)
        rows, (first, end) = [*above, *steps.rows], [at + len(above) for at in steps.span(state.place)]
        if steps.rows:
            rows[first] = highlighted(rows[first], area.inner_width)
        last = max(0, len(rows) - room)
        start = min(first, last) if end > room else 0
        state.command_top = min(state.command_top, last - start)
        top = start + state.command_top
        title = self._title("command", _("Preview"))
        panel = ScreenPanel(area, title, rows[top : top + room], self._waiting.enter_note(), more_below(last - top))
        return panel, replace(screen, command_last=last - start)

    def _command_rows(self, width: int) -> list[Row]:
        """The selected command as it will run, or the text of the selected step."""
        state = self._state
        runbook = state.runbook
        if runbook is None or not runbook.steps:
            return []
        return [*self._problem_rows(width), *self._place_rows(runbook, width)]

    def _problem_rows(self, width: int) -> list[Row]:
        """All problems of the file, in full, above the text that cannot be run because of them."""
        state = self._state
        if state.item is None or state.seen is not None:
            return []
        rows = [(Piece(f" {each.line:>4}  ", "muted"), Piece(each.text, "failing")) for each in state.item.problems]
        return [*wrapped(rows, width - 1), BLANK] if rows else []

    def _place_rows(self, runbook: Runbook, width: int) -> list[Row]:
        """The text and commands of the selected step, or the selected command."""
        state = self._state
        step = state.place[0]
        style = self.style(width)
        found = state.command
        title = title_row_of(step, runbook.steps[step])
        rows: list[Row] = wrapped([title], width) if row_width(title) > width - _IN_BORDER else []
        if state.place[1] is None:  # the step's words stand at the step
            rows += prose_rows(runbook.steps[step], style)
        if found is None:
            if not runbook.steps[step].commands:
                rows += [BLANK, (Piece(" "), Piece(_("This is a manual step."), "muted"))]
            for number, command in enumerate(runbook.steps[step].commands):
                hosts = self._hosts(step, number)
                rows += [BLANK] if rows else []
                if command.attributes.rollback_of:
                    rows += rollback_rows(command, runbook, hosts, state.values_on(hosts), style)
                    continue
                rows += about_row(command, hosts, style, undo=undo_piece(command, runbook))
                rows += text_rows(command, state.values_on(hosts), runbook.variables, style)
            return rows
        _step, number, command = found
        hosts = self._hosts(step, number)
        if command.attributes.rollback_of:
            return rows + rollback_rows(command, runbook, hosts, state.values_on(hosts), style)
        rows += about_row(command, hosts, style, undo=undo_piece(command, runbook))
        if command.comment:
            rows += wrapped([(Piece("   "), Piece(line, "muted")) for line in command.comment.split("\n")], width - 1)
        return rows + text_rows(command, state.values_on(hosts), runbook.variables, style)

    def _hosts(self, step: int, number: int) -> tuple[str, ...]:
        state = self._state
        log, runbook = state.seen, state.runbook
        assert runbook is not None
        if log is not None and log.state is not None:
            command: CommandState = log.state.steps[step].commands[number]
            return command.hosts
        try:
            known = words(self._app.config, runbook)
        except LilFoxError:
            return ()
        return hosts_of(runbook.steps[step].commands[number], runbook, known, state.values)

    # ---- what became of it ----------------------------------------------------------------------

    def _output_panel(self, area: PanelArea, screen: RunbookScreen) -> tuple[ScreenPanel, RunbookScreen]:
        state = self._state
        log, found, results = state.seen, state.command, state.results()
        reducer = None if log is None else log.reducer
        place = None if reducer is None else reducer.place(results[0].run)
        if log is None or reducer is None or place is None:
            return ScreenPanel(area, self._title("output", _("Output"))), screen
        last = found is not None and found[:2] != (place[0].step, place[0].command)
        named = OutputOf(place[0].step, reducer.runbook.steps[place[0].step], place[1], last).title
        kept = [(result, log.kept(result)) for result in results]
        room = max(1, area.inner_height)
        view = self._outputs.view(kept, self.style(area.inner_width), state.output_top, room)
        body = room - len(view.head)
        shown = [*view.head, *view.rows[view.top : view.top + max(0, body)]]
        if len(shown) < room and state.chosen_place is None:
            before = earlier_outputs(results, log, reducer)
            shown += self._outputs.earlier(before, self.style(area.inner_width), room - len(shown))
        self._tops["output"] = view.top
        title = (*self._title("output", _("Output")), Piece(f"  {named}", "degraded" if last else "muted"))
        panel = ScreenPanel(area, title, shown, more=more_below(view.last - view.top))
        return panel, replace(screen, output_top=view.top, output_rest=view.rest, output_last=view.last)

    # ---- the incident -------------------------------------------------------------------------------------------

    def _was_not_open(self) -> bool:
        """Whether an incident is open now that was not open yet at the time of the screen."""
        return self._state.open_incident is not None and self._state.timeline.then is None

    def _facts_width(self, width: int) -> int:
        """The cells of a row about the incident."""
        return (width - incident_left(width) if width >= BESIDE else width) - 2

    def _fact_rows(self, width: int) -> list[Row]:
        """What is known of the incident; made once for a drawing, which also counts them."""
        then = self._state.timeline.then
        if then is not None and width not in self._facts:
            beside = self._waiting.situation(*then, width - 13)
            self._facts[width] = wrapped_facts(fact_rows(*then, self._then, beside), width - 1)
        return self._facts.get(width, [])

    def _facts_panel(self, area: PanelArea) -> ScreenPanel:
        then = self._state.timeline.then
        if then is None:
            text = _("no incident is open; press I to open one")
            if self._was_not_open() and self._state.open_incident is not None:
                text = _("{id} was not open yet", id=self._state.open_incident.id)
            return ScreenPanel(area, self._title("facts", _("Incident")), [(Piece(f" {text}", "muted"),)])
        rows = self._fact_rows(area.inner_width)
        return ScreenPanel(area, incident_title(then[0]), rows, more=more_below(len(rows) - area.inner_height))

    def _timeline_panel(self, area: PanelArea) -> ScreenPanel:
        """The timeline: on the page of the incident a list, below a runbook its newest lines."""
        state, width = self._state, area.inner_width
        then, items = state.timeline.then, state.timeline.items
        if then is None:
            if state.open_incident is None:
                return ScreenPanel(area)
            text = _("{id} was not open yet", id=state.open_incident.id)
            return ScreenPanel(area, self._title("timeline", _("Timeline")), [(Piece(f" {text}", "muted"),)])
        self._entries = ()
        if state.column != INCIDENT or width < NARROWEST:
            by, force = authors_width(items, width), self._in_force(then[0])

            def make(index: int) -> Row:
                return timeline_row(items[index], width, by, self._app.glyphs, force)

            if state.column == INCIDENT:
                rows, below = self._list("timeline", area, len(items), state.timeline.entry_at, make, here=True)
                return ScreenPanel(area, self._title("timeline", _("Timeline")), rows, more=below)
            first = max(0, len(items) - area.inner_height)
            self._tops["timeline"] = first
            rows = [make(index) for index in range(first, len(items))]
            return ScreenPanel(area, incident_title(then[0]), rows, incident_note(*then, self._then, first))
        rows, below = self._timeline_page(area)
        title = self._title("timeline", _("Timeline"))
        return ScreenPanel(area, title, rows, (Piece(str(len(items)), "muted"),), below)

    def _in_force(self, incident: Incident) -> set[str]:
        return {change.change for change in still_in_force(incident, self._then)}

    def _lines_of(self, width: int) -> Callable[[int], list[Row]]:
        """Makes the rows of a line of the timeline, wrapped in that width."""
        state = self._state.timeline
        items, then = state.items, state.then
        by, force = authors_width(items, width), set() if then is None else self._in_force(then[0])
        return lambda index: item_lines(items[index], width - 1, by, self._app.glyphs, force)

    def _timeline_rows(self, width: int, height: int) -> int:
        """How many rows the timeline would have; no more are counted than there are on the screen."""
        count = len(self._state.timeline.items)
        if self._state.column != INCIDENT or not NARROWEST <= width < BESIDE:
            return count
        make, rows = self._lines_of(width - 2), 0
        for index in range(count):
            rows += len(make(index))
            if rows > height:
                break
        return rows

    def _timeline_page(self, area: PanelArea) -> tuple[list[Row], str]:
        """The visible rows of the wrapped timeline with the selected line as a whole, and how many lines are below."""
        room, at, count = max(1, area.inner_height), self._state.timeline.entry_at, len(self._state.timeline.items)
        make = self._lines_of(area.inner_width)
        if count == 0:
            return [], ""
        shown = {at: make(at)}

        def add(indexes: Iterable[int], *, whole: bool) -> None:
            for index in indexes:
                left = room - sum(map(len, shown.values()))
                lines = make(index) if left > 0 else []
                if left <= 0 or (whole and len(lines) > left):
                    return
                shown[index] = lines[:left]

        add(range(at - 1, min(self._tops.get("timeline", 0), at) - 1, -1), whole=True)
        add(range(at + 1, count), whole=False)
        add(range(min(shown) - 1, -1, -1), whole=False)
        first, last = min(shown), max(shown)
        self._tops["timeline"] = first
        rows: list[Row] = []
        owners: list[int] = []
        for index in range(first, last + 1):
            lit = [highlighted(row, area.inner_width) if index == at else row for row in shown[index]]
            rows, owners = [*rows, *lit], [*owners, *[index] * len(lit)]
        self._entries = owners[:room]
        return rows[:room], more_below(count - last - 1)

    def _entry_panel(self, area: PanelArea) -> ScreenPanel:
        """The selected entry in full."""
        item = self._state.timeline.selected
        rows = [] if item is None else wrapped(item_rows(item, self._app.glyphs), area.inner_width - 1)
        return ScreenPanel(area, self._title("entry", _("Entry")), rows, more=more_below(len(rows) - area.inner_height))
