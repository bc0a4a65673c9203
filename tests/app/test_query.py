"""The box for PromQL: by keyboard, over what is scraped, at the time of the screen, with errors that point."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import lists, sampled_from
from hypothesis.strategies import text as st_text
from textual.pilot import Pilot
from textual.widgets import Input

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.metrics.query.box import QueryBox
from lilfox_tui.app.panes.metrics.query.result import QueryAnswer, series_of
from lilfox_tui.app.panes.metrics.query.view import QueryPage, query_screen
from lilfox_tui.app.rendering.draw import ASCII, UNICODE
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.core.text import cell_width
from lilfox_tui.promql.remote import HttpApi, Pairs, Reply
from lilfox_tui.promql.value import Line, Matrix, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.waiting import until

STEP_S = 5


def filled() -> SeriesStore:
    """Two series over the five minutes before NOW: one rises to 60, the other stands at 4."""
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    labels = LabelList([LabelSet.of({NAME: "load", "cpu": cpu}) for cpu in ("0", "1")])
    end_ms = round(NOW.timestamp() * 1000)
    for place in range(61):
        store.target("t").append(end_ms - (60 - place) * STEP_S * 1000, labels, np.array([float(place), 4.0]))
    return store


async def shows(pilot: Pilot[None], *words: str) -> str:
    """Waits until all of it stands on the screen."""
    await until(lambda: all(word in screen_text(pilot) for word in words), what=f"{words}")
    return screen_text(pilot)


NAMES = {" ": "space", "(": "left_parenthesis", ")": "right_parenthesis", "{": "left_curly_bracket",
         "}": "right_curly_bracket", "[": "left_square_bracket", "]": "right_square_bracket", "+": "plus",
         "=": "equals_sign"}  # fmt: skip


async def typed(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*(NAMES.get(char, char) for char in text))


@pytest.fixture(autouse=True)
def _queries_of_this_test_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def test_a_query_is_completed_asked_and_charted_rewound() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.monitor.overview.value is not None)
        app.rewound = NOW
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await shows(pilot, "names are completed as you type")
        await typed(pilot, "sum(lo")
        await shows(pilot, "│ load ", "1/")
        await pilot.press("tab")
        await typed(pilot, ") by (cp")
        await shows(pilot, "│ cpu ")
        await pilot.press("tab")
        await typed(pilot, ")")
        await pilot.press("enter")
        text = await shows(pilot, "2 series", "60", "sum(load) by (cpu)")
        assert NOW.strftime("%Y-%m-%d %H:%M:%S UTC  from local scrapes") in text
        lines = text.splitlines()
        begins = next(place for place, line in enumerate(lines) if "─ last 5 min ─" in line)
        assert "━ cpu=0 60  ━ cpu=1 4" in lines[begins + 1]
        plot = "".join(line[8:-2] for line in lines[begins + 2 : -4])
        dots = {char for char in plot if not char.isspace() and char not in "┈┊"}
        assert dots
        assert dots <= {chr(0x2800 + bits) for bits in range(1, 256)}, "several series are drawn as lines of dots"
        marks = [line.split()[1:3] for line in lines[:begins] if "▁" in line]
        assert marks == [["━", "60"], ["━", "4"]], "each that is in the chart is marked in its colour"
        app.rewound = NOW
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, QueryBox))
        app.rewound = NOW - timedelta(minutes=2)
        await pilot.press("Q")  # what was asked last is asked again, at the other time
        await shows(pilot, "36", "sum(load) by (cpu)")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_box_as_it_looks(language: str, size: tuple[int, int]) -> None:
    app = still_app(mixed(), language=language)
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=size) as pilot:
        app.rewound = NOW
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await typed(pilot, "sum(load) by (cpu)")
        await pilot.press("enter")
        await shows(pilot, "60")
        await typed(pilot, " + lo")
        text = await shows(pilot, "│ load ")
        check(f"query-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


def latencies() -> SeriesStore:
    """Twenty series of a counter in seconds over the five minutes before NOW."""
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    routes = ("/v1/checkout", "/v1/cart/items", "/health", "/v1/products", "/login")
    labels = [
        {NAME: "http_request_duration_seconds_sum", "job": "shop", "instance": f"10.0.0.{host}:9100", "route": route}
        for host in range(4)
        for route in routes
    ]
    end_ms = round(NOW.timestamp() * 1000)
    for place in range(61):
        values = [(number + 1) * (30 + (place + 7 * number) % 30) / 10_000 for number in range(len(labels))]
        at_ms = end_ms - (60 - place) * STEP_S * 1000
        store.target("t").append(at_ms, LabelList([LabelSet.of(each) for each in labels]), np.array(values))
    return store


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_many_series_as_they_look_with_the_cursor_in_the_past(language: str, size: tuple[int, int]) -> None:
    app = still_app(mixed(), language=language)
    app.monitor.scraping.store.publish(latencies())
    async with app.run_test(size=size) as pilot:
        await asks(pilot, "http_request_duration_seconds_sum")
        await shows(pilot, " ↓", "ms")
        await pilot.press("shift+tab", "down", "left", "left")
        await pilot.pause()
        text = screen_text(pilot)
        check(f"query-many-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_without_colours_and_in_ascii_the_series_differ_by_their_points() -> None:
    app = still_app(mixed(), theme="mono", glyphs=ASCII)
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "load - 10")
        text = await shows(pilot, "2 series", "50")
        assert text.isascii()
        check("query-ascii-80x24-en", text)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_an_error_and_an_empty_result_as_they_look(language: str) -> None:
    app = still_app(mixed(), language=language)
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "sum by cpu (load)")
        await shows(pilot, "^")
        check(f"query-error-80x24-{language}", screen_text(pilot))
        await pilot.press("ctrl+u")
        await typed(pilot, "loda")
        await pilot.press("enter")
        await until(lambda: "loda" in screen_text(pilot).splitlines()[4])
        check(f"query-empty-80x24-{language}", screen_text(pilot))


async def test_the_palette_opens_it_too() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("colon")
        await until(lambda: isinstance(app.screen, Chooser))
        await typed(pilot, "promql")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, QueryBox))


async def test_an_error_points_to_its_place_and_says_what_was_expected() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "sum(load{cpu=})")
        lines = (await shows(pilot, "^", "Expected here: a value in quotes")).splitlines()
        at = next(place for place, line in enumerate(lines) if "sum(load" in line and place > 1)
        assert lines[at + 1].index("^") == lines[at].index("}")
        assert isinstance(app.screen, QueryBox), "an error does not close the box"


async def test_with_nothing_to_ask_it_says_so_and_asks_after_the_first_scrape() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "sum(load)", known=False)
        await shows(pilot, "nothing is scraped yet", "after the first scrape")
        app.monitor.scraping.store.publish(filled())
        await shows(pilot, "1 series")


async def test_what_a_prometheus_warns_of_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(_self: HttpApi, path: str, _params: Pairs = ()) -> Reply:
        kind = "matrix" if "range" in path else "vector"
        data = f'{{"resultType": "{kind}", "result": []}}' if "query" in path else "[]"
        return Reply(200, f'{{"status": "success", "data": {data}, "warnings": ["a store is missing"]}}'.encode())

    monkeypatch.setattr(HttpApi, "get", get)
    app = still_app(mixed(), prometheus=ApiConfig(url="http://127.0.0.1:9090"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await typed(pilot, "up")
        await pilot.press("enter")
        assert (await shows(pilot, "no series now")).count("a store is missing") == 1


async def test_names_with_type_and_help_come_from_the_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {
        "/api/v1/label/__name__/values": '["http_requests_total", "up"]',
        "/api/v1/metadata": '{"http_requests_total": [{"type": "counter", "help": "Requests [served].", "unit": ""}]}',
        "/api/v1/labels": '["__name__", "job"]',
        "/api/v1/label/job/values": '["api", "web"]',
    }

    async def get(_self: HttpApi, path: str, _params: Pairs = ()) -> Reply:
        return Reply(200, f'{{"status": "success", "data": {data[path]}}}'.encode())

    monkeypatch.setattr(HttpApi, "get", get)
    app = still_app(mixed(), prometheus=ApiConfig(url="http://127.0.0.1:9090"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await shows(pilot, "from http://127.0.0.1:9090")
        await typed(pilot, "htt")
        await shows(pilot, "│ http_requests_total  counter  Requests [served]. │")
        await pilot.press("tab")
        await typed(pilot, "{")
        await shows(pilot, "│ job  label")
        await pilot.press("tab")
        await shows(pilot, "│ api ", "│ web ")
        await pilot.press("tab", "}")
        assert value(pilot) == 'http_requests_total{job="api"}'


async def test_what_targets_say_is_text_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "\\u001b]0;x\\u0007[red]\\u202e"
    series = f'{{"metric": {{"__name__": "up", "job": "{odd}"}}, "value": [1, "1"]}}'
    data = {
        "/api/v1/label/__name__/values": '["up"]',
        "/api/v1/metadata": f'{{"up": [{{"type": "{odd}", "help": "{odd}"}}]}}',
        "/api/v1/labels": '["job"]',
        "/api/v1/label/job/values": f'["{odd}"]',
        "/api/v1/query": f'{{"resultType": "vector", "result": [{series}]}}',
        "/api/v1/query_range": '{"resultType": "matrix", "result": []}',
    }

    async def get(_self: HttpApi, path: str, _params: Pairs = ()) -> Reply:
        return Reply(200, f'{{"status": "success", "data": {data[path]}}}'.encode())

    monkeypatch.setattr(HttpApi, "get", get)
    app = still_app(mixed(), prometheus=ApiConfig(url="http://127.0.0.1:9090"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        texts = []
        await typed(pilot, "u")
        texts.append(await shows(pilot, "│ up ", "[red]"))
        await pilot.press("tab")
        await typed(pilot, "{job")
        await pilot.press("equals_sign", "quotation_mark")
        texts.append(await shows(pilot, "│ ␛]0;x"))
        await pilot.press("tab")
        texts.append(await shows(pilot, 'up{job="␛]0;x'))
        await pilot.press("}", "enter")
        texts.append(await shows(pilot, "1 series"))
        assert not [char for text in texts for char in text if char in "\x1b\x07\u202e"]


async def test_a_click_selects_a_series_or_takes_a_name() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "load")
        await shows(pilot, "2 series")
        await pilot.click(offset=(10, 5))
        await shows(pilot, "esc back")
        state = box(pilot)._state
        assert (state.focus, state.chosen) == ("result", 1)
        await pilot.click("#query-input")
        await shows(pilot, "enter run")
        await pilot.press("ctrl+u")
        await typed(pilot, "loa")
        await shows(pilot, "│ load ")
        await pilot.click(offset=(4, 2))
        assert value(pilot) != "load", "the upper edge of the list is no name"
        await pilot.click(offset=(4, 3))
        assert value(pilot) == "load"


async def test_the_list_is_framed_and_what_tab_takes_is_highlighted() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await typed(pilot, "lo")
        text = await shows(pilot, "│ load ", "tab takes it")
        upper, first = text.splitlines()[2:4]
        left, right = first.index("│ load "), first.rindex("│", 0, first.index("│ load ") + 70)
        assert (upper[left], upper[right]) == ("┌", "┐")
        assert set(upper[left + 1 : right]) == {"─"}
        offer = box(pilot)._offer
        for keys, hint in (((), "tab takes it"), (("down",), "enter takes it")):
            await pilot.press(*keys)
            rows = offer.rows(80, 10, UNICODE)
            grounds = [{piece.ground for piece in row[1:-1]} == {"selection"} for row in rows]
            assert grounds == [False, True, *[False] * (len(rows) - 2)]
            assert hint in screen_text(pilot)


async def opened(pilot: Pilot[None], *, known: bool = True) -> None:
    """Opens the box at NOW, and waits until it knows the metrics."""
    app = pilot.app
    assert isinstance(app, LilFoxApp)
    app.rewound = NOW
    await pilot.press("Q")
    await until(lambda: isinstance(app.screen, QueryBox) and (box(pilot)._offer.known.metrics or not known))


async def asks(pilot: Pilot[None], text: str, *, known: bool = True) -> None:
    """Opens the box and runs a query."""
    await opened(pilot, known=known)
    await typed(pilot, text)
    await pilot.press("enter")


def page(value: object, lines: list[Line] | None = None, *, notes: Sequence[str] = (), **more: object) -> str:
    answer = QueryAnswer(
        "x", NOW, timedelta(minutes=5), 15.0, value, lines or [], notes=notes  # type: ignore[arg-type]
    )  # fmt: skip
    series = series_of(answer, "highest")
    arguments = {"width": 60, "height": 10, "glyphs": ASCII, "series": series, "count": len(series)} | more
    drawn = query_screen(QueryPage(answer, **arguments))  # type: ignore[arg-type]
    return "\n".join("".join(piece.text for piece in row).rstrip() for row in drawn.rows)


def test_each_kind_of_answer_is_shown() -> None:
    one = LabelSet.of({NAME: "up", "job": "a"})
    times = np.array([round(NOW.timestamp() * 1000)], np.int64)
    assert "1.5" in page(1.5)
    assert "some text" in page("some text")
    assert 'up{job="a"}' in page(Vector(LabelList([one]), np.array([1.0])))
    assert "NaN" in page(Vector(LabelList([one]), np.array([np.nan])))
    assert 'up{job="a"}' in page(Matrix([Line(one, times, np.array([2.0]))]))
    assert "no series now" in page(Vector(LabelList([]), np.array([])))
    gone = page(Vector(LabelList([]), np.array([])), [Line(one, times - 120_000, np.array([2.0]))])
    assert gone.splitlines()[1].split()[1] == "-"
    assert 'up{job="a"}' in gone


def test_notes_stand_before_the_series_and_many_are_counted() -> None:
    shown = page(Vector(LabelList([LabelSet.of({NAME: "up"})]), np.array([1.0])), notes=["a", "b", "c", "d", "e"])
    assert [line.split() for line in shown.splitlines()[:4]] == [["a"], ["b"], ["c"], ["2", "more"]]
    assert "up" in shown.splitlines()[5]


def test_a_slow_link_gets_the_table_alone() -> None:
    one = LabelSet.of({NAME: "up", "job": "a"})
    times = np.array([round(NOW.timestamp() * 1000)], np.int64)
    lines = [Line(one, times, np.array([1.0]))]
    vector = Vector(LabelList([one]), np.array([1.0]))
    assert "last 5 min" in page(vector, lines, width=120, height=40)
    slow = page(vector, lines, width=120, height=40, is_slow=True)
    assert [line.split() for line in slow.splitlines()] == [["value", "v", "1", "series"], ["1", 'up{job="a"}']]


def test_a_gap_and_what_no_chart_can_draw_stay_empty() -> None:
    one = LabelSet.of({NAME: "up"})
    end_ms = round(NOW.timestamp() * 1000)
    times = np.array([end_ms - 285_000, end_ms - 15_000, end_ms], np.int64)
    shown = page(
        Vector(LabelList([one]), np.array([4.0])),
        [Line(one, times, np.array([4.0, np.inf, 4.0]))],
        height=30, glyphs=UNICODE, width=62,
    )  # fmt: skip
    bottom = next(line for line in shown.splitlines()[::-1] if "█" in line and "│" in line)
    plot = bottom[8:-2].replace("┊", " ")
    one_value = 3  # of the window's 20 steps, in 52 columns
    assert re.fullmatch(rf"█{{1,{one_value}}} {{{len(plot) - 2 * one_value},}}█{{1,{one_value}}}", plot)


def test_neither_numpy_nor_the_parser_is_imported_before_the_box_opens() -> None:
    late = "[m for m in ('numpy', 'promql_parser') if m in sys.modules]"
    code = f"import sys, lilfox_tui.app.panes.metrics.pane; print({late})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_many_series_scroll_and_the_chosen_one_stays_in_sight() -> None:
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    labels = LabelList([LabelSet.of({NAME: "many", "n": f"{number:03}"}) for number in range(200)])
    store.target("t").append(round(NOW.timestamp() * 1000), labels, np.arange(200.0))
    app = still_app(mixed())
    app.monitor.scraping.store.publish(store)
    async with app.run_test(size=(80, 24)) as pilot:
        app.rewound = NOW
        await asks(pilot, "many")
        text = await shows(pilot, "200 series", "and 194 more series")
        assert 'many{n="199"}' in text or " 199 " in text
        await pilot.press("down")
        for _page in range(30):
            await pilot.press("pagedown")
        text = await shows(pilot, " 000 ")
        assert "more below" not in text
        row = next(line for line in text.splitlines() if " 000 " in line)
        assert "━" in row, "the selected series is in the chart"


# What the keys do: in the list, in the history, in the result.


async def test_enter_runs_the_query_unless_an_arrow_has_marked_a_name() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await typed(pilot, "load + lo")
        await shows(pilot, "│ load ")
        await pilot.press("down", "enter")
        assert value(pilot) == "load + load"
        assert "tab takes it" not in screen_text(pilot)
        await pilot.press("enter")
        await shows(pilot, "2 series", "120")


async def test_escape_closes_the_list_then_the_box() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await typed(pilot, "lo")
        await shows(pilot, "│ load ")
        await pilot.press("escape")
        await until(lambda: "tab takes it" not in screen_text(pilot))
        assert value(pilot) == "lo"
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, QueryBox))


async def test_values_of_a_label_are_offered_as_soon_as_the_label_is_taken() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await typed(pilot, "load{")
        await shows(pilot, "│ cpu  label")
        await pilot.press("tab")
        await shows(pilot, "│ 0 ", "│ 1 ")
        await pilot.press("down", "down", "tab")
        assert value(pilot) == 'load{cpu="1"'


async def test_keys_typed_ahead_act_in_their_order() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press(*"loa", "tab", "space", "asterisk", "space", *"loa", "down", "enter", "space", *"+1", "enter")
        assert value(pilot) == "load * load +1"
        await shows(pilot, "3,601")


async def test_earlier_queries_are_walked_through_and_the_draft_comes_back() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await asks(pilot, "load")
        await shows(pilot, "2 series")
        await pilot.press("ctrl+u")
        await typed(pilot, "up + 1")
        await pilot.press("enter")
        await shows(pilot, "No series")
        await pilot.press("ctrl+u")
        await typed(pilot, "1 +")
        for key, expected in (("up", "up + 1"), ("up", "load"), ("up", "load"), ("down", "up + 1"), ("down", "1 +")):
            await pilot.press(key)
            assert value(pilot) == expected
        await pilot.press("ctrl+u", "ctrl+r")
        await shows(pilot, "│ up + 1 ", "1/2")
        await typed(pilot, "lo")
        await shows(pilot, "1/1")
        await pilot.press("enter")
        assert value(pilot) == "load"


async def test_the_result_has_a_cursor_a_range_and_an_order_and_is_copied() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 40)) as pilot:
        await asks(pilot, "load")
        await shows(pilot, "2 series", "cpu=0 60")
        await pilot.press("down", *["left"] * 10)
        text = await shows(pilot, "last 5 min  03-29 03:1")
        at = re.search(r"last 5 min  03-29 (\S+) ", text)
        assert at is not None
        second = int(at[1].rpartition(":")[2])
        assert at[1].startswith("03:12:")
        risen = 60 - math.ceil((44 - second - 0.5) / STEP_S)
        assert f"cpu=0 {risen}" in text, "each series is read at the cursor's time"
        await pilot.press("y")
        assert app.clipboard == f'load{{cpu="0"}} {risen}\nload{{cpu="1"}} 4'
        await shows(pilot, " copied")
        await pilot.press("O")
        text = await shows(pilot, "↑")
        assert [line.split()[2] for line in text.splitlines()[4:6]] == ["4", str(risen)]
        await pilot.press("escape", "t")
        await shows(pilot, "range 15 min", "─ last 5 min of 15 min ─")  # the chart begins with the data
        assert value(pilot) == "load", "the keys of the result do not write into the query"
        await pilot.press("tab", "x")
        assert value(pilot) == "loadx"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("loda", "no metric is named loda; similar names: load"),
        ("zzzz_qq", "no metric is named zzzz_qq"),
        ('load{cpu="7"}', 'no series matches {cpu="7"}; values: 0, 1'),
        ('load{host="7"}', "no series has the label host; labels: cpu"),
        ("load > 500", "no value passes the comparison >"),
        ('load{cpu="0"} + on (cpu) load{cpu="1"}', "the two sides of + have no series with the same labels"),
    ],
)
async def test_an_empty_result_says_why(text: str, why: str) -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        pilot.app.screen.query_one(Input).value = text
        await pilot.press("enter")
        await shows(pilot, why)


def box(pilot: Pilot[None]) -> QueryBox:
    assert isinstance(pilot.app.screen, QueryBox)
    return pilot.app.screen


def value(pilot: Pilot[None]) -> str:
    """What is written in the line."""
    return pilot.app.screen.query_one(Input).value


# Whatever is pressed and pasted: nothing of it ends the console.


KEYS = ["tab", "enter", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "ctrl+r", "shift+tab", "t",
        "O", "y", "backspace", "delete", "ctrl+u", "ctrl+w", *"lo{}()[]\"'`=~!,.*+-#|^5m é漢\x00"]  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    keys=lists(sampled_from(KEYS), max_size=40), pasted=st_text(max_size=30), size=sampled_from([(40, 10), (120, 30)])
)
async def test_random_keys_never_end_it(keys: list[str], pasted: str, size: tuple[int, int]) -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        box(pilot).query_one(Input).insert_text_at_cursor(pasted)
        for key in keys:
            await pilot.press(NAMES.get(key, key))
        await pilot.press("escape")
        text = screen_text(pilot)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())
