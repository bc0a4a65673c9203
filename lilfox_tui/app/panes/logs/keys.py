"""What the keys do in the Logs pane. What they change is in ``window.py``, drawing in ``pane.py``."""

from __future__ import annotations

from datetime import UTC

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.logs.list import LogList, Place
from lilfox_tui.app.panes.logs.rows import clock_zone
from lilfox_tui.app.panes.logs.window import LogsWindow
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd

LEVELS = (
    Severity.UNKNOWN,
    Severity.DEBUG,
    Severity.INFO,
    Severity.WARNING,
    Severity.ERROR,
    Severity.CRITICAL,
)


class LogsKeys(LogsWindow):
    """The handlers, and the state of looks that they change."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.wrapped = False
        self.folded = True
        self.shifted = 0
        """Cells of messages that are left of the screen."""
        self.marks: dict[tuple[str, str], int] = {}
        """Sources and places of marked records, with their times."""
        self.list: LogList | None = None
        self.top: Place | None = None
        """What stands on the first row that is seen."""

    # ---- moving --------------------------------------------------------------------------------------------------

    @property
    def screenful(self) -> int:
        """Rows of the list that are seen at once."""
        return max(1, self.query_one("#log-list", Lines).room) if self.is_mounted else 1

    def move(self, step: int) -> None:
        """Goes ``step`` rows down, or up."""
        if self.list is None or not self.list.groups or self.merged is None:
            return
        at = 0 if self.cursor is None else self.list.group_of(self.merged.index(self.cursor))
        to = max(0, min(self.list.groups - 1, at + step))
        if to == at and step > 0:
            self.ask_for_newer()
        self.stand_on((self.list.last_of(to) if step > 0 else self.list.first_of(to)).key)

    @action("down", "j down", tr("down"), tr("the next row"))
    def down(self) -> None:
        self.move(1)

    @action("up", "k up", tr("up"), tr("the row before"))
    def up(self) -> None:
        self.move(-1)

    @action("page-down", "pagedown ctrl+d space", tr("page down"), tr("a screen down"))
    def page_down(self) -> None:
        self.move(max(1, self.screenful - 1))

    @action("page-up", "pageup ctrl+u", tr("page up"), tr("a screen up"))
    def page_up(self) -> None:
        self.move(-max(1, self.screenful - 1))

    @action("first", "g home", tr("first"), tr("the oldest record there is"))
    def first(self) -> None:
        self.go(AtBeginning())

    @action("last", "G end", tr("last"), tr("the newest record; what is new then moves along"))
    def last(self) -> None:
        if self.merged is not None and self.merged.at_newest and self.merged.shown:
            self.stand_on(None)
        else:
            self.go(AtEnd())

    @action(
        "right",
        "right",
        tr("right"),
        tr("what is past the right edge of the messages"),
        why_not=lambda self: self.no_more_right(),
    )
    def right(self) -> None:
        self.shifted = min(self._overhang(), self.shifted + self._sideways())
        self.repaint()

    def no_more_right(self) -> Message | None:
        """Why messages are not moved to the left."""
        if (reason := self.not_moved()) is not None:
            return reason
        return None if self._overhang() > self.shifted else tr("no message here goes on to the right")

    @action(
        "left",
        "left",
        tr("left"),
        tr("back towards the start of the messages"),
        why_not=lambda self: self.at_start_of_lines(),
    )
    def left(self) -> None:
        self.shifted = max(0, self.shifted - self._sideways())
        self.repaint()

    @action(
        "line-start",
        "0",
        tr("line start"),
        tr("the start of the messages again"),
        why_not=lambda self: self.at_start_of_lines(),
    )
    def to_start_of_lines(self) -> None:
        self.shifted = 0
        self.repaint()

    def at_start_of_lines(self) -> Message | None:
        """Why messages are not moved to the right."""
        if (reason := self.not_moved()) is not None:
            return reason
        return None if self.shifted else tr("the messages are shown from their start")

    def not_moved(self) -> Message | None:
        """Why nothing is moved sideways."""
        return tr("long messages are on several lines; w cuts them") if self.wrapped else None

    def _overhang(self) -> int:
        if self.list is None:
            return 0
        top = self.query_one("#log-list", Lines).top
        return self.list.overhang(range(top, top + self.screenful))

    def _sideways(self) -> int:
        """Cells of one step: half of what is seen, so that the eye finds its place again."""
        return 1 if self.list is None else max(1, self.list.style.message_width // 2)

    def scroll(self, lines: Lines, delta: int) -> None:
        """Moves the list under the reader, who goes along at its edges."""
        before = lines.top
        lines.scroll_rows(delta)
        here = self.selected
        if self.list is None or not self.list.groups or self.merged is None or here is None or lines.top == before:
            self.move(delta)
            return
        self.top = self.list.place_of_row(lines.top)
        group = self.list.group_of(self.merged.index(here.key))
        within = self.list.groups_within(range(lines.top, lines.top + self.screenful))
        if group in within:
            self.stand_on(here.key)
        else:
            self.stand_on(self.list.first_of(within[-1] if group > within[-1] else within[0]).key)

    def select_row(self, row: int) -> None:
        """Goes to a row of the list."""
        if self.list is not None and row < len(self.list):
            self.stand_on(self.list.first_of(self.list.group_at(row)).key)

    # ---- filtering -----------------------------------------------------------------------------------------------

    @action(
        "filter", "slash", tr("filter"), tr("keep what matches: words, /regex/, field=value, 10m, and or not"), footer=3
    )
    def ask_filter(self) -> None:
        self.began_at = self.selected
        self.lilfox.ask_line("/", self.filter_text, self.set_filter)

    @action(
        "only-matching",
        "ampersand",
        tr("only matching"),
        tr("hide what does not match, or mark what does"),
        why_not=lambda self: self.no_filter(),
    )
    def toggle_only_matching(self) -> None:
        self.only_matching = not self.only_matching
        self.apply()

    def no_filter(self) -> Message | None:
        """Why there is nothing that matches."""
        return None if self.filter != EVERYTHING else tr("there is no filter; / sets one")

    @action("level", "v", tr("level"), tr("hide lesser levels: all, debug, info, warning, error, critical"), footer=4)
    def raise_level(self) -> None:
        self._step_level(1)

    @action("level-lower", "V", tr("lower level"), tr("show lesser levels again"))
    def lower_level(self) -> None:
        self._step_level(-1)

    def _step_level(self, step: int) -> None:
        self.level = LEVELS[(LEVELS.index(self.level) + step) % len(LEVELS)]
        self.apply()

    @action(
        "back",
        "escape",
        tr("back"),
        tr("end the search, then clear the filter; never quits"),
        why_not=lambda self: self.nothing_to_leave(),
        footer=2,
    )
    def back(self) -> None:
        if self.busy:
            for group in ("move", "count", "save"):
                self.workers.cancel_group(self, group)
            if self.merged is not None:
                self.merged.stop()
        elif self.filter_text:
            self.set_filter("")
        elif self.level > Severity.UNKNOWN:
            self.level = Severity.UNKNOWN
            self.apply()
        self.repaint()

    @property
    def busy(self) -> bool:
        """Whether something goes on that can be ended."""
        return self.merged is not None and bool(self.merged.searching)

    def nothing_to_leave(self) -> Message | None:
        """Why there is nothing to go back from."""
        if self.busy or self.filter_text or self.level > Severity.UNKNOWN:
            return None
        return tr("this is the first screen; q quits")

    # ---- looks ---------------------------------------------------------------------------------------------------

    @action("follow", "F", tr("follow"), tr("go along with what is new, or stand still"), footer=6)
    def toggle_follow(self) -> None:
        self.follow(not self.follows)

    @action("times", "t", tr("times"), tr("times in UTC, or as this machine's clock has them"))
    def toggle_zone(self) -> None:
        self.zone = clock_zone() if self.zone is UTC else UTC
        self.repaint()

    @action("wrap", "w", tr("wrap"), tr("long messages on several lines, or cut"))
    def toggle_wrap(self) -> None:
        self.wrapped = not self.wrapped
        self.repaint()

    @action("fold", "u", tr("fold"), tr("repeated records as one row with their count, or each"))
    def toggle_fold(self) -> None:
        self.folded = not self.folded
        self.repaint()
