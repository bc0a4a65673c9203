"""Which findings of the audit a selection or a page is about. Pure."""

from __future__ import annotations

from lilfox_tui.monitor.model import AuditView, FindingView, Overview

AUDIT = "audit", ""
"""The subject of the row of all findings, among the problems."""
FINDING = "finding"
"""The kind of the page of one finding, whose name is the key of the finding."""


def audit_row(overview: Overview, words: str) -> dict[tuple[str, str], AuditView]:
    """The findings as a row of the problems, if any counts and the row holds every one of ``words``; also a run that
    failed. It comes last: how something is set up is no fault of now."""
    view = overview.audit
    if view is None or (not view.open_findings and view.error is None):
        return {}
    text = " ".join(f"{each.check} {each.target} {each.title}" for each in view.open_findings).lower()
    return {AUDIT: view} if all(word in text for word in words.lower().split()) else {}


def finding_of(overview: Overview | None, page: tuple[str, str] | None) -> FindingView | None:
    """The finding that ``page`` is about; None if it is about something else, or the finding is gone."""
    view = None if overview is None else overview.audit
    if view is None or page is None or page[0] != FINDING:
        return None
    return next((each for each in view.findings if each.key == page[1]), None)


def same_check(view: AuditView, finding: FindingView) -> tuple[FindingView, ...]:
    """All findings of the same check, those that count first."""
    found = (each for each in view.findings if each.check == finding.check)
    return tuple(sorted(found, key=lambda each: not each.is_open))


def findings_about(overview: Overview | None, subject: tuple[str, str] | None) -> tuple[FindingView, ...]:
    """The findings on a host, service or backend, or those of the check whose finding ``subject`` is, if there are
    several; else all."""
    view = None if overview is None else overview.audit
    if view is None:
        return ()
    if (finding := finding_of(overview, subject)) is not None:
        found = same_check(view, finding)
        return found if len(found) > 1 else view.findings
    return (() if subject is None else view.about(*subject)) or view.findings


def has_findings(overview: Overview | None, subject: tuple[str, str] | None) -> bool:
    """Whether ``subject`` is a host, service or backend with findings, their row, or a finding beside others of its
    check."""
    view = None if overview is None else overview.audit
    if view is not None and (finding := finding_of(overview, subject)) is not None:
        return len(same_check(view, finding)) > 1
    return view is not None and subject is not None and (subject == AUDIT or bool(view.about(*subject)))
