"""The command line. Each sub-command is a module of its own, imported only when used."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from lilfox_tui import __version__
from lilfox_tui.cli.parser import NamedOnly, Parser, duration, translate_own_words
from lilfox_tui.core.i18n import LANGUAGES, Message, _, set_language, set_language_from_locale, tr

COMMANDS = {
    "check": tr("check hosts, services, backends, backups and alerts once, worst first"),
    "audit": tr("check how hosts are set up: logins, firewall, updates; each finding with its fix"),
    "monitor": tr("monitor without the console: JSON Lines reports, a /metrics endpoint, a heartbeat"),
    "logs": tr("search and follow log records in time order; logs stats: errors and response times"),
    "alerts": tr("list, acknowledge and silence alerts; lint and test rules"),
    "containers": tr("list the containers of all hosts, worst first: state, health, restarts, use and limits"),
    "cluster": tr("Kubernetes clusters: list, update, restart, undo, scale, drain; each change is shown and proved"),
    "query": tr("evaluate a PromQL expression on a Prometheus server, in lilfox monitor, or over series scraped now"),
    "backup": tr("backups: run, list, verify, drill, settle, prune"),
    "restore": tr("restore a backup set or a part of it; undo a restore"),
    "recover": tr("check the units under recovery: once, and restart those that need it"),
    "maintenance": tr("maintenance windows, which suspend automatic restarts and notifications: on, off"),
    "incident": tr("incidents: open, note, evidence, verify, export, close; LilFox records the actions taken"),
    "runbook": tr("runbooks: list, show, lint, run"),
    "jobs": tr("list running and ended jobs; also: cancel, checked"),
    "attach": tr("replay a job's events, then follow it until it ends"),
    "hosts": tr("hosts and their keys: list, trust"),
    "config": tr("the configuration: check, show, schema, kinds"),
    "export": tr("generate files for systemd, Prometheus, Grafana and log stacks"),
    "demo": tr("simulated service stack with selectable faults"),
}

_WITH_VALUE = ("--config", "--language", "--theme", "--refresh")


class CommandModule(Protocol):
    """The interface of the modules in ``cli/commands/``."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the arguments of the sub-command."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Runs the sub-command; returns the exit code. Raises LilFoxError."""
        ...


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments; ``command`` is None without a sub-command, and ``files`` are then the files at the end
    (``lilfox FILE…``). Exits with 2 on invalid arguments."""
    set_language_from_locale()
    parser = build_parser([name for name in COMMANDS if name in argv])
    files = _files_at_end(argv)
    args, rest = parser.parse_known_args(argv[: len(argv) - len(files)])
    args.files = files
    if rest:
        _add_words(parser, args, rest)
    if args.language not in (None, "auto"):
        set_language(args.language)
    return args


def build_parser(loaded: Collection[str]) -> Parser:
    """The parser of the command line, with the arguments of the sub-commands ``loaded``. The others are known by name
    only."""
    translate_own_words()
    parser = Parser(
        prog="lilfox", description=_("The on-call console. Without a sub-command, opens the full-screen interface.")
    )
    version = _("show the version and exit")
    parser.add_argument("--version", action="version", version=f"lilfox {__version__}", help=version)
    _add_global(parser, defaults=True)
    add_screen(parser, defaults=True)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title=_("sub-commands"))
    for name, text in COMMANDS.items():
        subparsers._parser_class = Parser if name in loaded else NamedOnly
        sub = subparsers.add_parser(name, help=str(text), description=str(text))
        if name in loaded:
            add_everywhere(sub)
            _load(name).add_arguments(sub)
    return parser


def _files_at_end(argv: Sequence[str]) -> list[str]:
    """The arguments at the end that are existing files; none if there is a sub-command. Write ``./check`` for a file
    named like a sub-command."""
    first = len(argv)
    if not any(word in COMMANDS for word in argv):
        while first and not argv[first - 1].startswith("-") and Path(argv[first - 1]).exists():
            first -= 1
    if 0 < first < len(argv) and argv[first - 1] in _WITH_VALUE:
        first += 1
    return list(argv[first:])


def _add_words(parser: argparse.ArgumentParser, args: argparse.Namespace, rest: Sequence[str]) -> None:
    """Adds the words of a list (``sources``) that follow an option, as argparse takes a list only in one piece."""
    if not hasattr(args, "sources") or any(word.startswith("-") and word != "-" for word in rest):
        parser.error(_("unrecognized arguments: {words}", words=" ".join(rest)))
    args.sources = [*args.sources, *rest]


def run_command(args: argparse.Namespace) -> int:
    """Runs the sub-command that ``args`` names; returns the exit code."""
    return _load(args.command).run(args)


def _load(name: str) -> CommandModule:
    return cast("CommandModule", importlib.import_module(f"lilfox_tui.cli.commands.{name}"))


def add_everywhere(parser: argparse.ArgumentParser) -> None:
    """Adds the options that may appear before or after a sub-command and after its action: without defaults, which
    would override earlier ones."""
    _add_global(parser, defaults=False)


def _add_global(parser: argparse.ArgumentParser, *, defaults: bool) -> None:
    option = _options(parser, _("global options"), defaults=defaults)
    option("--config", tr("configuration file"), metavar="FILE")
    option("--read-only", tr("forbid all changes"), action="store_true")
    option("--language", tr("display language"), choices=["auto", *LANGUAGES])
    option("--no-color", tr("no colours"), action="store_true")


def add_screen(parser: argparse.ArgumentParser, *, defaults: bool = False) -> None:
    """Adds the options of the screen; to a sub-command that opens it without defaults, as :func:`add_everywhere`."""
    option = _options(parser, _("screen options"), defaults=defaults)
    option("--theme", tr("colour theme"), metavar="NAME")
    option("--refresh", tr("refresh period, such as 2s"), type=duration, metavar="DURATION")
    option("--slow-link", tr("send less to the terminal"), action="store_true")


def _options(parser: argparse.ArgumentParser, title: str, *, defaults: bool) -> Callable[..., None]:
    """A function that adds an option to a new group."""
    group = parser.add_argument_group(title)

    def option(flag: str, text: Message, **more: object) -> None:
        default = {} if defaults else {"default": argparse.SUPPRESS}
        group.add_argument(flag, help=str(text), **more, **default)  # type: ignore[arg-type]

    return option


class Subcommand(NamedTuple):
    """An action of a sub-command (``list`` of ``lilfox alerts``): its purpose, arguments and function."""

    text: Message
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def subcommands(
    actions: Mapping[str, Subcommand],
) -> tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]:
    """``add_arguments`` and ``run`` for a sub-command with actions."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Adds the arguments of the sub-command."""
        parsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, action in actions.items():
            text = str(action.text)
            sub = parsers.add_parser(name, help=text, description=text)
            add_everywhere(sub)
            action.add_arguments(sub)

    def run(args: argparse.Namespace) -> int:
        """Runs ``args.action``."""
        return actions[args.action].run(args)

    return add_arguments, run
