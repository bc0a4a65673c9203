"""``lilfox audit``: how hosts, backends and services are set up, and what is wrong. Changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path

from lilfox_tui.audit.catalogue import chosen, groups
from lilfox_tui.audit.documents import json_document, markdown_lines, sarif_document, shown, summary
from lilfox_tui.audit.kept import KeptResult, merged
from lilfox_tui.audit.model import SEVERITY_TEXTS, AuditCheck, AuditSeverity, Report, Target
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.audit.states import (
    Entry,
    Result,
    accept,
    accepts,
    assessed,
    checked_acceptance,
    read_baseline,
    remembered,
    withdraw,
    write_baseline,
)
from lilfox_tui.cli.exports.log_stack import exported_files
from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, shape, show_passing, warn
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.config.loader import LoadedConfig
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.audit_run import SEVERITY_LEVELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``audit``."""
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help=_("only this check, group or tag (may be repeated)"),
    )
    add("--host", action="append", default=[], metavar="NAME", help=_("only this host (may be repeated)"))
    add("--active", action="store_true", help=_("also send test tokens, wrong logins and many requests to services"))
    add("--service", action="append", default=[], metavar="NAME", help=_("only this service (may be repeated)"))
    severities = [severity.name.lower() for severity in AuditSeverity]
    add("--fail-on", choices=severities, default="high", help=_("exit with 1 for findings of this severity or above"))
    add("--baseline", type=Path, metavar="FILE", help=_("leave out the findings that this file has"))
    add("--write-baseline", type=Path, metavar="FILE", help=_("write all findings to this file"))
    add("--json", action="store_true", help=_("print the result as one JSON document"))
    add("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))
    add("--format", choices=["text", "sarif", "markdown"], default="text", help=_("format of the result"))
    add("--timeout", type=duration, default=60.0, metavar="DURATION", help=_("time limit for each target"))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help=_("list the checks"))
    explaining = actions.add_parser("explain", help=_("what a check looks at, and why"))
    explaining.add_argument("check", metavar="CHECK", help=_("id of the check"))
    accepting = actions.add_parser("accept", help=_("accept a finding until a day"))
    add = accepting.add_argument
    add("check", metavar="CHECK", help=_("id of the check"))
    add("--target", required=True, metavar="NAME", help=_("what it was found on: a host, a backend, a backup plan"))
    add("--subject", metavar="SUBJECT", help=_("only the finding about this subject"))
    add("--why", default="", metavar="TEXT", help=_("reason why it is acceptable (required)"))
    add("--until", default="", metavar="DATE", help=_("last day on which it is accepted, UTC: 2027-01-31 (required)"))
    add("--remove", action="store_true", help=_("accept it no longer"))
    for action in (listing, explaining, accepting):
        add_everywhere(action)


def run(args: argparse.Namespace) -> int:
    """Runs the checks, lists them, explains one, or accepts a finding."""
    if args.json_schema:
        print_schema("audit")
        return 0
    loaded = load_settings(args)
    if args.action == "list":
        print_table(_check_rows())
        return 0
    if args.action == "explain":
        _explain(chosen([args.check])[0])
        return 0
    if args.action == "accept":
        _accept(loaded.config, args)
        return 0
    return _audit(loaded, args)


def _audit(loaded: LoadedConfig, args: argparse.Namespace) -> int:
    config = loaded.config
    targets = targets_of(config, _hosts(config, args.host), _services(config, args.service))
    checks = chosen(args.only)
    baseline = frozenset() if args.baseline is None else read_baseline(args.baseline)
    report = asyncio.run(_report(loaded, checks, targets, args))
    is_whole = not (args.only or args.host or args.service)
    _keep(loaded, report, None if is_whole else (checks, targets))
    result, problems = assessed(report, config.audit.accept, baseline)
    for problem in problems:  # the result counts, its memory does not
        warn(str(problem))
    if args.write_baseline is not None:
        write_baseline(args.write_baseline, report)
    if args.json:
        print_json(json_document(result, checks))
    elif args.format == "sarif":
        print_json(sarif_document(result, checks))
    elif args.format == "markdown":
        for line in markdown_lines(result):
            print_line(line)
    else:
        _print(result)
    return result.exit_code(AuditSeverity[args.fail_on.upper()])


def _keep(
    loaded: LoadedConfig, report: Report, part: tuple[Sequence[AuditCheck], Mapping[str, Sequence[Target]]] | None
) -> None:
    """Keeps the report for the console and the monitor: in the place of the one before, or, of a ``part`` of the checks
    and targets, in it."""
    kept = KeptResult(loaded.path)
    try:
        if part is not None:
            before = kept.read([target for named in targets_of(loaded.config).values() for target in named])
            if before is None:
                return
            report = merged(before, report, *part)
        kept.write(report)
    except LilFoxError as error:
        warn(str(error))


async def _report(
    loaded: LoadedConfig,
    checks: Sequence[AuditCheck],
    targets: Mapping[str, Sequence[Target]],
    args: argparse.Namespace,
) -> Report:
    """Runs the checks; shows the progress at a terminal."""
    at_terminal = sys.stderr.isatty()
    audit = Audit(
        loaded.config,
        loaded.path,
        timeout_s=args.timeout,
        active=args.active,
        exports=partial(exported_files, loaded.config),
        progress=_show if at_terminal else lambda _done, _waiting: None,
    )
    try:
        return await audit.run(checks, targets)
    finally:
        if at_terminal:
            show_passing("")


def _show(done: int, waiting: Sequence[str]) -> None:
    total = done + len(waiting)
    show_passing(_("audit: {done} of {total}; waiting for {names}", done=done, total=total, names=listed(waiting)))


