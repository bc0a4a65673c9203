"""What the Logs pane shows, without a screen: the filter, where the reader stands, marks, the open record, counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.app.panes.logs.record_page import FieldValue, Neighbours, detail_rows
from lilfox_tui.app.panes.logs.rows import LogList, LogStyle
from lilfox_tui.app.panes.logs.state import LogsState, OpenRecord
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime
from lilfox_tui.logs.statistics import Tally, statistics_of
from lilfox_tui.logs.window import MergeKey, WindowItem
from tests.unit.logs.memory_source import MemorySource, record
from tests.waiting import until

STYLE = LogStyle(width=100, glyphs=UNICODE)


@asynccontextmanager
async def showing(records: Sequence[LogRecord], start: AtBeginning | AtEnd | None = None) -> AsyncGenerator[LogsState]:
    """The state as it is once these records are loaded and drawn."""
    state = LogsState()
    async with MergedLogs([MemorySource("web", records)], EVERYTHING) as merged:
        state.merge(merged)
        state.arrive(await merged.go(start or AtEnd()))
        state.list = LogList(merged.shown, STYLE, folded=True)
        yield state


def some(*messages: str) -> list[LogRecord]:
    return [record("web", number, number + 1, message) for number, message in enumerate(messages)]


def where(state: LogsState) -> Filter:
    return state.where


def level(state: LogsState) -> Severity:
    return state.level


def stood_on(state: LogsState) -> WindowItem | None:
    return state.stood_on


def start(state: LogsState) -> AtEnd | AtTime:
    return state.start


def field(page: OpenRecord) -> FieldValue | None:
    return page.field


def stands_at_end(state: LogsState) -> bool:
    return state.at_end


def test_level_and_filter_leave_records_out_and_a_filter_that_only_marks_does_not() -> None:
    state = LogsState()
    assert where(state) == EVERYTHING
    assert not state.is_narrowed
    state.step_level(3)
    assert where(state) == AtLeast(Severity.WARNING)
    assert state.set_filter("refused")
    assert where(state) == And((AtLeast(Severity.WARNING), state.filter))
    state.only_matching = False
    assert where(state) == AtLeast(Severity.WARNING)
    assert state.match == And((AtLeast(Severity.WARNING), state.filter)), "which are matches does not change"


def test_levels_go_around() -> None:
    state = LogsState()
    state.step_level(-1)
    assert level(state) is Severity.CRITICAL
    state.step_level(1)
    assert level(state) is Severity.UNKNOWN


def test_what_is_wrong_in_a_filter_is_kept_to_be_told_and_leaves_the_last_good_one() -> None:
    state = LogsState()
    assert state.set_filter("refused")
    good = state.filter
    assert not state.set_filter("refused and (")
    assert state.filter_error
    assert state.filter == good
    assert not state.set_filter("refused"), "it is the same as before"
    assert not state.filter_error


async def test_typing_a_filter_does_not_lead_away_from_where_the_reader_stood() -> None:
    async with showing(some("a", "b", "c")) as state:
        assert state.merged is not None
        state.stand_on(state.merged.shown[1].key)
        state.set_filter("c")
        state.arrive(state.merged.shown[2].key, by_filter=True)
        state.set_filter("ca")
        assert stood_on(state) == state.merged.shown[1]
        state.stand_on(state.merged.shown[0].key)
        assert stood_on(state) is None, "he has moved"
        state.set_filter("a")
        state.arrive(state.merged.shown[2].key)
        assert stood_on(state) is None, "he went to a time, or an end"


async def test_down_goes_past_what_is_folded_and_up_to_its_first() -> None:
    alike = [record("web", number, number + 1, "again", severity=Severity.ERROR) for number in range(1, 4)]
    async with showing([*some("a"), *alike, record("web", 5, 9, "z")], AtBeginning()) as state:
        assert state.merged is not None
        keys = [each.key for each in state.merged.shown]
        state.stand_on(keys[0])
        assert state.step(1) == (keys[3], False), "the last of those that are one row"
        assert state.step(99) == (keys[4], False)
        assert state.step(-1) == (keys[0], True)
        state.stand_on(keys[4])
        assert state.step(-1) == (keys[1], False), "the first of them"
        assert state.step(1) == (keys[4], True)
        state.list = None
        assert state.step(1) is None


async def test_a_new_list_begins_where_the_reader_stands() -> None:
    async with showing(some("a", "b", "c")) as state:
        assert state.merged is not None
        assert stands_at_end(state)
        assert start(state) == AtEnd()
        state.stand_on(state.merged.shown[1].key)
        assert not stands_at_end(state)
        assert start(state) == AtTime(2)
        state.rewound = datetime(2026, 3, 29, tzinfo=UTC)
        assert start(state) == AtTime(microseconds(state.rewound))


async def test_marks_are_gone_through_by_time_and_then_from_the_oldest() -> None:
    async with showing(some("a", "b", "c"), AtBeginning()) as state:
        assert state.merged is not None
        for at in (2, 0):
            state.stand_on(state.merged.shown[at].key)
            state.toggle_mark()
        assert state.next_mark() == (("web", "2"), 3)
        state.stand_on(state.merged.shown[2].key)
        assert state.next_mark() == (("web", "0"), 1)
        state.toggle_mark()
        assert state.marks == {("web", "0"): 1}


async def test_back_leaves_the_page_then_what_goes_on_then_the_filter_and_the_level() -> None:
    async with showing(some("a")) as state:
        assert state.why_not_back() is not None
        for change, undo in (
            (lambda: setattr(state, "working", "counting"), lambda: setattr(state, "working", "")),
            (lambda: state.set_filter("a"), lambda: state.set_filter("")),
            (lambda: state.step_level(1), lambda: state.step_level(-1)),
        ):
            change()
            assert state.why_not_back() is None
            undo()
            assert state.why_not_back() is not None
        assert state.selected is not None
        assert state.why_not_open() is None
        state.page = OpenRecord(state.selected)
        assert state.why_not_back() is None
        assert state.why_not_open() is not None
        assert state.why_not_sideways() is not None


def test_a_page_selects_its_first_field_until_somebody_chooses() -> None:
    shown = WindowItem(MergeKey(1, 0, 1), record("web", 1, 1, "refused", fields={"request_id": "0042", "code": 503}))
    page = OpenRecord(shown)
    assert field(page) is None, "nothing is drawn yet"
    page.move(1)
    assert page.record is not None
    page.rows = detail_rows(shown, page.record, Neighbours(), STYLE)
    assert page.field is not None
    assert page.field.name == "request_id", "what tells of this record alone, not what stands above too"
    page.select(next(at for at, each in enumerate(page.rows) if each.field and each.field.name == "code"))
    assert (page.field.name, page.field.value) == ("code", "503")
    page.move(-99)
    assert page.row == 0
    assert field(page) is None
    page.move(99)
    assert page.row == len(page.rows) - 1


async def test_what_is_followed_is_the_selected_field_else_the_request_of_the_record() -> None:
    async with showing([record("web", 1, 1, "a", fields={"request_id": "0042"})]) as state:
        assert state.traced is not None
        assert (state.traced.name, state.traced.value) == ("request_id", "0042")
        assert state.selected is not None
        state.page = OpenRecord(state.selected)
        assert state.traced is None, "on the page it is its field"


async def test_a_count_is_of_one_list_and_one_filter() -> None:
    async with showing(some("a")) as state:
        merged = state.merged
        assert merged is not None
        assert not state.count.is_done(merged)
        state.count.begin(merged)
        assert state.count.is_done(merged)
        merged.where = AtLeast(Severity.ERROR)
        assert not state.count.is_done(merged)
        state.count.begin(merged)
        assert state.count.counted is None
        assert state.count.is_of(merged, AtLeast(Severity.ERROR))


async def test_what_came_since_the_count_and_is_not_loaded_any_more_is_counted_again() -> None:
    async with showing(some("a", "b")) as state:
        merged = state.merged
        assert merged is not None
        state.count.begin(merged)
        merged.came += len(merged.shown)
        assert state.count.is_done(merged)
        merged.came += 1
        assert not state.count.is_done(merged)


async def test_what_came_since_the_count_is_not_forgotten_while_it_is_counted_again() -> None:
    """Else the bars would lose for a moment what they had."""
    async with showing(some("a", "b")) as state:
        merged = state.merged
        assert merged is not None
        assert not state.count.is_up_to_date(merged)
        state.count.begin(merged)
        state.count.take(merged, merged.where, statistics_of(Tally()), came=merged.came, leaps=merged.leaps)
        assert state.count.is_up_to_date(merged)
        came = merged.came
        merged.came += len(merged.shown) + 1
        assert not state.count.is_up_to_date(merged), "some of it is not loaded"
        state.count.begin(merged)
        assert state.count.is_done(merged)
        assert state.count.came_before == came
        assert not state.count.is_up_to_date(merged), "not before it has ended"
        state.count.take(merged, merged.where, statistics_of(Tally()), came=merged.came, leaps=merged.leaps)
        assert state.count.is_up_to_date(merged)
        merged.leaps += 1
        assert not state.count.is_up_to_date(merged)


@pytest.mark.parametrize("ago", [None, timedelta(hours=1)])
def test_typed_times_are_told_by_the_clock_that_is_looked_at(ago: timedelta | None) -> None:
    state = LogsState()
    now = datetime.now(UTC)
    state.rewound = None if ago is None else now - ago
    assert abs(state.clock - (state.rewound or now)) < timedelta(seconds=10)


async def test_actions_apply_to_the_record_that_a_folded_row_shows() -> None:
    async with showing(some("calm", "refused", "refused", "refused", "calm")) as state:
        assert state.list is not None
        for number in (1, 2, 3):
            state.cursor = state.list.shown[number].key
            assert state.selected is state.list.shown[1]
            assert state.selected is state.list.first_of(state.list.group_of(number))
            assert state.under_cursor is state.list.shown[number]
            assert (state.edge_of_row(older=True), state.edge_of_row(older=False)) == (1, 3)


async def test_records_that_came_since_the_list_was_drawn_are_not_what_its_last_row_shows() -> None:
    async with showing(some("calm", "refused", "refused")) as state:
        merged = state.merged
        assert merged is not None
        state.list = LogList(merged.shown[:2], STYLE, folded=True)
        assert state.selected is merged.shown[1]
        state.open_page(OpenRecord(merged.shown[2]))
        assert state.selected is merged.shown[2], "the page covers the list, which is not drawn"


async def test_a_record_that_is_being_read_is_not_missing() -> None:
    state = LogsState()
    assert state.why_not_open() is not None
    source = MemorySource("web", some("a"))
    source.slow = True
    async with MergedLogs([source], EVERYTHING) as merged:
        state.merge(merged)
        going = asyncio.ensure_future(merged.go(AtEnd()))
        await until(lambda: merged.searching)
        assert not merged.shown
        assert state.why_not_open() is None
        assert state.why_no_record() is not None
        source.answer()
        await going
