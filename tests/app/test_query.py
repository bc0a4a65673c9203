"""The box for PromQL: by keyboard, over what is scraped, at the time of the screen, with errors that point."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from textual.pilot import Pilot

from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.metrics.dialogs import QueryAnswer, QueryBox, QueryPage, query_page
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


async def typed(pilot: Pilot[None], text: str) -> None:
    names = {" ": "space", "(": "left_parenthesis", ")": "right_parenthesis", "{": "left_curly_bracket",
             "[": "left_square_bracket", "]": "right_square_bracket"}  # fmt: skip
    await pilot.press(*(names.get(char, char) for char in text))


async def test_a_query_is_completed_asked_and_charted_rewound() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.monitor.overview.value is not None)
        app.rewound = NOW
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await shows(pilot, "type an expression")
        await typed(pilot, "sum(lo")
        await shows(pilot, "tab load")
        await pilot.press("tab")
        await typed(pilot, ") by (cp")
        await shows(pilot, "tab cpu")
        await pilot.press("tab")
        await typed(pilot, ")")
        await pilot.press("enter")
        text = await shows(pilot, "2 series", "60", '{cpu="1"}')
        assert NOW.strftime("%Y-%m-%d %H:%M:%S UTC  from local scrapes") in text
        assert '{cpu="0"}' in text.splitlines()[2]
        plot = "".join(line.partition("│")[2] for line in text.splitlines()[3:9])
        dots = {char for char in plot if not char.isspace()}
        assert dots
        assert dots <= {chr(0x2800 + bits) for bits in range(1, 256)}, "several series are drawn as lines of dots"
        marks = [line[:3] for line in text.splitlines() if '{cpu="' in line and "▁" in line]
        assert marks == [" ━ ", " ━ "], "each that is in the chart is marked in its colour"
        await pilot.press("down")
        assert '{cpu="1"}' in (await shows(pilot, "4  (5 min)")).splitlines()[2]
        app.rewound = NOW
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, QueryBox))
        app.rewound = NOW - timedelta(minutes=2)
        await pilot.press("Q")  # what was asked last is asked again, at the other time
        await shows(pilot, "36", "sum(load) by (cpu)")


@pytest.mark.parametrize(("language", "size"), [("en", (100, 30)), ("zh_CN", (100, 30)), ("en", (40, 10))])
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
        text = await shows(pilot, "tab load")
        check(f"query-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_the_palette_opens_it_too() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("colon")
        await until(lambda: isinstance(app.screen, Chooser))
        await typed(pilot, "promql")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, QueryBox))


async def test_an_error_points_to_its_place() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await typed(pilot, "sum(load")
        await pilot.press("enter")
        lines = (await shows(pilot, "^")).splitlines()
        at = next(place for place, line in enumerate(lines) if "sum(load" in line and place > 1)
        assert lines[at + 1].index("^") == lines[at].index("(")


async def test_with_nothing_to_ask_it_says_so() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await typed(pilot, "up")
        await pilot.press("enter")
        await shows(pilot, "nothing is scraped yet", "Add scrape:, prometheus:, or")


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


def page(value: object, lines: list[Line] | None = None, *, notes: Sequence[str] = (), **more: object) -> str:
    answer = QueryAnswer(
        "x", NOW, timedelta(minutes=5), 15.0, value, lines or [], notes=notes  # type: ignore[arg-type]
    )  # fmt: skip
    arguments = {"chosen": 0, "width": 60, "height": 10, "glyphs": ASCII} | more
    rows, _selected = query_page(QueryPage(answer, **arguments))  # type: ignore[arg-type]
    return "\n".join("".join(piece.text for piece in row).rstrip() for row in rows)


def test_each_kind_of_answer_is_shown() -> None:
    one = LabelSet.of({NAME: "up", "job": "a"})
    times = np.array([round(NOW.timestamp() * 1000)], np.int64)
    assert "1.5" in page(1.5)
    assert "some text" in page("some text")
    assert 'up{job="a"}' in page(Vector(LabelList([one]), np.array([1.0])))
    assert "nan" in page(Vector(LabelList([one]), np.array([np.nan])))
    assert 'up{job="a"}' in page(Matrix([Line(one, times, np.array([2.0]))]))
    assert "no series now" in page(Vector(LabelList([]), np.array([])))
    gone = page(Vector(LabelList([]), np.array([])), [Line(one, times - 120_000, np.array([2.0]))])
    assert "-" in gone.splitlines()[2]
    assert 'up{job="a"}' in gone


def test_notes_stand_before_the_series_and_many_are_counted() -> None:
    shown = page(Vector(LabelList([LabelSet.of({NAME: "up"})]), np.array([1.0])), notes=["a", "b", "c", "d", "e"])
    assert [line.split() for line in shown.splitlines()[2:6]] == [["a"], ["b"], ["c"], ["2", "more"]]
    assert "up" in shown.splitlines()[6]


def test_a_gap_and_what_no_chart_can_draw_stay_empty() -> None:
    one = LabelSet.of({NAME: "up"})
    end_ms = round(NOW.timestamp() * 1000)
    times = np.array([end_ms - 285_000, end_ms - 15_000, end_ms], np.int64)
    shown = page(
        Vector(LabelList([one]), np.array([4.0])),
        [Line(one, times, np.array([4.0, np.inf, 4.0]))],
        height=30, glyphs=UNICODE,
    )  # fmt: skip
    bottom = next(line for line in shown.splitlines()[::-1] if "█" in line and "│" in line)
    plot = bottom.partition("│")[2]
    one_value = 3  # of the window's 20 steps, in 53 columns
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
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, QueryBox))
        await typed(pilot, "many")
        await pilot.press("enter")
        await shows(pilot, "200 series")
        for _page in range(30):
            await pilot.press("pagedown")
        text = await shows(pilot, 'many{n="199"}')
        assert '"199"' in text.splitlines()[2]
