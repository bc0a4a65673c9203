"""``lilfox alerts lint``, ``test`` and ``routes``: lints rules, also against known series, runs their unit tests, and
tells the routes of ``alertmanager_config`` and which ones an alert takes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from lilfox_tui.alerts.alertmanager_file import check_notifications, matcher_text, notification_rules
from lilfox_tui.alerts.lint import KnownSeries, lint
from lilfox_tui.alerts.routing import AlertRoute, RouteTree
from lilfox_tui.alerts.rules import read_rules, stamp_of
from lilfox_tui.alerts.unit_test_runner import UnitTestCase, UnitTestVerdict, run_unit_tests
from lilfox_tui.cli.output import print_json, print_line, print_text, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.cli.query_engine import opened
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.core.errors import ConfigError, LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.core.text import clean, human_duration
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.scrape_once import scrape_once
from lilfox_tui.monitor.watchers.alert import with_rules_of_prometheus
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.exposition import BadPage, Exposition
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, label_condition
from lilfox_tui.scrape.store import SelectedSeries, SeriesStore

if TYPE_CHECKING:
    from lilfox_tui.alerts.lint import RuleWarning
    from lilfox_tui.alerts.rules import RuleFile
    from lilfox_tui.config.loader import LoadedConfig


# ``lilfox alerts lint``: errors as ``promtool check rules`` finds them, and warnings beyond.


_LARGEST_PAGE = 64 * 1024 * 1024


def run_lint(args: argparse.Namespace) -> int:
    """Prints the problems found; returns 0 if every file can be used, else 1."""
    if args.json_schema:
        print_schema("alerts-lint")
        return 0
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
        print_json({"good": not errors, "files": [_lint_document(path, files, errors, warnings) for path in paths]})
    else:
        for path in paths:
            _print_file(path, files, errors, warnings)
    return 1 if errors else 0


def _configured(loaded: LoadedConfig) -> list[Path]:
    """The rule files of the configuration. Raises LilFoxError if there are none."""
    patterns = with_rules_of_prometheus(loaded.config).rules
    if not patterns:
        raise UsageError(tr("no rule file given"), tr("for example: lilfox alerts lint rules/*.yml"))
    found = [Path(path) for path, *_about in stamp_of(patterns, Path())]
    if not found:
        raise LilFoxError(tr("rules: no file matches {pattern}", pattern=patterns[0]))
    return found


def _asked(loaded: LoadedConfig, files: Iterable[RuleFile]) -> KnownSeries | None:
    """The series of the configured sources, None if none is configured or none answers."""
    config = loaded.config
    if not (config.services or config.scrape or config.prometheus_config or config.prometheus):
        return None

    try:
        known, troubles = asyncio.run(known_series(config, loaded.path, files))
    except LilFoxError as error:
        warn(tr("series could not be queried: {reason}", reason=error))
        return None
    for trouble in troubles:
        warn(tr("series could not be queried: {reason}", reason=trouble))
    return known


def _known(pages: Sequence[Path]) -> KnownSeries:
    """The series in saved scrapes. Raises LilFoxError if one cannot be read."""
    saved = SavedPages()
    for path in pages:
        try:
            with path.open("rb") as file:
                body = file.read(_LARGEST_PAGE + 1)
        except OSError as error:
            raise LilFoxError(tr("{path}: cannot be read: {reason}", path=path, reason=error.strerror or "")) from None
        if len(body) > _LARGEST_PAGE:
            raise LilFoxError(tr("{path}: larger than 64 MiB; not a saved scrape", path=path))
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
    of_file = _warnings_of(path, warnings)
    for warning in of_file:
        place = f"{path}:{warning.line}: {warning.group}/{warning.rule}"
        print_line(tr("{place}: warning: {what} [{code}]", place=place, what=warning.what, code=warning.code))
        print_line(f"    {warning.hint}")
    rules = sum(len(group.rules) for group in files[path].groups)
    said = ngettext("{count} warning", "{count} warnings", len(of_file)) if of_file else str(tr("good"))
    print_line(ngettext("{path}: {count} rule: {said}", "{path}: {count} rules: {said}", rules, path=path, said=said))


def _warnings_of(path: Path, warnings: Sequence[RuleWarning]) -> list[RuleWarning]:
    return [warning for warning in warnings if warning.file == str(path)]


def _lint_document(
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
            for warning in _warnings_of(path, warnings)
        ],
    }


# ``lilfox alerts test``: promtool's unit tests of rules, with promtool's verdict.


def run_test(args: argparse.Namespace) -> int:
    """Prints the failed expectations; returns 0 if there are none, else 1."""
    good = True
    wanted = _wanted(args.run)
    verdicts: dict[Path, UnitTestVerdict] = {}
    for path in args.test_files:
        verdict = verdicts[path] = run_unit_tests(path, prometheus2=args.prometheus2, wanted=wanted)
        for warning in verdict.warnings:
            warn(tr("warning: {what}", what=warning))
        print_line(f"{path}: {_verdict_text(verdict)}")
        for problem in verdict.problems:
            print_text("\n".join(f"  {line}" for line in problem.split("\n")))
        good = good and not verdict.problems
    if good and args.run and not any(verdict.tests for verdict in verdicts.values()):
        raise UsageError(tr("no test has a name that --run matches"), tr("the name of a test is its key name:"))
    if args.junit is not None:
        _write_junit(args.junit, verdicts)
    return 0 if good else 1


def _wanted(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether one of the patterns (RE2) matches a part of a name; every name where there are none."""
    conditions = [label_condition("=~", f"(?s:.*)(?:{pattern})(?s:.*)") for pattern in patterns]
    return lambda name: not conditions or any(condition(name) for condition in conditions)


