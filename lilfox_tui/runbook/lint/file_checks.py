"""Hazards that only show where the fences of a file are seen together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lilfox_tui.i18n import _
from lilfox_tui.runbook.lint.source import Source, hazard
from lilfox_tui.runbook.model import Problem

_DATED = re.compile(r"(/[\w/.-]{0,200})/(\w{1,100}?_)\$\{?\w{0,60}(?:DATE|STAMP|version|VERSION)")
_READS = re.compile(r"\btar\s+-?\w*x|\bgunzip\s+-c|\bpsql\b.*<|^cp\s+\S*/")
_LOCAL_PORT = re.compile(r"(?:localhost|127\.0\.0\.1):(\d{2,5})")
_PORT = re.compile(r"^(?=\w*?PORT)(\w++)=[\"']?(\d{2,5})\b")


def check(sources: Sequence[Source]) -> Iterator[Problem]:
    """What is to be said of all fences of one file."""
    yield from _places(sources)
    yield from _retention(sources)
    yield from _ports(sources)
    yield from _exceptions(sources)


def _places(sources: Sequence[Source]) -> Iterator[Problem]:
    """Backups that are written where no restore looks, and looked for where nobody writes them."""
    written: dict[tuple[str, str], int] = {}
    read: dict[tuple[str, str], int] = {}
    for source in sources:
        for line, text in source.lines if source.shell else ():
            for folder, prefix in _DATED.findall(source.filled(text)):
                (read if _READS.search(source.filled(text)) else written).setdefault((folder, prefix), line)
    for (folder, prefix), line in written.items():
        others = [place for place in read if place[1] == prefix]
        if others and (folder, prefix) not in read:
            other = others[0]
            yield hazard(
                line,
                "restored-from-elsewhere",
                _(
                    "written to {folder}, but the restore in line {line} looks in {other}",
                    folder=folder, line=read[other], other=other[0],
                ),
            )  # fmt: skip
    folders = {folder for folder, _prefix in written}
    for (folder, prefix), line in read.items():
        if folder not in folders:
            yield hazard(
                line,
                "nobody-writes-it",
                _(
                    "nothing in this file writes {path}…: it will not be there; keep it when releasing",
                    path=f"{folder}/{prefix}",
                ),
            )


def _retention(sources: Sequence[Source]) -> Iterator[Problem]:
    found = [
        (number, match[1])
        for source in sources
        if source.shell
        for number, match in source.each(r"-mtime\s+\+(\d+).*-delete")
    ]
    for number, days in found[1:]:
        if days != found[0][1]:
            yield hazard(
                number,
                "retention-differs",
                _(
                    "-mtime +{days} here, +{other} in line {line}: older sets lack a part; one rule for all",
                    days=days, line=found[0][0], other=found[0][1],
                ),
            )  # fmt: skip


def _ports(sources: Sequence[Source]) -> Iterator[Problem]:
    """A second port of a switch, which another service has."""
    for source in sources:
        ports = [(number, found[1], found[2]) for number, found in source.each(_PORT.pattern)] if source.script else []
        for number, name, port in ports[1:]:
            if port == ports[0][2]:
                continue
            others = [
                line
                for other in sources
                if other is not source
                for line, found in other.each(_LOCAL_PORT.pattern)
                if port in _LOCAL_PORT.findall(found.string)
            ]
            if others:
                yield hazard(
                    number,
                    "port-taken",
                    _(
                        "{name}: port {port} is that of another service, in line {line}",
                        name=name,
                        port=port,
                        line=others[0],
                    ),
                )


def _exceptions(sources: Sequence[Source]) -> Iterator[Problem]:
    if not any(source.has(r"\[\"exception\"\]\s*=\s*self\.formatException") for source in sources):
        return
    for source in sources:
        for line, _found in source.each(r"\.get\(\"exception\",\s*\{\}\)\.get\("):
            yield hazard(
                line, "exception-is-text", _("“exception” is a text in these logs, which has no .get; take both shapes")
            )
