"""The page of a backend: charts of its kind, shares as bars, who waits for whom, and tables in any width."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics.backend_page import (
    BackendPage,
    backend_charts,
    backend_page,
    backend_row,
    cell_text,
    table_rows,
)
from lilfox_tui.app.panes.metrics.home_charts import trend_title
from lilfox_tui.app.panes.metrics.pages import increase_per_second, whole_stretches
from lilfox_tui.app.panes.metrics.sections import PageChart
from lilfox_tui.app.rendering.chart import Values
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.app.rows.hosts import TableStyle, reason_pieces
from lilfox_tui.app.rows.reasons import why_no_figures
from lilfox_tui.backends.kinds import postgresql, redis
from lilfox_tui.backends.model import BackendReading, Cell, Table, TableColumn, load
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import set_language, tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.history import History, Point
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import BackendView, Overview
from lilfox_tui.monitor.raised_levels import client_reports, is_of_client, raised
from tests.app.overviews import NOW, service
from tests.app.pages_made import cache, database

KINDS = ("postgresql", "redis", "celery", "rq", "arq", "rabbitmq", "breakers", "pybreaker")


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def page(view: BackendView, *, width: int = 120, known: Mapping[Series, float] | None = None) -> BackendPage:
    def past(series: Series, columns: int) -> Values:
        value = (known or {}).get(series)
        return [value] * columns

    return BackendPage(view, (), past, past, NOW, timedelta(minutes=5), UNICODE, width)


def table(view: BackendView, key: str) -> Table:
    assert view.reading is not None
    return next(each for each in view.reading.tables if each.key == key)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_charts_and_its_trend_is_in_one(kind: str) -> None:
    module = load(kind)
    drawn = [curve.series for chart in module.CHARTS for curve in chart.curves]
    assert module.TREND in drawn
    assert all(
        curve.series.name.endswith("_total") for chart in module.CHARTS for curve in chart.curves if curve.per_second
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_chart_on_the_home_screen_has_a_plain_title(kind: str) -> None:
    set_language("en")
    trend = load(kind).TREND
    assert trend is not None
    title = trend_title(kind, trend)
    assert trend.name not in title
    assert "_" not in title
    if kind == "postgresql":
        assert title == "Connections: active"


def test_a_short_name_leaves_its_cells_to_the_figures() -> None:
    set_language("en")
    style = TableStyle(60, UNICODE, 2.0)
    view = replace(database(ill=False), name="db")
    narrow = text_of(backend_row(view, NOW, style, name_width=5))
    assert narrow.startswith(" ● db     ")
    assert not narrow.startswith(" ● db      ")
    assert len(text_of(backend_row(view, NOW, style))) == len(narrow) + 9, "14 cells where nothing is said"


def test_only_what_is_known_has_a_chart() -> None:
    set_language("en")
    view = cache()
    assert view.reading is not None
    ops = Series("redis_operations_per_second")
    few = replace(view, reading=BackendReading(NOW, {ops: 412.0}))
    assert [each.title for each in backend_charts(page(few))] == ["Operations per second"]
    gone = replace(few, outage=Unavailable(LilFoxError(tr("gone")), NOW))
    (drawn,) = backend_charts(page(gone, known={ops: 400.0}))
    assert drawn.now == "unknown", "no old number passes for a new one"
    assert backend_charts(page(gone)) == []


def test_how_long_nothing_answers_counts_from_the_last_answer() -> None:
    """A read that times out after 10 s fails 10 s later: counted from there, it would be told that there was no answer
    for 7 s, beside that there was none within 10 s."""
    set_language("en")
    why = LilFoxError(tr("no answer from db-1:5432 within {seconds:g} s", seconds=10))
    outage = Unavailable(why, NOW - timedelta(seconds=7), NOW + timedelta(seconds=4))
    view = cache()
    assert view.reading is not None
    read = replace(view, reading=replace(view.reading, at=NOW - timedelta(seconds=22)), outage=outage)
    told = "last answer 22 s ago, next try in 4 s: no answer from db-1:5432 within 10 s"
    assert why_no_figures(read, NOW) == told
    never = replace(view, reading=None, outage=outage)
    assert why_no_figures(never, NOW).startswith("never answered, next try in 4 s: no answer from")
    given_up = replace(outage, next_try=None)
    assert why_no_figures(replace(never, outage=given_up), NOW).startswith("never answered: no answer")


def test_what_a_client_reports_has_the_colour_of_the_level_that_it_gives() -> None:
    view = cache()
    error = LoggedError(NOW, "web-1.backend", "redis: connection refused")
    full = replace(view, level=Level.FAILING, reasons=(tr("memory is full"),))
    found = raised(Overview(NOW, {}, {}, {view.name: full}), [error]).backends[view.name]
    roles = {piece.text: piece.role for piece in reason_pieces(found)}
    assert roles.pop("memory is full") == "failing"
    assert set(roles.values()) == {"muted", "degraded"}


def test_a_limit_is_told_always_and_drawn_where_values_come_near_it() -> None:
    set_language("en")
    charts = {each.title: each for each in backend_charts(page(cache()))}
    assert (charts["Memory, of 2.0 GB"].mark, charts["Memory, of 2.0 GB"].now) == (2.0 * 1024**3, "1.2 GB")
    assert charts["Clients, of 10k"].mark is None, "18 would not be seen below 10,000"


def test_one_of_fifty_connections_does_not_look_like_all() -> None:
    set_language("en")
    view = database(ill=False)
    assert view.reading is not None
    used, most = Series("postgresql_connections_used"), Series("postgresql_connections_max")

    def connections(count: float) -> PageChart:
        few = replace(view, reading=BackendReading(NOW, {used: count, most: 50.0}))
        return next(each for each in backend_charts(page(few, known={used: count})) if "Connections" in each.title)

    assert (connections(1).title, connections(1).top, connections(1).mark) == ("Connections, of 50", 5.0, None)
    assert (connections(5).top, connections(5).mark) == (None, 50.0)


@pytest.mark.parametrize("ill", [False, True])
def test_the_parts_of_the_line_make_its_whole(ill: bool) -> None:
    set_language("en")
    *parts, whole = [str(each.text) for each in database(ill=ill).figures if "hit" not in str(each.text)]
    counts = [int(part.split()[0]) for part in parts if "waiting" not in part]
    assert whole == f"{sum(counts)} of 100 connections"


def test_a_share_is_a_bar_and_its_number() -> None:
    rows = [text_of(row) for row in table_rows(table(database(ill=False), "slow_statements"), 118, UNICODE)]
    assert [row.count("━") for row in rows] == [0, 7, 2, 1]
    assert all(share in row for share, row in zip(("71.5%", "21.9%", "6.6%"), rows[1:], strict=True))
    plain = [text_of(row) for row in table_rows(table(database(ill=False), "slow_statements"), 118, ASCII)]
    assert all(row.isascii() for row in plain)
    assert [row.count("#") for row in plain[1:]] == [7, 2, 1]


def test_statements_that_cost_next_to_nothing_are_counted_and_hide_nothing() -> None:
    set_language("en")
    view = database(ill=False)
    reading = view.reading
    assert reading is not None
    slow = table(view, "slow_statements")
    cheap = tuple((share, *slow.rows[0][1:]) for share in (60.0, 30.0, 0.9, 0.5, 0.4))
    others = tuple(each for each in reading.tables if each.key != "slow_statements")

    def drawn(rows: tuple[tuple[Cell, ...], ...]) -> str:
        changed = replace(reading, tables=(replace(slow, rows=rows), *others))
        return "\n".join(map(text_of, backend_page(page(replace(view, reading=changed)))))

    text = drawn(cheap)
    assert "2 more statements take at most 0.5% of the time each" in text
    text = text.replace("at most 0.5%", "")
    assert all((f"{share}%" in text) is (share >= 0.9) for share in (60.0, 0.9, 0.5, 0.4))
    assert "more statement" not in drawn(cheap[:3]), "the first three are always shown"
    assert str(slow.columns[-2].title) == "id"
    assert "  id  " not in text
    tiny = tuple((share, *slow.rows[0][1:]) for share in (60.0, 30.0, 5.0, 0.16, 0.02))
    assert "2 more statements take at most 0.2% of the time each" in drawn(tiny), "as close as tenths tell it"
    assert "1 more statement takes at most 0.1% of the time" in drawn((*tiny[:3], tiny[4])), "never below what it is"
    assert "more statement" not in drawn(((50.0, *cheap[0][1:]), *((7.0, *row[1:]) for row in cheap)))


def test_who_waits_for_whom_is_a_tree_with_the_time_of_waiting() -> None:
    rows = table_rows(table(database(ill=True), "blocking"), 118, UNICODE)
    starts = [text_of(row)[:20].rstrip() for row in rows[1:]]
    assert starts == [" 811          -", " └ 902     41 s  811", "   └ 903   12 s  902"]
    waiting = [any(piece.role == "degraded" and piece.text == "41 s" for piece in row) for row in rows]
    assert waiting == [False, False, True, False]


@pytest.mark.parametrize("width", [36, 38, 58, 78, 118, 198])
@pytest.mark.parametrize("key", ["blocking", "sessions", "slow_statements", "clients", "databases"])
def test_a_table_has_room_and_keeps_its_first_and_last_columns(key: str, width: int) -> None:
    shown = table(database(ill=True), key)
    rows = [text_of(row) for row in table_rows(shown, width, UNICODE)]
    assert max(map(cell_width, rows)) <= width
    assert str(shown.columns[0].title) in rows[0]
    if shown.columns[-1].unit == "text":
        assert str(shown.columns[-1].title) in rows[0]
    assert ("…" in "".join(rows)) <= (width < 198), "nothing is cut while there is room"


@given(st.integers(10, 250), st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_no_table_is_wider_than_its_place(width: int, cells: list[str]) -> None:
    columns = tuple(TableColumn(f"c{place}", tr("title")) for place in range(len(cells)))
    made = Table("made", tr("Made"), columns, (tuple(cells),))
    assert all(
        cell_width(text_of(row)) <= width for row in table_rows(made, width, UNICODE) if len(cells) < 2 or width > 80
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("ill", [False, True])
def test_a_page_has_room(width: int, ill: bool) -> None:
    rows = backend_page(page(database(ill=ill), width=width))
    assert max(cell_width(text_of(row)) for row in rows) <= width


def points(*totals: float) -> list[Point]:
    return [Point(NOW.timestamp() + 10 * place, total, total, total) for place, total in enumerate(totals)]


def test_the_rate_of_a_counter_is_its_increase_and_not_known_across_a_reset() -> None:
    over = timedelta(seconds=20)
    steady = increase_per_second(points(0, 10, 20, 30, 40), over)
    assert [point.mean for point in steady] == [1.0, 1.0, 1.0]
    reset = increase_per_second(points(100, 110, 120, 0, 10, 20), over)
    assert [(point.at - NOW).total_seconds() for point in reset] == [20, 50]
    assert all(point.mean == 1.0 for point in reset), "a reset is no fall"
    assert increase_per_second(points(5), over) == []


def test_what_is_zero_all_the_time_is_one_line_and_no_chart() -> None:
    set_language("en")
    waiting, lag = Series("postgresql_connections_waiting"), Series("postgresql_replication_lag_seconds")
    rollbacks = Series("postgresql_rollbacks_total")
    view = database(ill=False)
    assert view.reading is not None
    zero = replace(view, reading=BackendReading(NOW, {waiting: 0.0, lag: 0.0, rollbacks: 31.0}))
    well = page(zero, known={waiting: 0.0, lag: 0.0, rollbacks: 0.0})
    assert backend_charts(well) == []
    lines = [text_of(row) for row in backend_page(well)]
    assert "   always 0 in this range: waiting for locks, rollbacks, replication lag" in lines
    late = page(replace(view, reading=BackendReading(NOW, {waiting: 0.0, lag: 2.0})), known={waiting: 1.0, lag: 0.0})
    assert [each.title for each in backend_charts(late)] == ["Sessions waiting for locks", "Replication lag"]
    assert not any("all the time" in text_of(row) for row in backend_page(late))
    gone = replace(zero, outage=Unavailable(LilFoxError(tr("gone")), NOW))
    assert not any("all the time" in text_of(row) for row in backend_page(page(gone, known={waiting: 0.0})))


def test_what_is_told_to_be_zero_is_not_told_again_in_a_table() -> None:
    set_language("en")
    view = database(ill=False)
    assert view.reading is not None
    deadlocks = Series("postgresql_deadlocks_total")
    still = replace(view, reading=replace(view.reading, values={**view.reading.values, deadlocks: 0.0}))
    text = "\n".join(text_of(row) for row in backend_page(page(still, known={deadlocks: 0.0})))
    assert re.search(r"always 0 in this range: .*deadlocks", text)
    told = re.findall(r"0 in all rows: ([^│\n]*)", text)
    assert any("temporary files" in each for each in told)
    assert not any("deadlocks" in each for each in told)


def test_the_title_says_what_a_server_is_and_since_when() -> None:
    set_language("en")
    view = database(ill=False)
    rows = [text_of(row) for row in backend_page(page(view))]
    assert rows[0] == " ● orders-db   postgresql @db-1  17.12  primary  up 3 d"
    assert view.reading is not None
    young = tuple(replace(each, value=52.4) if each.key == "up_s" else each for each in view.reading.facts)
    read = replace(view.reading, at=NOW - timedelta(seconds=5), facts=young)
    title = text_of(backend_page(page(replace(view, reading=read)))[0])
    assert title.endswith("up 57 s"), "by the clock of the other times, which go on since the reading"
    just = replace(
        read, at=NOW, facts=tuple(replace(each, value=52.6) if each.key == "up_s" else each for each in young)
    )
    title = text_of(backend_page(page(replace(view, reading=just)))[0])
    assert title.endswith(f"up {cell_text(52.6, 'seconds')}"), "rounded as the times of sessions"
    below = "\n".join(rows[1:])
    assert "17.12" in below, "whole among what is known of the server"
    assert "primary" not in below
    gone = replace(view, outage=Unavailable(LilFoxError(tr("gone")), NOW))
    rows = [text_of(row) for row in backend_page(page(gone))]
    assert rows[0] == " ● orders-db   postgresql @db-1", "what it is now is not known"
    assert "primary" in "\n".join(rows[1:])


def test_columns_that_say_nothing_are_one_line() -> None:
    set_language("en")
    columns = (TableColumn("name", tr("database")), TableColumn("deadlocks", tr("deadlocks"), "count"),
               TableColumn("temp_bytes", tr("temporary files"), "bytes"), TableColumn("age", tr("age"), "count"),
               TableColumn("size_bytes", tr("size"), "bytes"))  # fmt: skip
    made = Table("databases", tr("Databases"), columns, (("shop", 0, 0.0, None, 1e6), ("mail", 0, 0.0, None, 0.0)))
    rows = [text_of(row).rstrip() for row in table_rows(made, 118, UNICODE)]
    assert rows == [
        " database    size",
        " shop      977 kB",
        " mail         0 B",
        " 0 in all rows: deadlocks, temporary files",
        " unknown: age",
    ]


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_counts_of_sessions_stand_side_by_side_where_there_is_room(width: int) -> None:
    set_language("en")
    titles = ("Sessions by state", "Wait events", "Connections by client", "Sessions")
    rows = [text_of(row) for row in backend_page(page(database(ill=True), width=width))]
    bordered = width > 59
    places = [
        next(
            at for at, row in enumerate(rows) if (f"─ {title} ─" in row if bordered else row.startswith(f" {title}  "))
        )
        for title in titles
    ]
    states, waits, clients, sessions = places
    assert (states == waits) is (width in (80, 200))
    assert (states == clients) is (width >= 120)
    assert (clients < sessions) is (width != 80), "the sessions are seen before whose they are"
    assert max(states, waits) < sessions
    assert "sessions" in rows[states + 1], "whatever has no room"
    assert not any("in all rows" in row for row in rows[states : max(waits, clients) + 4]) or width == 80


def test_the_commands_of_a_redis_have_the_width_of_the_page_and_keys_that_none_removes_no_chart() -> None:
    set_language("en")
    view = cache()
    assert view.reading is not None
    get: dict[str, object] = {"calls": 90, "usec": 900, "usec_per_call": 10.0, "rejected_calls": 1}
    made = tuple(redis._tables({"cmdstat_get": get, "db0": {"keys": 5, "expires": 1}}, {"calls get": 20.0}, 10.0))
    gone = {Series(f"redis_{each}_keys_total"): 0.0 for each in ("evicted", "expired")}
    full = replace(view, reading=replace(view.reading, tables=made, values={**view.reading.values, **gone}))
    rows = [text_of(row) for row in backend_page(page(full, known=gone))]
    titles = next(at for at, row in enumerate(rows) if "─ Commands ─" in row)
    assert rows[titles].count("├") == rows[titles].count("┤") == 1
    assert rows[titles + 1].split() == [
        "│",
        "command",
        "share",
        "of",
        "time",
        "calls/s",
        "mean",
        "failed",
        "calls",
        "│",
    ]
    assert "   always 0 in this range: evicted keys, expired keys" in [row.rstrip() for row in rows]
    assert not any("Keys removed" in row for row in rows)


def test_who_does_what_stands_first_and_the_statement_has_room() -> None:
    set_language("en")
    titles = ["Blocking tree", "Sessions by state", "Sessions", "Connections, of 100", "Statements by total time"]
    rows = [text_of(row) for row in backend_page(page(database(ill=True)))]
    places = [next(at for at, row in enumerate(rows) if f"─ {title} ─" in row) for title in titles]
    assert places == sorted(places)
    assert any(row.startswith("│ 811  idle in transaction  1 min") for row in rows)
    assert any("UPDATE orders SET paid = true" in row for row in rows[places[2] : places[3]])
    narrow = [text_of(row) for row in table_rows(table(database(ill=True), "sessions"), 90, UNICODE)]
    assert "UPDATE orders SET paid = true" in narrow[1], "rather than its application, and for how long it is open"


def test_a_database_without_a_finding_tells_what_was_checked() -> None:
    set_language("en")
    view = database(ill=False)
    assert view.reading is not None
    some = replace(view, reading=replace(view.reading, checked=(tr("connections"), tr("deadlocks"))))
    for shown, told in (
        (some, "no problem found in connections, deadlocks  for 31 s"),
        (replace(view, reading=replace(view.reading, checked=())), "LilFox found no problem  for 31 s"),
    ):
        rows = [text_of(row) for row in backend_page(page(shown))]
        assert rows[1].strip() == told
        assert not any("all is well" in row for row in rows)


def logged(text: str, *, source: str = "lilfox-backend", ago_s: float = 12.0, times: int = 1) -> LoggedError:
    return LoggedError(NOW - timedelta(seconds=ago_s), source, text, times)


REFUSED = "request failed  ConnectionError: connection to the database refused: 127.0.0.1:5432"


@pytest.mark.parametrize(
    ("text", "alone", "ago_s", "told"),
    [
        (REFUSED, True, 12.0, True),
        (REFUSED, False, 12.0, False),  # of which of them?
        ("orders-db: FATAL: sorry, too many clients already", False, 12.0, True),
        ("psycopg2.OperationalError: could not connect to server", True, 12.0, True),
        ("asyncpg: connection was closed in the middle of operation", True, 12.0, True),
        ("Orders-DB: FATAL: Sorry, Too Many Clients Already", False, 12.0, True),
        (REFUSED, True, 301.0, False),  # it may be over
        (REFUSED, True, -5.0, False),  # not yet at the time shown
        ('psycopg.errors.UniqueViolation: duplicate key value violates "users_email"', True, 12.0, False),
        ("connection to the mail server refused", True, 12.0, False),
        ("databases refused to be renamed", True, 12.0, False),
        ('message not saved  ERROR:  relation "messages" does not exist', True, 12.0, True),  # PostgreSQL's own words
        ('message not saved  ERROR:  relation "messages" does not exist', False, 12.0, False),
    ],
)
def test_a_logged_error_is_about_a_database_if_it_says_so(text: str, alone: bool, ago_s: float, told: bool) -> None:
    found = client_reports(database(ill=False), [logged(text, ago_s=ago_s)], (), NOW, alone=alone)
    assert [each.text for each in found] == ([text] if told else [])


def test_of_each_log_the_newest_error_is_told() -> None:
    errors = [
        logged(REFUSED, times=41),
        logged("database: connection timed out", ago_s=60),
        logged(REFUSED, source="b"),
    ]
    found = client_reports(database(ill=False), errors, (), NOW, alone=True)
    assert [(each.who, each.times) for each in found] == [("lilfox-backend", 41), ("b", 1)]


@pytest.mark.parametrize(
    ("source", "told"),
    [("postgresql", False), ("db-1.postgresql-16-main", False), ("postgresql@16-main", False), ("orders-db", False),
     ("db-1.orders-db", False), ("postgres-exporter", True), ("orders-db-importer", True)],
)  # fmt: skip
def test_the_log_of_the_server_itself_is_of_no_client(source: str, *, told: bool) -> None:
    """It has each mistake that anybody makes in a statement."""
    errors = [logged('ERROR:  relation "mesages" does not exist', source=source)]
    found = client_reports(database(ill=False), errors, (), NOW, alone=True)
    assert [each.who for each in found] == ([source] if told else [])


@pytest.mark.parametrize(
    ("level", "body", "told"),
    [
        (Level.FAILING, '{"status": "down", "database": "connection refused"}', True),
        (Level.FAILING, '{"checks": {"orders-db": {"status": "DOWN"}}}', True),
        (Level.FAILING, '{"status": "down", "database": "ok", "cache": "down"}', False),
        (Level.GOOD, '{"status": "ok", "database": "down since yesterday"}', False),
    ],
)
def test_a_failing_service_says_which_backend_it_misses(level: Level, body: str, told: bool) -> None:
    asked = service("gateway", level, 503, 0.012)
    assert asked.state is not None
    asked = replace(asked, state=replace(asked.state, last=replace(asked.state.last, detail=body)))
    found = client_reports(database(ill=False), (), [asked], NOW, alone=True)
    assert [(each.who, each.text) for each in found] == ([("gateway", body)] if told else [])


def test_a_database_that_refuses_its_clients_is_not_told_to_be_well() -> None:
    set_language("en")
    view = database(ill=False)
    overview = raised(Overview(NOW, {}, {}, {view.name: view}), [logged(REFUSED, times=41)])
    told = overview.backends[view.name]
    assert (told.level, told.since) == (Level.DEGRADED, NOW - timedelta(seconds=12))
    assert [str(each) for each in told.reasons] == [f"its client lilfox-backend reports errors: {REFUSED}"]
    rows = backend_page(page(told, width=160))
    assert text_of(rows[0]).startswith(" ◐ orders-db")
    assert text_of(rows[1]) == f"   lilfox-backend reports: {REFUSED} (×41)  12 s ago"
    assert rows[1][1].role == "degraded"
    assert text_of(rows[2]).startswith("   LilFox itself found no problem in connections, waits for locks")
    assert not any("all is well" in text_of(row) for row in rows)


@pytest.mark.parametrize("ago", [59, 61, 299])
def test_what_a_client_logged_a_while_ago_is_told_with_its_time(ago: int) -> None:
    set_language("en")
    view, at = database(ill=False), NOW - timedelta(seconds=ago)
    error = LoggedError(at, "lilfox-backend", REFUSED, times=4, first=at - timedelta(minutes=1))
    told = raised(Overview(NOW, {}, {}, {view.name: view}), [error]).backends[view.name]
    words = "reports errors" if ago < 60 else f"reported errors until {at:%H:%M:%S}"
    assert [str(each) for each in told.reasons] == [f"its client lilfox-backend {words}: {REFUSED}"]
    assert is_of_client(told.reasons[0])


def test_a_reason_that_is_not_known_is_not_told_to_be_none() -> None:
    set_language("en")
    past = replace(database(ill=True), reading=None, reasons=())
    assert "the reason was not recorded" in text_of(backend_page(page(past))[1])


@pytest.mark.parametrize("width", [76, 100, 112, 160])
def test_the_version_of_a_server_is_shown_whole(width: int) -> None:
    set_language("en")
    view, version = database(ill=False), "17.12 (Debian 17.12-0+deb13u1)"
    assert view.reading is not None
    told = tuple(replace(fact, value=version) if fact.key == "version" else fact for fact in view.reading.facts)
    shown = [
        text_of(row)
        for row in backend_page(page(replace(view, reading=replace(view.reading, facts=told)), width=width))
    ]
    assert any(version in row for row in shown)
    if width == 112:
        assert any(version in row and "max connections" in row for row in shown), (
            "beside another one where there is room"
        )


@pytest.mark.parametrize("second", [1, 7, 16, 29])
def test_the_rate_of_a_counter_is_right_up_to_the_last_stretch_of_a_chart(second: int) -> None:
    """A stretch that has just begun has the mean of its first seconds: the increase up to it would be too small."""
    history, series, window = History(), Series("commits_total"), timedelta(minutes=30)
    for past_s in range(1800, -1, -1):
        at = NOW + timedelta(seconds=second - past_s)
        history.add("backend/db", at, {series: 2.0 * (1800 - past_s)})
    start, end = NOW + timedelta(seconds=second) - window, NOW + timedelta(seconds=second)
    points = history.window("backend/db", series, start, end, 60)
    whole = whole_stretches(points, start, end, 30.0)
    assert 57 <= len(whole) <= 60
    rates = [each.mean for each in increase_per_second(whole, timedelta(seconds=30))]
    assert rates[0] == pytest.approx(2.0, abs=0.1)
    assert rates[-1] == pytest.approx(2.0, abs=0.02)


def test_no_decimal_is_told_of_none_and_all() -> None:
    assert [cell_text(value, "percent") for value in (0.0, 0.04, 98.6, 99.96, 100.0)] == [
        "0%", "0.0%", "98.6%", "100.0%", "100%",
    ]  # fmt: skip
    figures = postgresql.headline({Series("postgresql_cache_hit_percent"): 100.0})
    assert [str(each.text) for each in figures] == ["hit 100%"]
