"""The query box before its first query: examples, earlier queries, and how many metrics are known."""

from __future__ import annotations

from textual.widgets import Input

from lilfox_tui.app.panes.metrics.query.view import EXAMPLES
from tests.app.overviews import mixed
from tests.app.still import still_app
from tests.app.test_query import box, filled, opened, shows, value


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
        await shows(pilot, f"{count} metrics known; tab offers them" if count > 1 else "1 metric known; tab offers it")
        for key, place in (("down", 0), ("down", 1), ("up", 0)):
            await pilot.press(key)
            assert value(pilot) == EXAMPLES[place]
        await pilot.press("enter")
        await shows(pilot, "No series")
        await pilot.press("down")
        assert value(pilot) == EXAMPLES[0], "only before the first query"


async def test_the_first_screen_lists_what_was_asked_before_and_examples() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, known=False)
        await shows(pilot, "no metric names loaded yet")
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
