"""The Backup pane as a person sees it: golden screens in every size and both languages, well and ill."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.backup.pane import BackupPane
from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.backup.options import FilesOptions, LocalOptions
from lilfox_tui.config.model import BackupConfig
from lilfox_tui.core.i18n import _, set_language
from lilfox_tui.core.text import cell_width
from lilfox_tui.monitor.model import Backups
from tests.app.audit_made import finding, result
from tests.app.backups_made import MIB, NOW, PLAN, broken, healthy, hostile, job, nights, one_fault, plan
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.waiting import until

SIZES = [(40, 10), (80, 24), (120, 40), (200, 55)]
STATES = {"healthy": healthy, "fault": one_fault, "broken": broken, "nothing": Backups}


def showing(backups: Backups, **changes: object) -> LilFoxApp:
    """The app over ``backups``, at the time of the overviews."""
    stores = {view.store: LocalOptions(path="/backup") for view in backups.plans.values()}
    changes = {"backup": BackupConfig(stores=stores)} | changes
    app = still_app(replace(mixed(), backups=backups), **changes)  # type: ignore[arg-type]
    app.monitor.backups.feed.publish(backups)
    return app


def pane_of(app: LilFoxApp) -> BackupPane:
    assert isinstance(app.pane, BackupPane)
    return app.pane


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
async def test_plans_and_sets(state: str, size: tuple[int, int], language: str) -> None:
    app = showing(STATES[state](), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        check(f"backup-{state}-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_ages_move_with_the_clock() -> None:
    app = showing(healthy())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        before = screen_text(pilot).splitlines()[2:]
        later = NOW + timedelta(hours=3)
        app.monitor.overview.publish(replace(mixed(), at=later, backups=healthy()), later)
        await until(lambda: screen_text(pilot).splitlines()[2:] != before, what="the set is three hours older")


async def test_the_tab_says_from_every_pane_that_a_plan_is_ill() -> None:
    """The header counts plans with hosts and services: where the bad one is, stands at its tab."""
    for backups, told in ((broken(), True), (healthy(), False)):
        app = showing(backups)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert ("3 Backup ✖   4 Runbook" in screen_text(pilot).splitlines()[1]) is told


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES[1:3], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_store_that_cannot_be_read_says_since_when_and_what_to_do(size: tuple[int, int], language: str) -> None:
    app = showing(broken(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3", "G")
        await pilot.pause()
        check(f"backup-gone-{size[0]}x{size[1]}-{language}", screen_text(pilot))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_job_that_runs(size: tuple[int, int], language: str) -> None:
    app = showing(replace(healthy(), jobs=(job(),)), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        check(f"backup-job-{size[0]}x{size[1]}-{language}", screen_text(pilot))


async def test_a_plan_without_sets_shows_its_next_run() -> None:
    empty = plan("lilfox", (), rto_s=None, free_bytes=3 * 1024 * MIB)
    app = showing(Backups({empty.key: empty}, jobs=()))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Next run" in text
        assert "3.0G free" in text
        assert "not known: no run has succeeded yet" in text


async def test_the_lists_fill_a_low_screen_where_the_sets_are_selected() -> None:
    one = plan("lilfox", nights(1)[:2])
    app = showing(Backups({one.key: one}, jobs=()))
    async with app.run_test(size=(100, 16)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        before = [line[:1] for line in screen_text(pilot).splitlines()]
        await pilot.press("tab")
        await pilot.pause()
        assert pane_of(app).state.focus == "sets"
        assert [line[:1] for line in screen_text(pilot).splitlines()] == before


@pytest.mark.parametrize(
    ("size", "sets", "is_told"),
    [
        ((80, 24), 10, 1),  # in the rows that the lists leave
        ((80, 24), 16, 0),
        ((120, 40), 10, 1),
        ((120, 40), 1, 1),  # by the next run, which stands where there is no history
        ((200, 55), 10, 1),
    ],
)
async def test_what_a_plan_backs_up_is_told_once_where_there_is_room(
    size: tuple[int, int], sets: int, is_told: int
) -> None:
    sources = {"uploads": FilesOptions(path="/srv/shop/public/uploads", exclude=("*.tmp",))}
    view = plan("shop", nights(sets)[:sets], config=replace(PLAN, sources=sources))
    app = showing(Backups({view.key: view}, jobs=()))
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert text.count("/srv/shop/public/uploads") == is_told
        assert text.count("without *.tmp") == is_told


async def test_the_history_of_a_plan_changes_with_the_language() -> None:
    app = showing(healthy())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "largest set of each day" in screen_text(pilot)
        set_language("zh_CN")
        pane_of(app).repaint()
        await pilot.pause()
        assert "largest set of each day" not in screen_text(pilot)


async def test_ended_jobs_stand_where_there_is_no_history() -> None:
    one = plan("lilfox", nights(1)[:1])
    ended = job(state="failed", ended=NOW, message="the disk is full")
    app = showing(Backups({one.key: one}, jobs=(ended,)))
    async with app.run_test(size=(200, 55)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Recent jobs" in text
        assert "✖ 03-29 03:11  backup   1 min  the disk is full" in text


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_page_of_a_set(size: tuple[int, int], language: str) -> None:
    app = showing(broken(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3", "enter", "down", "enter")
        await pilot.pause()
        check(f"backup-set-{size[0]}x{size[1]}-{language}", screen_text(pilot))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_sets_of_a_plan(size: tuple[int, int], language: str) -> None:
    app = showing(one_fault(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3", "enter", "down")
        await pilot.pause()
        check(f"backup-sets-{size[0]}x{size[1]}-{language}", screen_text(pilot))


@pytest.mark.parametrize("size", SIZES[1:], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_over_a_slow_link_there_are_no_borders(size: tuple[int, int]) -> None:
    app = showing(healthy())
    app.slow_link = True
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Sets of lilfox" in text
        assert not set("│┌┐└┘├┤┬┴┼") & set(text)


async def test_smaller_and_back_is_the_same_screen() -> None:
    app = showing(one_fault())
    async with app.run_test(size=SIZES[-1]) as pilot:
        await pilot.press("3", "enter", "down")
        await pilot.pause()
        before = screen_text(pilot)
        for size in (*SIZES, (70, 20), SIZES[-1]):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            text = screen_text(pilot)
            assert all(cell_width(line) <= size[0] for line in text.splitlines())
            assert "03-2" in text or "lilfox_2026" in text, "the sets are there in every size"
        assert screen_text(pilot) == before


async def test_an_ascii_terminal() -> None:
    app = showing(replace(broken(), jobs=(job(),)), theme="mono", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        check("backup-ascii-80x24-en", text)
        assert text.isascii()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_others_wrote_is_text(size: tuple[int, int]) -> None:
    app = showing(hostile())
    async with app.run_test(size=size) as pilot:
        for keys in (("3",), ("enter",), ("enter",), ("escape",)):
            await pilot.press(*keys)
            await pilot.pause()
            text = screen_text(pilot)
            assert not set("\x1b\x07\u202e\r") & set(text)
            assert all(cell_width(line) <= size[0] for line in text.splitlines())
        assert pane_of(app).state.shown_job is not None


async def test_a_dead_plan_reddens_the_header() -> None:
    well, ill = showing(healthy()), showing(broken())
    heads = []
    for app in (well, ill):
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            heads.append(screen_text(pilot).splitlines()[0])
    count = [int(head.partition("✖ ")[2].split()[0]) for head in heads]
    assert count[1] == count[0] + 2


async def test_jobs_are_told_in_the_frame_of_every_pane() -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert "↻" not in screen_text(pilot)
        app.monitor.backups.feed.publish(replace(healthy(), jobs=(job(),)))
        await until(lambda: "↻ backup 30%" in screen_text(pilot).splitlines()[1], what="the job in the line of tabs")
        app.monitor.backups.feed.publish(replace(healthy(), jobs=(job(state="unknown"),), unsettled=(job().id,)))
        await until(lambda: "✖ 1 job unknown" in screen_text(pilot).splitlines()[1], what="an unknown job")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_a_set_that_was_just_written_is_being_read_and_not_missing(language: str) -> None:
    ended = job(state="ok", message="lilfox_20260329_031110 was written and verified", ended=NOW)
    first = plan("lilfox", (), last=ended, read_at=NOW - timedelta(seconds=5), behind=True, rto_s=None)
    app = showing(Backups({first.key: first}, jobs=(ended,)), language=language)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        check(f"backup-behind-80x24-{language}", text)
        if language == "en":
            assert "never" not in text
            assert "no set yet" not in text
            assert text.count("the sets are being read again") == 2, text
        assert str(pane_of(app).state.why_no_set()) == _("the sets are being read again")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 55)])
async def test_what_the_audit_finds_on_a_plan_stands_with_its_facts(size: tuple[int, int]) -> None:
    late = finding("backup-same-host", "high", "lilfox", kind="plan")
    accepted = finding("backup-drill", "high", "lilfox", kind="plan", state="accepted", accepted_until="2027-01-01")
    app = showing(healthy())
    overview = app.monitor.overview.value
    assert overview is not None
    app.monitor.overview.publish(replace(overview, audit=result(late, accepted)), overview.at)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert "✖ high  backup-same-host  audit 2 min ago" in text, text
        has_room = size != (200, 55)  # there, a set stands beside the plan, and the title is cut
        assert ("audit 2 min ago  the title of" in text) is has_room
        assert "backup-drill" not in text
