"""The Runbook pane as a person sees it: golden screens in every size and both languages."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.geometry import Region
from textual.pilot import Pilot

from lilfox_tui.alerts.model import Alerts
from lilfox_tui.app import frame
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.panes.runbook.state import INCIDENT
from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.app.run_log import RunLog
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import cell_width
from lilfox_tui.incident.model import Graded, TimelineEntry
from lilfox_tui.incident.reducer import fold
from lilfox_tui.jobs.model import Ended
from lilfox_tui.monitor.model import IncidentView, RunbooksView
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.run.protocol import CommandBegan, CommandEnded, CommandSkipped, RunFact
from tests.app.overviews import NOW, mixed
from tests.app.runs_made import (
    HOSTILE,
    TEXT,
    failed,
    job,
    long_incident,
    looked,
    many_failed,
    open_incident,
    ran,
    run,
    skipped,
    view,
)
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check

SIZES = [(40, 10), (80, 24), (120, 40), (200, 55)]


class Still(datetime):
    """The time of the overviews."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "datetime", Still)


def showing(
    runbooks: RunbooksView | None, log: RunLog | None = None, incident: IncidentView | None = None, **changes: object
) -> LilFoxApp:
    """The app over these, at the time of the overviews."""
    app = still_app(mixed(), **changes)  # type: ignore[arg-type]
    if runbooks is not None:
        app.monitor.runbooks.feed.publish(runbooks)
    if incident is not None:
        app.monitor.incidents.feed.publish(incident)
    if log is not None:
        app.runs[log.job_id] = log
    return app


STATES = ("new", "empty", "looked", "failed", "ended", "worked", "killed", "many")


def made(state: str, folder: Path, language: str = "en") -> LilFoxApp:
    """The app in one of the states."""
    facts = {"looked": looked, "failed": failed, "skipped": skipped, "ended": failed, "worked": looked}
    if state in facts:
        log = run(folder, facts[state](folder))
        if state in ("ended", "worked"):
            log.by = "ann@web-1"
            good = state == "worked"
            message = "all steps are done" if good else "ended at step 2"
            log.ended = Ended(NOW - timedelta(minutes=1), "ok" if good else "failed", message)
        return showing(view(), log, open_incident(), language=language)
    if state == "killed":
        return showing(view("unknown"), None, open_incident(), language=language)
    if state == "many":
        return showing(view(), many_failed(folder), long_incident(), language=language)
    return showing(RunbooksView((), ()) if state == "empty" else view(None), language=language)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
