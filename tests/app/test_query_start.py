"""The query box before its first query: rules that fire, earlier queries, examples, and the metrics that are known.
After it: windows that are not full, the range, and the scale."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace
from textual.widgets import Input

from lilfox_tui.app.panes.metrics.alert_page import rule_queries
from lilfox_tui.app.panes.metrics.query.offer import QueryLine, QueryOffer, StartPage, examples, metric_group
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.model import ScrapeConfig
from lilfox_tui.core.paths import config_file
from lilfox_tui.core.text import cell_width
from lilfox_tui.promql.completion import KnownNames, NameIndex
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.app.alerts_made import ERRORS, alerting, some
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app, unframed
from tests.app.test_query import STEP_S, asks, box, filled, opened, shows, typed, value
from tests.waiting import until


async def test_what_can_be_asked_is_chosen_with_down_and_run() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        text = await shows(pilot, "Examples", "topk(5, load)", "load ")
        assert not pilot.app.screen.query_one("#query-input", Input).cursor_blink
        assert "Recent queries" not in text
        assert text.splitlines()[1].startswith("   e.g. sum by (job) (up)"), "left of it is room for the cursor"
        assert "down choose" in text.splitlines()[-1]
        assert "up earlier query" not in text
        assert "1 known; tab completes it" in text
        await pilot.press("down")
        assert "enter run  tab edit  up/down choose" in (await shows(pilot, "enter run  tab edit")).splitlines()[-1]
        await pilot.press("down")
        await shows(pilot, "enter edit  up/down choose")
        await pilot.press("enter")
        assert value(pilot) == "load", "a metric is put into the line, to be written on"
        assert box(pilot)._state.answer is None
        await pilot.press("ctrl+u", "down", "tab")
        assert value(pilot) == "topk(5, load)"
        await pilot.press("ctrl+u", "down", "x")
        assert value(pilot) == "x", "what is typed goes into the line"
        assert box(pilot)._start.taken is None
        await pilot.press("ctrl+u", "down", "up")
        assert box(pilot)._start.taken is None, "above the first one is the line"
        await pilot.press("down", "escape")
        assert box(pilot)._start.taken is None
        await pilot.press("down", "enter")
        await shows(pilot, "2 series")
        assert value(pilot) == "topk(5, load)"


async def test_rules_that_fire_or_are_pending_come_first_and_a_click_runs_one() -> None:
    app = still_app(alerting())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(200, 55)) as pilot:
        await opened(pilot)
        lines = (await shows(pilot, "Rules that fire or are pending", "HighErrorRate  firing")).splitlines()
        y = next(place for place, line in enumerate(lines) if "HighErrorRate  firing" in line)
        assert ERRORS[:40] in lines[y + 1]
        assert next(place for place, line in enumerate(lines) if "Examples" in line) > y
        metric = next(place for place, line in enumerate(lines) if "│   load " in line)
        await pilot.click(offset=(lines[metric].index("load "), metric))
        assert value(pilot) == "load"
        await pilot.click(offset=(10, y + 1))
        await shows(pilot, "No series")
        assert value(pilot) == ERRORS


def test_each_rule_is_listed_once_the_worst_first() -> None:
    found = [expression for expression, _row in rule_queries(some(), UNICODE)]
    assert found[0] == ERRORS
    assert len(found) == len(set(found))
    assert "a * b > 1" not in found, "a rule that cannot be evaluated is no query"


def told(known: KnownNames, width: int, height: int, history: tuple[str, ...] = (), down: int = 0) -> list[str]:
    start = StartPage([])
    boxed = height > 12
    start.rows(known, history, width, height, UNICODE, boxed=boxed)
    for _step in range(down):
        start.move(1)
    rows = start.rows(known, history, width, height, UNICODE, boxed=boxed)
    return ["".join(piece.text for piece in row) for row in rows]


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (120, 110), (200, 55)])
def test_known_metrics_are_listed_with_type_and_help_by_what_they_are_of(width: int, height: int) -> None:
    names = NameIndex(["requests_total", "pg_up", "node_load1", "ALERTS", *(f"queue_{number}" for number in range(90))])
    known = KnownNames(names, {"requests": Family("counter", "How many.\x1b[2J")})
    rows = told(known, width, height)
    assert len(rows) <= height
    assert not any("\x1b" in line for line in rows)
    if height > 20:
        text = "\n".join(rows)
        assert "Host metrics" not in text or text.index("Service metrics") < text.index("Host metrics")
    assert any(line.split()[:1] == ["node_load1"] or " node_load1 " in line for line in rows) or height < 110
    assert ("more below" in rows[0]) == (12 < height < 110), "what is out of sight is counted"
    last = told(known, width, height, down=200)
    assert any("queue_9 " in line or "ALERTS" in line for line in last), "all can be reached"


def test_the_help_of_the_metric_that_is_marked_is_whole() -> None:
    known = KnownNames(NameIndex(["a", "b"]), {"a": Family("gauge", "One word after another, " * 6 + "to the end.")})
    assert not any("to the end." in line for line in told(known, 80, 24))
    down = len(examples(known)) + 1
    assert any("to the end." in line for line in told(known, 80, 24, down=down))


def test_the_same_help_is_not_told_in_neighbouring_rows() -> None:
    names = ["answer_seconds_bucket", "answer_seconds_count", "answer_seconds_sum", "b_one", "b_two", "c"]
    told_of = {"answer_seconds": Family("histogram", "Time to an answer."), "b_one": Family("gauge", "The same."),
               "b_two": Family("gauge", "The same."), "c": Family("gauge", "Another.")}  # fmt: skip
    text = "\n".join(told(KnownNames(NameIndex(names), told_of), 120, 60))
    assert [text.count(each) for each in ("Time to an answer.", "The same.", "Another.")] == [1, 1, 1]
    assert re.search(r"answer_seconds_count +histogram +number of observations ", text)
    assert re.search(r"answer_seconds_sum +histogram +sum of all observations ", text)


def test_completion_does_not_tell_the_help_of_a_histogram_as_that_of_its_parts() -> None:
    offer = QueryOffer()
    offer.known = KnownNames(
        NameIndex(["answer_seconds_bucket", "answer_seconds_count", "answer_seconds_sum"]),
        {"answer_seconds": Family("histogram", "Time to an answer.")},
    )
    offer.update(QueryLine("answer", 6))
    rows = ["".join(piece.text for piece in row) for row in offer.rows(100, 20, UNICODE)]
    assert [re.split(r"  +", row.strip("│ "))[2] for row in rows[1:4]] == [
        "Time to an answer.",
        "number of observations: Time to an answer.",
        "sum of all observations: Time to an answer.",
    ]


def test_metrics_are_told_apart_by_their_names() -> None:
    found = {
        "node_load1": "host", "lilfox_cpus": "host", "lilfox_service_up": "service", "http_requests_total": "service",
        "pg_up": "database", "lilfox_postgresql_connections": "database", "ALERTS": "own", "lilfox_backup_sets": "own",
    }  # fmt: skip
    assert {name: metric_group(name) for name in found} == found


def test_examples_have_metrics_that_there_are() -> None:
    found = examples(KnownNames(NameIndex(["up", "cpu_usage_percent"])))
    assert found == [
        ("topk(5, cpu_usage_percent)", "Busiest hosts"),
        ("up", "Targets: 1 answers, 0 does not"),
        ("topk(5, up)", ""),
    ]
    unknown = examples(KnownNames(NameIndex(["a_total", "b"])))
    assert unknown == [("sum(rate(a_total[5m]))", ""), ("topk(5, b)", "")]
    assert len(examples(KnownNames())) == 3


def test_examples_say_what_they_answer_and_a_wide_screen_has_promql_in_short() -> None:
    known = KnownNames(NameIndex(["up", "cpu_usage_percent"]))
    rows = told(known, 120, 40)
    assert any("Busiest hosts" in row and "topk(5, cpu_usage_percent)" in row for row in rows)
    assert any("up" in row and "gauge" in row and "Whether the last scrape" in row for row in rows)
    assert not any("PromQL in short" in row for row in rows)
    wide = told(known, 200, 55)
    assert any("PromQL in short" in row for row in wide)
    assert any("Busiest hosts" in row for row in wide)
    assert not any("Busiest hosts" in row for row in told(known, 80, 24)), "the query needs the room"
    assert all(cell_width(row) <= 200 for row in wide)


async def test_the_first_screen_lists_what_was_asked_before_and_examples() -> None:
    app = still_app(mixed(), scrape={"shop": ScrapeConfig(targets=("127.0.0.1:9100",))})
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, known=False)
        await shows(pilot, "Metrics  no names loaded yet")
        for number in range(40):
            box(pilot)._history.add(f"metric_{number}")
        box(pilot)._show()
        text = await shows(pilot, "Recent queries  up takes the newest, ctrl-r searches all 40")
        assert text.index("metric_39") < text.index("Examples")
        assert "metric_0 " not in text
        assert "up earlier query" in text.splitlines()[-1]
        field = box(pilot).query_one("#query-input", Input)
        look = field.get_component_rich_style("input--placeholder")
        assert look.color == app.palette.style("muted", "bar").color
        assert look.italic


@pytest.mark.parametrize("size", [(200, 55), (120, 40), (80, 24), (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_where_nothing_is_to_be_scraped_it_says_what_to_configure(size: tuple[int, int]) -> None:
    app = still_app(replace(mixed(), services={}))
    async with app.run_test(size=size) as pilot:
        await opened(pilot, known=False)
        text = unframed(await shows(pilot, "No series", "nothing is scraped"))
        assert "Examples" not in text, "none of them has an answer"
        assert "no names loaded yet" not in text
        if size[0] > 40:
            assert "Add services:, scrape: or prometheus: to " in text
            assert str(config_file()) in text.replace(" ", ""), "all of it, on several lines"
        await typed(pilot, "up")
        await pilot.press("enter")
        text = unframed(await shows(pilot, "nothing is scraped"))
        assert "Add services:, scrape: or prometheus: to" in text
        assert "first scrape" not in text, "it never comes"


async def test_what_is_to_be_scraped_has_examples_before_the_first_scrape() -> None:
    app = still_app(mixed(), scrape={"shop": ScrapeConfig(targets=("127.0.0.1:9100",))})
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, known=False)
        await shows(pilot, "Examples")
        await typed(pilot, "up")
        await pilot.press("enter")
        await shows(pilot, "nothing is scraped yet", "The query runs after the first scrape.")
        assert "Add scrape" not in screen_text(pilot)


async def test_a_click_on_an_earlier_query_runs_it() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 40)) as pilot:
        await asks(pilot, "load")
        await shows(pilot, "2 series")
        await pilot.press("ctrl+u")
        await typed(pilot, "sum(load)")
        await pilot.press("enter")
        lines = (await shows(pilot, "1 series", "Earlier queries")).splitlines()
        y = next(place for place, line in enumerate(lines) if "Earlier queries" in line) + 1
        await pilot.click(offset=(lines[y].rindex("load"), y))
        await shows(pilot, "2 series")
        assert value(pilot) == "load"


async def test_nothing_after_the_newest_sample_is_drawn_or_averaged_as_a_rate() -> None:
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    labels = LabelList([LabelSet.of({NAME: "asked_total"})])
    end_ms = round(NOW.timestamp() * 1000) - 60_000
    for place in range(61):
        store.target("t").append(end_ms - (60 - place) * 5000, labels, np.array([10.0 * place]))
    app = still_app(mixed())
    app.monitor.scraping.store.publish(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await asks(pilot, "rate(asked_total[2m])")
        await shows(pilot, "1 series")
        state = box(pilot)._state
        assert state.answer is not None
        assert state.answer.at == NOW - timedelta(seconds=60), "the newest sample"
        values = state.series[0].values
        assert min(value for value in values[len(values) // 2 :] if value is not None) == pytest.approx(2, rel=0.01)
        assert state.series[0].value == values[-1], "one set of points"
        await shows(pilot, f"{state.answer.at:%H:%M:%S} UTC")
        await pilot.press("ctrl+u")
        await typed(pilot, "asked_total")
        await pilot.press("enter")
        await until(lambda: state.answer is not None and state.answer.text == "asked_total")
        assert state.answer.at == NOW, "no rate"


async def test_one_key_asks_for_the_rate_of_a_counter() -> None:
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    labels, end_ms = LabelList([LabelSet.of({NAME: "asked_total"})]), round(NOW.timestamp() * 1000)
    for place in range(61):
        store.target("t").append(end_ms - (60 - place) * STEP_S * 1000, labels, np.array([10.0 * place]))
    app = still_app(mixed())
    app.monitor.scraping.store.publish(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.monitor.overview.value is not None)
        app.rewound = NOW
        await asks(pilot, "asked_total")
        for keys in ((), ("down",)):
            if keys:
                await pilot.press("ctrl+u")
                await typed(pilot, "asked_total")
                await pilot.press("enter")
            text = await shows(pilot, "a counter; ctrl-t shows it per second: rate(asked_total[1m])", "600")
            assert "ctrl-t per second" in text.splitlines()[-1]
            await pilot.press(*keys, "ctrl+t")
            text = await shows(pilot, "2/s")
            assert value(pilot) == "rate(asked_total[1m])"
            assert "ctrl-t" not in text
            await pilot.press("ctrl+t")
            assert value(pilot) == "rate(asked_total[1m])", "there is nothing better to ask"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("rate(load[1m])", "before 03:08:44"),
        ("sum(increase(load[10m]))", "before 03:17:44"),
        ("avg_over_time(load[10m])", ""),
        ("rate(load[1m] offset 1m)", ""),
        ("load", ""),
    ],
)
async def test_values_of_a_window_that_samples_do_not_fill_are_told(query: str, told: str) -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 30)) as pilot:
        await asks(pilot, query)
        text = await shows(pilot, "series ─", "─ last ")
        filled_from = box(pilot)._state.answer
        assert filled_from is not None
        assert (filled_from.filled is not None) is ("window is not full" in text) is bool(told)
        assert told in text
        if told:  # samples begin five minutes ago
            at = filled_from.filled.at if filled_from.filled else NOW
            late = NOW - timedelta(minutes=5) + (timedelta(minutes=1) if "1m" in query else timedelta(minutes=10)) - at
            assert late == timedelta(0), "by the first sample, not by a step that moves with the present"


async def test_the_range_is_changed_while_the_query_is_edited() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 30)) as pilot:
        await asks(pilot, "load")
        assert "ctrl-o range" in (await shows(pilot, "2 series", "range 5 min")).splitlines()[-1]
        await pilot.press("ctrl+o")
        await shows(pilot, "range 15 min", "of 15 min")
        assert value(pilot) == "load"


async def test_a_series_is_drawn_alone_and_on_a_logarithmic_scale() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 30)) as pilot:
        await asks(pilot, "load")
        await shows(pilot, "2 series")
        await pilot.press("down", "down", "z")
        text = await shows(pilot, "z all series")
        assert "━ 0" not in text
        assert " 4│" in text, "the scale is its own"
        await pilot.press("z", "L")
        await shows(pilot, "log scale", "L linear scale", " 100│", " 1│")
