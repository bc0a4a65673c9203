"""What moves in the Runbook pane: rows, columns, the filter, the zoom; and what is copied."""

from __future__ import annotations

from lilfox_tui.app import row_moves
from lilfox_tui.app.actions import action
from lilfox_tui.app.panes.runbook.keys import COMMAND, LIST, STEPS, RunbookKeys
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import Message, tr


class RunbookMovingKeys(RunbookKeys):
    """Changes what is shown, and nothing else."""

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
            why_not=lambda self: self.nothing_to_leave(), footer=8)  # fmt: skip
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

    down, up = row_moves.down, row_moves.up
    page_down, page_up = row_moves.page_down, row_moves.page_up
    first = row_moves.first

    @action("last", "G end", tr("last"), tr("the last row; of an output its end, as it grows"))
    def last(self) -> None:
        self.move(10**6)

    @action("filter", "slash", tr("filter"), tr("keep the runbooks that hold these words"), footer=4)
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
            "(OSC 52)"), why_not=lambda self: self.nothing_to_copy())  # fmt: skip
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
        from lilfox_tui.runbook.run.variables import shown

        log = self.seen
        hosts = () if log is None or log.state is None else log.state.steps[found[0]].commands[found[1]].hosts
        pieces = shown(found[2].text, self.values_on(hosts), runbook.variables)
        return redact("".join(piece.text for piece in pieces))

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
            self.repaint()
