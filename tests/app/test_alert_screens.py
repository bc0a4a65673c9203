"""Golden screens of alerts: the section, the pages, the dialogs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alerts, AlertState, Event, Trouble
from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics.alert_page import AlertItem, AlertPage, alert_page
from lilfox_tui.app.panes.metrics.alert_section import step_rows
from lilfox_tui.app.rendering.chart import chart_columns
from lilfox_tui.app.rendering.draw import ASCII, UNICODE
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import set_language, tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation, compared
from lilfox_tui.monitor.model import Overview, RunbooksView
from lilfox_tui.runbook.model import Command, Step
from lilfox_tui.runbook.parse.document import parse
from tests.app.alerts_made import RULES, alerting, some
from tests.app.overviews import NOW, mixed, service
from tests.app.still import screen_text, still_app, unframed
from tests.app.test_screens import SIZES, check
from tests.waiting import until


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


@pytest.mark.parametrize("as_of", [None, NOW - timedelta(seconds=12)])
def test_the_page_of_a_moment_tells_no_evaluation_of_before(as_of: datetime | None) -> None:
    set_language("en")
    rule = replace(RULES[0], evaluated_at=NOW - timedelta(seconds=12), took_s=0.001)
    found = replace(some().alerts[1], as_of=as_of)
    rows = alert_page(page(AlertItem.of_alert(found, rule), why()))
    text = "\n".join("".join(piece.text for piece in row) for row in rows)
    assert ("evaluated   " in text) is (as_of is None)


@pytest.mark.parametrize(("severity", "role"), [("critical", "failing"), ("warning", "degraded")])
def test_that_it_fired_has_the_colour_of_its_severity(severity: str, role: str) -> None:
    set_language("en")
    labels = dict(some().alerts[1].labels) | {"severity": severity}
    found = replace(some().alerts[1], labels=tuple(sorted(labels.items())))
    event = Event(NOW, "fired", found.labels, value=0.3)
    told = replace(page(AlertItem.of_alert(found, RULES[0]), why()), events=[event])
    [fired] = [piece for row in alert_page(told) for piece in row if piece.text.startswith("fired at")]
    assert fired.role == role


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_page_says_why(language: str) -> None:
    set_language(language)
    rows = alert_page(page(AlertItem.of_alert(some().alerts[1], RULES[0]), why()))
    text = "\n".join("".join(piece.text for piece in row).rstrip() for row in rows) + "\n"
    check(f"alert-100-{language}", text)


def test_on_a_wide_page_the_facts_stand_beside_the_chart_and_it_is_as_high() -> None:
    set_language("en")
    item = AlertItem.of_alert(some().alerts[1], RULES[0])
    rows = told_of(page(item, why(), width=200))
    assert max(map(cell_width, rows)) <= 200
    chart = next(place for place, row in enumerate(rows) if "─ Values, " in row)
    facts = [place for place, row in enumerate(rows) if re.search("─ (Labels|Rule|History) ─", row)]
    assert min(facts) > chart
    times = next(place for place, row in enumerate(rows) if "0└" in row)
    told = max(place for place, row in enumerate(rows) if "resolved after" in row)
    assert told <= times <= told + 1, "no blank below the plot or beside it"
    narrow = told_of(page(item, why(), width=120))
    assert "─ Values, " in "\n".join(narrow)


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
    unread = Alerts(NOW, (), (), troubles=(Trouble("rules", tr("no file matches rules/*.yml"), blind=True),))
    app = still_app(replace(mixed(), alerts=Ready(unread, NOW)))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert re.search(r"─ Problems ─+ no known alerts  0 rules ─", screen_text(pilot))


def test_what_a_resolved_alert_was_is_said_once() -> None:
    set_language("en")
    over = replace(some().alerts[1], state=AlertState.RESOLVED, resolved_at=NOW - timedelta(minutes=2))
    lines = told_of(page(AlertItem.of_alert(over, RULES[0]), None))
    assert lines[1] == "   was above 5% for 9 min, until 03:10:44 (measured over 5 min)"
    [said] = [place for place, line in enumerate(lines) if "31%" in line]
    [title] = [place for place, line in enumerate(lines) if "Annotations while it fired" in line]
    assert said > title, "its own text is in the present tense, and its numbers are neither now nor the worst ones"


def told_of(page: AlertPage) -> list[str]:
    return ["".join(piece.text for piece in row) for row in alert_page(page)]


def test_a_bar_shows_the_value_against_its_limit() -> None:
    set_language("en")
    item = AlertItem.of_alert(some().alerts[1], RULES[0])
    bar = next(line for line in told_of(page(item, why())) if "━━" in line)
    filled, empty = bar.count("━"), bar.count("─")
    assert re.search(r"━│━+─+  31 ?% > 5 ?% ", bar)
    assert filled / (filled + empty + 1) == pytest.approx(0.31, abs=0.03)
    assert bar.index("│", 3) == pytest.approx(2 + 0.05 * 50, abs=1)
    plain = replace(page(item, why()), glyphs=ASCII)
    assert any(re.search(r"#\|#+\.+  31 ?% > 5 ?%", line) for line in told_of(plain))
    counted = replace(RULES[0], expression="a / b", name="Odd")
    odd = AlertItem.of_alert(some().alerts[1], counted)
    assert not any("━━" in line for line in told_of(page(odd, None))), "without a limit there is no bar"


def test_a_resolved_alert_keeps_its_peak_also_when_the_window_begins_later() -> None:
    set_language("en")
    alert = replace(some().alerts[1], state=AlertState.RESOLVED, resolved_at=NOW - timedelta(minutes=2))
    item = AlertItem.of_alert(alert, RULES[0])
    columns = 400
    high = tuple(0.97 if place == 300 else 0.3 for place in range(columns))
    whole = Explanation(
        compared(RULES[0].expression),
        (ComparisonSide((("job", "backend"),), 0.3, 0.05, True, high),),
        end=alert.resolved_at,
    )
    late = replace(page(item, why()), window=timedelta(minutes=1), events=())
    assert not any("peak" in line for line in told_of(late)), "it is not known"
    kept = told_of(replace(late, whole=whole))
    assert [line for line in kept if re.search(r"[━─]  peak 97 ?% at 03:08:\d\d; limit 5 ?% ", line)]
    assert sum("peak" in line for line in kept) == 1, "it is told once"


async def test_the_page_asks_for_the_time_before_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(alerting())
    asked: list[tuple[datetime, datetime]] = []

    async def ask(_expression: str, start: datetime, end: datetime, _columns: int) -> Explanation:
        asked.append((start, end))
        return why()

    async def events(_labels: Labels) -> tuple[Event, ...]:
        return ()

    monkeypatch.setattr(app.monitor.alerting, "why", ask)
    monkeypatch.setattr(app.monitor.alerting, "events", events)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("exclamation_mark", "enter")
        await pilot.pause()
        item = app.metrics.state.selected_item()
        assert item is not None
        assert item.alert is not None
        for _window in range(9):
            if app.metrics.state.window <= timedelta(minutes=5):
                break
            await pilot.press("t")
        asked.clear()
        app.metrics.state.overview = replace(alerting(), at=NOW + timedelta(seconds=1), rewound=True)
        app.metrics.repaint()
        await pilot.pause()
        starts = [start for start, _end in asked]
        assert len(starts) == 2
        assert starts[0] > item.alert.active_at > starts[1], "the window, and the time since the limit was crossed"


def test_the_summary_is_not_told_again_among_the_annotations() -> None:
    lines = told_of(page(AlertItem.of_alert(some().alerts[1], RULES[0]), why()))
    assert sum("31% of all requests fail" in line for line in lines) == 1
    assert any("runbook_url" in line for line in lines)


async def test_the_page_shows_errors_of_the_service_other_alerts_there_and_the_first_steps() -> None:
    app = still_app(alerting())
    logged = [
        LoggedError(NOW, "backend", "OperationalError: refused", times=41),
        LoggedError(NOW, "other", "no matter"),
    ]
    async with app.run_test(size=(120, 60)) as pilot:
        app.metrics.pages.newest_errors = lambda: logged
        app.monitor.runbooks.feed.publish(app.monitor.runbooks.look())
        await pilot.press("exclamation_mark", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ Newest errors ─" in text
        assert "✖ backend  ×41  OperationalError: refused" in text
        assert "no matter" not in text
        here = text.split("─ Also firing or pending here ─")[1]
        assert "HighLatency" in here
        item = app.metrics.state.selected_item()
        assert item is not None
        steps = next(each.steps for each in app.monitor.runbooks.look().runbooks if item.name in each.on_alert)
        assert f" 1. {steps[0].title[:30]}" in text


def test_a_step_of_a_runbook_has_its_first_command_below_it() -> None:
    commands = [Command(text=text, kind="read", language="bash") for text in ("uptime -p", "free -m\ndf")]

    def told(*texts: Command) -> list[str]:
        return ["".join(piece.text for piece in row) for row in step_rows(2, Step(title="Look", commands=texts))]

    assert told() == [" 2. Look"], "a step by hand"
    assert told(commands[0]) == [" 2. Look", "    $ uptime -p"]
    assert told(*commands) == [" 2. Look", "    $ uptime -p  +1"]
    assert told(commands[1]) == [" 2. Look", "    $ free -m  …"]
    (_title, row) = step_rows(1, Step(title="Look", commands=(commands[0],)))
    assert {piece.text: piece.role for piece in row}["uptime"] == "keyword"


def test_a_command_of_a_step_is_cut_and_its_title_is_whole() -> None:
    command = Command(text="tail -n 5 " + "/var/log/a-long-name" * 9, kind="read", language="bash")
    step = step_rows(1, Step(title="Look at " + "all of it " * 12 + "to the end", commands=(command,)))
    found = told_of(replace(page(AlertItem.of_alert(some().alerts[1], RULES[0]), why()), steps=[step]))
    assert sum("/var/log/a-long-name" in line for line in found) == 1
    assert any("to the end" in line for line in found)


def test_the_expression_has_the_colours_of_a_query() -> None:
    item = AlertItem.of_alert(some().alerts[1], RULES[0])
    pieces = [piece for row in alert_page(page(item, why())) for piece in row]
    assert {piece.role for piece in pieces if piece.text == "sum"} == {"name"}
    assert {piece.role for piece in pieces if piece.text == "by"} == {"keyword"}


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


SERVICE_BOOK = b"""---
lilfox:
  version: 1
  id: service
vars:
  service:
    type: enum
    choices: [gateway, backend]
---

# A service is down

1. Look

   ```bash
   systemctl status <service>
   ```
"""


async def test_a_service_that_fails_without_an_alert_has_the_key_of_the_runbook_that_offers_it() -> None:
    ill = replace(service("backend", Level.FAILING, None, None), reasons=(tr("refused"),))
    app = still_app(replace(alerting(), services={"backend": ill}, alerts=None))
    async with app.run_test(size=(120, 40)) as pilot:
        app.metrics.state.open(("service", "backend"))
        book = parse(SERVICE_BOOK, "/srv/runbooks/service.md")
        app.monitor.runbooks.feed.publish(RunbooksView(documents=(book,)))
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "   r runbook  A service is down" in text
        assert " r runbook" in text.splitlines()[-1], "in the footer too"
        await pilot.press("r")
        await until(lambda: "systemctl status" in screen_text(pilot), what="the runbook")
        told = "backend is failing: enter starts a run with service = backend"
        assert told in screen_text(pilot), "of this service, and not of that of a firing alert"
