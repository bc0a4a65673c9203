"""``lilfox runbook list``: those of the configuration's files and folders, and those that LilFox brings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, warn
from lilfox_tui.cli.runbooks.choosing import problem_line, runbooks_config
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _
from lilfox_tui.runbook.library import catalogue, ordered
from lilfox_tui.runbook.model import Document, Runbook


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``runbook list`` accepts."""
    parser.add_argument(
        "--alert", action="append", default=[], metavar="NAME", help=_("an alert that fires: first what is for it")
    )
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Prints one line each; 3 where a file could not be read as a whole."""
    if args.json_schema:
        print_schema("runbook-list")
        return 0
    documents = catalogue(runbooks_config(args))
    runbooks = ordered([runbook for document in documents for runbook in document.runbooks], args.alert)
    broken = [each for each in documents if any(problem.severity == "error" for problem in each.problems)]
    if args.json:
        print_json({"runbooks": [_document(runbook) for runbook in runbooks], "problems": _problems(broken)})
    else:
        _print(runbooks)
    for each in broken:
        for problem in each.problems:
            if problem.severity == "error":
                warn(problem_line(each.path, problem))
    return 3 if broken else 0


def _print(runbooks: Sequence[Runbook]) -> None:
    if not runbooks:
        print_line(_("no runbooks"))
        return
    heading = [Cell(_("ID")), Cell(_("title")), Cell(_("steps"), right=True), Cell(_("for alerts")), Cell(_("where"))]
    print_table(
        [
            heading,
            *(
                [
                    Cell(runbook.id),
                    Cell(runbook.title),
                    Cell(str(len(runbook.steps)), right=True),
                    Cell(" ".join(runbook.on_alert) or "-"),
                    Cell(f"{runbook.path}:{runbook.line}"),
                ]
                for runbook in runbooks
            ),
        ]
    )


def _document(runbook: Runbook) -> dict[str, object]:
    return {
        "id": runbook.id,
        "title": runbook.title,
        "path": runbook.path,
        "line": runbook.line,
        "sha256": runbook.sha256,
        "steps": len(runbook.steps),
        "severity": runbook.severity,
        "on_alert": list(runbook.on_alert),
        "language": runbook.language,
    }


def _problems(broken: Sequence[Document]) -> list[dict[str, object]]:
    return [
        {"path": each.path, "line": problem.line, "code": problem.code, "text": problem.text}
        for each in broken
        for problem in each.problems
        if problem.severity == "error"
    ]
