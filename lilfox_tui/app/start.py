"""Startup: from the command line to a running screen and its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import glyphs_for_terminal
from lilfox_tui.app.terminal import SavedTerminal, except_hook
from lilfox_tui.config.colours import CONSOLES, colour_depth
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import DEFAULT, load_theme
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.crash import kept_in
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import language_from_locale, set_language, set_language_from_locale, tr
from lilfox_tui.core.paths import config_file, state_path
from lilfox_tui.hosts.open import this_machine
from lilfox_tui.monitor.changes import ChangeLog, seen_file
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers import scrape

if TYPE_CHECKING:
    import argparse

    from lilfox_tui.app.app import LilFoxApp
    from lilfox_tui.demo.stack import Stack
    from lilfox_tui.monitor.audit_run import Exports


class NoArguments(Struct, frozen=True):
    """What the parser of the command line returns if there is nothing to parse, as far as the console reads it."""

    config: str | None = None
    read_only: bool = False
    language: str | None = None
    no_color: bool = False
    theme: str | None = None
    refresh: float | None = None
    slow_link: bool = False
    files: Sequence[str] = ()


_OF_DEMO = (
    "app.app",
    "config.loader",
    "backends.kinds.postgresql",
    "backup.sources.postgresql",
    "backup.sources.files",
)
"""What takes longest of what the demo's screen and configuration need."""


def build_app(
    config: Config,
    arguments: argparse.Namespace | NoArguments,
    demo: Stack | None = None,
    exports: Exports | None = None,
) -> LilFoxApp:
    """The app for ``config`` with the command line's flags applied; primed with this machine's numbers, unless it opens
    on files. ``exports`` are those that the audit compares collectors with."""
    slow = bool(arguments.slow_link or config.slow_link)
    refresh = arguments.refresh or config.refresh
    config = replace(config, refresh=Seconds(refresh), read_only=config.read_only or arguments.read_only)
    glyphs = glyphs_for_terminal()
    set_language("en" if glyphs.ascii_only else _language(config, arguments))
    theme = load_theme(_theme_name(config, arguments), config.theme_dirs)
    files = _files(arguments)
    monitor = Monitor(
        config,
        changes=ChangeLog(seen_file()),
        at_once=not files,
        config_file=Path(arguments.config) if arguments.config else None,
        alert_state=None if demo is None else demo.folder,
    )
    monitor.audit.exports = exports
    from lilfox_tui.app.app import LilFoxApp  # Textual: the time it takes is between the two readings of this machine

    if not files:
        monitor.prime()
    depth = colour_depth(os.environ)
    return LilFoxApp(monitor, config, theme=theme, glyphs=glyphs, depth=depth, slow_link=slow, demo=demo, files=files)


def _files(arguments: argparse.Namespace | NoArguments) -> tuple[str, ...]:
    """The log files to open; none for a sub-command."""
    return tuple(str(Path(path).absolute()) for path in getattr(arguments, "files", None) or ())


def _language(config: Config, arguments: argparse.Namespace | NoArguments) -> str:
    wanted = arguments.language or config.language
    return language_from_locale() if wanted in ("", "auto") else str(wanted)


def _theme_name(config: Config, arguments: argparse.Namespace | NoArguments) -> str:
    """The theme of the command line, of the configuration, or one for a terminal with few colours."""
    if arguments.no_color or os.environ.get("NO_COLOR"):
        return "mono"
    if arguments.theme:
        return str(arguments.theme)
    if config.theme != DEFAULT or colour_depth(os.environ) > 16:
        return config.theme
    return "sixteen" if os.environ.get("TERM", "") in CONSOLES else "terminal"


def run(arguments: argparse.Namespace | NoArguments, exports: Exports | None = None) -> int:
    """Opens the app; returns the exit code. Raises ConfigError, UsageError."""

    async def on_the_config() -> int:
        return await _run_app(build_app(_load(arguments), arguments, exports=exports))

    return _open(on_the_config)


