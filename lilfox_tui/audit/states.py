"""What has become of each finding: new, unchanged, accepted, gone. Also what is accepted, and the file of a
baseline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from lilfox_tui.audit.model import AuditSeverity, Found, NotChecked, Passed, Report
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.files import locked, replace_file
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.paths import modes, own_folder, write_hint

FILE = "findings.json"
ACCEPTED_FILE = "accepted.json"
FOLDER = "audit"
State = Literal["new", "unchanged", "accepted"]


class Remembered(Struct, frozen=True):
    """A finding of an earlier run: its fingerprint, what it was, and when it was first seen (aware UTC)."""

    fingerprint: str
    check: str
    kind: str
    name: str
    subject: str
    first_seen: datetime


class Entry(Struct, frozen=True):
    """A finding and its state. ``accepted`` is what accepts it or, where the state is another, did until it expired."""

    found: Found
    state: State
    first_seen: datetime
    accepted: AcceptConfig | None = None

    @property
    def expired(self) -> bool:
        """Whether it was accepted until a day that is over."""
        return self.accepted is not None and self.state != "accepted"


class Result(Struct, frozen=True):
    """The report of a run, compared with the one before it, the accepted findings, and a baseline."""

    at: datetime
    entries: tuple[Entry, ...]
    gone: tuple[Remembered, ...]
    not_checked: tuple[NotChecked, ...]
    passed: tuple[Passed, ...]

    def exit_code(self, fail_on: AuditSeverity) -> int:
        """1 for findings of at least ``fail_on`` that nobody accepted, 3 for checks that could not be made."""
        if any(each.state != "accepted" and each.found.severity >= fail_on for each in self.entries):
            return 1
        return 3 if self.not_checked else 0


def compared(
    report: Report, earlier: Sequence[Remembered], accept: Sequence[AcceptConfig], baseline: Collection[str] = ()
) -> Result:
    """``report`` with the state of each finding, without those in ``baseline``; the most severe first. A finding is
    gone only if its check was made on its target, and to its end."""
    known = {each.fingerprint: each for each in earlier}
    entries = []
    for found in report.found:
        before = known.get(found.fingerprint)
        accepted = _accepting(found, accept)
        state: State = "new" if before is None or before.first_seen >= report.at else "unchanged"
        if accepted is not None and date.fromisoformat(accepted.until) >= report.at.date():
            state = "accepted"
        entries.append(Entry(found, state, report.at if before is None else before.first_seen, accepted))
    present = {found.fingerprint for found in report.found}
    made = {*map(_place, report.found), *map(_place, report.passed)} - {*map(_place, report.not_checked)}
    gone = [each for each in earlier if each.fingerprint not in present and (each.check, each.kind, each.name) in made]
    kept = [each for each in entries if each.found.fingerprint not in baseline]
    return Result(report.at, tuple(sorted(kept, key=_order)), tuple(gone), report.not_checked, report.passed)


def _place(each: Found | NotChecked | Passed) -> tuple[str, str, str]:
    return each.check.id, each.target.kind, each.target.name


def _order(entry: Entry) -> tuple[object, ...]:
    found = entry.found
    return (entry.state == "accepted", -found.severity, found.target, found.check.id, found.finding.subject)


def _accepting(found: Found, accept: Sequence[AcceptConfig]) -> AcceptConfig | None:
    """What accepts the finding longest; None if nothing does or did."""
    fitting = [each for each in accept if accepts(each, found.check.id, found.target.name, found.finding.subject)]
    return max(fitting, key=lambda each: each.until, default=None)


def accepts(entry: AcceptConfig, check: str, target: str, subject: str) -> bool:
    """Whether ``entry`` is about that finding."""
    return entry.id == check and entry.target in (None, target) and entry.subject in (None, subject)


# What was found before, so that a finding has an age and one that is gone is named.


def remembered(folder: Path | None = None) -> list[Remembered]:
    """The findings of earlier runs; none if they cannot be read. Blocks."""
    try:
        return _remembered_in(folder)
    except LilFoxError:
        return []


def _remembered_in(folder: Path | None) -> list[Remembered]:
    """The findings of earlier runs. Raises LilFoxError for a file that cannot be read."""
    path = (own_folder(FOLDER) if folder is None else folder) / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Remembered])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.strerror)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LilFoxError(
            tr("{path}: not a list of findings; since when there is each is counted from now", path=path)
        ) from None


def remember(report: Report, folder: Path | None = None) -> None:
    """Adds what ``report`` found to what is remembered, and removes what is gone. Raises LilFoxError."""
    folder = own_folder(FOLDER) if folder is None else folder
    path = folder / FILE
    try:
        with locked(path):
            earlier = {each.fingerprint: each for each in remembered(folder)}
            for each in compared(report, list(earlier.values()), ()).gone:
                del earlier[each.fingerprint]
            for found in report.found:
                earlier.setdefault(found.fingerprint, _remembered(found, report.at))
            replace_file(path, msgspec.json.encode(list(earlier.values())), mode=modes(folder)[1])
    except OSError as error:
        raise LilFoxError(
            tr("{path}: cannot store the findings: {reason}", path=path, reason=error.strerror), write_hint(error)
        ) from None


def _remembered(found: Found, at: datetime) -> Remembered:
    target = found.target
    return Remembered(found.fingerprint, found.check.id, target.kind, target.name, found.finding.subject, at)


# Findings that are accepted by a command instead of the configuration. Both count.


def accepted_here(folder: Path | None = None) -> tuple[AcceptConfig, ...]:
    """What :func:`accept` recorded. Raises LilFoxError: an unreadable file is not an empty one. Blocks."""
    folder = own_folder(FOLDER) if folder is None else folder
    path = folder / ACCEPTED_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[AcceptConfig, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.strerror)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LilFoxError(
            tr("{path}: not a list of accepted findings", path=path),
            tr("Move the file away, then accept the findings again."),
        ) from None


def accept(entry: AcceptConfig, folder: Path | None = None) -> None:
    """Records ``entry``, in the place of an earlier one for the same check, target and subject. Raises LilFoxError."""
    _change(folder, lambda earlier: [*(each for each in earlier if not _same(each, entry)), entry])


def withdraw(entry: AcceptConfig, folder: Path | None = None) -> bool:
    """Removes what accepts the check, target and subject of ``entry``; returns whether there was one. Raises
    LilFoxError."""
    found = any(_same(each, entry) for each in accepted_here(folder))
    if found:
        _change(folder, lambda earlier: [each for each in earlier if not _same(each, entry)])
    return found


def _same(one: AcceptConfig, other: AcceptConfig) -> bool:
    return (one.id, one.target, one.subject) == (other.id, other.target, other.subject)


def _change(folder: Path | None, change: Callable[[Sequence[AcceptConfig]], Sequence[AcceptConfig]]) -> None:
    folder = own_folder(FOLDER) if folder is None else folder
    path = folder / ACCEPTED_FILE
    try:
        with locked(path):
            replace_file(path, msgspec.json.encode(change(accepted_here(folder))), mode=modes(folder)[1])
    except OSError as error:
        raise LilFoxError(
            tr("{path}: cannot store the accepted findings: {reason}", path=path, reason=error.strerror),
            write_hint(error),
        ) from None


def checked_acceptance(check: str, target: str, subject: str | None, why: str, until: str, today: date) -> AcceptConfig:
    """What accepts that finding. Raises UsageError for an empty reason, and for a day that is none or that is over on
    ``today`` (UTC)."""
    return AcceptConfig(
        id=check, target=target, subject=subject, why=checked_reason(why), until=checked_day(until, today)
    )


def checked_reason(why: str) -> str:
    """A reason without blanks around it. Raises UsageError for an empty one."""
    if not why.strip():
        raise UsageError(tr("the reason is missing"), tr("Say why the finding is acceptable."))
    return why.strip()


def checked_day(until: str, today: date) -> str:
    """A day in the form of ISO 8601. Raises UsageError for what is none, and for a day before ``today``."""
    try:
        day = datetime.strptime(until, "%Y-%m-%d").date()  # noqa: DTZ007  # a day
    except ValueError:
        raise UsageError(
            tr("{day}: not a day", day=until), tr("Write it as {example}.", example=f"{today.year + 1}-01-31")
        ) from None
    if day < today:
        raise UsageError(tr("{day} is over", day=until), tr("The day is the last one on which it is accepted."))
    return day.isoformat()


def assessed(
    report: Report,
    accept: Sequence[AcceptConfig],
    baseline: Collection[str] = (),
    folder: Path | None = None,
    *,
    is_new: bool = True,
) -> tuple[Result, tuple[LilFoxError, ...]]:
    """``report`` compared with the runs before it and with all that is accepted, by ``accept`` (the configuration) or
    by a command; then it is remembered, if it ``is_new``. Also what could not be read or stored: the result counts all
    the same. Blocks."""
    problems = []
    try:
        here = accepted_here(folder)
    except LilFoxError as error:
        here = ()
        problems.append(error)
    try:
        earlier = _remembered_in(folder)
    except LilFoxError as error:
        earlier = []
        problems.append(error)
    result = compared(report, earlier, (*accept, *here), baseline)
    if not is_new:
        return result, tuple(problems)
    try:
        remember(report, folder)
    except LilFoxError as error:
        problems.append(error)
    return result, tuple(problems)


# A baseline: the findings that there were on the day when a project began to look at them.


class Baseline(Struct, frozen=True):
    """The file of ``--baseline``: JSON."""

    version: int
    written: datetime
    findings: tuple[Remembered, ...]


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints in the file. Raises UsageError."""
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise UsageError(tr("{path}: {reason}", path=path, reason=error.strerror)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UsageError(
            tr("{path}: not a baseline", path=path),
            tr("write one: lilfox audit --write-baseline {path}", path=path),
        ) from None
    return frozenset(each.fingerprint for each in baseline.findings)


def write_baseline(path: Path, report: Report) -> None:
    """Writes all findings of ``report``. Raises LilFoxError."""
    findings = tuple(_remembered(found, report.at) for found in sorted(report.found, key=lambda each: each.fingerprint))
    content = msgspec.json.format(msgspec.json.encode(Baseline(1, datetime.now(UTC), findings)))
    try:
        replace_file(path, content + b"\n", mode=0o644)
    except OSError as error:
        raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.strerror), write_hint(error)) from None
