"""What is selected goes into the open incident by one key, and can be read there."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.logs.pane import LogsPane
from lilfox_tui.incident.incidents import current, entries, open_incident, read_incident, read_timeline
from lilfox_tui.incident.model import Closed, EvidenceKept, Noted, find
from lilfox_tui.incident.reducer import event_text, is_open
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import failures
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import alerting
from tests.app.log_files import counted, line, logs_app, selected, settled
from tests.app.overviews import NOW, mixed
from tests.app.runs_made import looked, run
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.waiting import until

SIZE = (100, 30)


@pytest.fixture(autouse=True)
def _own_incidents(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)


def kept() -> list[tuple[EvidenceKept, str]]:
    """The evidence of the current incident, with what is in the files."""
    incident = current()
    assert incident is not None
    found = [each.what for each in entries(incident.id) if isinstance(each.what, EvidenceKept)]
    return [(each, (Path(incident.folder) / "evidence" / each.file).read_text("utf-8")) for each in found]


def records(text: str) -> list[str]:
    """The lines that are no heads."""
    return [each for each in text.splitlines() if not each.startswith("# ")]


async def told(pilot: Pilot[None], app: LilFoxApp, text: str = "saved to INC-1 as evidence") -> None:
    await until(lambda: text in app.note[0], what=text)


async def kept_by_e(pilot: Pilot[None], app: LilFoxApp) -> tuple[EvidenceKept, str]:
    """What ``e`` has put there."""
    before = len(kept())
    await pilot.press("e")
    await until(lambda: len(kept()) > before, what="the evidence is kept")
    await told(pilot, app)
    return kept()[-1]


async def to_record(pane: LogsPane, pilot: Pilot[None], message: str) -> None:
    """Goes up to a record."""
    for _step in range(40):
        if message in selected(pane):
            return
        await pilot.press("k")
    raise AssertionError(message)


async def test_the_selected_record_and_what_stands_around_it(tmp_path: Path) -> None:
    open_incident("errors")
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await to_record(pane, pilot, "retry")
        await to_record(pane, pilot, "GET /api/chat")
        for _step in range(8):
            await pilot.press("k")
        entry, text = await kept_by_e(pilot, app)
    assert entry.text.startswith("21 records from gateway, backend, ")
    assert "one record and those around it" in entry.text
    assert "filter" not in entry.text
    assert sum("retry" in each for each in records(text)) >= 1
    assert {each.partition("]")[0] for each in records(text)} == {"[gateway", "[backend"}


async def test_marked_records_also_those_that_are_not_loaded_any_more(tmp_path: Path) -> None:
    open_incident("errors")
    file = tmp_path / "big.log"
    lines = [line(NOW - timedelta(seconds=9000 - each), "INFO", "http", f"request {each}") for each in range(9000)]
    file.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("m", "g")
        await until(lambda: selected(pane) == "request 0" and not pane.state.busy)
        await pilot.press("m")
        assert "request 8999" not in [each.item.entry.message for each in pane.state.merged.shown]  # type: ignore[union-attr]
        entry, text = await kept_by_e(pilot, app)
    assert records(text) == [lines[0], lines[8999]]
    assert "2 records from big, 2026-" in entry.text
    assert "marked" in entry.text


async def test_what_a_filter_leaves_is_named_by_its_filter_and_its_times(tmp_path: Path) -> None:
    open_incident("errors")
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter")
        await until(lambda: len(pane.state.merged.shown) == 9 and not pane.state.busy)  # type: ignore[union-attr]
        entry, text = await kept_by_e(pilot, app)
    assert len(records(text)) == 9
    assert all("retry" in each for each in records(text))
    first, last = (NOW - timedelta(seconds=2 * (90 - each)) for each in (7, 87))
    assert f"{first:%Y-%m-%d %H:%M:%S}" in entry.text
    assert f"{last:%Y-%m-%d %H:%M:%S}" in entry.text
    assert "filter retry" in entry.text
    assert "9 records from gateway" in text


async def test_an_open_record_with_its_neighbours_whatever_the_filter_is(tmp_path: Path) -> None:
    open_incident("errors")
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter")
        await until(lambda: len(pane.state.merged.shown) == 9 and not pane.state.busy)  # type: ignore[union-attr]
        await pilot.press("enter")
        entry, text = await kept_by_e(pilot, app)
    assert "one record and its neighbours" in entry.text
    assert len(records(text)) == 9, "six before, two after"
    assert sum("retry" in each for each in records(text)) == 1


async def test_nothing_that_a_log_holds_is_obeyed_and_secrets_are_masked(tmp_path: Path) -> None:
    open_incident("errors")
    file = tmp_path / "odd.log"
    file.write_text("\x1b]0;owned\x07 one\nconnect postgresql://app:hunter2@db/app\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        _entry, text = await kept_by_e(pilot, app)
    assert "hunter2" not in text
    assert "connect postgresql://" in text
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize("title", ["", "the database is away"])
async def test_where_no_incident_is_open_one_is_offered(tmp_path: Path, title: str) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await to_record(pane, pilot, "GET /api/chat")
        await pilot.press("e")
        await until(lambda: "no open incident" in screen_text(pilot), what="it is offered")
        await pilot.press("escape")
        await pilot.pause()
        assert current() is None
        await pilot.press("e")
        await until(lambda: "no open incident" in screen_text(pilot), what="it is offered again")
        await pilot.press(*title.replace(" ", "_"), "enter")
        await told(pilot, app)
    incident = current()
    assert incident is not None
    assert incident.title == (title.replace(" ", "_") or "GET /api/chat 200")
    assert len(kept()) == 1


async def test_a_full_disk_is_said_and_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_incident("errors")
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)

        def full(_handle: int) -> None:
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            await pilot.press("e")
            await told(pilot, app, os.strerror(28))
    assert kept() == []


async def test_with_read_only_it_says_why_not(tmp_path: Path) -> None:
    open_incident("errors")
    app = logs_app(tmp_path, read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("e")
        await told(pilot, app, "read_only")
    assert kept() == []


@pytest.mark.parametrize(("subject", "said", "holds"), [
    (("host", "db-1"), "host db-1: ", ("eth0", "failed units", "/dev/vda1")),
    (("host", "model-1"), "host model-1: ", ("connection lost",)),
    (("service", "backend"), "service backend: ", ("503",)),
])  # fmt: skip
async def test_the_page_of_a_host_or_service_as_text(
    subject: tuple[str, str], said: str, holds: tuple[str, ...]
) -> None:
    open_incident("errors")
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.metrics.open_page(subject)
        await pilot.pause()
        entry, text = await kept_by_e(pilot, app)
    assert entry.text.startswith(said)
    assert entry.file.startswith(f"{subject[0]}-{subject[1]}-")
    for each in holds:
        assert each.lower() in text.lower()
    assert f"as of {NOW:%Y-%m-%d %H:%M:%S} UTC" in text


async def test_the_selected_row_of_the_tables_and_of_the_past() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("left_square_bracket")
        await pilot.pause()
        await pilot.press("e")
        await until(lambda: "no open incident" in screen_text(pilot), what="it is offered")
        await pilot.press("enter")
        await told(pilot, app)
    incident = current()
    assert incident is not None
    ((entry, _text),) = kept()
    assert ", as it was at " in entry.text


async def test_the_page_of_an_alert_with_why_it_fires() -> None:
    open_incident("errors")
    app = still_app(alerting())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("exclamation_mark")
        await pilot.pause()
        item = app.metrics.state.selected_item()
        assert item is not None
        entry, text = await kept_by_e(pilot, app)
    assert entry.text.startswith(f"alert {item.name}: ")
    assert item.expression[:60] in text
    assert "─ Labels ─" in text


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_how_it_is_offered_and_said(tmp_path: Path, size: tuple[int, int], language: str) -> None:
    app = logs_app(tmp_path, language=language)
    async with app.run_test(size=size) as pilot:
        pane = await counted(app, pilot)
        await to_record(pane, pilot, "GET /api/chat")
        await pilot.press("e")
        await until(lambda: app.query_one("#line").display, what="it is offered")
        await pilot.pause()
        check(f"evidence-offered-{size[0]}x{size[1]}-{language}", screen_text(pilot))
        await pilot.press("enter")
        await told(pilot, app, "INC-1")
        await pilot.pause()
        check(f"evidence-kept-{size[0]}x{size[1]}-{language}", screen_text(pilot))


@pytest.mark.parametrize("pane", ["1", "2", "3", "4"])
async def test_an_incident_is_opened_by_two_keys_and_its_title_in_every_pane(pane: str) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(pane)
        await pilot.pause()
        await pilot.press("I")
        await until(lambda: "Open an incident" in screen_text(pilot), what="the question")
        await pilot.press(*"it burns", "enter")
        await until(lambda: (found := current()) is not None and found.title == "it burns", what="it is open")
        await asyncio.to_thread(app.monitor.incidents.look)
        await told(pilot, app, "INC-1 is open")
        await until(lambda: "INC-1 SEV-2  it burns" in screen_text(pilot), what="its page")
        assert "open for" in screen_text(pilot)
        assert app.pane.ID == "runbook"


async def test_an_incident_of_an_alert_has_its_name(tmp_path: Path) -> None:
    app = still_app(alerting())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("exclamation_mark")
        await pilot.pause()
        cause = app.pane.cause()
        assert cause is not None
        await pilot.press("I")
        await until(lambda: cause.title in screen_text(pilot), what="the title is offered")
        await pilot.press("enter")
        await until(lambda: current() is not None, what="it is open")
        found = current()
        assert found is not None
        assert (found.title, found.severity) == (cause.title, cause.severity)


async def test_no_incident_is_opened_where_nothing_may_be_written() -> None:
    app = still_app(mixed(), read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("I")
        await pilot.pause()
        assert "read_only" in app.note[0]
    assert current() is None


async def _with_open_incident(pilot: Pilot[None], app: LilFoxApp) -> None:
    """Opens INC-1 and waits until the frame shows it."""
    if current() is None:
        await asyncio.to_thread(open_incident, "it burns")
    await asyncio.to_thread(app.monitor.incidents.look)
    await pilot.pause()


@pytest.mark.parametrize("pane", ["1", "4"])
async def test_the_key_that_opens_an_incident_shows_the_open_one_and_closes_nothing(pane: str) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press(pane, "I")
        await until(lambda: "open for" in screen_text(pilot), what="its page")
        await pilot.press("enter", "I", "enter")
        await pilot.pause()
    assert current() is not None


async def test_quitting_with_an_open_incident_asks_and_says_that_it_stays_open() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("q")
        await until(lambda: "INC-1 stays open after you quit" in screen_text(pilot), what="the question")
        await pilot.press("escape")
        await pilot.pause()
        assert app.is_running
        assert len(app.screen_stack) == 1
        await pilot.press("q")
        await pilot.pause()
        await pilot.press("q")
        await until(lambda: not app.is_running, what="it has quit")
    assert current() is not None


def good() -> Overview:
    """Everything is watched and good."""
    seen = mixed()
    hosts = {name: replace(each, level=Level.GOOD, reasons=()) for name, each in seen.hosts.items()}
    services = {name: replace(each, level=Level.GOOD, reasons=()) for name, each in seen.services.items()}
    return replace(seen, hosts=hosts, services=services)


async def test_closing_is_an_action_of_its_own() -> None:
    app = still_app(good())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "Close INC-1" in screen_text(pilot), what="the question")
        assert "Nothing fails at 03:12:44 UTC." in screen_text(pilot)
        assert "keep it open" not in screen_text(pilot)
        await pilot.press(*"it was the fan", "enter")
        await until(lambda: current() is None, what="it is closed")
    what = read_timeline(find("INC-1")).entries[-1].what
    assert isinstance(what, Closed)
    assert (what.summary, what.failing, what.not_known, what.checked) == ("it was the fan", (), (), NOW)


async def test_closing_lists_what_still_fails_and_enter_keeps_it_open() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "Close INC-1" in screen_text(pilot), what="the question")
        text = " ".join(screen_text(pilot).split())
        assert "Still failing at 03:12:44 UTC:" in text
        failing = failures(mixed()).failing
        assert failing
        for each in failing:
            assert f"{each.kind} {each.name} since" in text
            assert each.text in text
        await pilot.press(*"not yet", "enter")
        await until(
            lambda: "INC-1 stays open; what you typed was not written" in app.note[0], what="that it stays open"
        )
    assert current() is not None


async def test_what_still_fails_is_kept_in_the_timeline_of_an_incident_that_is_closed_anyway() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "close it anyway" in screen_text(pilot), what="the question")
        await pilot.press(*"known", "down", "enter")
        await until(lambda: current() is None, what="it is closed")
        assert "3 failures are left" in app.note[0]
    what = read_timeline(find("INC-1")).entries[-1].what
    assert isinstance(what, Closed)
    assert what.failing == tuple(each.line(NOW) for each in failures(mixed()).failing)
    assert "still failing: " in event_text(what)


async def test_a_follow_up_is_an_incident_for_what_still_fails() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "with a follow-up" in screen_text(pilot), what="the question")
        await pilot.press("down", "down", "enter")
        await until(lambda: "Open an incident" in screen_text(pilot), what="the second question")
        await pilot.press("escape")
        await until(lambda: "INC-1 stays open" in app.note[0], what="that it stays open")
        found = current()
        assert found is not None
        assert found.id == "INC-1"
        await pilot.press("colon", *"close", "enter")
        await until(lambda: "with a follow-up" in screen_text(pilot), what="the question")
        await pilot.press("down", "down", "enter")
        await until(lambda: "Open an incident" in screen_text(pilot), what="the second question")
        await pilot.press("enter")
        await until(lambda: not is_open(read_timeline(find("INC-1")).entries), what="it is closed")
    found = current()
    assert found is not None
    assert found.id == "INC-2"
    what = read_timeline(find("INC-1")).entries[-1].what
    assert isinstance(what, Closed)
    assert what.follow_up == "INC-2"
    assert Noted(text="follow-up of INC-1: it burns") in [each.what for each in read_timeline(find("INC-2")).entries]


async def test_what_nobody_knows_is_not_told_to_be_good() -> None:
    seen = good()
    name = next(iter(seen.services))
    unknown = replace(seen.services[name], level=Level.UNKNOWN, reasons=())
    app = still_app(replace(seen, services={**seen.services, name: unknown}))
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "Close INC-1" in screen_text(pilot), what="the question")
        assert f"not known: service {name}: no answer yet" in screen_text(pilot)
        assert "Nothing fails" not in screen_text(pilot)


async def test_resolved_is_not_marked_without_a_question_while_something_fails() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        for answer in ("escape", "enter"):
            await pilot.press("I", "colon", *"moment", "enter")
            await until(lambda: "what just happened?" in screen_text(pilot), what="the choice")
            await pilot.press(*"resolved", "enter")
            await until(lambda: "mark it as resolved?" in screen_text(pilot), what="the question")
            assert "Still failing at" in screen_text(pilot)
            assert "resolved" not in read_incident(find("INC-1")).moments
            await pilot.press(answer)
            await until(lambda: "mark it as resolved?" not in screen_text(pilot), what="it is answered")
        await until(lambda: "resolved" in read_incident(find("INC-1")).moments, what="it is marked")


async def test_while_a_run_of_it_is_going_on_closing_asks_for_a_word(tmp_path: Path) -> None:
    app = still_app(mixed())
    log = run(tmp_path, looked(tmp_path))
    assert log.reducer is not None
    log.reducer.incident = "INC-1"
    app.runs[log.job_id] = log
    async with app.run_test(size=SIZE) as pilot:
        await _with_open_incident(pilot, app)
        await pilot.press("I", "colon", *"close", "enter")
        await until(lambda: "INC-1: still running" in screen_text(pilot), what="the question")
        await pilot.press("enter")
        await pilot.pause()
        assert current() is not None
        assert "Close INC-1" not in screen_text(pilot)
        await pilot.press(*"close", "enter")
        await until(lambda: "Close INC-1" in screen_text(pilot), what="the summary")
        await pilot.press("escape")
        await pilot.pause()
    assert current() is not None


async def test_the_actions_of_an_open_incident_are_in_the_palette_of_every_pane() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"hand-over", "enter")
        await until(lambda: "no incident" in app.note[0], what="nothing to hand over while none is open")
        assert app.pane.ID == "runbook"
        await pilot.press("1")
        await _with_open_incident(pilot, app)
        await pilot.press("colon", *"hand-over", "enter")
        await until(lambda: "Handover" in screen_text(pilot), what="it is shown")
        assert app.pane.ID == "runbook"


async def test_a_name_that_is_typed_comes_before_words_in_the_text_of_others() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"incident", "enter")
        await until(lambda: "Open an incident" in screen_text(pilot), what="the question")


async def test_keys_that_only_move_are_last_in_the_palette() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        rows = [line.strip("│┌└ ").split()[:2] for line in screen_text(pilot).splitlines() if "│" in line]
        keys = [row[0] for row in rows if row]
        assert not {"j", "k", "enter", "esc"} & set(keys[:8])


async def test_help_names_the_command_of_an_action_without_a_key(tmp_path: Path) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("4", "question_mark", "slash", *"another run")
        await until(lambda: ":start again" in screen_text(pilot), what="its name")
