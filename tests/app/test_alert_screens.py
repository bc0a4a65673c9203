"""Golden screens of alerts: the section, the pages, the dialogs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState, Event, Trouble
from lilfox_tui.app.panes.metrics.alert_page import AlertItem, AlertPage, alert_page
from lilfox_tui.app.rendering.chart import chart_columns
from lilfox_tui.app.rendering.draw import ASCII, UNICODE
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import set_language, tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation, compared
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import RULES, alerting, some
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app, unframed
from tests.app.test_screens import SIZES, check


@pytest.mark.fault("4.74")
@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_section(size: tuple[int, int], language: str) -> None:
    app = still_app(alerting(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("exclamation_mark")
        await pilot.pause()
        text = screen_text(pilot)
        check(f"alerts-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_dialog_that_silences(size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(alerting(), language=language)
    monkeypatch.setattr(app.monitor.alerting, "preview", lambda _matchers: some().alerts[:1])
    async with app.run_test(size=size) as pilot:
        await pilot.press("exclamation_mark", "s")
        await pilot.pause()
        check(f"silence-{size[0]}x{size[1]}-{language}", screen_text(pilot))


@pytest.mark.parametrize("read_only", [False, True])
async def test_the_list_of_silences_offers_to_end_one_only_where_that_is_possible(read_only: bool) -> None:
    app = still_app(alerting(), read_only=read_only)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("colon", *"silences", "enter")
        await pilot.pause()
        assert "new disk" in screen_text(pilot)
        assert ("enter ends the selected one" in screen_text(pilot)) is not read_only


async def test_whose_alerts_are_not_shown_beside_own_rules_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(alerting(), rules=("rules.yml",), prometheus=ApiConfig(url="http://127.0.0.1:9090"))
    told = re.compile(r"^│   LilFox evaluates its own rules; alerts from prometheus are not shown +│$", re.MULTILINE)
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("exclamation_mark", "z")
        await pilot.pause()
        assert not told.search(screen_text(pilot)), "only where they are evaluated"
        monkeypatch.setattr(app.monitor.alerting, "_own", object())
        app.metrics.repaint()
        await pilot.pause()
        assert told.search(screen_text(pilot))


async def test_problems_for_which_there_is_no_room_are_counted() -> None:
    def shown(count: int) -> Overview:
        troubles = tuple(Trouble(str(number), tr("disk"), blind=True) for number in range(count))
        return replace(mixed(), alerts=Ready(replace(some(), troubles=troubles), NOW))

    app = still_app(shown(5))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("exclamation_mark", "z")
        await pilot.pause()
        assert "2 more problems; all: lilfox alerts list" in screen_text(pilot)
    app = still_app(shown(3))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("exclamation_mark", "z")
        await pilot.pause()
        assert "more problem" not in screen_text(pilot)


async def test_who_tells_alerts_that_are_not_evaluated_here() -> None:
    alerts = replace(some(), evaluated_here=False, told_by="http://10.0.0.9:9090")
    app = still_app(replace(mixed(), alerts=Ready(alerts, NOW)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        border = next(line for line in screen_text(pilot).splitlines() if "─ Problems ─" in line)
        assert "reported by http://10.0.0.9:9090" in border
        assert "another LilFox" not in screen_text(pilot)


async def test_an_ascii_terminal_shows_alerts_in_ascii() -> None:
    app = still_app(alerting(), theme="mono", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("exclamation_mark")
        await pilot.pause()
        text = screen_text(pilot)
        assert text.isascii()
        check("alerts-ascii-80x24-en", text)


def why() -> Explanation:
    columns = chart_columns(100)
    ill = tuple(0.001 if place < 60 else 0.3 for place in range(columns))
    well = tuple(None if place < 20 else 0.002 for place in range(columns))
    sides = (
        ComparisonSide((("job", "backend"),), 0.31, 0.05, True, ill),
        ComparisonSide((("job", "gateway"),), 0.002, 0.05, False, well),
        ComparisonSide((("job", "gone"),), None, 0.05, False, (None,) * columns),
    )
    return Explanation(compared(RULES[0].expression), sides)


def page(item: AlertItem, told: Explanation | LilFoxError | None, *, width: int = 100) -> AlertPage:
    alerts = some()
    events = [
        Event(NOW - timedelta(minutes=2), "told", (), by="mail"),
        Event(NOW - timedelta(minutes=6), "fired", (), value=0.27),
        Event(NOW - timedelta(hours=3), "resolved", (), value=0.01, lasted_s=840),
    ]
    return AlertPage(item, NOW, timedelta(hours=1), UNICODE, width, 5, told, events, alerts.silences)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_page_says_why(language: str) -> None:
    set_language(language)
    rows = alert_page(page(AlertItem.of_alert(some().alerts[1], RULES[0]), why()))
    text = "\n".join("".join(piece.text for piece in row).rstrip() for row in rows) + "\n"
    check(f"alert-100-{language}", text)


def test_a_page_that_cannot_say_why_says_so() -> None:
    rows = alert_page(
        page(AlertItem.of_alert(some().alerts[2], RULES[0]), LilFoxError(tr("it is not reached")), width=60)
    )
    text = "\n".join("".join(piece.text for piece in row) for row in rows)
    assert "it is not reached" in text
    assert "acknowledged by ada" in text
    assert "looking at it" in text
    assert max(cell_width(line) for line in text.splitlines()) <= 60


def test_the_page_of_a_rule_that_fails() -> None:
    rows = alert_page(page(AlertItem.of_rule(RULES[3]), None))
    text = "\n".join("".join(piece.text for piece in row) for row in rows)
    assert "evaluation failing for 4 min: several elements belong together" in text
    assert "History" not in text


async def test_without_rules_nothing_is_said_of_alerts() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        text = screen_text(pilot)
        assert re.search(r"┌─ Problems ─+┐", text)
        assert not re.search("alerts|firing|rule", text)
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert "no rule files are configured; add rules:" in screen_text(pilot)


async def test_what_is_not_known_is_said_and_never_counted_as_none() -> None:
    error = LilFoxError(tr("the disk is full"), tr("make room"))
    lost = replace(mixed(), alerts=Unavailable(error, NOW - timedelta(minutes=3)))
    app = still_app(lost)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert re.search(r"─ Problems ─+ alerts unknown for 3 min ─", text)
        assert re.search(r"│   the disk is full +│\n│   make room +│\n", text)
        assert "no alerts" not in text
        assert "alerts unknown" in text.splitlines()[0]
    app = still_app(replace(mixed(), alerts=Pending()))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert re.search(r"─ Problems ─+ alerts not evaluated yet ─", screen_text(pilot))
        assert "firing" not in screen_text(pilot)
        assert "no alerts" not in screen_text(pilot)


def test_what_a_resolved_alert_was_is_said_once() -> None:
    set_language("en")
    over = replace(some().alerts[1], state=AlertState.RESOLVED, resolved_at=NOW - timedelta(minutes=2))
    said = "\n".join(
        "".join(piece.text for piece in row) for row in alert_page(page(AlertItem.of_alert(over, RULES[0]), None))[:2]
    )
    assert said.count("31") == 1
    assert "last report: backend: 31% of all requests fail" in said, "its numbers are neither now nor the worst ones"


async def test_the_page_of_an_alert_names_the_runbook_for_it() -> None:
    app = still_app(alerting())
    runbooks = app.monitor.runbooks
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("exclamation_mark", "enter")
        await pilot.pause()
        assert "HighErrorRate" in screen_text(pilot)
        assert "r runbook  " not in unframed(screen_text(pilot)).split("Why")[0]
        found = runbooks.look()
        runbooks.feed.publish(found)
        app.metrics.repaint()
        await pilot.pause()
        titles = [each.title for each in found.runbooks if "HighErrorRate" in each.on_alert]
        assert f"   r runbook  {titles[0]}" in screen_text(pilot)
