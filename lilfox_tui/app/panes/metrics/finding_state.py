"""Which findings of the audit a selection or a page is about, and the problems that other panes show: backup plans and
clusters. Pure."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import AuditView, FindingView, Overview, PlanView

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert
    from lilfox_tui.clusters.model import ClusterView

AUDIT = "audit", ""
"""The subject of the row of all findings, among the problems."""
FINDING = "finding"
"""The kind of the page of one finding, whose name is the key of the finding."""
PLAN, CLUSTER = "plan", "cluster"
"""The kinds of rows that open another pane."""


class ClusterProblem(Struct, frozen=True):
    """A cluster that is not good, as a row of the problems: without what its own pane needs to be drawn."""

    name: str
    level: Level
    since: datetime
    reasons: tuple[Message, ...]


def bad_plans(overview: Overview, words: str) -> dict[tuple[str, str], PlanView]:
    """The backup plans that are not good and hold every one of ``words``."""
    plans = () if overview.backups is None else overview.backups.plans.values()
    return {
        (PLAN, f"{plan.name} {plan.store}"): plan
        for plan in plans
        if plan.config is not None
        and plan.level in (Level.DEGRADED, Level.FAILING)
        and holds_all((plan.name, plan.store, *map(str, plan.reasons)), words)
    }


def bad_clusters(overview: Overview, words: str) -> dict[tuple[str, str], ClusterProblem]:
    """The clusters that are not good and hold every one of ``words``."""
    return {
        (CLUSTER, name): ClusterProblem(name, view.level, view.since or overview.at, view.reasons)
        for name, view in overview.clusters.items()
        if view.level in (Level.DEGRADED, Level.FAILING) and cluster_holds(view, words)
    }


def row_of_cluster(alert: Alert | None, rows: Container[tuple[str, str]]) -> tuple[str, str] | None:
    """The row of the cluster that an alert's labels name, if there is one among ``rows``."""
    subject = None if alert is None else (CLUSTER, alert.label("cluster"))
    return subject if subject in rows else None


def bad_elsewhere(overview: Overview, words: str) -> dict[tuple[str, str], PlanView | ClusterProblem]:
    """What is not good of what other panes show."""
    return {**bad_clusters(overview, words), **bad_plans(overview, words)}


def cluster_holds(view: ClusterView, words: str) -> bool:
    """Whether a cluster holds every one of ``words``."""
    return holds_all((view.name, view.context, *map(str, view.reasons)), words)


def listed_clusters(overview: Overview, words: str, sort: str) -> list[ClusterView]:
    """The clusters that hold every one of ``words``, worst first, or as they are configured."""
    found = [each for each in overview.clusters.values() if cluster_holds(each, words)]
    return found if sort == "configured" else sorted(found, key=lambda view: -int(view.level))


def cluster_of(overview: Overview | None, subject: tuple[str, str] | None) -> ClusterView | None:
    """The cluster whose row is ``subject``."""
    if overview is None or subject is None or subject[0] != CLUSTER:
        return None
    return overview.clusters.get(subject[1])


def elsewhere_holds(overview: Overview, subject: tuple[str, str], words: str) -> bool:
    """Whether the row of a backup plan or a cluster holds every one of ``words``."""
    view = cluster_of(overview, subject)
    return subject in bad_plans(overview, words) if view is None else cluster_holds(view, words)


def elsewhere_level(overview: Overview, subject: tuple[str, str]) -> Level:
    """The level of a backup plan that is not good, or of a cluster."""
    view = cluster_of(overview, subject)
    return bad_plans(overview, "")[subject].level if view is None else view.level


def holds_all(texts: tuple[str, ...], words: str) -> bool:
    """Whether the texts together hold every one of ``words``."""
    text = " ".join(texts).lower()
    return all(word in text for word in words.lower().split())


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
