"""``lilfox runbook lint``: for a person, and for what checks a team's files before they are merged."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lilfox_tui.cli.output import print_json, print_line
from lilfox_tui.cli.runbooks.choosing import problem_line, runbooks_config
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, ngettext, tr
from lilfox_tui.redact import redact
from lilfox_tui.runbook.library import catalogue
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import Document, Problem
from lilfox_tui.runbook.parse.document import read_or_told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``runbook lint`` accepts."""
    parser.add_argument(
        "runbook_files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=_("Markdown files, with or without runbooks; those of the configuration when none is named"),
    )
    parser.add_argument("--strict", action="store_true", help=_("exit 1 for warnings too"))
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Prints what is found; 1 where a file has an error, with ``--strict`` also for a warning."""
    if args.json_schema:
        print_schema("runbook-lint")
        return 0
    found: list[tuple[str, Document, list[Problem]]] = []
    for name, document in _documents(args):
        found.append((name, document, lint(document)))
    errors = any(problem.severity == "error" for _name, _document, problems in found for problem in problems)
    if args.json:
        print_json({"good": not errors, "files": [_as_json(*each) for each in found]})
    else:
        for name, document, problems in found:
            _print(name, document, problems)
    return 1 if errors or (args.strict and any(problems for _name, _document, problems in found)) else 0


def _documents(args: argparse.Namespace) -> list[tuple[str, Document]]:
    """Each file by the name that it was given."""
    config = runbooks_config(args)
    if not args.runbook_files:
        documents = catalogue(config)
        if not documents:
            raise UsageError(tr("no runbook is named"), tr("such as: lilfox runbook lint runbooks/*.md"))
        return [(document.path, document) for document in documents]
    return [(str(path), read_or_told(path)) for path in args.runbook_files]


def _print(name: str, document: Document, problems: Sequence[Problem]) -> None:
    for problem in problems:
        print_line(problem_line(name, problem))
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    said = [ngettext("{count} error", "{count} errors", errors)] if errors else []
    said += [ngettext("{count} warning", "{count} warnings", warnings)] if warnings else []
    count = len(document.runbooks)
    words = listed(said) or _("good")
    print_line(
        ngettext("{path}: {count} runbook: {said}", "{path}: {count} runbooks: {said}", count, path=name, said=words)
    )


def _as_json(name: str, document: Document, problems: Sequence[Problem]) -> dict[str, object]:
    return {
        "file": name,
        "runbooks": len(document.runbooks),
        "problems": [
            {
                "line": problem.line,
                "severity": problem.severity,
                "code": problem.code,
                "text": redact(problem.text),
            }
            for problem in problems
        ],
    }