def _write_junit(path: Path, verdicts: Mapping[Path, UnitTestVerdict]) -> None:
    """Write the results: a suite for each file, a case for each test. Raises LilFoxError."""
    root = Element("testsuites")
    for file, verdict in verdicts.items():
        cases = verdict.cases or ((UnitTestCase(file.name, verdict.problems, 0.0),) if verdict.problems else ())
        failed = sum(bool(case.problems) for case in cases)
        took = f"{sum(case.took_s for case in cases):.3f}"
        suite = SubElement(
            root, "testsuite", name=clean(str(file)), tests=str(len(cases)), failures=str(failed), time=took
        )
        for case in cases:
            about = SubElement(suite, "testcase", name=clean(case.name), time=f"{case.took_s:.3f}")
            for problem in case.problems:
                lines = [clean(line) for line in problem.split("\n")]
                SubElement(about, "failure", message=lines[0]).text = "\n".join(lines)
    try:
        path.write_bytes(tostring(root, encoding="utf-8", xml_declaration=True))
    except OSError as error:
        raise LilFoxError(tr("{path}: cannot be written: {reason}", path=path, reason=error.strerror or "")) from None


def _verdict_text(verdict: UnitTestVerdict) -> str:
    if verdict.problems:
        return ngettext("FAILED, {count} problem", "FAILED, {count} problems", len(verdict.problems))
    if not verdict.checks:
        return _("passed, but the tests contain no expectations")
    return ngettext("passed, {count} expectation met", "passed, {count} expectations met", verdict.checks)


# The series that the linter of rules knows: scraped, asked of a Prometheus, or read from saved pages.


# The series that a linter knows: of the targets of the configuration, else of the Prometheus that it names.


_LIMIT_BYTES = 256 * 1024 * 1024


async def known_series(
    config: Config, config_file: Path | None, files: Iterable[RuleFile]
) -> tuple[KnownSeries | None, list[Message]]:
    """The series available to the rules of ``files``, None if no source is configured or none answers, and the errors
    of the sources. Raises LilFoxError if a Prometheus does not answer."""
    if not (config.services or config.scrape or config.prometheus_config):
        return None if config.prometheus is None else await _of_prometheus(config, config.prometheus, files), []
    async with scrape_once(config, config_file, for_s=0, every_s=1, hosts=False) as seen:
        if len(seen.troubles) == seen.asked:
            return None, list(seen.troubles)
        types = {name: each.type for scraper in seen.scrapers for name, each in scraper.exposition.families.items()}
        return KnownSeries(seen.store, round(seen.at.timestamp() * 1000), types, scraped=True), list(seen.troubles)


