"""The rules of the restore wizard without a screen: what leads to the next page, and what may begin."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.app.panes.backup.restore_checks import check_rows, outlook_rows, what_is_restored
from lilfox_tui.app.panes.backup.restore_pages import PageStyle, confirm_rows, page_rows
from lilfox_tui.app.panes.backup.restore_state import (
    CHECKS,
    CONFIRM,
    NOTHING,
    RESULT,
    RUN,
    WHAT,
    WHERE,
    Looked,
    RestoreChoice,
    RestoreState,
    take_end,
)
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.app.rows.jobs import JobLog
from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.plan import BackupRequest
from lilfox_tui.backup.source import RestoreChange
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.jobs.model import Began, Ended, MessageLogged, Progress, ProgressMade
from tests.app.backups_made import nights, plan


def chosen(*, planless: bool = False) -> RestoreState:
    sets = nights(1)
    view = plan("lilfox", sets, config=None) if planless else plan("lilfox", sets)
    return RestoreState(RestoreChoice.of(sets[0], view, BackupRequest(plan="lilfox", store="disk", set=sets[0].id)))


def test_the_first_page_tells_a_broken_set_from_a_tested_one() -> None:
    choice = chosen().choice
    told = {}
    for status in ("restored", "partial", "broken"):
        choice.status = status
        told[status] = [(piece.text, piece.role) for piece in what_is_restored(choice, UTC)][1]
    assert told["restored"] == ("restore-tested", "good")
    assert told["partial"][1] == "degraded"
    assert told["broken"][1] == "failing"


def look(state: RestoreState, *checks: Check, error: LilFoxError | None = None, checked: bool = True) -> None:
    names = {"database": "lilfox", "uploads": "uploads"}
    state.looked = Looked(state.choice.request(), names=names, checks=list(checks), checked=checked, error=error)


GOOD, BAD = Check("room", "good", "80G"), Check("room", "bad", "1G")


def test_nothing_chosen_leads_nowhere() -> None:
    state = chosen()
    assert state.why_no_next() is None
    for name in ("database", "uploads"):
        state.choice.toggle("source", name)
    assert "nothing chosen" in str(state.why_no_next())
    state.choice.toggle("whole")
    assert state.why_no_next() is None
    assert state.choice.whole


def test_without_a_plan_each_source_needs_a_place() -> None:
    state = chosen(planless=True)
    state.open(WHERE)
    assert "no plan defines its target" in str(state.why_no_next())
    for name, place in (("database", "postgresql:///lilfox"), ("uploads", "uploads")):
        state.choice.source(name).place = place
    assert "not an absolute path" in str(state.why_no_next())
    state.choice.source("uploads").place = "/srv/uploads"
    assert state.why_no_next() is None


@pytest.mark.parametrize(
    ("checks", "checked", "error", "why"),
    [
        ([], False, None, "still checking"),
        ([GOOD], True, None, ""),
        ([GOOD, BAD], True, None, "blocked by the failed checks"),
        ([BAD], False, None, "still checking"),
        ([], False, LilFoxError("gone"), "blocked by the failed checks"),
    ],
)
def test_what_the_checks_say_opens_the_next_page(
    checks: list[Check], checked: bool, error: LilFoxError | None, why: str
) -> None:
    state = chosen()
    state.open(CHECKS)
    look(state, *checks, checked=checked, error=error)
    assert (why in str(state.why_no_next())) if why else state.why_no_next() is None
    assert state.is_ready is (why == "")
    assert state.is_blocked is why.startswith("blocked")


def test_it_begins_once_with_the_right_word_about_what_was_looked_at() -> None:
    state = chosen()
    assert not state.may_run(state.word), "nobody looked"
    look(state, GOOD)
    assert state.word == "lilfox", "of the database, which is replaced, before the folder"
    assert state.may_run("lilfox")
    assert not state.may_run("uploads")
    state.choice.toggle("end-sessions")
    assert not state.may_run("lilfox"), "something else is wanted now"
    look(state, GOOD)
    state.starting = True
    assert not state.may_run("lilfox")
    state.choice.toggle("source", "database")
    look(state, GOOD)
    assert state.word == "uploads"


def test_tables_are_read_back_unless_the_operator_says_otherwise() -> None:
    state = chosen()

    def seen() -> tuple[bool, bool, bool]:
        spec = state.choice.spec
        return spec.read_back, state.choice.allows("no-read-back"), spec.run_code

    before = seen()
    state.choice.toggle("no-read-back")
    assert (before, seen()) == ((True, False, False), (False, True, False))
    state.choice.toggle("no-read-back")
    assert seen() == before


def test_the_checks_are_read_before_something_is_allowed() -> None:
    state = chosen()
    state.open(CHECKS)
    assert state.at == NOTHING
    assert not state.move(1, 3, more_below=True)
    assert state.move(1, 3, more_below=False)
    assert (state.at, state.moved) == (0, True)
    assert state.move(9, 3, more_below=False)
    assert state.at == 2
    assert state.move(-2, 3, more_below=False)
    assert not state.move(-1, 3, more_below=False), "above it are the checks"
    assert (state.at, state.moved) == (0, False), "it stays highlighted, but need not stay in sight"
    state.open(CONFIRM)
    assert not state.move(1, 0, more_below=True), "there is nothing to move to"


def test_what_allows_the_failed_check_is_highlighted_and_confirmed() -> None:
    options = ("other-server", "end-sessions", "run-code")
    state = chosen()
    state.open(CHECKS)
    look(state, GOOD)
    assert state.looked is not None
    state.looked.checked = False
    state.highlight_what_allows(options)
    assert state.at == NOTHING, "a check may fail yet"
    look(state, GOOD, Check("room", "bad", "full"), Check("sessions", "bad", "in use", "", "end-sessions"))
    state.highlight_what_allows(options)
    assert state.at == 1
    assert not state.move(1, 3, more_below=True), "the rest of the checks is read first"
    assert not state.take_choice(), "a key too many allows nothing"
    assert state.take_choice()
    assert state.move(-1, 3, more_below=False)
    state.highlight_what_allows(options)
    assert state.at == 0


def test_an_option_is_highlighted_where_no_check_failed() -> None:
    state = chosen()
    state.open(CHECKS)
    look(state, GOOD)
    state.highlight_what_allows(("other-server", "end-sessions"))
    assert state.at == 0
    assert not state.take_choice(), "a key too many allows nothing"
    state.open(CHECKS)
    state.highlight_what_allows(())
    assert state.at == NOTHING, "there is none"


def test_the_result_follows_the_end_of_the_job() -> None:
    state = chosen()
    assert state.step == WHAT
    state.open(RUN)
    state.log = JobLog("1")
    assert not take_end(state)
    state.log.take([Ended(datetime(2026, 3, 29, tzinfo=UTC), "ok", "restored", "", 0, {})])
    assert take_end(state)
    assert state.step == RESULT
    assert not take_end(state)


def test_a_look_is_wanted_once_for_what_is_chosen() -> None:
    state = chosen()
    wanted = [state.wants_look]
    state.open(CHECKS)
    wanted.append(state.wants_look)
    look(state, GOOD)
    wanted.append(state.wants_look)
    state.choice.keep_only("database", "public.users")
    wanted.append(state.wants_look)
    assert wanted == [False, True, False, True]


def test_that_nothing_differs_is_told_first() -> None:
    state = chosen()
    look(state, GOOD)
    assert state.looked is not None
    state.looked.changes = {"database": [], "uploads": []}
    told = ["".join(piece.text for piece in row) for row in confirm_rows(state.choice, state.looked, UNICODE)]
    assert "no differences from the backup were found" in told[0]
    state.looked.changes = {"database": [RestoreChange("public.users", "1190", "1204")], "uploads": []}
    told = ["".join(piece.text for piece in row) for row in confirm_rows(state.choice, state.looked, UNICODE)]
    assert "no data newer than the backup was found" in told[0]
    assert " uploads  no differences found" in told[-1]


def texts_of(rows: Iterable[Row]) -> list[str]:
    return ["".join(piece.text for piece in row).rstrip() for row in rows]


def test_what_the_restore_will_do_is_told_on_the_first_page() -> None:
    state = chosen()
    state.choice.tested_s = state.choice.rto_s = None
    assert any("no set is restore-tested" in text for text in texts_of(outlook_rows(state, UNICODE)))
    state.choice.rto_s = 42.0
    look(state, GOOD, GOOD)
    assert state.looked is not None
    state.looked.where = {"database": "database lilfox on localhost"}
    lost = RestoreChange("public.orders", "88300", "88210", lost_rows=90)
    state.looked.changes = {"database": [lost], "uploads": []}
    text = "\n".join(texts_of(outlook_rows(state, UNICODE)))
    assert "replaces    database: database lilfox on localhost" in text
    assert "42 s  in the last restore test of the plan, of another set" in text
    assert "leaves out  ✖ at least 90 rows newer than the backup will be only in the retained data" in text
    assert "checks      ● all 2 checks passed" in text
    state.looked.checks += [Check("sessions", "bad", "long", "", "end-sessions", "3 sessions use it"), BAD]
    text = "\n".join(texts_of(outlook_rows(state, UNICODE)))
    assert "✖ blocked: sessions: 3 sessions use it  and 1 more" in text
    assert "at least 90 rows" in text, "also of a restore that is blocked"
    state.choice.toggle("source", "database")
    text = "\n".join(texts_of(outlook_rows(state, UNICODE)))
    assert "90 rows" not in text, "that was found for another choice"
    assert "not made for this choice yet" in text


def test_what_could_not_be_counted_is_not_told_as_no_loss() -> None:
    state = chosen()
    look(state, BAD)
    assert state.looked is not None
    state.looked.uncounted = LilFoxError("the server is down")
    text = "\n".join(texts_of(outlook_rows(state, UNICODE)))
    assert "not known what only the retained data will have: the server is down" in text


def test_the_highlight_stays_on_its_option_where_others_come() -> None:
    state = chosen()
    state.open(CHECKS)
    state.keep_highlight(["end-sessions"])
    state.at, state.moved = 0, True
    state.keep_highlight(["other-server", "end-sessions"])
    assert (state.at, state.moved) == (1, True)
    state.keep_highlight(["other-server"])
    assert (state.at, state.moved) == (NOTHING, False), "it is not another one that the next space allows"


def test_the_time_of_a_job_is_that_between_its_first_and_its_last_event() -> None:
    at = datetime(2026, 3, 29, 3, 12, tzinfo=UTC)
    log = JobLog("20260329-031200-00ff")
    log.take([Began(at, 4711, 1, "b", "web-1", "root")])
    told = [log.took_s]
    log.take([Ended(at + timedelta(seconds=42), "ok", "done", "", 0)])
    told.append(log.took_s)
    log.events.popleft()
    told.append(log.took_s)
    assert told == [None, 42.0, None], "nothing is told of a job that runs, or whose begin is not known any more"


def test_the_progress_of_a_run_is_told_first_and_then_what_the_job_said_last() -> None:
    at = datetime(2026, 3, 29, 3, 12, tzinfo=UTC)
    state = chosen()
    state.open(RUN)
    state.log = JobLog("1")
    style = PageStyle(100, 12, UNICODE, UTC)
    state.log.take([MessageLogged(at, f"line {number}") for number in range(40)])
    assert "line 39" in texts_of(page_rows(state, style))[-1]
    state.log.take([ProgressMade(at, Progress("database", 50, 100)), ProgressMade(at, Progress("uploads", 1, 100))])
    rows = texts_of(page_rows(state, style))
    assert [row.split()[0] for row in rows[:2]] == ["database", "uploads"]
    assert "50%" in rows[0]
    assert not rows[2]
    assert "line 39" in rows[-1]
    assert len(rows) < style.height


def test_what_changes_says_which_side_is_now() -> None:
    state = chosen()
    look(state, GOOD)
    assert state.looked is not None
    state.looked.changes = {"database": [RestoreChange("public.users", "1190", "1204")], "uploads": []}
    told = texts_of(confirm_rows(state.choice, state.looked, UNICODE))
    assert " database  1 change  now → after the restore" in told
    assert " uploads  no differences found" in told
    state.looked.counted_at = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
    told = texts_of(confirm_rows(state.choice, state.looked, UNICODE))
    assert " database  1 change  as of 03:12:44 → after the restore" in told, "nobody looks again"


def test_the_checks_say_when_they_were_made() -> None:
    """How long a session has been idle, for one, was true then."""
    state = chosen()
    look(state, BAD)
    assert state.looked is not None
    state.looked.checked_at = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
    assert texts_of(check_rows(state.looked, 80, UNICODE))[0].endswith("Nothing was written.  as of 03:12:44")
    state.looked.checked = False
    assert texts_of(check_rows(state.looked, 80, UNICODE))[0].strip() == "○ checking …", "more are made"
    state.looked.error = LilFoxError(tr("the server is gone"), tr("look at it"))
    told = texts_of(check_rows(state.looked, 80, UNICODE))
    assert told[0].endswith("the server is gone  as of 03:12:44")
    assert told[1].strip() == "look at it"


def test_the_result_says_from_when_the_data_is() -> None:
    state = chosen()
    state.open(RUN)
    style, at = PageStyle(100, 12, UNICODE, UTC), datetime(2026, 3, 29, 3, 12, tzinfo=UTC)
    for outcome in ("ok", "failed"):
        state.log = JobLog("1")
        state.log.take([Ended(at, outcome, "told", "", 0, {})])
        state.step = RESULT
        told = "   The restored data is that of 2026-03-29 02:00:00 UTC." in texts_of(page_rows(state, style))
        assert told == (outcome == "ok")


def test_the_last_question_says_what_has_been_proven_of_the_set() -> None:
    state = chosen()
    look(state, GOOD)
    state.open(CONFIRM)
    for width, is_told in ((78, True), (38, False)):
        first, *_more = texts_of(page_rows(state, PageStyle(width, 20, UNICODE, UTC)))
        assert first.startswith(" Restore now?")
        assert ("restore-tested  2.1G  started 2026-03-29 02:00:00 UTC" in first) == is_told
        assert len(first) <= width
