"""Actions on the audit: run it, list its findings, accept one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.finding_state import FINDING, finding_of, findings_about, has_findings
from lilfox_tui.app.panes.metrics.findings import audit_summary, finding_choices, finding_row
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.monitor.model import AuditView, FindingView

_DAYS = (30, 90, 365)
"""How long a finding is accepted, to choose from."""


class FindingActions(ActionGroup):
    """Actions on the audit and its findings."""

    TASK = tr("Audit")

    def __init__(self, context: PaneContext[MetricsState], open_page: Callable[[Subject | None], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._open_page = open_page

    @property
    def _view(self) -> AuditView | None:
        return None if self._state.overview is None else self._state.overview.audit

    @property
    def _selected(self) -> Subject | None:
        return self._state.page or self._state.selected

    @property
    def _finding(self) -> FindingView | None:
        """The one whose page is open."""
        return finding_of(self._state.overview, self._state.page)

    def _why_no_findings(self) -> Message | None:
        """Why no findings can be listed."""
        if self._app.rewound is not None:
            return tr("the results of the audit are not recorded for the past")
        view = self._view
        if self._app.monitor.audit.running and (view is None or view.at is None):
            return tr("the audit is running")
        if view is not None and view.error is not None and not view.findings:
            return tr("the audit failed: {why}", why=view.error)
        if view is None or view.at is None:
            return tr("the audit has not run yet; :audit runs it")
        return None if view.findings or view.not_checked else tr("the audit found nothing")

    @action(
        "findings",
        "",
        tr("findings"),
        tr("list the findings of the audit on the selected host or backend, or all; enter opens one"),
        why_not=_why_no_findings,
        fits=lambda self: has_findings(self._state.overview, self._selected),
    )
    def show_findings(self) -> None:
        view, findings = self._view, findings_about(self._state.overview, self._selected)
        if view is None:
            return
        if len(findings) == 1 and len(view.findings) > 1:
            self._open(findings[0].key)
            return
        title = _("Findings")
        if len(findings) < len(view.findings):
            about = findings[0].target if self._finding is None else self._finding.check
            title = (
                _("Findings on {name}", name=about) if self._finding is None else _("Findings: {check}", check=about)
            )
        choices = finding_choices(view, findings, self._app.glyphs)
        self._app.push_screen(dialogs.Chooser(title, choices, wide=True, tall=True, does=_("opens it")), self._open)

    def _open(self, key: str | None) -> None:
        if key is not None:
            self._open_page((FINDING, key))

    def _why_not_run(self) -> Message | None:
        """Why the audit cannot be run."""
        config = self._app.config
        if self._app.monitor.audit.running:
            return tr("the audit is already running")
        audit = config.audit
        named = (config.hosts, config.services, config.backends, config.backup.plans, audit.source, audit.clusters)
        if not any((*named, audit.manifests)):
            return tr("the configuration names nothing to check")
        return None

    @action(
        "audit",
        "",
        tr("run the audit"),
        tr("check now how hosts, backends and backup plans are set up; changes nothing on them"),
        why_not=_why_not_run,
    )
    def run_audit(self) -> None:
        self._app.tell(tr("the audit is running"))
        self._context.run(self._run_audit, group="audit")

    async def _run_audit(self) -> None:
        view = await self._app.monitor.audit.run_now()
        told = tr("audit: {result}", result=audit_summary(view))
        self._app.tell(view.error or (tr("{said}; :findings lists them", said=told) if view.findings else told))
        for problem in view.problems:
            self._app.announce(tr("audit: {result}", result=problem))

    def _is_finding(self) -> bool:
        return self._finding is not None

    def _why_not_accept(self) -> Message | None:
        """Why the finding cannot be accepted, or be accepted no longer."""
        finding = self._finding
        if finding is None:
            return tr("open the page of a finding first")
        if self._app.config.read_only:
            return tr("findings cannot be accepted in read_only mode")
        if not finding.is_open and finding.by_config:
            return tr("the configuration accepts it, under audit: accept:")
        return None

    def _accept_title(self) -> Message | None:
        finding = self._finding
        return None if finding is None or finding.is_open else tr("accept no longer")

    @action(
        "accept-finding",
        "",
        tr("accept"),
        tr("accept the finding until a day, with a reason; again to accept it no longer"),
        why_not=_why_not_accept,
        now=_accept_title,
        fits=_is_finding,
    )
    def accept(self) -> None:
        if (finding := self._finding) is not None:
            work = self._accept if finding.is_open else self._withdraw
            self._context.run(partial(work, finding), group="accept", exclusive=True)

    async def _accept(self, finding: FindingView) -> None:
        watch, today = self._app.monitor.audit, datetime.now(UTC).date()
        row: Row = (Piece(" "), *finding_row(finding, self._app.glyphs, named=True))
        reason = dialogs.Prompt(
            _("Accept the finding: why?"), [row], check=watch.checked_reason, text=finding.accepted_why,
            placeholder=_("reason"), does=_("go on"),
        )  # fmt: skip
        why = await self._app.push_screen_wait(reason)
        if why is None:
            return
        days = [(today + timedelta(days=count)).isoformat() for count in _DAYS]
        texts = (ngettext("for {count} day", "for {count} days", count) for count in _DAYS)
        offers = [
            dialogs.PromptOffer((Piece(f"{each}  "), Piece(text, "muted")), each)
            for each, text in zip(days, texts, strict=True)
        ]
        day = dialogs.Prompt(
            _("Accept the finding: until the end of which day (UTC)?"), [row], check=watch.checked_day,
            text=days[0], offers=offers, does=_("accept the finding"),
        )  # fmt: skip
        until = await self._app.push_screen_wait(day)
        if until is not None:
            await watch.accept(finding.key, why.text, until.text)
            self._app.tell(tr("{check}: accepted until {day}", check=finding.check, day=until.text))

    async def _withdraw(self, finding: FindingView) -> None:
        await self._app.monitor.audit.withdraw(finding.key)
        self._app.tell(tr("{check}: no longer accepted", check=finding.check))
