"""The runbook of a run as its file has it: read, looked at before every command, and read again when it was changed."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from pathlib import Path

from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import listed, tr
from lilfox_tui.runbook.document import Unreadable, data_of, read
from lilfox_tui.runbook.library import bundled
from lilfox_tui.runbook.model import BUNDLED, Document, Runbook


class OnDisk:
    """The runbook ``name`` (its id) of the file ``path``."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._seen: tuple[int, ...] | None = None
        self._sha256 = ""

    def read(self) -> Runbook:
        """It, as it is now. Raises LilFoxError where it cannot be read, is not there, or has errors."""
        self._seen = self._signature()
        document = self._document()
        self._sha256 = document.sha256
        refuse_broken(document)
        for runbook in document.runbooks:
            if runbook.id == self._name:
                return runbook
        raise LilFoxError(
            tr("{path}: it has no runbook {name}", path=self._path, name=self._name),
            tr("it has: {names}", names=listed(runbook.id for runbook in document.runbooks) or "-"),
        )

    def sha256(self) -> str:
        """Of the file's bytes now; empty where it cannot be read. It is read where it looks otherwise than before."""
        if self._path.startswith(BUNDLED):
            return self._sha256
        signature = self._signature()
        if signature is None:
            return ""
        if signature != self._seen:
            try:
                self._sha256 = hashlib.sha256(data_of(Path(self._path))).hexdigest()
            except Unreadable:
                return ""
            self._seen = signature
        return self._sha256

    def _signature(self) -> tuple[int, ...] | None:
        try:
            found = Path(self._path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _document(self) -> Document:
        if not self._path.startswith(BUNDLED):
            return read(Path(self._path))
        for document in bundled():
            if document.path == self._path:
                return document
        raise LilFoxError(tr("{path}: LilFox brings no such runbook", path=self._path), tr("see: lilfox runbook list"))


def moved(before: Runbook, now: Runbook) -> tuple[tuple[int, int, int, int], ...]:
    """Of each command that stands in both, with the same words in a step of the same title: where it stood and where it
    stands (step, command, step, command). Of alike ones the first is the first."""
    places: dict[tuple[str, str, str], deque[tuple[int, int]]] = defaultdict(deque)
    for step, each in enumerate(now.steps):
        for number, command in enumerate(each.commands):
            places[each.title, command.kind, command.text].append((step, number))
    found = []
    for step, each in enumerate(before.steps):
        for number, command in enumerate(each.commands):
            if places[each.title, command.kind, command.text]:
                found.append((step, number, *places[each.title, command.kind, command.text].popleft()))
    return tuple(found)


def refuse_broken(document: Document) -> None:
    """Raises UsageError with the line of the first error of a document, or with why it has no runbook."""
    for problem in document.problems:
        if problem.severity == "error" or (problem.code == "no-steps" and not document.runbooks):
            raise UsageError(
                tr("{path}:{line}: {what}; nothing of this file is run", path=document.path, line=problem.line,
                   what=problem.text),
                tr("mend it; see all of it: lilfox runbook lint {path}", path=document.path),
            )  # fmt: skip
