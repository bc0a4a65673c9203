"""``lilfox alerts lint``: errors as ``promtool check rules`` finds them, and warnings beyond."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import print_json, print_line, warn
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import ConfigError, LilFoxError, UsageError
from lilfox_tui.i18n import ngettext, tr

if TYPE_CHECKING:
    from lilfox_tui.alerts.lint import KnownSeries, RuleWarning
    from lilfox_tui.alerts.rules import RuleFile
    from lilfox_tui.config.loader import LoadedConfig

_LARGEST_PAGE = 64 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts lint`` accepts."""
    parser.add_argument(
        "rule_files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=str(tr("rule files of Prometheus; those of the configuration when none is named")),
    )
    parser.add_argument(
        "--metrics",
        action="append",
        type=Path,
        default=[],
        metavar="PAGE",
        help=str(tr("a saved page of metrics of a target: what rules select is looked for there, and nobody is asked")),
    )
    parser.add_argument("--json", action="store_true", help=str(tr("one JSON document")))
    parser.add_argument("--json-schema", action="store_true", help=str(tr("the schema of that document")))


def run(args: argparse.Namespace) -> int:
    """Prints what is found; 0 where every file can be used, 1 where one cannot."""
    if args.json_schema:
        print_schema("alerts-lint")
        return 0
    from lilfox_tui.alerts.lint import lint
    from lilfox_tui.alerts.rules import read_rules

    loaded = load_settings(args)
    paths = args.rule_files or _configured(loaded)
    files: dict[Path, RuleFile] = {}
    errors: dict[Path, tuple[str, ...]] = {}
    for path in paths:
        try:
            files[path] = read_rules(path, trusted=False)
        except ConfigError as error:
            errors[path] = error.problems
    known = _known(args.metrics) if args.metrics else _asked(loaded, files.values())
    warnings = lint(list(files.values()), known)
    if args.json:
        print_json({"good": not errors, "files": [_document(path, files, errors, warnings) for path in paths]})
    else:
        for path in paths:
            _print_file(path, files, errors, warnings)
    return 1 if errors else 0


def _configured(loaded: LoadedConfig) -> list[Path]:
    """The rule files of the configuration. Raises LilFoxError where there are none."""
    from lilfox_tui.alerts.rules import stamp_of
    from lilfox_tui.monitor.alert_watch import with_rules_of_prometheus

    patterns = with_rules_of_prometheus(loaded.config).rules
    if not patterns:
        raise UsageError(tr("no rule file is named"), tr("such as: lilfox alerts lint rules/*.yml"))
    found = [Path(path) for path, *_about in stamp_of(patterns, Path())]
    if not found:
        raise LilFoxError(tr("rules: no file fits {pattern}", pattern=patterns[0]))
    return found


def _asked(loaded: LoadedConfig, files: Iterable[RuleFile]) -> KnownSeries | None:
    """The series of those whom the configuration names, None where it names nobody or nobody answers."""
    config = loaded.config
    if not (config.services or config.scrape or config.prometheus_config or config.prometheus):
        return None
    from lilfox_tui.cli.alerts.known_series import ask

    try:
        known, troubles = asyncio.run(ask(config, loaded.path, files))
    except LilFoxError as error:
        warn(tr("not asked for its series: {reason}", reason=error))
        return None
    for trouble in troubles:
        warn(tr("not asked for its series: {reason}", reason=trouble))
    return known


def _known(pages: Sequence[Path]) -> KnownSeries:
    """The series of saved pages. Raises LilFoxError where one cannot be read."""
    from lilfox_tui.alerts.lint import KnownSeries
    from lilfox_tui.cli.alerts.saved_pages import SavedPages

    saved = SavedPages()
    for path in pages:
        try:
            with path.open("rb") as file:
                body = file.read(_LARGEST_PAGE + 1)
        except OSError as error:
            raise LilFoxError(tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or "")) from None
        if len(body) > _LARGEST_PAGE:
            raise LilFoxError(tr("{path}: larger than 64 MiB; that is no page of metrics", path=path))
        saved.add(path, body)
    return KnownSeries(saved, saved.AT_MS, saved.types)


def _print_file(
    path: Path, files: dict[Path, RuleFile], errors: dict[Path, tuple[str, ...]], warnings: Sequence[RuleWarning]
) -> None:
    for problem in errors.get(path, ()):
        print_line(problem)
    if path in errors:
        count = len(errors[path])
        print_line(ngettext("{path}: {count} error", "{path}: {count} errors", count, path=path))
        return
    of_file = _of(path, warnings)
    for warning in of_file:
        place = f"{path}:{warning.line}: {warning.group}/{warning.rule}"
        print_line(tr("{place}: warning: {what} [{code}]", place=place, what=warning.what, code=warning.code))
        print_line(f"    {warning.hint}")
    rules = sum(len(group.rules) for group in files[path].groups)
    said = ngettext("{count} warning", "{count} warnings", len(of_file)) if of_file else str(tr("good"))
    print_line(ngettext("{path}: {count} rule: {said}", "{path}: {count} rules: {said}", rules, path=path, said=said))


def _of(path: Path, warnings: Sequence[RuleWarning]) -> list[RuleWarning]:
    return [warning for warning in warnings if warning.file == str(path)]


def _document(
    path: Path, files: dict[Path, RuleFile], errors: dict[Path, tuple[str, ...]], warnings: Sequence[RuleWarning]
) -> dict[str, object]:
    return {
        "file": str(path),
        "rules": sum(len(group.rules) for group in files[path].groups) if path in files else None,
        "errors": list(errors.get(path, ())),
        "warnings": [
            {
                "line": warning.line,
                "group": warning.group,
                "rule": warning.rule,
                "code": warning.code,
                "what": str(warning.what),
                "hint": str(warning.hint),
            }
            for warning in _of(path, warnings)
        ],
    }
