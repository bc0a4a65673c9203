"""What the Runbook pane shows: its list, its steps, the run of the chosen row; without a screen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from msgspec.structs import replace

from lilfox_tui.app.evidence import Cause
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS, Place, RunbookState
from lilfox_tui.app.run_log import RunLog
from lilfox_tui.core.aio import Ready
from lilfox_tui.incident.model import AlertChanged
from lilfox_tui.jobs.model import Ended
from lilfox_tui.monitor.model import IncidentView, RunbooksView
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.run.protocol import ClientActs, CommandBegan, RunClient, RunFact
from tests.app.alerts_made import RULES, some
from tests.app.overviews import NOW, mixed
from tests.app.runs_made import documents, failed, job, looked, open_incident, ran, run, view

WEB, DISK, BROKEN = "Restart the web service", "A disk is full", "Broken"


def made(log: RunLog | None = None, runbooks: RunbooksView | None = None) -> RunbookState:
    """The state over three runbooks, of which the first one may have a run."""
    state = RunbookState({} if log is None else {log.job_id: log}, lambda: None)
    state.take_runbooks(runbooks or view(None if log is None else "running"))
    return state


def over(folder: Path, facts: list[RunFact]) -> RunbookState:
    """The state over a run that these facts tell."""
    return made(run(folder, facts))


def titles(state: RunbookState) -> list[str]:
    return [each.title for each in state.items]


def chosen(state: RunbookState) -> str:
    return "" if state.item is None else state.item.title


def stands(state: RunbookState) -> tuple[Place, int | None]:
    """The selected step, and where somebody reads in its output."""
    return state.place, state.output_top


def test_the_mark_of_a_runbook_has_the_severity_of_the_alert_that_fires() -> None:
    found = some()
    by_name = {each.name: each for each in found.alerts if each.is_firing}
    fires = next(iter(by_name.values()))
    for severity, role in (("info", "accent"), ("warning", "degraded"), ("critical", "failing")):
        labels = tuple((name, severity if name == "severity" else value) for name, value in fires.labels)
        seen = replace(mixed(), alerts=Ready(replace(found, alerts=(replace(fires, labels=labels),))))
        state = RunbookState({}, partial(replace, seen))
        assert state.alerts.role_of(fires.name) == role
    assert state.alerts.role_of("NotFiring") == "muted"


def test_a_filter_keeps_or_marks_the_runbooks_that_hold_every_word() -> None:
    state = made()
    state.set_filter("FULL disk")
    assert (titles(state), chosen(state)) == ([DISK], DISK)
    state.only_matching = False
    assert len(titles(state)) == 3
    state.set_filter("no such")
    state.only_matching = True
    assert (titles(state), chosen(state), state.runbook) == ([], "", None)


def test_the_next_match_is_chosen_around_the_ends_from_any_column() -> None:
    state = made()
    state.only_matching = False
    state.set_filter("service")
    state.move(1)
    state.go_column(STEPS)
    state.select_match(1)
    assert (chosen(state), state.column) == (WEB, LIST)
    state.set_filter("broken")
    state.select_match(-1)
    assert chosen(state) == BROKEN
    state.set_filter("no such")
    state.select_match(1)
    assert chosen(state) == BROKEN


def test_going_back_leads_out_of_the_zoom_then_the_columns_then_the_filter() -> None:
    state = made()
    state.set_filter("disk")
    state.go_column(STEPS)
    state.toggle_zoom()
    seen = []
    while state.why_not_back() is None:
        seen.append((state.zoomed, state.column, state.filter))
        state.back()
    assert seen == [(True, COMMAND, "disk"), (False, STEPS, "disk"), (False, LIST, "disk")]
    assert "q quits" in str(state.why_not_back())


def test_how_many_columns_stand_side_by_side() -> None:
    state = made()
    assert [state.side_by_side(width) for width in (79, 80, 120)] == [1, 2, 3]
    state.go_column(STEPS)
    assert [state.side_by_side(width) for width in (79, 80, 200)] == [1, 2, 2], "the list has folded away"
    assert [state.shows_less(width) for width in (79, 80)] == [True, False]
    state.go_column(COMMAND)
    assert not state.shows_less(79), "the command is there"
    state.toggle_zoom()
    assert state.side_by_side(160) == 1


def test_the_page_of_the_incident_is_the_next_part_after_the_command_and_leads_back() -> None:
    state = made()
    for wanted in (STEPS, COMMAND, LIST):
        state.next_column()
        assert state.column == wanted, "there is no incident"
    state.timeline.view = open_incident()
    state.go_column(COMMAND)
    state.next_column()
    assert (state.column, state.timeline.entry_at) == (INCIDENT, 3), "one line of a command, its end and its change"
    state.move(-1)
    assert state.timeline.items[state.timeline.entry_at].number == 3
    state.move(9)
    assert state.timeline.entry is None, "it goes along with what is written"
    state.back()
    assert state.column == COMMAND


def test_enter_opens_the_result_of_a_run_that_has_ended(tmp_path: Path) -> None:
    log = run(tmp_path, failed(tmp_path))
    state = made(log)
    assert state.finished == "", "it goes on"
    log.ended = Ended(at=NOW, state="failed", message="")
    assert (state.finished, state.place) == (log.job_id, (1, 1)), "the command that failed"
    ended = replace(job(), state="ok", ended=NOW)
    state = made(runbooks=RunbooksView(documents(), (ended,)))
    assert state.finished == ended.id, "nobody has looked at it here"
    state.look_for(Cause("HighErrorRate", {}, "SEV-2"))
    assert state.finished == "", "the alert fires: enter starts a run"


def test_of_a_run_that_succeeded_the_last_command_is_shown(tmp_path: Path) -> None:
    log = run(tmp_path, looked(tmp_path))
    log.ended = Ended(at=NOW, state="ok", message="")
    assert made(log).place == (0, None)


def test_the_steps_go_along_with_the_run_until_somebody_chooses(tmp_path: Path) -> None:
    state = over(tmp_path, looked(tmp_path))
    assert state.places == [(0, None), (1, None), (1, 0), (1, 1), (1, 2), (2, None), (3, None)]
    assert state.place == (1, 0), "that is what waits"
    state.go_column(STEPS)
    state.move(-2)
    state.output_top = 3
    state.choose_place((0, None))
    assert stands(state) == ((0, None), 3), "it is chosen already"
    state.choose_place(None)
    assert stands(state) == ((1, 0), None)


def test_another_runbook_is_shown_from_its_first_step_on(tmp_path: Path) -> None:
    state = over(tmp_path, looked(tmp_path))
    state.choose_place((3, None))
    state.output_top = 7
    state.move(1)
    assert (chosen(state), *stands(state)) == (DISK, (0, None), None)
    assert (state.seen, state.run) == (None, None)
    state.move(-99)
    assert (chosen(state), state.place) == (WEB, (1, 0))


def test_of_what_waits_the_output_of_what_ran_last_is_shown(tmp_path: Path) -> None:
    state = over(tmp_path, looked(tmp_path))
    assert [(each.run[-1], each.state) for each in state.results()] == [("0", "done"), ("1", "done")]
    state.choose_place((1, 0))
    assert state.results() == (), "somebody chose what has not begun"
    assert over(tmp_path, []).results() == ()


def test_an_undo_that_failed_is_what_is_shown_until_something_is_begun_after_it(tmp_path: Path) -> None:
    began, ended = ran(8, 1, 2, "web-2", "failed", shown="systemctl stop")
    assert isinstance(began, CommandBegan)
    back = replace(began, rollback=True)
    state = over(tmp_path, [*failed(tmp_path), back, ended])
    assert state.failed_undo is not None
    assert [each.run for each in state.results()] == [f"{job().id}-8"]
    state = over(tmp_path, [*failed(tmp_path), back, ended, *ran(9, 1, 1, "web-2", None, shown="systemctl is-active")])
    assert state.failed_undo is None


def test_a_run_is_cut_off_until_another_one_was_begun_that_is_not_listed_yet() -> None:
    state = made(runbooks=view("unknown"))
    assert (state.killed, state.run) == (job("unknown"), None)
    state.last_run[job().key] = "the-next-one"
    assert state.killed is None


def test_an_alert_chooses_its_runbook_once_runbooks_are_read() -> None:
    state = RunbookState({}, lambda: None)
    state.set_filter("something else")
    cause = Cause("HighErrorRate", {"unit": "nginx.service", "word": "x"}, "SEV-2", "https://wiki/errors")
    state.look_for(cause)
    assert (state.filter, state.column, state.item) == ("", LIST, None)
    state.take_runbooks(view(None))
    assert (chosen(state), state.column, state.alerts.names) == (WEB, STEPS, ("HighErrorRate",))
    assert state.values == {"unit": "nginx.service"}
    state.go_column(LIST)
    state.move(1)
    state.take_runbooks(view(None))
    assert chosen(state) == DISK, "somebody has gone on meanwhile"
    state.look_for(Cause("NoSuch", {}, "SEV-3"))
    assert (chosen(state), state.column) == (WEB, LIST), "none is for it"


def test_what_is_copied_is_the_command_with_its_values_or_the_page_of_the_alert(tmp_path: Path) -> None:
    state = over(tmp_path, looked(tmp_path))
    assert state.text_to_copy() == "systemctl restart nginx.service"
    state.choose_place((1, None))
    assert state.text_to_copy() is None, "a step of several"
    state.cause = Cause("HighErrorRate", {}, "SEV-2", "https://wiki/errors")
    assert state.text_to_copy() == "https://wiki/errors"
    state.go_column(STEPS)
    assert state.text_to_copy() is None


def test_runs_of_others_are_those_of_the_incident_and_the_one_that_is_shown(tmp_path: Path) -> None:
    log = run(tmp_path, looked(tmp_path))
    state = made(log)
    assert state.runs_of_others() == [], "we act in it"
    assert log.reducer is not None
    log.reducer.take([ClientActs(at=NOW, client=RunClient(name="bob@web-2", pid=1, started=1, boot="another"))])
    assert state.runs_of_others() == [log]
    state.move(1)
    assert state.runs_of_others() == [], "neither shown nor of an open incident"
    state.timeline.view = open_incident()
    assert state.runs_of_others() == [log]


def test_the_page_of_the_incident_leads_to_its_run_else_to_the_runbook_of_its_own_alert(tmp_path: Path) -> None:
    alerts, other = some(), RULES[1].name
    slow = parse(
        f"---\nlilfox: {{version: 1, id: slow, title: Slow, on_alert: [{other}]}}\n---\n\n"
        "1. Look\n\n   ```bash\n   uptime\n   ```\n".encode(),
        "/srv/runbooks/slow.md",
    )
    log = run(tmp_path, looked(tmp_path))
    state = RunbookState({log.job_id: log}, lambda: replace(mixed(), alerts=Ready(alerts)))
    state.take_runbooks(RunbooksView((*documents(), slow), ()))
    assert {WEB, "Slow"} <= {each.title for each in state.items if each.alert}, "both alerts fire"

    def left() -> tuple[str, int]:
        state.column = LIST
        state.open_page()
        state.leave_page()
        return chosen(state), state.column

    state.timeline.view = open_incident()
    assert left() == (WEB, STEPS)
    state.timeline.view = about(other)
    assert left() == ("Slow", STEPS), "not the runbook of the worse alert"
    state.timeline.view = about("Another")
    assert left() == ("Slow", LIST), "back to what was shown: none is for it"
    state.take_runbooks(RunbooksView((*documents(), slow), (job(),)))
    assert left() == (WEB, STEPS), "the run of the incident waits"


def about(name: str) -> IncidentView:
    """INC-7, opened for that alert."""
    seen = open_incident()
    entries = tuple(
        replace(each, what=replace(each.what, name=name)) if isinstance(each.what, AlertChanged) else each
        for each in seen.entries
    )
    return replace(seen, entries=entries)


def test_the_local_copy_of_an_alerts_page_is_selected() -> None:
    page = parse(b"# Another title\n\n```bash\nuptime\n```\n", "/srv/runbooks/etcd/Down.md")
    state = made(runbooks=RunbooksView((*documents(), page), ()))

    state.look_for(Cause("NobodyNamesIt", {}, "SEV-2", "https://wiki.example/runbooks/etcd/down"))
    assert (chosen(state), state.column) == ("Another title", STEPS)
    state.look_for(Cause("NobodyNamesIt", {}, "SEV-2", "https://wiki.example/runbooks/etcd/other"))
    assert state.column == LIST
