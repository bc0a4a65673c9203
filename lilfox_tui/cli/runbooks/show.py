"""``lilfox runbook show``: a file as LilFox reads it. Nothing is run; secrets in its text are masked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, warn
from lilfox_tui.cli.runbooks.choosing import document, problem_line, runbooks_config
from lilfox_tui.cli.runbooks.values import about
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.redact import redact
from lilfox_tui.runbook.model import Command, Runbook, Step
from lilfox_tui.runbook.run.state import kind_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``runbook show`` accepts."""
    parser.add_argument("runbook", nargs="?", metavar="FILE", help=_("a Markdown file, or the id of a runbook"))
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Prints the runbooks of the file, what is wrong with it on stderr; 1 where it has an error or no runbook."""
    if args.json_schema:
        print_schema("runbook-show")
        return 0
    if args.runbook is None:
        raise UsageError(tr("no runbook is named"), tr("such as: lilfox runbook show incident.md"))
    found = document(args.runbook, runbooks_config(args))
    if args.json:
        print_json([_document(runbook) for runbook in found.runbooks])
    else:
        for number, runbook in enumerate(found.runbooks):
            if number:
                print_line()
            _print(runbook)
    for problem in found.problems:
        warn(problem_line(found.path, problem))
    return 1 if not found.runbooks or any(problem.severity == "error" for problem in found.problems) else 0


def _print(runbook: Runbook) -> None:
    print_line(f"{runbook.title}  {runbook.path}:{runbook.line}")
    for variable in runbook.variables:
        print_line(f"   {about(variable)}")
    for number, step in enumerate(runbook.steps, 1):
        print_line()
        print_line(f"{number}. {step.title}")
        for text in step.prose:
            print_line(f"   {redact(text)}")
        for text in step.checklist:
            print_line(f"   - {redact(text)}")
        print_table([row for command in step.commands for row in _rows(command)])


def _rows(command: Command) -> Iterator[tuple[Cell, ...]]:
    attributes = command.attributes
    words = [kind_text(command.kind)]
    words += [_("check")] if attributes.check else []
    words += [_("takes back {name}", name=attributes.rollback_of)] if attributes.rollback_of else []
    word = listed(words) + (f" ({attributes.host})" if attributes.host else "")
    for line in redact(command.text).split("\n"):
        yield Cell(f"   {word}"), Cell(line)
        word = ""


def _document(runbook: Runbook) -> dict[str, object]:
    return {
        "title": runbook.title,
        "path": runbook.path,
        "steps": [
            {"title": step.title, "commands": [*_by_hand(step), *map(_command, step.commands)]}
            for step in runbook.steps
        ],
    }


def _by_hand(step: Step) -> Iterator[dict[str, object]]:
    """What a step says besides its commands: shown, never run."""
    if text := "\n".join((*step.prose, *step.checklist)):
        yield {"text": redact(text), "kind": "none", "language": "", "placeholders": []}


def _command(command: Command) -> dict[str, object]:
    return {
        "text": redact(command.text),
        "kind": command.kind,
        "language": command.language,
        "placeholders": list(dict.fromkeys(placeholder.name for placeholder in command.placeholders)),
    }
