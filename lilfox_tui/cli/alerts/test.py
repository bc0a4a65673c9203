"""``lilfox alerts test``: promtool's unit tests of rules, with promtool's verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import print_line, print_text, warn
from lilfox_tui.i18n import _, ngettext, tr

if TYPE_CHECKING:
    from lilfox_tui.alerts.unit_test_runner import UnitTestVerdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts test`` accepts."""
    parser.add_argument(
        "test_files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=str(tr("files of tests, as promtool test rules reads them")),
    )
    parser.add_argument(
        "--prometheus2",
        action="store_true",
        help=str(tr("the verdict of promtool 2.x: its files, and what its queries give")),
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was not as expected; 0 where all was, 1 otherwise."""
    from lilfox_tui.alerts.unit_test_runner import run_unit_tests

    good = True
    for path in args.test_files:
        verdict = run_unit_tests(path, prometheus2=args.prometheus2)
        for warning in verdict.warnings:
            warn(tr("warning: {what}", what=warning))
        print_line(f"{path}: {_said(verdict)}")
        for problem in verdict.problems:
            print_text("\n".join(f"  {line}" for line in problem.split("\n")))
        good = good and not verdict.problems
    return 0 if good else 1


def _said(verdict: UnitTestVerdict) -> str:
    if verdict.problems:
        return ngettext("FAILED, {count} problem", "FAILED, {count} problems", len(verdict.problems))
    if not verdict.checks:
        return _("good, but nothing is asked of the rules")
    return ngettext("good, {count} expectation met", "good, {count} expectations met", verdict.checks)
