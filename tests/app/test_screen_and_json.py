"""What the screen says is what ``check --json`` says of the same overview: counts, numbers, levels."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import report
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import alerting
from tests.app.backups_made import broken, healthy
from tests.app.overviews import mixed
from tests.app.pages_made import DATABASE, GATEWAY, alert_subject, pages_app
from tests.app.pages_made import overview as overview_of_pages
from tests.app.still import screen_text, still_app
from tests.app.test_pages import open_page

MARKS = {UNICODE.level(level): level.name.lower() for level in Level}


def _levels(document: dict[str, Any]) -> Counter[str]:
    views = [*document["hosts"].values(), *document["services"].values(), *document["backends"].values()]
    return Counter(each["level"] for each in (*views, *document["backups"]))


def _row(lines: list[str], title: str, name: str) -> str:
    """The row of ``name`` in the panel with that title, which is the first one in its lines."""
    start = next(place for place, line in enumerate(lines) if re.match(rf"[┌├]─ {title} ", line))
    rows = (re.match(rf"│( [{''.join(MARKS)}] {re.escape(name)} .*?)│", line) for line in lines[start + 1 :])
    return next(row[1] for row in rows if row is not None)


@pytest.mark.fault("4.96")
@pytest.mark.parametrize("backups", [healthy(), broken()], ids=["well", "ill"])
async def test_counts_and_numbers_are_those_of_the_document(backups: Any) -> None:
    overview = replace(mixed(), backups=backups)
    document = report(overview)
    app = still_app(overview)
    app.monitor.backups.feed.publish(backups)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        told = {MARKS[mark]: int(count) for mark, count in re.findall(rf"([{''.join(MARKS)}]) (\d+)", lines[0])}
        counted = _levels(document)
        assert {level: count for level, count in told.items() if count} == dict(counted)
        for name, host in document["hosts"].items():
            _host_is_told(_row(lines, "Hosts", name), host, ("cpu", "memory", "fullest"))
        for name, service in document["services"].items():
            row = _row(lines, "Services", name)
            assert MARKS[row[1]] == service["level"]
            assert str(service.get("status_code", "error")) in row
        named = [("Problems", name, each) for part in ("hosts", "services") for name, each in document[part].items()]
        named += [("Problems", each["plan"], each) for each in document["backups"]]
        for panel, name, each in named:
            if each["level"] in ("failing", "degraded"):
                assert MARKS[_row(lines, panel, name)[1]] == each["level"], "what is wrong is listed as such"
        app.metrics.state.choose(("host", "web-1"))
        await pilot.press("z")
        await pilot.pause()
        alone = screen_text(pilot).splitlines()
        for name, host in document["hosts"].items():
            _host_is_told(_row(alone, "Hosts", name), host, ("cpu", "memory", "swap", "fullest"))
        await pilot.press("3")
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        plans = document["backups"]
        assert re.match(rf"┌─ Plans  {len(plans)} ", lines[2]), "the pane counts the plans that the document has"
        for plan in plans:
            assert any(MARKS.get(line[2:3]) == plan["level"] and plan["plan"] in line for line in lines), plan
        chosen = plans[0]
        assert f"Sets of {chosen['plan']}  {chosen['sets']}" in lines[2]
        worst = next(mark for mark in ("✖", "◐", "●") if any(MARKS[mark] == plan["level"] for plan in plans))
        assert (f"3 Backup {worst}" in lines[1]) == (worst != "●"), "the tab has the sign of the worst plan"


@pytest.mark.fault("4.96")
async def test_the_header_the_pane_and_the_document_count_the_same_alerts() -> None:
    overview = alerting()
    alerts = [each for each in report(overview)["alerts"]["alerts"] if not each["silenced_by"]]
    states = Counter(each["state"] for each in alerts if each["resolved_at"] is None and not each["acknowledged"])
    app = still_app(overview)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        pane = next(line for line in lines if line.startswith("┌─ Problems ─"))
        for line in (lines[0], pane):
            for state in ("firing", "pending"):
                told = re.search(rf"(\d+) {state}", line)
                assert int(told[1] if told else 0) == states[state], line
        seen = sum(bool(each["acknowledged"]) for each in alerts if each["resolved_at"] is None)
        assert f" {seen} acknowledged " in pane
        assert f" {seen} acked " in lines[0]


@pytest.mark.fault("4.96")
async def test_the_pages_of_a_service_a_backend_and_an_alert_say_the_numbers_of_the_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = pages_app(monkeypatch, ill=True)
    document = report(overview_of_pages(ill=True))
    async with app.run_test(size=(200, 55)) as pilot:
        text = await open_page(app, pilot, GATEWAY)
        traffic, service = document["services"]["gateway"]["traffic"], document["services"]["gateway"]
        told = dict(re.findall(r"(p50|p95|p99|4xx|5xx|in flight) [>≤]?([\d.]+)", text.splitlines()[4]))
        assert float(told["4xx"]) == pytest.approx(traffic["client_errors_percent"], abs=0.06)
        assert float(told["5xx"]) == pytest.approx(traffic["server_errors_percent"], abs=0.06)
        assert float(told["in flight"]) == traffic["in_flight"]
        assert float(told["p95"]) == pytest.approx(traffic["latency_s"]["p95"], abs=0.06)
        assert float(told["p50"]) == pytest.approx(1000 * traffic["latency_s"]["p50"], abs=0.5)
        assert f"{traffic['requests_s']:.0f}/s" in text.splitlines()[4]
        first = text.index("Requests per second by status")  # the next chart has percentages
        by_status = dict(reversed(re.findall(r"━ (5xx|4xx|2xx/3xx) ([\d.]+)", text[first:])))
        assert sum(map(float, by_status.values())) == pytest.approx(traffic["requests_s"], abs=1.5)
        assert float(by_status["5xx"]) == pytest.approx(
            traffic["requests_s"] * traffic["server_errors_percent"] / 100, abs=0.5
        )
        assert re.search(rf"Health check ─+ {1000 * service['response_time']:.0f}ms ", text)
        text = await open_page(app, pilot, DATABASE)
        values = document["backends"]["orders-db"]["values"]
        states = {state: values[f'postgresql_connections{{state="{state}"}}'] for state in ("active", "idle")}
        told = {state: float(count) for count, state in re.findall(r"(\d+) (active|idle)  ", text.splitlines()[4])}
        assert told == states
        used, most = values["postgresql_connections_used"], values["postgresql_connections_max"]
        assert f" {used:.0f} of {most:.0f} connections " in text.splitlines()[4]
        assert f"Connections, of {most:.0f} ─" in text
        assert f"─ {values['postgresql_cache_hit_percent']:.1f}% ─" in text
        assert f"─ {values['postgresql_connections_waiting']:.0f} ─" in text
        text = await open_page(app, pilot, alert_subject())
        alert = next(each for each in document["alerts"]["alerts"] if each["labels"]["job"] == "backend")
        assert f"firing 6 min  {100 * alert['value']:.0f}% > 5%" in text
        assert f"above 5% since {alert['active_at'][11:19]}" in text
        assert f"fired at {alert['fired_at'][11:19]}" in text


def _host_is_told(row: str, host: dict[str, Any], shown: tuple[str, ...]) -> None:
    """Checks the row of a host that has room for these percentages, in this order."""
    assert MARKS[row[1]] == host["level"]
    if "cpu" not in host or host["link"]["state"] != "up":
        assert "%" not in row, "no old number passes for a new one"
        return
    shares = [int(word) for word in re.findall(r"(\d+)%", row)]
    fullest = max(each["percent"] for each in host["filesystems"])
    known = {each: host[each]["percent"] for each in ("cpu", "memory", "swap")} | {"fullest": fullest}
    assert shares == [round(known[each]) for each in shown]
    if "swap" in shown:  # and so every column
        assert f"{host['load'][0]:.2f}" in row
        assert f"/{host['cpu_count']}" in row


@pytest.mark.fault("4.96")
def test_the_document_is_as_bad_as_the_worst_that_is_counted() -> None:
    for overview in (mixed(), replace(mixed(), backups=healthy()), Overview(mixed().at, {}, {}, backups=broken())):
        document = report(overview)
        worst = max((Level[name.upper()] for name in _levels(document)), default=Level.GOOD)
        assert document["level"] == worst.name.lower()
