"""Runs the audit for the monitor, and makes what is shown of its findings. Imports all checks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.documents import shown
from lilfox_tui.audit.kept import KeptResult
from lilfox_tui.audit.model import SEVERITY_TEXTS, AuditSeverity, Found, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.audit.states import (
    Entry,
    accept,
    assessed,
    checked_acceptance,
    checked_day,
    checked_reason,
    withdraw,
)
from lilfox_tui.audit.targets.hosts import EXPORTED, ExportedFile
from lilfox_tui.config.audit import AcceptConfig
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import AuditView, FindingView, UncheckedView

SEVERITY_LEVELS = {
    AuditSeverity.LOW: Level.DEGRADED,
    AuditSeverity.MEDIUM: Level.DEGRADED,
    AuditSeverity.HIGH: Level.FAILING,
    AuditSeverity.CRITICAL: Level.FAILING,
}


Exports = Callable[[Config, str], Mapping[str, ExportedFile]]
"""Makes the files for the collectors of a host, by their kinds. Raises LilFoxError."""


class AuditRun:
    """Runs the checks on all targets of ``config``, which is that of ``config_file`` (None: the default one), and has
    the newest report, whichever process made it. ``lent`` returns a host that is already connected; None: it is opened.
    ``state`` is the folder that the result is kept in; None for that of the user. Without ``exports`` the checks of
    what ``lilfox export`` makes are left out."""

    def __init__(
        self,
        config: Config,
        config_file: Path | None,
        lent: Callable[[str], Host | None],
        state: Path | None = None,
        exports: Exports | None = None,
    ) -> None:
        self._config, self._config_file, self._lent = config, config_file, lent
        self._folder, self._exports = state, exports
        self.kept = KeptResult(config_file, state)
        self._report: Report | None = None
        self._is_new = False
        """Whether the report was made here, and is not remembered yet."""
        self._problem: LilFoxError | None = None
        """Why the kept result was not used, or this one not kept."""

    async def run(self, timeout_s: float) -> None:
        """Asks all targets, each for at most ``timeout_s``. Raises LilFoxError."""
        made = await asyncio.to_thread(self._exported)
        exports = None if made is None else made.__getitem__
        audit = Audit(self._config, self._config_file, timeout_s=timeout_s, lent=self._lent, exports=exports)
        checks = [check for check in chosen([]) if made is not None or EXPORTED not in check.facts]
        self._report, self._is_new, self._problem = await audit.run(checks, targets_of(self._config)), True, None

    def _exported(self) -> Mapping[str, Mapping[str, ExportedFile]] | None:
        """What would be exported for each host. Imports what makes it."""
        make = self._exports
        return None if make is None else {name: make(self._config, name) for name in self._config.hosts}

    def keep(self) -> None:
        """Keeps the report for other processes. Blocks."""
        if self._report is not None:
            try:
                self.kept.write(self._report)
            except LilFoxError as error:
                self._problem = error

    def take(self) -> bool:
        """Takes the newest report that any process has made, with what is accepted by now; returns whether there is
        another one, or a problem with it. Blocks."""
        named = [target for found in targets_of(self._config).values() for target in found]
        try:
            report = self.kept.read(named)
        except LilFoxError as error:
            self._problem = error
            return True
        if report is None or (self._report is not None and report.at < self._report.at):
            return False
        self._report, self._is_new, self._problem = report, False, None
        return True

    def is_since(self, at: datetime) -> bool:
        """Whether the newest report is of ``at`` or later."""
        return self._report is not None and self._report.at >= at

    def view(self) -> AuditView:
        """What the newest report says with what is accepted by now, and remembers it, if it was made here; nothing
        before the first one. Blocks."""
        told = () if self._problem is None else (self._problem,)
        if self._report is None:
            return AuditView(problems=told)
        accepted, is_new = self._config.audit.accept, self._is_new
        result, problems = assessed(self._report, accepted, folder=self._folder, is_new=is_new)
        self._is_new = False
        return AuditView(
            at=result.at,
            findings=tuple(self._finding(entry) for entry in result.entries),
            not_checked=tuple(
                UncheckedView(each.check.id, each.target.kind, each.target.name, shown(each.reason))
                for each in result.not_checked
            ),
            passed=len(result.passed),
            gone=len(result.gone),
            problems=(*told, *problems),
        )

    def _finding(self, entry: Entry) -> FindingView:
        found, accepted = entry.found, entry.accepted
        check, finding, fix = found.check, found.finding, found.finding.fix
        return FindingView(
            key=found.fingerprint,
            check=check.id,
            severity=found.severity.name.lower(),
            severity_text=SEVERITY_TEXTS[found.severity],
            level=SEVERITY_LEVELS[found.severity],
            kind=found.target.kind,
            target=found.target.name,
            subject=shown(finding.subject),
            title=check.title,
            why=check.why,
            evidence=shown(finding.evidence),
            fix=fix.text,
            file=fix.file,
            lines=tuple(map(shown, fix.lines)),
            commands=tuple(map(shown, fix.commands)),
            reference=check.reference,
            state=entry.state,
            first_seen=entry.first_seen,
            accepted_until="" if accepted is None else accepted.until,
            accepted_why="" if accepted is None else accepted.why,
            by_config=accepted is not None and accepted in self._config.audit.accept,
        )

    def accept(self, key: str, why: str, until: str) -> None:
        """Accepts the finding of that key until the end of a day (``2027-01-31``). Blocks. Raises LilFoxError."""
        found = self._found(key)
        today = datetime.now(UTC).date()
        accept(
            checked_acceptance(found.check.id, found.target.name, found.finding.subject, why, until, today),
            self._folder,
        )

    def withdraw(self, key: str) -> None:
        """Accepts the finding of that key no longer, unless the configuration does. Blocks. Raises LilFoxError."""
        found = self._found(key)
        for subject in (found.finding.subject, None):
            entry = AcceptConfig(id=found.check.id, target=found.target.name, subject=subject, why="-", until="")
            if withdraw(entry, self._folder):
                return

    def checked_day(self, text: str) -> str:
        """A day on which a finding can be accepted. Raises UsageError."""
        return checked_day(text.strip(), datetime.now(UTC).date())

    def checked_reason(self, text: str) -> str:
        """A reason to accept a finding. Raises UsageError."""
        return checked_reason(text)

    def _found(self, key: str) -> Found:
        found = () if self._report is None else self._report.found
        if (named := next((each for each in found if each.fingerprint == key), None)) is None:
            raise LilFoxError(tr("the newest audit does not have this finding"))
        return named
