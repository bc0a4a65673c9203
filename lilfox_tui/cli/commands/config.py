"""``lilfox config``: validates the configuration, shows the effective values, and describes the possible ones."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, print_text
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.config.log_formats import LogFormatConfig
from lilfox_tui.config.model import Config
from lilfox_tui.config.schema import schema, show
from lilfox_tui.config.themes import load_theme, theme_names
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import ntr, tr
from lilfox_tui.core.paths import config_file
from lilfox_tui.core.plugins import kinds, load
from lilfox_tui.core.text import first_paragraph

_PACKAGES = {
    "collector": "lilfox_tui.metrics.collectors",
    "log source": "lilfox_tui.logs.sources",
    "log format": "lilfox_tui.logs.formats",
    "notifier": "lilfox_tui.alerts.notifiers",
    "backend": "lilfox_tui.backends.kinds",
    "backup source": "lilfox_tui.backup.sources",
    "backup store": "lilfox_tui.backup.stores",
}
ACTIONS = {
    "check": tr("report all errors at once, as file:line: key: message"),
    "show": tr("print the effective configuration as YAML, without secrets"),
    "schema": tr("print the JSON Schema of the configuration file, for editors"),
    "kinds": tr("list the plug-ins"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``config``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        add_everywhere(actions.add_parser(name, help=str(text)))


def run(args: argparse.Namespace) -> int:
    """Runs ``args.action``. Raises ConfigError."""
    if args.action == "schema":
        print_json(schema())
    elif args.action == "kinds":
        _print_kinds()
    elif args.action == "show":
        print_text(show(load_settings(args).config))
    else:
        _check(args)
    return 0


def _check(args: argparse.Namespace) -> None:
    loaded = load_settings(args)
    if loaded.path is None:
        print_line(
            tr("no configuration file at {path}; without one, LilFox monitors only this machine", path=config_file())
        )
        return
    rules = loaded.config.rules
    if loaded.config.prometheus_config is not None:
        from lilfox_tui.scrape.discovery import prometheus_file  # only where one is named

        read = prometheus_file(loaded.config, loaded.path)
        for what in read.unsupported if read is not None else ():
            print_line(what)
        if read is not None and read.not_told and not _tells_alertmanager(loaded.config):
            print_line(read.not_told)
        rules += read.rule_files if read is not None else ()
    if loaded.config.log_formats:
        _check_log_formats(loaded.config.log_formats)
    _check_alerts(loaded.config, rules, loaded.path.absolute().parent)
    hosts = ntr("{count} host", "{count} hosts", len(loaded.config.hosts))
    services = ntr("{count} service", "{count} services", len(loaded.config.services))
    print_line(tr("{path}: valid ({hosts}, {services})", path=loaded.path, hosts=hosts, services=services))


def _check_log_formats(formats: Mapping[str, LogFormatConfig]) -> None:
    """Try each format on its own samples."""
    own = importlib.import_module("lilfox_tui.logs.own_formats")
    problems = []
    for name, setting in formats.items():
        read = own.definitions_of(name, setting)
        for what in read.left_out:
            print_line(what)
        for each in read.definitions:
            where = name if each.name == name else f"{name} ({each.name})"
            problems += [
                str(tr("log_formats.{name}: sample {number}: {why}", name=where, number=number, why=why))
                for number, why in own.failed_samples(each)
            ]
    if problems:
        raise ConfigError(
            tr("the log formats do not read their samples:\n{problems}", problems="\n".join(problems)), tuple(problems)
        )


def _tells_alertmanager(config: Config) -> bool:
    return any(options.kind == "alertmanager" for options in config.notifiers.values())


def _check_alerts(config: Config, rules: Sequence[str], base: Path) -> None:
    from lilfox_tui.alerts.alertmanager_file import check_notifications
    from lilfox_tui.alerts.rules import read_rule_files

    for what in check_notifications(config):
        print_line(what)
    read = read_rule_files(rules, base)
    for error in read.broken.values():
        raise error
    for problems in (file.problems for file in read.files if file.problems):
        raise ConfigError(tr("the rules cannot be used:\n{problems}", problems="\n".join(problems)), problems)
    for trouble in read.troubles:
        print_line(trouble.text)


def _print_kinds() -> None:
    rows = []
    for what, package in _PACKAGES.items():
        for kind in kinds(package):
            about = first_paragraph(load(package, kind).__doc__ or "")
            rows.append([Cell(what), Cell(kind), Cell(about)])
    rows.extend([Cell("theme"), Cell(name), Cell(load_theme(name).title)] for name in theme_names())
    print_table(rows)
