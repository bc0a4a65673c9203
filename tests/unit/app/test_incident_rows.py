"""The timeline of an incident as lines: a command is one, by its title; and an entry in full."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alerts, AlertState, Silence, SilenceMatcher
from lilfox_tui.app.actions import actions_of
from lilfox_tui.app.navigation import RUNBOOK, TABS
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Piece, Row, safe
from lilfox_tui.app.rows.incidents import (
    Situation,
    authors_width,
    change_line,
    code_line,
    fact_rows,
    incident_note,
    item_lines,
    item_row,
    item_rows,
    next_steps,
    silence_line,
    wrapped_facts,
    wrong_rows,
)
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import cell_width, lasted_text
from lilfox_tui.incident.model import (
    AlertChanged,
    IncidentOpened,
    JobBegan,
    JobEnded,
    Noted,
    Noticed,
    Reverted,
    StepBegan,
    StepEnded,
    TimelineEntry,
    What,
)
from lilfox_tui.incident.reducer import Impact, TimelineItem, after_detection, event_text, fold, timeline_items
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.raised_levels import raised
from tests.app.alerts_made import RULES, alert
from tests.app.backups_made import broken
from tests.app.overviews import NOW, fleet, mixed
from tests.app.runs_made import SCRIPT, long_incident, open_incident
from tests.app.test_backup_warnings import interrupted_restores


def items() -> tuple[TimelineItem, ...]:
    return timeline_items(long_incident().entries)


def said(row: Row) -> str:
    return "".join(piece.text for piece in row)


def of_command(run: str) -> TimelineItem:
    return next(each for each in items() if isinstance(each.first.what, StepBegan) and each.first.what.run == run)


def test_a_command_its_end_and_its_change_are_one_line() -> None:
    assert len(items()) == len(long_incident().entries) - 4, "two of r1, one of r2, one of the job"
    assert [entry.number for entry in of_command("r1").entries] == [4, 5, 6]
    assert sorted(entry.number for each in items() for entry in each.entries) == list(range(1, 17)), "none is lost"


@pytest.mark.parametrize("width", [40, 60, 78, 118, 198])
def test_a_line_names_the_title_and_never_the_interpreter(width: int) -> None:
    row = item_row(of_command("r2"), width, authors_width(items(), width), UNICODE)
    text = said(row)
    assert "#!" not in text
    assert "1. Drain" in text
    assert cell_width(text) <= width
    if width >= 78:
        assert "failed" in text
    if width >= 118:
        assert "failed, 10 s, exit status 7" in text
        assert "curl -fsS" in text


def test_what_was_noticed_stands_at_the_time_that_the_home_screen_tells() -> None:
    """A second or two pass until it is written down."""
    since = NOW - timedelta(seconds=2)
    what = Noticed(subject="service/web", kind="level", level="failing", text="failing: HTTP 502", since=since)
    item = timeline_items([replace(long_incident().entries[0], at=NOW, what=what)])[0]
    assert said(item_row(item, 80, 0, UNICODE)).startswith(f" {since:%H:%M:%S}  ")
    assert f"recorded {NOW:%H:%M:%S} by" in said(item_rows(item, UNICODE)[0])


@pytest.mark.parametrize(
    ("severity", "state", "role"),
    [("info", "firing", "accent"), ("warning", "firing", "degraded"), ("critical", "firing", "failing"),
     (None, "firing", "failing"), ("critical", "resolved", "good")],
)  # fmt: skip
def test_an_alert_has_the_colour_of_its_severity(
    severity: str | None, state: Literal["firing", "resolved"], role: str
) -> None:
    labels = {} if severity is None else {"severity": severity}
    what = AlertChanged(name="HighCPUUsage", labels=labels, state=state, since=NOW)
    item = timeline_items([replace(long_incident().entries[0], at=NOW, what=what)])[0]
    assert {piece.role for piece in item_row(item, 80, 0, UNICODE)[1:]} == {role}
    assert item_rows(item, UNICODE)[-1][-1].role == role


def test_a_change_in_force_is_told_until_it_is_reverted() -> None:
    item = of_command("r1")
    assert said(item_row(item, 118, 3, UNICODE, {"r1"})).endswith("done, 1 min, in force")
    assert said(item_row(item, 118, 3, UNICODE)).endswith("done, 1 min, changed")


def entry(number: int, after_s: float, what: What) -> TimelineEntry:
    """One of a timeline that begins now."""
    at = NOW + timedelta(seconds=after_s)
    return TimelineEntry(number=number, at=at, by="ann@web-1", previous="0" * 64, what=what)


def command(run: str, title: str = "Look") -> StepBegan:
    return StepBegan(runbook="Web", sha256="0" * 64, step=1, title=title, command="uptime", host="web-1", run=run)


def lines(entries: Sequence[TimelineEntry]) -> list[str]:
    found = timeline_items(entries)
    assert [each.at for each in found] == sorted(each.at for each in found), "in the order of time"
    kept = sorted(entry.number for each in found for entry in each.entries)
    assert kept == sorted(each.number for each in entries), "each entry once"
    assert len({each.number for each in found}) == len(found)
    return [said(item_row(each, 118, 0, UNICODE)).strip() for each in found]


def test_a_line_says_what_was_true_at_its_time() -> None:
    """A run says that it started where it did, and how it ended where that was, below what came between."""
    job = JobBegan(job="j9", kind="runbook", title="Restart the web service")
    begun = [entry(1, 0, job), entry(2, 5, command("r1"))]
    assert lines(begun) == [
        "03:12:44  ↻ Restart the web service  starts",
        "03:12:49  ↻ web-1  1. Look  uptime  starts",
    ]
    ended = [
        *begun,
        entry(3, 7, StepEnded(run="r1", state="done", message="", took_s=2.0)),
        entry(4, 30, JobEnded(job="j9", kind="runbook", state="ok", message="")),
    ]
    assert lines(ended) == [
        "03:12:44  ↻ Restart the web service  starts",
        "03:12:51  ✔ web-1  1. Look  uptime  done, 2 s",
        "03:13:14  ✔ Restart the web service  ok, 30 s",
    ]
    told = JobEnded(job="j9", kind="runbook", state="ok", message="", took_s=29.4)
    assert lines([*ended[:-1], entry(4, 30, told)])[-1].endswith("  ok, 29 s"), "as its own events say"


def test_a_command_is_one_line_unless_something_happened_while_it_ran() -> None:
    ended = StepEnded(run="r1", state="done", message="", took_s=60.0)
    alone = [entry(1, 0, command("r1")), entry(2, 30, command("r2", "Beside it")), entry(3, 60, ended)]
    assert lines(alone)[-1] == "03:13:44  ✔ web-1  1. Look  uptime  done, 1 min"
    assert len(lines(alone)) == 2
    noted = [*alone, entry(4, 61, Noted(text="later")), entry(5, 62, Noted(text="later still"))]
    assert len(lines(noted)) == 4
    what = Noticed(subject="service/web", kind="level", level="good", text="good again", since=NOW + timedelta(0, 40))
    assert lines([*alone, entry(4, 70, what)]) == [
        "03:12:44  ↻ web-1  1. Look  uptime  starts",
        "03:13:14  ↻ web-1  1. Beside it  uptime  starts",
        "03:13:24  ● web: good again",
        "03:13:44  ✔ web-1  1. Look  uptime  done, 1 min",
    ]
    text = "\n".join(map(said, item_rows(timeline_items([*alone, entry(4, 70, what)])[-1], UNICODE)))
    assert "uptime" in text, "the end tells the command in full, too"
    assert "done" in text


def test_an_end_that_became_known_later_is_a_line_of_its_own() -> None:
    first = entry(2, 60, StepEnded(run="r1", state="unknown", message="the connection was lost"))
    last = entry(3, 300, StepEnded(run="r1", state="done", message="", took_s=120.0))
    assert lines([entry(1, 0, command("r1")), first, last]) == [
        "03:13:44  ✖ web-1  1. Look  uptime  unknown, 1 min",
        "03:17:44  ✔ web-1  1. Look  uptime  done, 2 min",
    ]


def test_what_runs_has_a_shape_of_its_own_in_ascii_too() -> None:
    rows = [safe(said(item_row(each, 118, 3, ASCII)), ascii_only=True) for each in items()]
    assert all(row.isascii() for row in rows)
    assert any(" @ gw-1  2. Roll back" in row for row in rows)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (SCRIPT, "curl -fsS -X POST http://127.0.0.1:8080/drain"),
        ("df -h", "df -h"),
        ("#!/bin/sh", "#!/bin/sh"),
        ("\n\n# only words\n", "# only words"),
        ("", ""),
    ],
)
def test_the_first_line_of_a_command_that_does_something(command: str, line: str) -> None:
    assert code_line(command) == line


def test_a_change_by_a_script_is_told_without_its_interpreter() -> None:
    assert change_line(f"gw-1: {SCRIPT}") == "gw-1: curl -fsS -X POST http://127.0.0.1:8080/drain"
    assert change_line("unit nginx.service is stopped on web-1") == "unit nginx.service is stopped on web-1"


def test_an_entry_has_the_whole_command_its_end_and_its_output() -> None:
    text = "\n".join(map(said, item_rows(of_command("r2"), UNICODE)))
    for told in (
        *SCRIPT.strip().split("\n"),
        "exit status 7",
        "Address already in use",
        "evidence: r2.txt",
        "ann@web-1",
    ):
        assert told in text


def test_the_facts_are_age_roles_moments_changes_and_evidence() -> None:
    seen = long_incident()
    assert seen.incident is not None
    text = "\n".join(map(said, fact_rows(seen.incident, seen.entries, NOW)))
    for told in ("open for 12 min", "lead ann", "communication bob",
                 "detected 02:59:44  acknowledged 03:01:44 (+2 min)", "1 file, ", "r2.txt",
                 "to undo it: systemctl stop nginx", "gw-1: kubectl rollout undo",
                 "firing for 13 min, since 02:59:44"):  # fmt: skip
        assert told in text


def test_what_can_no_longer_be_undone_is_not_called_undone() -> None:
    seen = long_incident()
    last = seen.entries[-1]
    gone = replace(last, number=99, what=Reverted(change="restore j1", text="the old data was deleted", stays=True))
    back = replace(last, number=99, what=Reverted(change="restore j1", text="restore of s"))
    for entry, told, counted in ((gone, "the old data was deleted", 0), (back, "undone: restore of s", 1)):
        entries = (*seen.entries[:3], entry)
        assert event_text(entry.what) == told
        rows = map(said, fact_rows(fold(entries, Path("/state/INC-7")), entries, NOW))
        assert sum(row.strip().startswith("undone") for row in rows) == counted


def test_what_is_next_follows_from_what_is_unknown_what_fires_and_what_is_in_force() -> None:
    seen = long_incident()
    assert seen.incident is not None
    told = next_steps(seen.incident, seen.entries, NOW)
    assert told == [
        "find out how the commands without a result ended",
        "the alert still fires: run a runbook (4), or add what you know (i)",
    ]
    fired = seen.entries[1]
    over = replace(fired, number=99, at=NOW, what=replace(fired.what, state="resolved", since=NOW))
    entries = (*seen.entries[:6], over)  # the change is in force, nobody acknowledged
    assert next_steps(fold(entries, Path("/state/INC-7")), entries, NOW) == [
        "the alert is over: decide whether the change stays in force, then close it (X)"
    ], "it is too late to acknowledge it"
    entries = (*seen.entries[:3], over)
    assert next_steps(fold(entries, Path("/state/INC-7")), entries, NOW)[0] == (
        "the alert is over and no change is in force: close the incident (X)"
    )
    closed = replace(seen.incident, closed=NOW)
    assert next_steps(closed, seen.entries, NOW) == ["export it for the review (:export)"]
    assert "open for 12 min, since 03:00:13 UTC" in "\n".join(map(said, fact_rows(seen.incident, seen.entries, NOW)))
    tomorrow = NOW + timedelta(days=1)
    assert "since 2026-03-29 03:00:13 UTC" in "\n".join(map(said, fact_rows(seen.incident, seen.entries, tomorrow)))
    assert "closed after 12 min" in "\n".join(map(said, fact_rows(closed, seen.entries, NOW)))
    assert next_steps(fold(seen.entries[:1], Path("/x")), seen.entries[:1], NOW) == ["acknowledge it (A)"]


def test_closing_is_not_proposed_while_something_of_it_is_bad() -> None:
    """The alert is over a while before the service is good again."""
    seen = long_incident()
    fired = seen.entries[1]
    assert isinstance(fired.what, AlertChanged)
    resolved = replace(fired.what, state="resolved", since=NOW)
    over = replace(fired, number=99, at=NOW, what=resolved)
    entries = (*seen.entries[:3], over)

    def steps(entries: Sequence[TimelineEntry], beside: Situation | None = None) -> list[str]:
        return next_steps(fold(entries, Path("/state/INC-7")), entries, NOW, beside)

    assert steps(entries) == ["the alert is over and no change is in force: close the incident (X)"]
    gone = replace(over, what=replace(resolved, state="no data"))
    told = "the alert has no data any more: check what it is about before you close the incident (X)"
    assert steps((*entries[:3], gone))[0] == told, "nothing proves that it is over"
    waits = "the alert is over, but web is not good yet: wait, or run a runbook (4)"
    assert steps(entries, Situation(bad={"web", "db-1"}))[0] == waits, "of what it is not about nothing is said"
    bad = Noticed(subject="service/web", kind="level", level="degraded", text="5xx 43%", since=NOW)
    assert steps((*entries, replace(over, number=100, what=bad)))[0] == waits
    other = replace(bad, subject="service/gateway", level="failing")
    both = (*entries, replace(over, number=100, what=bad), replace(over, number=101, what=other))
    assert steps(both)[0].startswith("the alert is over, but web, gateway are not good yet: ")
    assert not any("(X)" in each for each in steps(both))
    only_other = (*entries, replace(over, number=100, what=other))
    look = "gateway is not good: look at it before you close the incident (X)"
    assert steps(only_other)[0] == look, "what it was opened for is over"
    live = Situation(bad={"web"}, waits=["Restart waits for you"])
    assert steps(entries, live)[0] == "Restart waits for you"
    assert not any("(X)" in each for each in steps(entries, live))


def test_without_an_alert_it_is_closed_once_all_is_good_again() -> None:
    opened = replace(long_incident().entries[0], what=IncidentOpened(title="web is down", severity="SEV-2"))
    bad = Noticed(subject="service/web", kind="level", level="failing", text="503", since=opened.at)
    entries = [opened, replace(opened, number=2, what=bad)]
    assert next_steps(fold(entries, Path("/x")), entries, NOW) == [
        "web is not good yet: run a runbook (4), or add what you know (i)",
        "acknowledge it (A)",
    ]
    entries[0] = replace(opened, what=IncidentOpened(title="Slow: web", severity="SEV-2", cause="Slow: web"))
    full = AlertChanged(name="Full", labels={"host": "web"}, state="firing", since=NOW)
    other = [*entries, replace(opened, number=3, what=full)]
    assert next_steps(fold(other, Path("/x")), other, NOW)[0].startswith("web is not good yet"), "its own never fired"
    entries[0] = opened
    entries.append(replace(opened, number=3, at=NOW, what=replace(bad, level="good", since=NOW)))
    assert next_steps(fold(entries, Path("/x")), entries, NOW) == [
        "all is good again and no change is in force: close the incident (X)"
    ]


def test_what_a_run_waits_for_is_next_and_no_other_runbook_is_offered() -> None:
    seen = long_incident()
    assert seen.incident is not None
    waits = Situation(
        waits=["Restart: step 3 makes a change and waits for confirmation (4 goes there)"], runbook="Other"
    )
    assert next_steps(seen.incident, seen.entries, NOW, waits) == list(waits.waits)
    offered = next_steps(seen.incident, seen.entries, NOW, Situation(runbook="Restart"))
    assert offered[-1] == "the alert still fires: run its runbook, Restart (4, then enter)"


def test_each_action_that_a_next_step_names_exists() -> None:
    """``:name`` is how the help and the key table name what has no key; a letter is a key of the pane."""
    seen = long_incident()
    assert seen.incident is not None
    over = replace(seen.entries[1], number=99, at=NOW, what=replace(seen.entries[1].what, state="resolved", since=NOW))
    entries = (*seen.entries[:6], over)
    cases = [(replace(seen.incident, closed=NOW), seen.entries), (fold(entries, Path("/state/INC-7")), entries)]
    cases.append((fold(seen.entries[:2], Path("/state/INC-7")), seen.entries[:2]))
    text = " ".join(each for case in cases for each in next_steps(*case, NOW))
    named = set(re.findall(r"\(:([a-z-]+)\)", text))
    assert named == {"export"}
    assert named <= set(TABS[RUNBOOK].own)
    keys = {key: each.id for each in actions_of(TABS[RUNBOOK].load()) for key in each.keys}
    letters = set(re.findall(r"\(([A-Za-z])\)", text))
    assert {keys[letter] for letter in letters} == {"end-run", "acknowledge", "note"}


def test_what_does_not_fit_in_a_fact_goes_on_below_its_own_text() -> None:
    seen = long_incident()
    assert seen.incident is not None
    beside = Situation(wrong=[(Piece("x ", "failing"), Piece("web  ", "strong"), Piece("answers 503 " * 9, "failing"))])
    facts = fact_rows(seen.incident, seen.entries, NOW, beside)
    rows = wrapped_facts(facts, 60)
    assert all(cell_width(said(row)) <= 60 for row in rows)
    assert said(rows[0]).startswith(" wrong now  x web  answers 503")
    assert said(rows[1]).startswith(" " * 14 + "answers 503") or said(rows[1]).startswith(" " * 14 + "503")
    assert {piece.role for piece in rows[1][1:]} == {"failing"}, "each part keeps its colour"
    assert "".join(map(said, rows)).count("503") == 9


def test_a_silence_tells_its_end_with_the_date_unless_that_is_today() -> None:
    tonight = Silence("a", (SilenceMatcher("job", "web"),), NOW, NOW + timedelta(hours=2), "ann@web-1")
    assert silence_line(tonight, NOW) == 'silence job="web", until 05:12:44 UTC, by ann@web-1'
    later = replace(tonight, ends_at=NOW + timedelta(days=2))
    assert "until 2026-03-31 03:12:44 UTC" in silence_line(later, NOW + timedelta(hours=2))
    assert "until it resolves, by ann@web-1" in silence_line(replace(later, until_resolved=True), NOW)


def test_what_is_wrong_now_is_what_the_header_counts() -> None:
    """A backup plan is counted there, and so is a restore that was interrupted."""
    for overview in (fleet(3), replace(fleet(3), backups=broken()), replace(mixed(), backups=interrupted_restores())):
        rows = wrong_rows(overview, UNICODE, most=99)
        signs = Counter(row[0].text.strip() for row in rows)
        assert signs[UNICODE.failing] == overview.count(Level.FAILING)
        assert signs[UNICODE.degraded] == overview.count(Level.DEGRADED)
    assert "nothing fails" not in said(wrong_rows(replace(fleet(3), backups=broken()), UNICODE)[0])


def test_what_is_wrong_now_comes_first_with_its_reasons_and_alerts() -> None:
    rows = [said(row) for row in wrong_rows(mixed(), UNICODE)]
    failing = [each.name for each in mixed().views if each.level is Level.FAILING]
    assert rows[0].startswith(f"✖ {failing[0]}  ")
    assert len(rows) <= 4
    assert said(wrong_rows(mixed(), UNICODE, failing[-1])[0]).startswith(f"✖ {failing[-1]}  "), "what it was opened for"
    assert said(wrong_rows(mixed(), UNICODE, most=2)[-1]).endswith("; press 1")
    seen = long_incident()
    assert seen.incident is not None
    facts = fact_rows(seen.incident, seen.entries, NOW, Situation(wrong=[(Piece("web"),)], silences=["silence a"]))
    assert said(facts[0]) == " wrong now  web"
    assert any("silence a" in said(row) for row in facts)


@pytest.mark.parametrize("width", [60, 78, 118, 198])
def test_no_text_of_a_line_on_the_page_is_cut(width: int) -> None:
    by = authors_width(items(), width)
    for each in items():
        rows = item_lines(each, width, by, UNICODE)
        assert all(cell_width(said(row)) <= width for row in rows)
        text = "".join("".join(map(said, rows)).split())
        what = each.first.what
        told = code_line(what.command) if isinstance(what, StepBegan) else what.text if isinstance(what, Noted) else ""
        assert "".join(told.split()) in text
    long = replace(items()[0].first, what=Noted(text="\n".join(map(str, range(50)))))
    assert said(item_lines(TimelineItem((long,)), width, by, UNICODE)[-1]).strip() == "…"


def test_an_alert_stands_at_the_time_it_fired_before_the_opening() -> None:
    lines = [said(item_row(each, 118, 3, UNICODE)) for each in items()]
    assert lines[0] == " 02:59:44  ann  ▲ alert HighErrorRate firing  31% of all requests fail  web"
    assert "opened: HighErrorRate" in lines[1]
    times = [each.at for each in items()]
    assert times == sorted(times)
    entry = "\n".join(map(said, item_rows(items()[0], UNICODE)))
    assert "2026-03-29 02:59:44 UTC  recorded 03:03:33 by ann@web-1" in entry


def test_beside_the_title_stands_since_when_the_alert_has_been_firing() -> None:
    seen = long_incident()
    assert seen.incident is not None
    note = [piece.text for piece in incident_note(seen.incident, seen.entries, NOW)]
    assert note == ["open for 12 min", "1 change in force", "firing since 02:59:44", "lead ann"]
    fired = next(each for each in seen.entries if isinstance(each.what, AlertChanged))
    assert isinstance(fired.what, AlertChanged)
    over = replace(fired, number=17, what=replace(fired.what, state="resolved", since=NOW))
    assert not any("firing" in piece.text for piece in incident_note(seen.incident, (*seen.entries, over), NOW))


def test_a_command_has_the_duration_that_its_output_has() -> None:
    item = of_command("r1")
    began, ended, changed = item.entries
    assert isinstance(ended.what, StepEnded)
    told = TimelineItem((began, replace(ended, what=replace(ended.what, took_s=0.025)), changed))
    assert said(item_row(told, 118, 3, UNICODE)).endswith("done, 25 ms, changed")


def test_what_is_wrong_says_since_when_and_names_its_alert_once() -> None:
    firing = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": "critical"}, "31 % fail")
    seen = raised(replace(mixed(), alerts=Ready(Alerts(NOW, RULES, (firing,)), NOW)))
    row = next(said(row) for row in wrong_rows(seen, UNICODE) if "backend" in said(row))
    assert row.count(firing.name) == 1
    assert f" backend  since {seen.services['backend'].since:%H:%M:%S}" in row
    assert firing.fired_at is not None
    assert f"{firing.name} since {firing.fired_at:%H:%M:%S}" in row, "each has its own time"
    assert "answers 503" in row


def test_a_moment_is_as_long_after_the_detection_as_the_state_lasted() -> None:
    began = datetime(2026, 3, 28, 2, 59, 44, 300_000, tzinfo=UTC)
    for seconds, told in ((58.9, "58 s"), (59.9, "59 s"), (119.9, "1 min"), (0.25, "250 ms"), (7.6, "7 s")):
        found = Impact(began + timedelta(seconds=seconds), False)
        assert after_detection(found, Impact(began, False)) == told
        assert seconds < 1 or told == lasted_text(seconds), "the two stand beside each other"


def test_the_moments_that_are_still_to_come_are_told() -> None:
    seen = open_incident()
    assert seen.incident is not None
    told = [said(row) for row in fact_rows(seen.incident, seen.entries, NOW)]
    assert any("not yet: " in row and row.endswith("resolved") for row in told)


def test_what_has_no_line_of_what_is_wrong_is_named() -> None:
    whole = [said(row).split()[1] for row in wrong_rows(mixed(), UNICODE, most=99)]
    last = said(wrong_rows(mixed(), UNICODE, most=2)[-1])
    assert last == f"{len(whole) - 1} more: {', '.join(whole[1:4])}; press 1"
