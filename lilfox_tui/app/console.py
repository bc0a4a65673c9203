"""The app as its panes see it: shared state and services. Does not import the panes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.theme import Theme as TextualTheme
from textual.timer import Timer
from textual.widgets import Input

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import Action
from lilfox_tui.app.driver import TerminalDriver
from lilfox_tui.app.rendering.draw import Glyphs, Palette, Row
from lilfox_tui.app.textual_internals import BackgroundScreen, PrivateApp, without_toasts
from lilfox_tui.app.widgets import CommandLine, Lines
from lilfox_tui.config.colours import TRUE_COLOUR, ColourDepth, fitted
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import Theme
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.local import run_in_foreground
from lilfox_tui.hosts.ssh.openssh import shell_failure
from lilfox_tui.monitor.model import HostView, IncidentView, Overview
from lilfox_tui.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Cause, LoggedError, Selection
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.demo.stack import Stack
    from lilfox_tui.runbook.model import Runbook


# Whether we act in the open incident, or somebody else does who took it over since.


class Acting:
    """Detects when somebody else takes the incident over. Takeovers before the first look do not count."""

    def __init__(self) -> None:
        self._who = ""
        self._process = 0, 0
        """In which they did so, where it stays: its pid, and when it started."""
        self._incident = ""
        self._seen = 0

    @property
    def taken_by(self) -> str:
        """Who took the incident over; empty while this console may act, and after the other process has ended."""
        pid, started = self._process
        if not pid:
            return self._who
        from lilfox_tui.jobs.reader import start_of

        return "" if start_of(pid) != started else self._who

    def look(self, view: IncidentView) -> Message | None:
        """Take the new state of the incident; return the message about a takeover, if there is a new one."""
        incident = view.incident
        seen = self._seen if incident is not None and incident.id == self._incident else len(view.entries)
        if incident is None or incident.id != self._incident:
            self._who = ""
        self._incident, self._seen = ("" if incident is None else incident.id), len(view.entries)
        if incident is None or seen == len(view.entries):
            return None
        from lilfox_tui.incident.model import TookOver
        from lilfox_tui.jobs.reader import start_of

        taken = [entry for entry in view.entries[seen:] if isinstance(entry.what, TookOver)]
        if not taken:
            return None
        last = taken[-1]
        assert isinstance(last.what, TookOver)
        self._who = "" if last.what.process == os.getpid() else last.what.who or last.by
        self._process = last.what.process, start_of(last.what.process) or 0
        if not self._who:
            return None
        return tr(
            "{who} took over {id}: you are now following; press a in pane 4 to take it back",
            who=self._who,
            id=incident.id,
        )


NOTE_S = 6.0
_MOST_NEWS = 5
"""Messages that wait; older ones are dropped."""
TABS_FROM = 14
"""Rows of a screen that has the line of tabs."""
SLOW_ANSWER_S = 0.7
"""A terminal that takes longer to answer a question is at the end of a slow link."""


class PaneScreen(BackgroundScreen[None], inherit_bindings=False):
    """The screen of the panes. Tab is a key of theirs: Textual's own binding would move the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "screen.copy_text", show=False)]