async def _of_prometheus(config: Config, api: ApiConfig, files: Iterable[RuleFile]) -> KnownSeries:
    """Queries a Prometheus for each selector of the rules and for its metric name alone."""
    now = datetime.now(UTC)
    at_ms = round(now.timestamp() * 1000)
    found = SeriesStore(keep_s=PROMETHEUS_3.lookback_ms / 1000, limit_bytes=_LIMIT_BYTES)
    wanted = {matchers for file in files for group in file.groups for rule in group.rules
              for matchers in rule.query.selectors}  # fmt: skip
    types: dict[str, str] = {}
    engine, host = opened(config, api, lambda _sentence: None)
    try:
        for matchers in sorted(wanted, key=str):
            for each in (matchers, _name_alone(matchers)):
                sets = await engine.series(each, now - timedelta(milliseconds=PROMETHEUS_3.lookback_ms), now)
                labels = LabelList(tuple(dict.fromkeys(sets)))
                if labels:
                    found.target(str(each)).append(at_ms, labels, np.zeros(len(labels)))
        with suppress(LilFoxError):  # not all that answer PromQL have it
            types = await engine.types()
    finally:
        await engine.close()
        if host is not None:
            await host.close()
    return KnownSeries(found, at_ms, types, scraped=True)


def _name_alone(matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    return tuple(each for each in matchers if each.name == NAME and each.op == "=") or matchers


# Pages of metrics that were saved, as series at one instant.


_OF_A_TARGET = ("job", "instance")
_END_OF_OPENMETRICS = b"# EOF"


class SavedPages:
    """The series in saved scrapes. These lack the labels that a scrape adds, so matchers on those always match."""

    AT_MS = 0

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self._store = SeriesStore(keep_s=1, limit_bytes=1 << 30)

    def add(self, path: Path, body: bytes) -> None:
        """Adds the series of one scrape. Raises LilFoxError if it cannot be parsed."""
        page_reader = Exposition(LabelSet.of, honor_timestamps=False)
        try:
            page = page_reader.read(body, openmetrics=body.rstrip().endswith(_END_OF_OPENMETRICS))
        except BadPage as error:
            raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.message), error.hint) from None
        self._store.target(str(path)).append(self.AT_MS, page.labels, page.values)
        self.types |= {name: family.type for name, family in page_reader.families.items()}

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """Selects series, see SeriesSource."""
        on_the_page = tuple(matcher for matcher in matchers if matcher.name not in _OF_A_TARGET)
        return self._store.select(on_the_page, start_ms, end_ms)


def run_routes(args: argparse.Namespace) -> int:
    """Prints the tree of routes, or the receivers of an alert with the labels of the command line, in the order of
    their routes."""
    config = with_rules_of_prometheus(load_settings(args).config)
    tree = notification_rules(config).tree
    if tree is None:
        raise UsageError(
            tr("the configuration has no alertmanager_config"),
            tr("name the alertmanager.yml: alertmanager_config: /etc/alertmanager/alertmanager.yml"),
        )
    if args.labels:
        _print_receivers(tree, _labels(args.labels))
        return 0
    for depth, route in tree.root.walk():
        print_text("  " * depth + _route_text(route) + "\n")
    for note in check_notifications(config):
        print_line(note)
    return 0


def _print_receivers(tree: RouteTree, labels: Labels) -> None:
    names = [route.receiver for route in tree.match(labels)]
    print_text(",".join(names) + "\n")


def _labels(words: list[str]) -> Labels:
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise UsageError(
                tr("{word} is not a label", word=word),
                tr("write labels as NAME=VALUE: alertname=HostDown severity=page"),
            )
        found[name] = value
    return tuple(sorted(found.items()))


def _route_text(route: AlertRoute) -> str:
    """A route on one line: what it takes, where that goes, and how it is grouped."""
    how = route.grouping
    matchers = "{" + ",".join(matcher_text(each) for each in route.matchers) + "}"
    by = "..." if how.group_by is None else ", ".join(how.group_by)
    words = [
        matchers,
        f"→ {route.receiver}",
        f"group_by [{by}]",
        f"wait {human_duration(how.wait_s)}",
        f"interval {human_duration(how.interval_s)}",
        f"repeat {human_duration(how.remind_s or 0)}",
    ]
    if route.proceed:
        words.append("continue")
    words += [_("muted by {name}", name=name) for name in how.mute]
    words += [_("muted outside {name}", name=name) for name in how.active]
    return "  ".join(words)


RUNS = {"lint": run_lint, "test": run_test, "routes": run_routes}
"""The actions of ``lilfox alerts`` that need more than the state of the alerts."""
