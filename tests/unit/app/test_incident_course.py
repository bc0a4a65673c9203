"""What is proposed for a new incident: from the alert, and from the state of what it concerns."""

from __future__ import annotations

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState
from lilfox_tui.app.evidence import cause_of
from lilfox_tui.app.incident_course import Proposal, proposal_rows, propose
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.overviews import NOW, mixed


def alert(job: str, severity: str = "warning", name: str = "HighErrorRate") -> Alert:
    labels = (("alertname", name), ("job", job), ("severity", severity))
    return Alert(labels, (), AlertState.FIRING, NOW, 0.94, fired_at=NOW)


def calm(*alerts: Alert, failing: tuple[str, ...] = (), degraded: tuple[str, ...] = ()) -> Overview:
    """Everything well but for the services of these names."""

    def level(name: str) -> Level:
        return Level.FAILING if name in failing else Level.DEGRADED if name in degraded else Level.GOOD

    seen = mixed()
    return replace(
        seen,
        hosts={name: replace(each, level=Level.GOOD) for name, each in seen.hosts.items()},
        backends={},
        services={name: replace(each, level=level(name)) for name, each in seen.services.items()},
        alerts=Ready(Alerts(NOW, (), alerts)),
    )


SERVICES = tuple(mixed().services)


def proposed(overview: Overview, of: Alert | None = None) -> tuple[str, str, str, str]:
    found: Proposal = propose(overview, None if of is None else replace(cause_of(of), chosen=True))
    return found.title, found.cause, found.severity, found.why


def test_a_service_that_fails_is_worse_than_its_alert_says() -> None:
    one = alert("backend")
    title = "HighErrorRate: backend"
    assert proposed(calm(one), one) == (title, title, "SEV-3", "HighErrorRate is firing")
    failing = calm(one, failing=("backend",))
    assert proposed(failing, one) == (title, title, "SEV-2", "backend is failing; HighErrorRate is firing")
    assert propose(failing, cause_of(one)).about == [failing.services["backend"]]


def test_what_it_is_not_about_has_no_part_in_it() -> None:
    one, other = alert("backend"), alert("gateway", "critical")
    overview = calm(one, other, failing=("gateway",))
    assert proposed(overview, one)[2:] == ("SEV-3", "HighErrorRate is firing"), "no count: the header has that of all"
    assert proposed(overview, other)[2:] == ("SEV-2", "gateway is failing; HighErrorRate is firing")


def test_a_worse_alert_takes_the_place_of_the_selected_rows_and_all_that_fire_are_named() -> None:
    one, same, worse = alert("backend"), alert("gateway"), alert("model", "critical", "Down")
    two = propose(calm(one, same, failing=("backend",)), cause_of(same))
    assert (two.cause, two.others) == ("HighErrorRate: gateway", ["HighErrorRate: backend"]), (
        "of equals the selected one"
    )
    all_three = calm(same, worse, one)
    found = propose(all_three, cause_of(one))
    assert (found.title, found.cause, found.severity) == ("Down: model", "Down: model", "SEV-2")
    assert found.others == ["HighErrorRate: gateway", "HighErrorRate: backend"]
    opened = propose(all_three, replace(cause_of(one), chosen=True))
    assert (opened.title, opened.severity) == ("HighErrorRate: backend", "SEV-3"), "its page is open"
    pending = replace(one, state=AlertState.PENDING, fired_at=None)
    assert propose(calm(pending, same), cause_of(pending)).cause == "HighErrorRate: gateway"
    assert propose(calm(pending), cause_of(pending)).cause == "HighErrorRate: backend"
    silenced = replace(worse, silenced_by=("5f0c",))
    assert propose(calm(one, silenced), cause_of(one)).others == []
    for each in (found, opened, two):
        about = {word for word in ("backend", "gateway", "model") if word in " ".join([each.cause, *each.others])}
        assert len(about) == (2 if each is two else 3), "what the header counts is in the dialog"


def test_the_dialog_tells_since_when_what_it_is_about_is_bad_and_what_else_fires() -> None:
    overview = calm(alert("backend"), alert("gateway"), failing=("backend", "gateway"))
    backend = replace(overview.services["backend"], reasons=(tr("5xx {percent}%", percent=43),))
    overview = replace(overview, services={**overview.services, "backend": backend})
    rows = proposal_rows(propose(overview, cause_of(alert("backend"))), UNICODE, NOW)
    assert ["".join(piece.text for piece in row).strip() for row in rows] == [
        "SEV-2: backend is failing; HighErrorRate is firing",
        "✖ backend  5xx 43%  since 03:06:44",
        "also failing: gateway; also firing: HighErrorRate: gateway",
    ]
    alone = propose(calm(alert("backend"), failing=("backend",)), cause_of(alert("backend")))
    assert len(proposal_rows(alone, UNICODE, NOW)) == 2


def test_without_an_alert_of_its_own_everything_is_counted() -> None:
    two = alert("backend"), alert("gateway", "info", "Slow")
    title, cause, severity, why = proposed(calm(*two, failing=("backend",), degraded=("gateway",)))
    assert (title, cause, severity) == ("backend is failing", "", "SEV-2")
    assert why == "backend is failing; gateway is degraded; HighErrorRate, Slow are firing"
    assert proposed(calm(two[0]))[:2] == ("HighErrorRate: backend", "HighErrorRate: backend")
    assert proposed(calm(degraded=("gateway",)))[:3] == ("gateway is degraded", "", "SEV-3")
    silenced = replace(two[0], silenced_by=("5f0c",))
    assert proposed(calm(silenced)) == ("", "", "SEV-3", "")


def test_sev_1_is_for_all_services_and_sev_4_for_what_is_only_told() -> None:
    assert len(SERVICES) > 1
    assert proposed(calm(failing=SERVICES))[2] == "SEV-1"
    assert proposed(calm(failing=SERVICES[1:]))[2] == "SEV-2"
    assert proposed(calm(alert("backend", "info")))[2] == "SEV-4"
    assert propose(None, None) == Proposal("", "", "SEV-3", "", [], [], [])