class Console(PrivateApp, inherit_bindings=False):
    """The app as its panes see it."""

    CSS_PATH: ClassVar[str] = "app.tcss"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    AUTO_FOCUS: ClassVar[str | None] = None
    TITLE = "LilFox"

    note_rows = 0
    """The rows of a message for which the pane of a screen without tabs makes room."""
    shown_above: Callable[[], None] | None = None
    """Draws the open dialog anew, if it tells what is shown."""
    frame: Callable[[Overview], None]
    """Shows an overview's counts and time in the header. This and what follows is set by what the app is composed of
    (``app.py``)."""
    do: Callable[[Action], None]
    """Runs an action, or tells why it cannot be done."""
    go_to_logs: Callable[[str, str, datetime | None], None]
    """Shows the logs of a ``host`` or ``service``, at that time (aware UTC) or the newest."""
    go_to_errors: Callable[[], None]
    """Shows the newest errors of all logs."""
    go_to_cluster: Callable[[str, tuple[str, str] | None], None]
    """Shows a cluster by its name, and the page of something in it."""
    go_to_runbook: Callable[[Cause], None]
    """Shows the runbooks for an alert."""
    open_runbook: Callable[[Runbook, Cause], None]
    """Shows one runbook, which is opened for something that fails."""
    go_to_backups: Callable[[], None]
    """Shows the backup plans."""
    attach: Callable[[str], RunLog]
    """The run of a runbook whose job has that id, followed from its first event on."""
    selected_logs: Callable[[], Selection | None]
    """What is selected in the Logs pane, where it was opened."""
    errors_about: Callable[[Sequence[str]], Sequence[LoggedError]]
    """The newest errors in the logs of services and hosts, where the Metrics pane was opened."""

    def __init__(
        self,
        monitor: Monitor,
        config: Config,
        *,
        theme: Theme,
        glyphs: Glyphs,
        depth: ColourDepth = TRUE_COLOUR,
        slow_link: bool = False,
        demo: Stack | None = None,
        files: Sequence[str] = (),
    ) -> None:
        self._depth = depth
        theme = self.fitted(theme)
        self.get_css_variables = dict[str, str]  # type: ignore[method-assign]  # of Textual's own theme none are used
        super().__init__(ansi_color=theme.ansi, driver_class=TerminalDriver)
        del self.get_css_variables
        without_toasts(self)
        self.register_theme(_for_textual(theme))
        self.set_reactive(App.theme, _for_textual(theme).name)  # before the first style is computed, not after
        self.stylesheet.set_variables(self.get_css_variables())
        self.monitor = monitor
        self.config = config
        self.glyphs = glyphs.for_theme(theme)
        self.slow_link = slow_link
        self.demo = demo
        self.files = tuple(files)
        self.refresh_s = float(config.refresh)
        self.paused_at: datetime | None = None
        """When the screen was paused (aware UTC)."""
        self.rewound: datetime | None = None
        self.palette = Palette(theme, ascii_only=glyphs.ascii_only)
        self.note: tuple[str, str] = ("", "text")
        self._note_ends: Timer | None = None
        self.refused = ""
        """Why a key did nothing, as it was shown."""
        self._news: list[Message] = []
        """To be shown once the message that is shown has been there long enough."""
        self.shown: Overview | None = None
        self.runs: dict[str, RunLog] = {}
        """Runs of runbooks that are watched, by their jobs."""
        self.acting = Acting()
        self.closed_incident = ""
        """The incident that was closed from here last: it can still be exported."""
        self._started_s = time.monotonic()
        self.touched = False
        """A key was pressed."""

    def get_default_screen(self) -> PaneScreen:
        """Return the screen that shows the panes; dialogs are above it."""
        return PaneScreen(id="_default")

    @property
    def clock(self) -> datetime:
        """The time of the shown data (aware UTC), from which all ages are computed. The header's clock may be later: a
        pane draws some things between two overviews."""
        return self.rewound or (self.shown.at if self.shown is not None else datetime.now(UTC))

    @property
    def paused(self) -> bool:
        """Whether the screen is frozen."""
        return self.paused_at is not None

    @property
    def tabs_fit(self) -> bool:
        """Whether the screen is tall enough for the tab line."""
        return self.size.height >= TABS_FROM

    @property
    def room(self) -> Size:
        """The size that the frame leaves to a pane. Known before the first layout, so that the first paint is
        complete."""
        frame_rows = 3 if self.tabs_fit else 2 + self.note_rows
        return Size(self.size.width, max(0, self.size.height - frame_rows))

    def on_terminal_supports_synchronized_output(self) -> None:
        """Handles the terminal's answer to the query sent at the start; its delay shows how fast the link is."""
        if time.monotonic() - self._started_s > SLOW_ANSWER_S and not self.slow_link:
            self.slow_link = True
            self.announce(tr("the terminal responds slowly: redrawing less often, as with --slow-link"))

    # ---- what panes ask of the app -------------------------------------------------------------------------------

    def tell(self, what: LilFoxError | Message | str) -> None:
        """Shows a message for a while, beside the tabs or at the bottom: an error with its hint, or a note."""
        role = "accent"
        text = str(what)
        if isinstance(what, LilFoxError):
            role = "failing"
            text = f"{text}  {self.glyphs.dash} {what.hint}" if what.hint else text
        self.note = (text, role)
        self.repaint_frame()
        if self._note_ends is not None:
            self._note_ends.stop()  # that of the note before would take this one away too soon
        self._note_ends = self.set_timer(NOTE_S, self._clear_note)

    def announce(self, news: Message) -> None:
        """Shows a message that no key asked for, but not over another one: that may be the answer to a key."""
        if not self.note[0]:
            self.tell(news)
        elif news not in self._news:
            self._news = [*self._news, news][-_MOST_NEWS:]

    def _clear_note(self) -> None:
        self.note = ("", "text")
        if self._news:
            self.tell(self._news.pop(0))
        else:
            self.repaint_frame()

    def ask_line(
        self,
        prompt: str,
        text: str,
        take: Callable[[str], None],
        *,
        live: bool = True,
        does: str = "",
        stays: str = "",
    ) -> None:
        """Reads one line of input in place of the footer. ``take`` gets each change as it is typed, and ``""`` on
        cancel; unless ``live``, it gets only the entered line. ``does`` and ``stays`` are the labels of enter and
        esc."""
        self.query_one("#footer", Lines).display = False
        if not self.tabs_fit and self.note[0]:
            self.tell("")  # else it would stand over the line
        keys = does or _("save it"), stays or _("cancel")
        self.query_one(CommandLine).ask(prompt, text, take, live=live, keys=keys)

    async def on_event(self, event: events.Event) -> None:
        top = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(top, BackgroundScreen) and top.too_early(event):
            return
        if isinstance(event, events.Key):
            await CommandLine.complete(self.screen_stack)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Adds a key that was typed right after the one that opened an input to that input."""
        typed = event.character if event.is_printable and event.character else ""
        if typed and isinstance(self.focused, Input):
            self.focused.insert_text_at_cursor(typed)
        elif typed and isinstance(self.screen, BackgroundScreen) and not self.screen.is_mounted:
            self.screen.typed_ahead += typed
        elif not self.screen_stack[0].query_one(CommandLine).press(event.key):
            return
        event.stop()
        event.prevent_default()

    async def confirm(self, title: str, rows: Sequence[Row], word: str) -> bool:
        """Asks for confirmation below ``rows``; returns whether ``word`` was typed."""
        return await self.push_screen_wait(dialogs.ConfirmDialog(title, rows, word))

    def copy_text(self, text: str) -> None:
        """Copies ``text``, cleaned, to the user's clipboard through the terminal (OSC 52)."""
        self.copy_to_clipboard("\n".join(map(clean, text.split("\n"))))
        self.tell(_("copied"))

    def run_shell(self, view: HostView, argv: Sequence[str] = (), name: str = "") -> None:
        """Suspends the app for a shell on the host, and resumes when it exits; with ``argv`` for one inside what is
        called ``name`` there."""
        try:
            argv = argv or self.monitor.shell_argv(view.name)
        except LilFoxError as error:
            self.tell(error)
            return
        heard, began_s = bytearray(), time.monotonic()
        # A shell of this machine is interactive only if its error output is the terminal; ssh has the host's own.
        status = self.step_aside_for(argv, None if view.config.local else heard)
        lasted_s = time.monotonic() - began_s
        if status is not None and (why := shell_failure(name or view.name, argv, status, heard, lasted_s)) is not None:
            self.tell(LilFoxError(why))

    def step_aside_for(self, argv: Sequence[str], heard: bytearray | None = None) -> int | None:
        """Suspends the app for a program in this terminal and returns its exit status; None, with a message, if it
        could not be started. ``heard`` gets the end of its error output."""
        status: int | None = None
        failed: OSError | None = None
        with self.suspend():  # it does not come back from an error
            try:
                status = run_in_foreground(argv, heard)
            except OSError as error:
                failed = error
        if failed is not None:
            self.tell(LilFoxError(tr("cannot run {program}: {reason}", program=argv[0], reason=failed.strerror)))
        self.refresh(repaint=True)
        return status

    # ---- theme ---------------------------------------------------------------------------------------------------

    def use_theme(self, theme: Theme) -> None:
        """Switches everything to another theme."""
        theme = self.fitted(theme)
        self.palette = Palette(theme, ascii_only=self.glyphs.ascii_only)
        self.glyphs = self.glyphs.for_theme(theme)
        self.register_theme(_for_textual(theme))
        self.ansi_color = theme.ansi
        self.theme = _for_textual(theme).name
        self.repaint_frame()
        for screen in self.screen_stack:
            for lines in screen.query(Lines):
                lines.refresh()

    def fitted(self, theme: Theme) -> Theme:
        """The theme in the colours that the terminal has."""
        return fitted(theme, self._depth)


def _for_textual(theme: Theme) -> TextualTheme:
    """``theme`` as Textual's own theme, for the few built-in widgets."""
    colour = {role: f"ansi_{name}" if theme.ansi else name for role, name in theme.colours.items()}
    return TextualTheme(
        name=f"lilfox-{theme.name}",
        primary=colour["accent"],
        secondary=colour["muted"],
        foreground=colour["text"],
        background=colour["background"],
        surface=colour["bar"],
        panel=colour["selection"],
        dark=theme.dark,
    )
