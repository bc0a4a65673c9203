"""The newest report of a configuration in the state folder: all processes of a user on this machine show one result,
and one of them makes it at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import (
    AuditCheck,
    AuditFinding,
    AuditSeverity,
    Fix,
    Found,
    NotChecked,
    Passed,
    Report,
    Target,
)
from lilfox_tui.audit.states import ACCEPTED_FILE, FOLDER
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import content, open_regular, replace_file
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.paths import config_file, modes, own_folder, write_hint
from lilfox_tui.redact import redact

VERSION = 1
_LIMIT_BYTES = 32 * 1024 * 1024
Place = tuple[str, str, str]
"""A check, and the kind and name of what it is made on."""


class KeptText(Struct, frozen=True, omit_defaults=True):
    """A message, so that each process shows it in its own language; without secrets."""

    text: str
    values: dict[str, KeptText | str | int | float] = {}
    plural: str = ""
    count: int = 0


class KeptOutcome(Struct, frozen=True, omit_defaults=True):
    """A check on a target: found, not checked where ``reason`` says why, or passed where it has no subject either."""

    check: str
    kind: str
    name: str
    reason: KeptText | None = None
    subject: str | None = None
    evidence: KeptText = KeptText("")
    fix: KeptText = KeptText("")
    file: str = ""
    lines: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    severity: int | None = None


class KeptReport(Struct, frozen=True):
    """The file: JSON."""

    version: int
    at: datetime
    outcomes: tuple[KeptOutcome, ...]


class _AnyReport(Struct, frozen=True):
    version: int


class KeptResult:
    """The newest report of the configuration in ``file`` (None: the usual place), in ``folder`` (None: the state
    folder). All methods block."""

    def __init__(self, file: Path | None, folder: Path | None = None) -> None:
        named = str(config_file() if file is None else file.absolute())
        self._name = hashlib.sha256(os.fsencode(named)).hexdigest()[:12]
        self._folder = folder
        self._lock: int | None = None

    def token(self) -> tuple[int, ...]:
        """Another value as soon as there is another report, or something else is accepted."""
        try:
            folder = self._place()
        except LilFoxError:
            return ()
        found = []
        for name in (self._file, ACCEPTED_FILE):
            with suppress(OSError):
                state = (folder / name).stat()
                found += [state.st_mtime_ns, state.st_ino]
        return tuple(found)

    def read(self, targets: Collection[Target]) -> Report | None:
        """The newest report, as far as it is about ``targets`` and checks that there are; None without any. Raises
        LilFoxError for a file that cannot be read, or is of another version."""
        try:
            path = self._place() / self._file
            handle = open_regular(path)
        except (OSError, LilFoxError):
            return None
        try:
            text = content(handle, _LIMIT_BYTES)
            if msgspec.json.decode(text, type=_AnyReport).version != VERSION:
                raise LilFoxError(
                    tr("{path}: written by another version of LilFox; not used", path=path), tr("Run the audit again.")
                )
            return _report(msgspec.json.decode(text, type=KeptReport), targets)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, LookupError, ValueError, TypeError,
                AttributeError, RecursionError):  # fmt: skip
            raise LilFoxError(
                tr("{path}: not a result of the audit; not used", path=path), tr("Run the audit again.")
            ) from None
        finally:
            os.close(handle)

    def write(self, report: Report) -> None:
        """Keeps ``report`` as the newest. Raises LilFoxError."""
        folder = self._place()
        path = folder / self._file
        try:
            replace_file(path, msgspec.json.encode(_kept(report)), mode=modes(folder)[1])
        except OSError as error:
            raise LilFoxError(
                tr("{path}: cannot store the result of the audit: {reason}", path=path, reason=error.strerror),
                write_hint(error),
            ) from None

    def begin(self) -> bool:
        """Whether this process may make the next report until :meth:`end`: no other one is making it. Also where the
        state folder cannot be used, as nothing is shared then."""
        try:
            handle = os.open(self._place() / f".{self._file}.run", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (OSError, LilFoxError):
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    def end(self) -> None:
        """Let another process make the next report."""
        handle, self._lock = self._lock, None
        if handle is not None:
            os.close(handle)

    @property
    def _file(self) -> str:
        return f"result-{self._name}.json"

    def _place(self) -> Path:
        return own_folder(FOLDER) if self._folder is None else self._folder


def merged(
    before: Report, report: Report, checks: Sequence[AuditCheck], targets: Mapping[str, Sequence[Target]]
) -> Report:
    """``before`` with what ``report`` says of the ``checks`` that were made on ``targets``, as old as before."""
    made = {(check.id, each.kind, each.name) for check in checks for named in targets.values() for each in named}
    found, not_checked, passed = (
        tuple(each for each in kept if _place_of(each) not in made)
        for kept in (before.found, before.not_checked, before.passed)
    )
    return Report(
        before.at,
        (*(each for each in found if isinstance(each, Found)), *report.found),
        (*(each for each in not_checked if isinstance(each, NotChecked)), *report.not_checked),
        (*(each for each in passed if isinstance(each, Passed)), *report.passed),
    )


def _place_of(each: Found | NotChecked | Passed) -> Place:
    return each.check.id, each.target.kind, each.target.name


def _kept(report: Report) -> KeptReport:
    found = [
        KeptOutcome(
            *_place_of(each),
            subject=redact(each.finding.subject),
            evidence=_text(each.finding.evidence),
            fix=_text(each.finding.fix.text),
            file=redact(each.finding.fix.file),
            lines=tuple(map(redact, each.finding.fix.lines)),
            commands=tuple(map(redact, each.finding.fix.commands)),
            severity=None if each.finding.severity is None else int(each.finding.severity),
        )
        for each in report.found
    ]
    blind = [KeptOutcome(*_place_of(each), reason=_text(each.reason)) for each in report.not_checked]
    return KeptReport(VERSION, report.at, (*found, *blind, *(KeptOutcome(*_place_of(each)) for each in report.passed)))


def _text(message: Message) -> KeptText:
    """The message with its values, or, where these may hold a secret or cannot be written, its text of now."""
    said = redact(str(message))
    values = {name: _value(each) for name, each in message.values.items()}
    kept = KeptText(message.text, values, message.plural, message.count)
    with suppress(ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        if str(_message(kept)) == said:
            return kept
    return KeptText(said)


def _value(value: object) -> KeptText | str | int | float:
    """A value of a message. Of another type, such as a time span, only the text is kept."""
    if isinstance(value, Message):
        return _text(value)
    return value if type(value) is int or type(value) is float else str(value)


def _message(kept: KeptText) -> Message:
    values = {name: _message(each) if isinstance(each, KeptText) else each for name, each in kept.values.items()}
    return Message(kept.text, values, kept.plural, kept.count)


def _checked(kept: KeptText) -> Message:
    message = _message(kept)
    str(message)  # a text that its values do not fit raises here, and not on a screen
    return message


def _report(kept: KeptReport, targets: Collection[Target]) -> Report:
    checks = {check.id: check for check in chosen([])}
    found: list[Found] = []
    not_checked: list[NotChecked] = []
    passed: list[Passed] = []
    for each in kept.outcomes:
        check, target = checks.get(each.check), Target(each.kind, each.name)
        if check is None or target not in targets:
            continue
        if each.subject is not None:
            found.append(Found(check, target, _finding(each, each.subject)))
        elif each.reason is not None:
            not_checked.append(NotChecked(check, target, _checked(each.reason)))
        else:
            passed.append(Passed(check, target))
    if kept.at.tzinfo is None:
        raise ValueError(kept.at)
    return Report(kept.at, tuple(found), tuple(not_checked), tuple(passed))


def _finding(each: KeptOutcome, subject: str) -> AuditFinding:
    fix = Fix(_checked(each.fix), each.file, each.lines, each.commands)
    severity = None if each.severity is None else AuditSeverity(each.severity)
    return AuditFinding(subject, _checked(each.evidence), fix, severity)