async def test_states(state: str, size: tuple[int, int], language: str, tmp_path: Path) -> None:
    app = made(state, tmp_path, language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("4", *(["enter", "enter"] if size[0] < 80 else ["enter"]))
        await pilot.pause()
        text = screen_text(pilot)
        check(f"runbook-{state}-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_the_rows_below_an_output_have_those_of_the_steps_before(tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, failed(tmp_path)), open_incident())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        titles = ["check of step 2: Restart it once", "│ step 2: Restart it once", "│ step 1: See what it says"]
        places = [text.index(title) for title in titles]
        assert places == sorted(places), "the latest first"
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        pane.state.choose_place((0, None))
        pane.repaint()
        await pilot.pause()
        assert "check of step 2" not in screen_text(pilot).split("INC-7")[1], "who chose a step reads that alone"


@pytest.mark.parametrize(
    ("state", "does", "key"),
    [
        ("new", "enter starts a run", "enter run "),
        ("looked", "enter: review and confirm", "enter review "),
        ("failed", "enter shows all options", "enter options "),
    ],
)
async def test_the_step_that_waits_says_what_enter_does(state: str, does: str, key: str, tmp_path: Path) -> None:
    app = made(state, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert does in screen_text(pilot).split("\n")[2], "beside the title of its command"
        assert key in footer_of(pilot)
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        if state != "new":
            pane.state.choose_place((0, None))
            pane.repaint()
            await pilot.pause()
            assert "enter" not in screen_text(pilot).split("\n")[2], "the run does not wait there"


@pytest.mark.parametrize("size", SIZES[:3], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_list_and_the_steps(size: tuple[int, int], tmp_path: Path) -> None:
    app = made("failed", tmp_path)
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        await pilot.pause()
        check(f"runbook-list-{size[0]}x{size[1]}-en", screen_text(pilot))
        if size[0] < 80:
            await pilot.press("enter")
            await pilot.pause()
            check(f"runbook-steps-{size[0]}x{size[1]}-en", screen_text(pilot))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_page_of_the_incident(size: tuple[int, int], language: str, tmp_path: Path) -> None:
    app = made("many", tmp_path, language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.press("k", "k", "k", "k", "k")
        await pilot.pause()
        text = screen_text(pilot)
        check(f"incident-{size[0]}x{size[1]}-{language}", text)
        assert size[0] >= 120 or "#!/" not in text, "a command is told by its title"
        await pilot.press("enter")
        await pilot.pause()
        if size == (80, 24):
            check(f"incident-entry-80x24-{language}", screen_text(pilot))
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert "RUNBOOKS" in screen_text(pilot).upper() or language == "zh_CN"


async def test_the_page_of_the_incident_offers_only_what_can_be_done_there(tmp_path: Path) -> None:
    app = made("many", tmp_path)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        of_runs = ("R retry", "- skip", "u undo")
        assert all(each in footer_of(pilot) for each in of_runs)
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        pane.show_incident()
        await pilot.pause()
        assert not any(each in footer_of(pilot) for each in (*of_runs, "C stop", "/ filter"))
        of_page = ("enter open", "i note", "e evidence", "esc back", "X close the incident", "l logs")
        assert all(each in footer_of(pilot) for each in of_page)
        for key in ("R", "minus", "u", "C", "x", "H", "f", "slash", "ampersand", "n", "N"):
            app.note = ("", "")
            await pilot.press(key)
            assert app.note[0] == "this page shows the incident; press esc to return to the runbooks", key
            assert len(app.screen_stack) == 1
            assert pane.state.column == INCIDENT
        why = {each.id: each.why_not() for each in pane.actions()}
        assert why["run-again"] is not None
        await pilot.press("escape")
        await pilot.pause()
        assert all(each in footer_of(pilot) for each in of_runs)
        assert "/ filter" in footer_of(pilot)


def footer_of(pilot: Pilot[None]) -> str:
    return screen_text(pilot).rstrip("\n").split("\n")[-1]


async def test_an_entry_of_the_incident_is_opened_whole_and_copied(tmp_path: Path) -> None:
    app = made("many", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "tab", "tab", "tab", "g", *("j" * 6), "enter")
        await pilot.pause()
        text = screen_text(pilot)
        for told in ("1. Drain and restart the gateway", "#!/usr/bin/env bash", "curl -fsS", "exit status 7",
                     "Address already in use", "r2.txt"):  # fmt: skip
            assert told in text
        await pilot.press("y")
        await pilot.pause()
        assert "systemctl restart gateway.service" in app.clipboard


async def test_the_incident_is_where_no_alert_fires(tmp_path: Path) -> None:
    app = showing(view(None), None, open_incident())
    calm = replace(mixed(), alerts=Ready(Alerts(NOW, (), ())))
    app.monitor.overview.publish(calm)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("exclamation_mark")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Timeline" in text
        assert "roles      lead ann" in text


async def test_a_slow_link_has_no_borders(tmp_path: Path) -> None:
    app = made("failed", tmp_path)
    app.slow_link = True
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert not set("│┌┐└┘├┤┬┴┼─") & set(text)
        assert "2. Restart it once" in text


async def test_a_file_that_cannot_be_used_says_where_and_why() -> None:
    app = showing(view(None))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("4", "G", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        check("runbook-broken-100x30-en", text)
        assert "no command in this file is run" in text


async def test_the_filter_keeps_or_marks_runbooks_and_leads_from_match_to_match() -> None:
    app = showing(view(None))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4", "n")
        await pilot.pause()
        assert "no filter is set; press / to set one" in screen_text(pilot)
        await pilot.press("enter", "slash", *"disk", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Runbooks  /disk" in text
        assert "Restart the web service" not in text
        await pilot.press("ampersand", "g")
        await pilot.pause()
        text = screen_text(pilot)
        assert "Runbooks  /disk (matches mar" in text
        assert "See what it says" in text, "the document of the first one"
        await pilot.press("tab")
        await pilot.pause()
        assert [piece.text for piece in app.pane.status()] == ["/disk"], "the list has folded away"
        await pilot.press("N")
        await pilot.pause()
        assert "df -h" in screen_text(pilot), "the command of the one that matches"
        await pilot.press("escape")
        await pilot.pause()
        assert "/disk " not in screen_text(pilot)


LONG = (
    b'# Broken\n\n1. Look\n\n   ```bash {"host": "web-1", "timeout": "sometime", "expect": "/(/", "cwd": 7, '
    b'"confirm": "perhaps"}\n   df -h\n   ```\n'
)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_all_that_is_wrong_with_a_file_can_be_read_in_full(size: tuple[int, int]) -> None:
    broken = parse(LONG, "/srv/runbooks/broken.md")
    assert len(broken.problems) > 3
    app = showing(RunbooksView((broken,), ()))
    async with app.run_test(size=size) as pilot:
        await pilot.press("4", "enter", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        column = "".join(line.rpartition("│")[0].rpartition("│")[2] for line in text.splitlines())
        for problem in broken.problems:
            assert problem.text.replace(" ", "") in column.replace(" ", ""), problem.text


async def test_runbooks_of_one_title_say_where_they_are_from() -> None:
    text = b"# A disk is full\n\n1. Look\n\n   ```bash\n   df -h\n   ```\n"
    both = (parse(text, "/srv/ops/manual.md"), parse(text, "library:disk-full.md"), parse(TEXT.encode(), "/srv/web.md"))
    app = showing(RunbooksView(both, ()))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        rows = [" ".join(line.split("│")[1].split()) for line in screen_text(pilot).splitlines()[3:6]]
        assert rows == ["A disk is full manual.md", "A disk is full LilFox", "Restart the web service"]


async def test_a_failed_step_offers_to_take_back_only_what_is_in_force(tmp_path: Path) -> None:
    facts = looked(tmp_path)[:-2] + ran(1, 0, 0, "web-2", "failed", shown="systemctl status", message="refused")
    for made_of, offered in ((facts, False), (failed(tmp_path), True)):
        app = showing(view(), run(tmp_path, made_of), open_incident())
        async with app.run_test(size=(120, 30)) as pilot:
            await pilot.press("4", "enter")
            await pilot.pause()
            text = screen_text(pilot)
            assert "R retries, - skips" in text
            assert ("u undoes" in text) is offered


def _not_taken_back(number: int = 6) -> list[RunFact]:
    """What takes the restart back, failed on one host."""
    at, name = NOW - timedelta(seconds=40), f"{job().id}-{number}"
    return [
        CommandBegan(at=at, run=name, step=1, command=2, host="web-2", kind="change", shown="systemctl stop",
                     by="ann@web-1", rollback=True),
        CommandEnded(at=at, run=name, state="failed", exit_status=5, message="exit status 5"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", SIZES[1:], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_an_undo_that_failed_says_what_stands_and_what_can_be_done(size: tuple[int, int], tmp_path: Path) -> None:
    facts = failed(tmp_path) + _not_taken_back()
    log = run(tmp_path, facts)
    log.trouble = "undo failed; the remaining changes were left in place"
    app = showing(view(), log, open_incident())
    async with app.run_test(size=size) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        told = " ".join(screen_text(pilot).split())
        assert "undo failed on web-2: 3 changes stay in force; u retries, X lists the changes" in told
        assert "R retries, - skips, u undoes" in told, "the step that failed waits as before"
        if size[0] >= 100:
            assert "exit status 5" in told, "why it could not be undone"
        assert log.reducer is not None
        log.reducer.take(ran(9, 1, 1, "web-2", None, shown="systemctl is-active"))
        log._state = None
        app.pane.repaint()
        await pilot.pause()
        assert "undo failed on" not in " ".join(screen_text(pilot).split()), "something was begun after it"


async def test_what_waits_says_where_it_is_cut(tmp_path: Path) -> None:
    log = run(tmp_path, failed(tmp_path))
    log.trouble = "word " * 80
    app = showing(view(), log, open_incident())
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        assert screen_text(pilot).splitlines()[-2].endswith(" …")


async def test_the_end_after_a_skip_or_an_undo_is_not_said_to_be_good(tmp_path: Path) -> None:
    text = TEXT.partition("1. **See")[0] + (
        '1. Change\n\n   ```bash {"name": "a"}\n   touch /srv/a\n   ```\n\n'
        '   ```bash {"rollback-of": "a"}\n   rm /srv/a\n   ```\n'
    )
    done = [
        fact for host in ("web-1", "web-2") for fact in ran(int(host[-1]), 0, 0, host, "done", shown="touch /srv/a")
    ]
    back: list[RunFact] = []
    for number, host in enumerate(("web-1", "web-2"), 3):
        began, ended = ran(number, 0, 1, host, "done", shown="rm /srv/a")
        assert isinstance(began, CommandBegan)
        back += [replace(began, rollback=True, undoes=(f"{job().id}-{number - 2}",)), ended]
    left_out: list[RunFact] = [CommandSkipped(at=NOW, step=0, command=0, reason="done already", by="ann@web-1")]
    for facts, told in (
        (done, "all steps are done: enter ends"),
        (left_out, "all steps are done or skipped: enter ends"),
        (done + back, "all reversible changes are undone: enter ends"),
    ):
        app = showing(view(text=text), run(tmp_path, facts, text), open_incident())
        async with app.run_test(size=(120, 30)) as pilot:
            await pilot.press("4")
            await pilot.pause()
            assert screen_text(pilot).splitlines()[-1].startswith(" enter open "), "in the list of runbooks"
            await pilot.press("enter")
            await pilot.pause()
            assert told in screen_text(pilot)
            assert screen_text(pilot).splitlines()[-1].startswith(" enter end the run "), "as the line above says"
            assert screen_text(pilot).splitlines()[-1].count("end the run") == 1, "a word has one key"


async def test_a_rewound_screen_has_the_incident_as_it_was(tmp_path: Path) -> None:
    """Its severity, its changes and who acted, too, not only its entries."""
    seen = open_incident()
    raised = TimelineEntry(number=7, at=NOW, by="bob@web-2", previous="0" * 64, what=Graded(severity="SEV-1"))
    entries = (*seen.entries, raised)
    now = IncidentView(NOW, fold(entries, Path("/state/INC-7")), entries)
    app = showing(view(), run(tmp_path, looked(tmp_path)), now)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        timeline = screen_text(pilot)[-1400:]
        assert ("INC-7 SEV-1" in timeline, "1 change in force" in timeline) == (True, True), timeline
        for before_s, wanted, missing in (
            (320, "open for 5 min", "in force"),
            (800, "INC-7 was not open yet", "HighErrorRate: web"),
        ):
            app.navigation.rewind(NOW - timedelta(seconds=before_s))
            await pilot.pause()
            timeline = "\n".join(screen_text(pilot).splitlines()[-9:])
            assert wanted in timeline, timeline
            assert missing not in timeline, timeline


async def test_the_age_of_an_incident_is_one_wherever_it_stands(tmp_path: Path) -> None:
    """In the line of tabs and above the timeline, at the time of the header's clock, as that moves on."""
    seen = open_incident()
    assert seen.incident is not None
    just = replace(seen, incident=replace(seen.incident, opened=NOW - timedelta(seconds=44)))
    app = showing(view(), run(tmp_path, looked(tmp_path)), just)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        for later_s in (0, 4.7):
            app.frame(replace(mixed(), at=NOW + timedelta(seconds=later_s)))
            await pilot.pause()
            text = screen_text(pilot)
            assert f"INC-7 SEV-2 00:00:{int(44 + later_s)}" in text.splitlines()[1]
            assert f"open for {int(44 + later_s)} s" in text, text
        app.navigation.rewind(NOW - timedelta(seconds=60))
        await pilot.pause()
        assert "INC-7" not in screen_text(pilot).splitlines()[1]


async def test_an_ascii_terminal(tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, failed(tmp_path)), open_incident(), theme="mono", glyphs=ASCII)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        check("runbook-ascii-120x30-en", text)
        assert text.isascii()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_others_wrote_is_text(size: tuple[int, int], tmp_path: Path) -> None:
    text = TEXT.replace("Look before anything is done.", HOSTILE).replace("Tell the others", HOSTILE)
    facts = looked(tmp_path, HOSTILE + "\n" + HOSTILE)
    facts += ran(8, 1, 0, HOSTILE, "failed", shown=HOSTILE, message=HOSTILE)
    app = showing(view(text=text), run(tmp_path, facts, text), open_incident(HOSTILE))
    app.runs[job().id].trouble = HOSTILE
    async with app.run_test(size=size) as pilot:
        for keys in (("4",), ("enter",), ("enter",), ("k",), ("z",), ("G",), ("escape",)):
            await pilot.press(*keys)
            await pilot.pause()
            shown = screen_text(pilot)
            assert not set("\x1b\x07\u202e\r") & set(shown)
            assert all(cell_width(line) <= size[0] for line in shown.splitlines())


async def test_only_rows_that_changed_are_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = made("looked", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        regions: list[object] = []
        original = Lines.refresh

        def noted(self: Lines, *found: Region, **more: bool) -> Lines:
            regions.extend(found or [self])
            return original(self, *found, **more)

        monkeypatch.setattr(Lines, "refresh", noted)
        app.pane.repaint()
        assert regions == []
        log = app.runs[job().id]
        assert log.reducer is not None
        log.reducer.take(ran(2, 1, 0, "web-1", None, shown="systemctl restart nginx.service"))
        log._state = None
        app.pane.repaint()
        assert 0 < len(regions) < 20


@pytest.mark.parametrize("width", [60, 80, 100, 160])
async def test_the_incident_and_the_step_are_in_the_line_of_tabs_of_every_pane(width: int, tmp_path: Path) -> None:
    app = made("failed", tmp_path)
    async with app.run_test(size=(width, 30)) as pilot:
        await pilot.pause()
        app.repaint_frame()
        line = screen_text(pilot).splitlines()[1]
        assert "4 Runbook" in line
        assert "INC-7" in line
        if width >= 100:
            assert "INC-7 SEV-2 00:12:31  run 2/4 ✖ waits for you" in line
        if width == 80:
            assert "INC-7  ✖ waits for you 2/4" in line, "rather than since when it is open"
        assert ("✖ waits for you: Restart it once" in line) is (width == 160)


async def test_a_running_command_is_in_the_frame_with_its_time_and_nothing_without_a_run(tmp_path: Path) -> None:
    facts = looked(tmp_path) + ran(2, 1, 0, "web-1", None, shown="systemctl restart nginx.service")
    for log, told in ((run(tmp_path, facts), "run 2/4 ● Restart it once 01:40"), (None, "")):
        app = showing(view(), log)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            line = screen_text(pilot).splitlines()[1]
            assert line.partition("4 Runbook")[2].strip() == told


async def test_the_title_of_a_step_in_the_frame_is_bounded(tmp_path: Path) -> None:
    text = TEXT.replace("Restart it once", "Restart it " * 30)
    app = showing(view(text=text), run(tmp_path, looked(tmp_path), text))
    for width in (60, 80, 120, 200):
        async with showing(view(text=text), run(tmp_path, looked(tmp_path), text)).run_test(size=(width, 30)) as pilot:
            await pilot.pause()
            line = screen_text(pilot).splitlines()[1]
            assert "4 Runbook" in line
            assert cell_width(line.rpartition("run 2/4")[2]) <= 44
    assert app.runs


async def test_a_screen_that_was_small_is_whole_again(tmp_path: Path) -> None:
    app = made("many", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        before = screen_text(pilot)
        for size in ((40, 10), (200, 55), (80, 24), (60, 12), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert all(cell_width(line) <= size[0] for line in screen_text(pilot).splitlines())
        assert screen_text(pilot) == before


async def test_tab_leads_through_all_parts(tmp_path: Path) -> None:
    app = made("failed", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        seen = []
        for _part in range(5):
            await pilot.pause()
            assert isinstance(app.pane, RunbookPane)
            seen.append(app.pane.state.column)
            await pilot.press("tab")
        assert seen == [0, 1, 2, 3, 0]


async def test_the_wheel_and_a_click_act_on_the_part_below_them(tmp_path: Path) -> None:
    app = made("many", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        lines = pane.query_one("#runbook-screen", Lines)
        output = next(part for part in pane._screen.parts if part.name == "output")
        top = pane._screen.output_top
        pane.on_lines_wheel(Lines.Wheel(lines, -3, output.area.left + 5, output.area.top + 3))
        assert pane._screen.output_top == top - 3
        steps = next(part for part in pane._screen.parts if part.name == "steps")
        await pilot.click("#runbook-screen", offset=(steps.area.left + 5, steps.area.top + 1))
        await pilot.pause()
        assert pane.state.chosen_place == (0, None)
        timeline = next(part for part in pane._screen.parts if part.name == "timeline")
        await pilot.click("#runbook-screen", offset=(5, timeline.area.top + 1))
        await pilot.pause()
        assert pane.state.column == INCIDENT
        assert pane.state.timeline.entry_at == timeline.top


async def test_a_host_that_cannot_be_reached_is_waited_for(tmp_path: Path) -> None:
    from lilfox_tui.runbook.run.protocol import ConnectionLost

    facts = looked(tmp_path) + ran(2, 1, 0, "web-1", None, shown="systemctl restart nginx.service")
    lost = ConnectionLost(at=NOW, run=f"{job().id}-2", reason="connection lost")
    app = showing(view(), run(tmp_path, [*facts, lost]), replace(open_incident()))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        told = " ".join(line.rpartition("│")[0].rpartition("│")[2].strip() for line in text.splitlines())
        assert "unreachable (connection lost); the command may still be running on the host" in told
        assert "connection lost, waiting to reconnect" in text
