"""The app: the frame, the panes in it, and what the keys do everywhere."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace
from textual import events, work
from textual.app import ComposeResult
from textual.theme import Theme as TextualTheme
from textual.widgets import Input
from textual.worker import WorkerFailed

from lilfox_tui.app.actions import Action, actions_of, rebound
from lilfox_tui.app.app_keys import AppKeys
from lilfox_tui.app.dialogs.confirm import Confirm
from lilfox_tui.app.dialogs.dialog import Dialog
from lilfox_tui.app.draw import Palette, Row
from lilfox_tui.app.frame import HeaderState, footer, header, tabs
from lilfox_tui.app.glyphs import Glyphs, glyphs_for_terminal
from lilfox_tui.app.panes.metrics import MetricsPane
from lilfox_tui.app.terminal import Departure, SavedTerminal, except_hook, write_crash
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.config.model import Config, HostConfig, Seconds
from lilfox_tui.config.themes import DEFAULT, Theme, load_theme
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _, language_from_locale, set_language
from lilfox_tui.monitor.changes import ChangeLog, seen_file
from lilfox_tui.monitor.model import HostView, Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.paths import config_file
from lilfox_tui.text import clean

if TYPE_CHECKING:
    from lilfox_tui.demo.stack import Stack

NOTE_S = 6.0


class LilFoxApp(AppKeys, inherit_bindings=False):
    """One screen: header, tabs, the pane, footer. The monitor runs inside; panes only watch it."""

    CSS_PATH: ClassVar[str] = "app.tcss"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    AUTO_FOCUS: ClassVar[str | None] = None
    TITLE = "LilFox"

    def __init__(
        self,
        monitor: Monitor,
        config: Config,
        *,
        theme: Theme,
        glyphs: Glyphs,
        slow_link: bool = False,
        demo: Stack | None = None,
    ) -> None:
        super().__init__(ansi_color=theme.ansi)
        self.monitor = monitor
        self.config = config
        self.glyphs = glyphs
        self.slow_link = slow_link
        self.demo = demo
        self.refresh_s = float(config.refresh)
        self.paused = False
        self.rewound: datetime | None = None
        self.palette = Palette(theme, ascii_only=glyphs.ascii_only)
        self._all_actions = rebound((*actions_of(MetricsPane), *actions_of(type(self))), config.keys)
        self._note: tuple[str, str] = ("", "text")
        self._shown: Overview | None = None
        self._take_line: Callable[[str], None] | None = None
        self._departure = Departure(self.exit)

    # ---- the frame -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Lines(ground="bar", id="header")
        yield Lines(id="tabs")
        yield MetricsPane()
        yield Lines(ground="bar", id="footer")
        line = Input(id="line", compact=True, select_on_focus=False)
        line.display = False
        yield line

    def on_mount(self) -> None:
        self.use_theme(self.palette.theme)
        for key in {key for each in self._all_actions for key in each.keys}:
            self.bind(key, f"press('{key}')", show=False)
        if not self.is_headless:
            self._departure.watch(asyncio.get_running_loop())
        self._run_monitor()
        self.call_after_refresh(self.repaint_frame)

    @work(exclusive=True, group="monitor", exit_on_error=True)
    async def _run_monitor(self) -> None:
        await self.monitor.run()

    @property
    def pane(self) -> MetricsPane:
        """The pane that is shown."""
        return self.query_one(MetricsPane)

    def frame(self, overview: Overview) -> None:
        """Shows ``overview``'s counts and time in the header."""
        self._shown = overview
        self.repaint_frame()

    def repaint_frame(self) -> None:
        """Draws header, tabs and footer; only what has changed reaches the terminal."""
        if not self.is_attached or not self.screen_stack:
            return
        width = self.size.width
        screen = self.screen_stack[0]
        now = self.rewound or (self._shown.at if self._shown is not None else datetime.now(UTC))
        state = HeaderState(
            name=self.config.name,
            now=now,
            rewound_by_s=None if self.rewound is None else (datetime.now(UTC) - self.rewound).total_seconds(),
            paused=self.paused,
            read_only=self.config.read_only,
            seconds=not self.slow_link,
        )
        screen.query_one("#header", Lines).show([header(self._shown, state, width, self.glyphs)])
        screen.query_one("#tabs", Lines).show([tabs([_("Metrics")], 0, self.pane_of(screen).status(), width)])
        ordered = sorted((each for each in self._all_actions if each.footer), key=lambda each: each.footer)
        can = [(each, self.why_not(each) is None) for each in ordered]
        screen.query_one("#footer", Lines).show([footer(can, width, *self._note)])

    def on_resize(self, event: events.Resize) -> None:
        screen = self.screen_stack[0]
        screen.query_one("#tabs", Lines).display = event.size.height >= 14
        self.call_after_refresh(self.repaint_frame)

    # ---- what panes ask of the app -------------------------------------------------------------------------------

    def tell(self, what: LilFoxError | Message | str) -> None:
        """Says something in the footer for a while: an error with its hint, or a note."""
        role = "accent"
        text = str(what)
        if isinstance(what, LilFoxError):
            role = "failing"
            text = f"{text}  {self.glyphs.dash} {what.hint}" if what.hint else text
        self._note = (text, role)
        self.repaint_frame()
        self.set_timer(NOTE_S, self._clear_note)

    def _clear_note(self) -> None:
        self._note = ("", "text")
        self.repaint_frame()

    def ask_line(self, prompt: str, text: str, take: Callable[[str], None]) -> None:
        """One line of input in the footer's place; ``take`` gets it as it is typed."""
        line = self.query_one("#line", Input)
        line.value, line.placeholder = text, prompt
        self._take_line = take
        self.query_one("#footer", Lines).display = False
        line.display = True
        self.screen.set_focus(line)  # now: keys typed ahead are text, not actions

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "line" and self._take_line is not None:
            self._take_line(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "line":
            if self._take_line is not None:
                self._take_line(event.value)  # typed fast, the last changes are still on their way
            self._close_line()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character and self._take_text(event.character):
            event.stop()
            event.prevent_default()
            return
        line = self.screen_stack[0].query_one("#line", Input)
        if event.key == "escape" and line.display and len(self.screen_stack) == 1:
            if self._take_line is not None:
                self._take_line("")
            self._close_line()
            event.stop()
            event.prevent_default()

    def _take_text(self, character: str) -> bool:
        """Whether a key is text: typed in one burst with the key that opened an input, so that the screen got it."""
        if isinstance(self.focused, Input):
            self.focused.insert_text_at_cursor(character)
            return True
        if isinstance(self.screen, Dialog) and not self.screen.is_mounted:
            self.screen.typed_ahead += character
            return True
        return False

    def _close_line(self) -> None:
        self._take_line = None
        self.query_one("#line", Input).display = False
        self.query_one("#footer", Lines).display = True
        self.screen.set_focus(None)

    async def confirm(self, title: str, rows: Sequence[Row], word: str) -> bool:
        """Whether ``word`` was typed under what ``rows`` say."""
        return await self.push_screen_wait(Confirm(title, rows, word))

    def copy_text(self, text: str) -> None:
        """Puts ``text``, cleaned, on the user's clipboard through the terminal (OSC 52)."""
        self.copy_to_clipboard(clean(text))
        self.tell(_("copied"))

    def run_shell(self, view: HostView) -> None:
        """Steps aside for a shell on the host, and comes back when it ends."""
        with self.suspend():
            subprocess.run(self.monitor.shell_argv(view.name), check=False)
        self.refresh(repaint=True)

    # ---- theme, language, errors ---------------------------------------------------------------------------------

    def use_theme(self, theme: Theme) -> None:
        """Shows everything in another theme."""
        self.palette = Palette(theme, ascii_only=self.glyphs.ascii_only)
        colour = {role: f"ansi_{name}" if theme.ansi else name for role, name in theme.colours.items()}
        self.register_theme(
            TextualTheme(
                name=f"lilfox-{theme.name}",
                primary=colour["accent"],
                foreground=colour["text"],
                background=colour["background"],
                surface=colour["bar"],
                panel=colour["selection"],
                dark=theme.dark,
            )
        )
        self.ansi_color = theme.ansi
        self.theme = f"lilfox-{theme.name}"
        for lines in self.screen_stack[0].query(Lines):
            lines.refresh()

    def use_language(self, name: str) -> None:
        """Shows everything in another language."""
        set_language(name)
        self.pane.repaint()
        self.repaint_frame()

    def why_not(self, each: Action) -> Message | None:
        """Why an action cannot be done now, or None."""
        pane = self.pane_of(self.screen_stack[0])
        owner = pane if hasattr(pane, each.handler) else self
        return getattr(owner, each.why_not)() if each.why_not else None

    def _fatal_error(self) -> None:
        """Ends the app: one line on the screen, the traceback without locals in the log (Textual's shows locals)."""
        error: BaseException | None = self._exception
        if isinstance(error, WorkerFailed):
            error = error.error
        where = write_crash(error) if error is not None else ""
        text = _("lilfox ended on an error of its own: {kind}", kind=type(error).__name__)
        told = _("traceback: {file}", file=where)
        self._exit_renderables.append(f"{text}\n{told}" if where else text)
        self._close_messages_no_wait()


def build_app(config: Config, arguments: argparse.Namespace, demo: Stack | None = None) -> LilFoxApp:
    """The app over ``config``, as the command line's flags change it; primed with this machine's numbers."""
    slow = bool(arguments.slow_link or config.slow_link)
    refresh = arguments.refresh or (Seconds(5) if slow else config.refresh)
    config = replace(config, refresh=Seconds(refresh), read_only=config.read_only or arguments.read_only)
    glyphs = glyphs_for_terminal()
    set_language("en" if glyphs.ascii_only else _language(config, arguments))
    theme = load_theme(_theme_name(config, arguments), config.theme_dirs)
    monitor = Monitor(config, changes=ChangeLog(seen_file()))
    monitor.prime()
    return LilFoxApp(monitor, config, theme=theme, glyphs=glyphs, slow_link=slow, demo=demo)


def _language(config: Config, arguments: argparse.Namespace) -> str:
    wanted = arguments.language or config.language
    return language_from_locale() if wanted in ("", "auto") else str(wanted)


def _theme_name(config: Config, arguments: argparse.Namespace) -> str:
    if arguments.no_color or os.environ.get("NO_COLOR"):
        return "mono"
    if arguments.theme:
        return str(arguments.theme)
    few_colours = os.environ.get("TERM", "") in ("linux", "vt100", "ansi", "screen", "xterm")
    return "sixteen" if few_colours and config.theme == DEFAULT and not os.environ.get("COLORTERM") else config.theme


def run(arguments: argparse.Namespace) -> int:
    """Opens the app; returns the exit code. Raises ConfigError."""

    async def on_the_config() -> int:
        return await _run_app(build_app(_load(arguments), arguments))

    return _open(on_the_config)


def run_demo(arguments: argparse.Namespace) -> int:
    """Opens the app on the stand-in stack, which ends with it; returns the exit code."""

    async def on_the_stack() -> int:
        from lilfox_tui.demo.faults import parse_fault
        from lilfox_tui.demo.stack import Stack
        from lilfox_tui.monitor.watched import this_machine

        faults = [parse_fault(text) for text in arguments.fault or ()]
        async with Stack() as stack:
            for service, kind in faults:
                await stack.fault(service, kind)
            hosts = {this_machine(): HostConfig(local=True)}
            config = replace(Config(), name="demo", hosts=hosts, services=stack.services)
            return await _run_app(build_app(config, arguments, stack))

    return _open(on_the_stack)


async def _run_app(app: LilFoxApp) -> int:
    await app.run_async()
    return app.return_code or 0


def _open(start: Callable[[], Coroutine[Any, Any, int]]) -> int:
    sys.excepthook = except_hook
    terminal = SavedTerminal()
    try:
        return asyncio.run(start())
    finally:
        terminal.restore()


def _load(arguments: argparse.Namespace) -> Config:
    """The config; with no file named and none in the XDG folder nothing of YAML is imported."""
    path = Path(arguments.config) if arguments.config else None
    if path is None and not config_file().exists():
        return Config()
    from lilfox_tui.config.loader import load

    return load(path).config
