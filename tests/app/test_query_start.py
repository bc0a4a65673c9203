"""The query box before its first query: examples, earlier queries, and the metrics that are known."""

from __future__ import annotations

from textual.widgets import Input

from lilfox_tui.app.panes.metrics.query.view import EXAMPLES, QueryPage, query_screen
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.promql.completion import KnownNames, NameIndex
from lilfox_tui.scrape.exposition import Family
from tests.app.overviews import mixed
from tests.app.still import still_app
from tests.app.test_query import asks, box, filled, opened, shows, typed, value


async def test_examples_are_taken_with_down_and_run() -> None:
    app = still_app(mixed())
    app.monitor.scraping.store.publish(filled())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        text = await shows(pilot, "Examples  down takes one")
        assert "Recent queries" not in text
        assert text.splitlines()[1].startswith(" e.g. sum by (job) (up)")
        assert "down example" in text.splitlines()[-1]
        assert "up earlier query" not in text
        count = len(box(pilot)._offer.known.metrics)
        text = await shows(pilot, f"Metrics  {count} known; tab completes {'them' if count > 1 else 'it'}")
        for name in box(pilot)._offer.known.metrics:
            assert any(line.strip("│ ").split()[:1] == [name] for line in text.splitlines()), name
        for key, place in (("down", 0), ("down", 1), ("up", 0)):
            await pilot.press(key)
            assert value(pilot) == EXAMPLES[place]
        await pilot.press("enter")
        await shows(pilot, "No series")
        await pilot.press("down")
        assert value(pilot) == EXAMPLES[0], "only before the first query"


def test_known_metrics_are_listed_with_type_and_help_where_there_is_room() -> None:
    names = NameIndex(["requests_total", *(f"queue_{number}" for number in range(90))])
    known = KnownNames(names, {"requests": Family("counter", "How many.\x1b[2J")})
    for width, height in ((40, 10), (80, 24), (120, 110)):
        rows = query_screen(QueryPage(None, width, height, UNICODE, known=known)).rows
        told = ["".join(piece.text for piece in row) for row in rows]
        assert len(rows) <= height
        assert not any("\x1b" in line for line in told)
        assert not any("more below" in line for line in told), "metrics are cut, not counted"
        if height > 10:
            assert sum("queue_" in line for line in told) >= min(90, height - 14)
        line = next((line for line in told if "requests_total " in line), "")
        assert not line or line.split()[1:4] == ["requests_total", "counter", "How"]
    assert line


async def test_the_first_screen_lists_what_was_asked_before_and_examples() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, known=False)
        await shows(pilot, "Metrics  no names loaded yet")
        for number in range(40):
            box(pilot)._history.add(f"metric_{number}")
        box(pilot)._show()
        text = await shows(pilot, "Recent queries  up takes the newest, ctrl-r searches all 40")
        recent, examples = text.index("metric_39"), text.index("topk(5, cpu_usage_percent)")
        assert recent < text.index("Examples") < examples
        assert "metric_0 " not in text
        assert "more below" not in text
        assert "up earlier query" in text.splitlines()[-1]
        field = box(pilot).query_one("#query-input", Input)
        look = field.get_component_rich_style("input--placeholder")
        assert look.color == app.palette.style("muted", "bar").color
        assert look.italic


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
