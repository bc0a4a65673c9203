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


def findings_about(overview: Overview | None, subject: tuple[str, str] | None) -> tuple[FindingView, ...]:
    """The findings on a host or backend; all where it has none, or ``subject`` is something else."""
    view = None if overview is None else overview.audit
    if view is None:
        return ()
    return (() if subject is None else view.about(*subject)) or view.findings


def has_findings(overview: Overview | None, subject: tuple[str, str] | None) -> bool:
    """Whether ``subject`` is a host or backend with findings, or their row."""
    view = None if overview is None else overview.audit
    return view is not None and subject is not None and (subject == AUDIT or bool(view.about(*subject)))
