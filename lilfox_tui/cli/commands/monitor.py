"""``lilfox monitor``: runs the monitor as a daemon, in place of the ops manual's monitor.py. Exits cleanly on SIGTERM
and SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
from typing import Any

import msgspec

from lilfox_tui.cli.exports import exported_files
from lilfox_tui.cli.output import print_json, warn
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.config.model import Config, MonitorConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.i18n import _
from lilfox_tui.monitor.daemon import Daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``monitor``; the defaults are in the section ``monitor:`` of the config."""
    parser.add_argument("--interval", type=duration, metavar="DURATION", help=_("time between two reports"))
    parser.add_argument("--output", metavar="FILE", help=_("append the reports to this file"))
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help=_("serve /metrics and /health at this address"))
    parser.add_argument("--quiet", action="store_true", help=_("write reports only to the file"))


def run(args: argparse.Namespace) -> int:
    """Runs the daemon until a signal ends it."""
    loaded = load_settings(args)
    config, publish = loaded.config, _nothing if args.quiet else _print_report
    daemon = Daemon(
        config,
        _options(config, args),
        publish=publish,
        warn=warn,
        config_file=loaded.path,
        exports=exported_files,
    )
    asyncio.run(_until_told(daemon))
    return 0


def _options(config: Config, args: argparse.Namespace) -> MonitorConfig:
    given: dict[str, Any] = {
        "interval": None if args.interval is None else Seconds(args.interval),
        "output": args.output,
        "listen": args.listen,
    }
    return msgspec.structs.replace(config.monitor, **{key: value for key, value in given.items() if value is not None})


def _print_report(document: dict[str, Any]) -> None:
    print_json(document, lines=True)


def _nothing(_document: dict[str, Any]) -> None:
    pass


async def _until_told(daemon: Daemon) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(daemon.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
    except ExceptionGroup as group:
        raise _single(group) from group


def _single(group: ExceptionGroup[Exception]) -> Exception:
    """The single error inside nested groups, so that the actual failure is reported."""
    error: Exception = group
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
