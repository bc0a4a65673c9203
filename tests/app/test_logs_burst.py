"""More lines than anyone reads: keys are answered, the newest is shown, and none is lost from the count."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from lilfox_tui.app.panes.logs.pane import LogsPane
from tests.app.log_files import line, logs_app, messages, selected, settled, shown_names
from tests.app.overviews import NOW
from tests.app.still import screen_text
from tests.waiting import until

SIZE = (100, 30)
BURST = 50_000
PARTS = 5
BEFORE = 90


def burst(part: int) -> str:
    """A fifth of a burst, the records numbered."""
    numbers = range(part * BURST // PARTS, (part + 1) * BURST // PARTS)
    return "".join(
        line(
            NOW + timedelta(microseconds=20 * number), "ERROR" if number % 1000 == 0 else "INFO", "http", f"n {number}"
        )
        + "\n"
        for number in numbers
    )


def total(pane: LogsPane) -> tuple[int | None, bool]:
    """The records of the only source that is shown."""
    status = pane.state.shown_sources[0].status.value
    return (None, True) if status is None else (status.records, status.more_records)


async def test_who_goes_along_sees_the_newest_of_a_burst_and_keys_work_meanwhile(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only(["gateway"])
        await until(lambda: shown_names(pane) == ["gateway"] and len(messages(pane)) == BEFORE and not pane.state.busy)
        with (tmp_path / "gateway.log").open("a") as log:
            for part in range(PARTS):
                log.write(burst(part))
                log.flush()
                await pilot.press("t")
                assert ("local time" in screen_text(pilot)) is (part % 2 == 0), "the key is answered before the rest"
        await until(lambda: selected(pane) == f"n {BURST - 1}")
        await until(lambda: total(pane) == (BEFORE + BURST, False))
        await until(lambda: f"n {BURST - 1}" in screen_text(pilot))
        await until(lambda: "50,090 of 50,090 records" in screen_text(pilot))
        assert len(messages(pane)) < BURST // 10, "what nobody would read is counted, not read"
        await until(lambda: pane.state.count.counted is not None and pane.state.count.counted.records == BEFORE + BURST)
        for _page in range(100):
            await pilot.press("pageup")
            await until(lambda: not pane.state.busy)
            if int(selected(pane).removeprefix("n ")) < BURST - 400:
                break
        assert int(selected(pane).removeprefix("n ")) < BURST - 400, "what was not read is there when it is gone to"
        numbers = [int(each.removeprefix("n ")) for each in messages(pane)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def told(text: str) -> tuple[int, str]:
    """How many records the counts beside the histogram add up to, and what the strip says."""
    counts = [re.search(r" ([\d,]+) (?:level|other)", each) for each in text.splitlines()[3:6]]
    strip = text.splitlines()[-2].split("  ")[-1].strip()
    return sum(int(each[1].replace(",", "")) for each in counts if each is not None), strip


async def test_histogram_and_strip_tell_one_count_of_what_is_shown(tmp_path: Path) -> None:
    """Two counts of the same, taken at other times or of other records, are one too many."""
    app = logs_app(tmp_path)
    before = [line(NOW - timedelta(seconds=500 - at / 10), "ERROR" if at % 3 == 0 else "INFO", "http", f"n {at}")
              for at in range(4000)]  # fmt: skip
    (tmp_path / "gateway.log").write_text("\n".join([*before, "no JSON at all", ""]))
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        text = screen_text(pilot)
        if pane.state.count.counted is None:
            count = len(messages(pane)) - messages(pane).count("no JSON at all")
            assert (told(text)[0], f"{count} loaded records, each bar" in text) == (count, True), text
        for keys, kind, only in (((), "", 3), (("p", "p"), "", 3), (("v", "v", "v", "v"), " matching", 1)):
            await pilot.press(*keys)
            await until(lambda: pane.state.count.counted is not None and pane.state.merged is not None
                        and pane.state.count.is_up_to_date(pane.state.merged))  # fmt: skip
            for part in range(2):
                with (tmp_path / "gateway.log").open("a") as log:
                    last = f"{keys} {part}"
                    log.write("".join(line(NOW + timedelta(seconds=part), level, "http", last) + "\n"
                                      for level in ("INFO", "INFO", "ERROR")))  # fmt: skip
                await until(lambda last=last, only=only: messages(pane).count(last) == only)  # type: ignore[misc]
                pane.repaint()
                await pilot.pause()
                drawn, strip = told(screen_text(pilot))
                assert pane.state.merged is not None
                assert len(messages(pane)) < 4000, "not all are loaded"
                missing = 0 if kind else 1
                assert strip.startswith(f"{drawn + missing:,} "), (drawn, strip)
                assert f"{kind} records" in strip
                assert ("1 without a time or format" in screen_text(pilot)) is bool(missing)


async def test_without_a_histogram_the_strip_counts_as_exactly(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    before = [line(NOW - timedelta(seconds=500 - at / 10), "ERROR" if at % 3 == 0 else "INFO", "http", f"n {at}")
              for at in range(4000)]  # fmt: skip
    (tmp_path / "gateway.log").write_text("\n".join([*before, ""]))
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await settled(app, pilot)
        for keys, told in (((), "4,013 of 4,013 records"), (("v", "v", "v", "v"), "1,346 matching records")):
            await pilot.press(*keys)
            await until(lambda: pane.state.count.counted is not None and pane.state.merged is not None
                        and pane.state.count.is_up_to_date(pane.state.merged))  # fmt: skip
            with (tmp_path / "gateway.log").open("a") as log:
                log.write(line(NOW, "ERROR" if keys else "INFO", "http", f"one more {keys}") + "\n")
            await until(lambda keys=keys: f"one more {keys}" in messages(pane))  # type: ignore[misc]
            pane.repaint()
            await pilot.pause()
            assert told in screen_text(pilot), screen_text(pilot).splitlines()[-2]


async def test_who_reads_further_up_is_told_how_many_came_exactly(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only(["gateway"])
        await until(lambda: shown_names(pane) == ["gateway"] and len(messages(pane)) == BEFORE and not pane.state.busy)
        await pilot.press(*"kkk")
        here = selected(pane)
        with (tmp_path / "gateway.log").open("a") as log:
            for part in range(PARTS):
                log.write(burst(part))
                log.flush()
                await pilot.press("t")
                assert ("local time" in screen_text(pilot)) is (part % 2 == 0)
        merged = pane.state.merged
        assert merged is not None
        await until(lambda: merged.waiting + len(merged.shown) == BEFORE + BURST)
        await until(lambda: total(pane) == (BEFORE + BURST, False))
        assert selected(pane) == here
        await pilot.press("G")
        await until(lambda: selected(pane) == f"n {BURST - 1}")


async def test_with_a_filter_what_matches_of_a_burst_is_all_there(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only(["gateway"])
        pane.feed.set_filter("level>=error")
        await until(lambda: shown_names(pane) == ["gateway"] and not messages(pane) and not pane.state.busy)
        with (tmp_path / "gateway.log").open("a") as log:
            for part in range(PARTS):
                log.write(burst(part))
        await until(lambda: messages(pane) == [f"n {number}" for number in range(0, BURST, 1000)])


async def test_the_count_follows_what_is_written_to_a_log_of_which_little_is_loaded(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    with (tmp_path / "gateway.log.1").open("w") as log:
        log.write(burst(0))
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await until(lambda: "10,102 of 10,102 records" in screen_text(pilot))
        with (tmp_path / "gateway.log").open("a") as log:
            log.write(line(NOW + timedelta(minutes=1), "INFO", "http", "one more") + "\n")
        await until(lambda: "10,103 of 10,103 records" in screen_text(pilot))
