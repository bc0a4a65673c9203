"""``lilfox incident evidence | verify | export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.cli.incidents.chosen import add_by, add_id, add_incident, add_json, folder, writes
from lilfox_tui.cli.output import print_json, print_line, print_text
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, language, ngettext, tr
from lilfox_tui.incident.export import export_markdown, export_to
from lilfox_tui.incident.incidents import MOST_EVIDENCE_BYTES, keep_evidence
from lilfox_tui.incident.verify import IntegrityReport, verify
from lilfox_tui.incident.words import event_text


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Says what they accept."""
    match action:
        case "evidence":
            parser.add_argument("file", metavar="FILE", help=_("the file; - for what comes on stdin"))
            parser.add_argument("--text", default="", metavar="TEXT", help=_("what it shows"))
            parser.add_argument("--name", metavar="NAME", help=_("under which name; its own when not given"))
            add_incident(parser)
            add_by(parser)
        case "verify":
            add_id(parser)
            parser.add_argument(
                "--known", action="append", default=[], type=_known, metavar="N:SHA256",
                help=_("a line's hash that was kept elsewhere: of syslog, of an export"),
            )  # fmt: skip
            add_json(parser)
        case _:
            add_id(parser)
            parser.add_argument("--to", metavar="FOLDER", help=_("into a new folder, with the evidence beside it"))


def run(args: argparse.Namespace) -> int:
    """Does it; ``verify`` exits 1 where something was altered."""
    match args.action:
        case "evidence":
            return _evidence(args)
        case "verify":
            return _verify(args)
        case _:
            return _export(args)


def _evidence(args: argparse.Namespace) -> int:
    by = writes(args)
    place = folder(args)
    name = args.name or ("stdin" if args.file == "-" else Path(args.file).name)
    entry = keep_evidence(place.name, name, _content(args.file), args.text, by=by)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    return 0


def _content(file: str) -> bytes:
    """At most a byte more than may be kept, which is then refused."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MOST_EVIDENCE_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MOST_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise LilFoxError(tr("{file}: cannot be read: {reason}", file=file, reason=error.strerror or error)) from None


def _verify(args: argparse.Namespace) -> int:
    if args.json_schema:
        print_schema("incident-verify")
        return 0
    settings(args)
    verdict = verify(folder(args).name, known=dict(args.known))
    if args.json:
        print_json(_document(verdict))
    else:
        _print(verdict)
    return 1 if verdict.problems else 0


def _print(verdict: IntegrityReport) -> None:
    for problem in verdict.problems:
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        print_line(f"{where}: {problem.text}")
    for note in verdict.notes:
        print_line(_("note: {said}", said=note))
    if verdict.problems:
        print_line(_("{id}: altered", id=verdict.id))
        return
    print_line(
        _("{id}: intact: {entries}; SHA-256 of the last one: {number}:{sha256}",
          id=verdict.id, entries=ngettext("{count} entry", "{count} entries", verdict.entries),
          number=verdict.entries, sha256=verdict.sha256)
    )  # fmt: skip


def _document(verdict: IntegrityReport) -> dict[str, object]:
    return {
        "id": verdict.id,
        "intact": not verdict.problems,
        "entries": verdict.entries,
        "sha256": verdict.sha256,
        "problems": [{"file": each.file, "line": each.line, "text": str(each.text)} for each in verdict.problems],
        "notes": [str(note) for note in verdict.notes],
    }


def _export(args: argparse.Namespace) -> int:
    settings(args)
    place = folder(args)
    text = export_markdown(place.name, language())
    if args.to is None:
        print_text(text)
        return 0
    print_line(str(export_to(place.name, language(), Path(args.to))))
    return 0


def _known(text: str) -> tuple[int, str]:
    number, _colon, sha256 = text.partition(":")
    if not number.isdecimal() or len(sha256) != 64:
        raise argparse.ArgumentTypeError(_("{given} is not a line's number and its SHA-256: 57:9f86d081…", given=text))
    return int(number), sha256.lower()
