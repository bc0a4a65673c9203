"""The arguments of ``lilfox alerts lint | test | routes``; what these actions need is imported when they run."""

from __future__ import annotations

import argparse
from pathlib import Path

from lilfox_tui.core.i18n import tr


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds ``--json`` and ``--json-schema``."""
    parser.add_argument("--json", action="store_true", help=str(tr("print the result as one JSON document")))
    parser.add_argument(
        "--json-schema", action="store_true", help=str(tr("print the JSON schema of that document and exit"))
    )


def add_lint_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts lint``."""
    parser.add_argument(
        "rule_files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=str(tr("Prometheus rule files; default: the rule files in the configuration")),
    )
    parser.add_argument(
        "--metrics",
        action="append",
        type=Path,
        default=[],
        metavar="PAGE",
        help=str(tr("look up the rules' series in this saved scrape instead of querying the targets")),
    )
    add_json(parser)


def add_test_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts test``."""
    parser.add_argument(
        "test_files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=str(tr("test files, in the format of promtool test rules")),
    )
    parser.add_argument(
        "--prometheus2",
        action="store_true",
        help=str(tr("behave like promtool 2.x (file format and query results)")),
    )
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="PATTERN",
        help=str(tr("run only tests whose name this regular expression matches; may be given several times")),
    )
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help=str(tr("also write the results to this file, as JUnit XML"))
    )


def add_routes_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``alerts routes``."""
    label_help = str(tr("print the receivers of an alert with these labels, as amtool config routes test does"))
    parser.add_argument("labels", nargs="*", metavar="NAME=VALUE", help=label_help)