def run_without_arguments(exports: Exports | None = None) -> int:
    """Opens the app as ``lilfox`` alone does; returns the exit code. Raises ConfigError, UsageError."""
    set_language_from_locale()
    return run(NoArguments(), exports)


def run_demo(arguments: argparse.Namespace) -> int:
    """Runs the app on the demo stack, which is stopped when the app exits; returns the exit code. Raises ConfigError
    for an unknown theme."""

    load_theme(arguments.theme or DEFAULT)  # before the services start

    async def on_the_stack() -> int:
        from lilfox_tui.demo.control_socket import DATABASE, SERVICES, parse_fault
        from lilfox_tui.demo.stack import Stack

        faults = [parse_fault(text) for text in arguments.fault or ()]
        importing = asyncio.create_task(asyncio.to_thread(_import_for_demo))  # while the services come up
        async with Stack() as stack:
            await importing
            arguments.config = str(stack.write_config(this_machine()))
            with _state_in(stack.state_dir):
                app = build_app(_load(arguments), arguments, stack)
                database_is_up = app.monitor.backends.hold(DATABASE)
                starting = asyncio.create_task(_complete(app, stack, faults, SERVICES, database_is_up))
                try:
                    return await _run_app(app)
                finally:
                    starting.cancel()

    return _open(on_the_stack)


def _import_for_demo() -> None:
    for name in _OF_DEMO:
        import_module(f"lilfox_tui.{name}")


async def _complete(
    app: LilFoxApp,
    stack: Stack,
    faults: Sequence[tuple[str, str]],
    services: Collection[str],
    database_is_up: Callable[[], None],
) -> None:
    """Injects the faults named on the command line. Those of the database follow once the screen is up and the demo's
    database has been started. ``database_is_up`` is called once the database has started or failed to start."""
    try:
        for name, kind in faults:
            if name in services:
                await stack.fault(name, kind)
        await asyncio.sleep(scrape.AFTER_FIRST_FRAME_S)
        try:
            await stack.start_database()
        finally:
            database_is_up()
        for name, kind in faults:
            if name not in services:
                await stack.fault(name, kind)
    except LilFoxError as error:
        app.tell(error)


@contextmanager
def _state_in(folder: Path) -> Iterator[None]:
    """Within the context, use ``folder`` as the state directory of this process and its jobs. The crash log stays in
    the old one, because it is read after ``folder`` has been deleted."""
    before, own = os.environ.get("XDG_STATE_HOME"), state_path()
    os.environ["XDG_STATE_HOME"] = str(folder)
    try:
        with kept_in(own):
            yield
    finally:
        del os.environ["XDG_STATE_HOME"]
        if before is not None:
            os.environ["XDG_STATE_HOME"] = before


async def _run_app(app: LilFoxApp) -> int:
    await app.run_async()
    return app.return_code or 0


def _open(start: Callable[[], Coroutine[Any, Any, int]]) -> int:
    _require_terminal()
    sys.excepthook = except_hook
    terminal = SavedTerminal()
    try:
        return asyncio.run(start())
    finally:
        terminal.restore()


def _require_terminal() -> None:
    """Raise UsageError unless stdin, stdout and stderr are a terminal: keys come from stdin, Textual draws on stderr,
    and stdout gives the size."""
    for name in ("stdin", "stdout", "stderr"):
        if not getattr(sys, name).isatty():
            raise UsageError(
                tr("{stream} is not a terminal; the console needs one", stream=name),
                tr("Start lilfox without pipes or redirections; lilfox check and lilfox monitor need no terminal."),
            )


def _load(arguments: argparse.Namespace | NoArguments) -> Config:
    """Return the configuration. Does not import YAML if no file is named and there is none in the XDG folder."""
    path = Path(arguments.config) if arguments.config else None
    if path is None and not config_file().exists():
        return Config()
    from lilfox_tui.config.loader import load

    return load(path).config
