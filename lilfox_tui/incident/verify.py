"""Verifies that a timeline is what was written: each line's hash against the next one's, numbers without a gap, the end
against the head hash, evidence against its hash.

What it cannot see: everything rewritten, hashes and head and all, by one who may write there. Against that the hash of
an end that is kept elsewhere helps: in syslog, in an export, in a colleague's mail (``known``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from lilfox_tui.i18n import Message, tr
from lilfox_tui.incident import timeline
from lilfox_tui.incident.folder import EVIDENCE, HEAD, TIMELINE, IncidentError, find
from lilfox_tui.incident.model import EvidenceKept, TimelineEntry
from lilfox_tui.incident.timeline import NO_ENTRY, NOTHING_BEFORE, HeadHash, digest, entry_of
from lilfox_tui.trusted_file import open_regular

_BLOCK = 1 << 20


class IntegrityProblem(Struct, frozen=True):
    """Something that is otherwise than it was written. ``line`` counts from 1; None of a file."""

    file: str
    line: int | None
    text: Message


class IntegrityReport(Struct, frozen=True, kw_only=True):
    """What verifying found; all is well where there are no problems."""

    id: str
    entries: int
    """Lines that are there."""
    sha256: str
    """Of the last one."""
    problems: tuple[IntegrityProblem, ...] = ()
    """Of the timeline the first altered line alone: what follows it proves nothing."""
    notes: tuple[Message, ...] = ()
    """What is no alteration, and worth a word."""


class _Line(Struct, frozen=True):
    sha256: str
    entry: TimelineEntry | None


def verify(incident_id: str, *, known: Mapping[int, str] | None = None) -> IntegrityReport:
    """Reads everything again. ``known``: hashes of lines that were kept elsewhere, by the lines' numbers. Blocks.
    Raises NoSuchIncident, IncidentError where the timeline cannot be read at all."""
    folder = find(incident_id)
    end = timeline.read_head_hash(folder)  # before the timeline, which may grow meanwhile
    try:
        with os.fdopen(open_regular(folder / TIMELINE), "rb") as file:
            *whole, torn = file.read().split(b"\n")
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
        ) from None
    lines = [_line(text) for text in whole]
    problem = next(_altered(lines, end, known or {}), None)
    problems = [] if problem is None else [IntegrityProblem(TIMELINE, *problem)]
    kept = [line.entry.what for line in lines if line.entry is not None and isinstance(line.entry.what, EvidenceKept)]
    problems += [found for each in kept if (found := _evidence(folder, each)) is not None]
    return IntegrityReport(
        id=folder.name,
        entries=len(lines),
        sha256=lines[-1].sha256 if lines else NOTHING_BEFORE,
        problems=tuple(problems),
        notes=tuple(_notes(folder, torn, {each.file for each in kept})),
    )


def _line(text: bytes) -> _Line:
    try:
        return _Line(digest(text), entry_of(text))
    except NO_ENTRY:
        return _Line(digest(text), None)


def _altered(lines: list[_Line], end: HeadHash | None, known: Mapping[int, str]) -> Iterator[tuple[int, Message]]:
    """The first altered line, then perhaps others."""
    before = NOTHING_BEFORE
    for number, line in enumerate(lines, 1):
        if line.entry is None:
            yield number, tr("this is no entry any more")
            return
        if line.entry.number != number:
            yield number, tr("entry {found} stands where entry {number} was", found=line.entry.number, number=number)
            return
        if line.entry.previous != before:
            yield _which(lines, number, end), tr("this is not what was written: its SHA-256 is another one")
            return
        if known.get(number, line.sha256) != line.sha256:
            yield number, tr("this or a line before it is not what it was when its SHA-256 was kept")
            return
        before = line.sha256
    yield from _end(lines, end, known)


def _which(lines: list[_Line], number: int, end: HeadHash | None) -> int:
    """Line ``number`` does not continue the one before it: one of the two was altered. It is the later one when what
    follows does not continue that either."""
    if number == 1:
        return 1
    line = lines[number - 1]
    if number < len(lines):
        following = lines[number].entry
        return number if following is not None and following.previous != line.sha256 else number - 1
    return number if end is not None and end.number == number and end.sha256 != line.sha256 else number - 1


def _end(lines: list[_Line], end: HeadHash | None, known: Mapping[int, str]) -> Iterator[tuple[int, Message]]:
    last = max([0 if end is None else end.number, *known])
    if last > len(lines):
        yield len(lines) + 1, tr("entries {first} to {last} are missing at the end", first=len(lines) + 1, last=last)
    elif end is None:
        yield (
            len(lines),
            tr("nothing tells that this is the last one: the file {file} is missing or no head", file=HEAD),
        )
    elif end.number > 0 and lines[end.number - 1].sha256 != end.sha256:
        yield end.number, tr("this is not what was written: its SHA-256 is another one")


def _evidence(folder: Path, kept: EvidenceKept) -> IntegrityProblem | None:
    name = f"{EVIDENCE}/{kept.file}"
    if "/" in kept.file or kept.file in ("", ".", ".."):
        return IntegrityProblem(name, None, tr("this is no name of evidence"))
    found = hashlib.sha256()
    try:
        with os.fdopen(open_regular(folder / EVIDENCE / kept.file), "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError:
        return IntegrityProblem(name, None, tr("the file is missing"))
    except OSError as error:
        return IntegrityProblem(name, None, tr("cannot be read: {reason}", reason=error.strerror or error))
    if found.hexdigest() != kept.sha256:
        return IntegrityProblem(name, None, tr("this is not what was kept: its SHA-256 is another one"))
    return None


def _notes(folder: Path, torn: bytes, kept: set[str]) -> Iterator[Message]:
    if torn:
        yield tr(
            "the last {size} bytes are of a write that was cut off: the next entry puts them aside", size=len(torn)
        )
    try:
        there = sorted(os.listdir(folder / EVIDENCE))  # noqa: PTH208  names alone
    except OSError:
        return
    for name in there:
        if name not in kept and not name.startswith("."):
            yield tr("{file}: the timeline does not tell of it", file=f"{EVIDENCE}/{name}")