def _hosts(config: Config, named: list[str]) -> list[str]:
    if unknown := [name for name in named if name not in config.hosts]:
        raise UsageError(
            tr("{host}: no such host in the config", host=unknown[0]),
            tr("one of: {names}", names=listed(config.hosts) or "-"),
        )
    return named


def _services(config: Config, named: list[str]) -> list[str]:
    if unknown := [name for name in named if name not in config.services]:
        raise UsageError(
            tr("{service}: no such service in the config", service=unknown[0]),
            tr("one of: {names}", names=listed(config.services) or "-"),
        )
    return named


def _print(result: Result) -> None:
    for _target, entries in groupby(result.entries, key=lambda entry: (entry.state == "accepted", entry.found.target)):
        for entry in entries:
            _print_entry(entry, result.at)
    if result.not_checked:
        print_table(_not_checked_rows(result))
    for each in result.gone:
        print_line(_("gone: {name}: {check}: {subject}", name=each.name, check=each.check, subject=shown(each.subject)))
    print_line(summary(result))


def _print_entry(entry: Entry, now: datetime) -> None:
    found, fix = entry.found, entry.found.finding.fix
    level = Level.GOOD if entry.state == "accepted" else SEVERITY_LEVELS[found.severity]
    head = [shape(level), Cell(str(SEVERITY_TEXTS[found.severity]), level), Cell(found.target.name)]
    subject = Cell(shown(found.finding.subject))
    print_table([[*head, Cell(found.check.id), subject, Cell(_state_text(entry, now))]])
    indent = "   "
    print_line(f"{indent}{found.check.title}: {shown(found.finding.evidence)}")
    if entry.state == "accepted":
        return
    print_line(indent + _("fix: {what}", what=fix.text))
    if fix.lines and fix.file and fix.file not in str(fix.text):
        print_line(f"{indent}    {shown(fix.file)}:")
    for line in (*fix.lines, *(f"$ {command}" for command in fix.commands)):
        print_line(f"{indent}    {shown(line)}")


def _state_text(entry: Entry, now: datetime) -> str:
    accepted = entry.accepted
    if accepted is not None and entry.state == "accepted":
        return _("accepted until {day}: {why}", day=accepted.until, why=accepted.why)
    if accepted is not None:
        return _("no longer accepted since {day}: {why}", day=accepted.until, why=accepted.why)
    if entry.state == "new":
        return _("new")
    return _("for {age}", age=human_duration((now - entry.first_seen).total_seconds()))


def _not_checked_rows(result: Result) -> Iterator[list[Cell]]:
    for each in result.not_checked:
        text = _("could not check: {why}", why=shown(each.reason))
        yield [shape(Level.UNKNOWN), Cell(each.target.name), Cell(each.check.id), Cell(text, folds=True)]


def _check_rows() -> Iterator[list[Cell]]:
    for group, checks in groups().items():
        for check in checks:
            severity = Cell(str(SEVERITY_TEXTS[check.severity]), SEVERITY_LEVELS[check.severity])
            yield [Cell(group), Cell(check.id), severity, Cell(str(check.title)), Cell(listed(check.tags))]


def _accept(config: Config, args: argparse.Namespace) -> None:
    if config.read_only:
        raise NotAllowed(
            tr("findings cannot be accepted in read_only mode"),
            tr("leave out --read-only, or remove read_only from the configuration"),
        )
    if args.remove:
        _withdraw(config, args)
        return
    if missing := [option for option in ("why", "until") if not getattr(args, option)]:
        raise UsageError(tr("--{option} is required", option=missing[0]))
    _check_known(config, args.check, args.target)
    today = datetime.now(UTC).date()
    entry = checked_acceptance(args.check, args.target, args.subject, args.why, args.until, today)
    accept(entry)
    print_line(_("accepted until {day}: {what}", day=entry.until, what=_named(entry)))
    if not any(accepts(entry, each.check, each.name, each.subject) for each in remembered()):
        warn(_("no earlier run of lilfox audit has found this; check the target and the subject"))


def _withdraw(config: Config, args: argparse.Namespace) -> None:
    entry = AcceptConfig(id=args.check, target=args.target, subject=args.subject, why="-", until="")
    if withdraw(entry):
        print_line(_("no longer accepted: {what}", what=_named(entry)))
        return
    in_config = any(each.id == args.check and each.target in (None, args.target) for each in config.audit.accept)
    raise UsageError(
        tr("not accepted by this command: {what}", what=_named(entry)),
        tr("The configuration accepts it, under audit: accept:. Remove it there.") if in_config else "",
    )


def _named(entry: AcceptConfig) -> str:
    return " ".join(filter(None, (entry.target, entry.id, entry.subject)))


def _check_known(config: Config, check: str, target: str) -> None:
    if check not in {each.id for each in chosen([])}:
        raise UsageError(tr("{word}: no such check", word=check), tr("lilfox audit list lists the checks"))
    names = dict.fromkeys(each.name for targets in targets_of(config).values() for each in targets)
    if target not in names:
        raise UsageError(
            tr("{name}: nothing of this name is checked", name=target),
            tr("one of: {names}", names=listed(names) or "-"),
        )


def _explain(check: AuditCheck) -> None:
    print_line(f"{check.id}  {SEVERITY_TEXTS[check.severity]}")
    print_line(str(check.title))
    print_line(str(check.why))
    print_line(check.reference)
    for fact in check.facts:
        print_line()
        question = fact.question
        print_line(_("what it reads ({name}):", name=fact.name))
        for line in (" ".join(question) if isinstance(question, tuple) else str(question)).strip().splitlines():
            print_line(f"    {line}")
