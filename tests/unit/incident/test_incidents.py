from __future__ import annotations

import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from lilfox_tui.incident import incidents as book
from lilfox_tui.incident.export import verify
from lilfox_tui.incident.incidents import mark
from lilfox_tui.incident.model import (
    AlertChanged,
    Changed,
    Closed,
    EvidenceKept,
    Graded,
    IncidentError,
    JobBegan,
    JobEnded,
    Marked,
    MomentRefused,
    NoSuchIncident,
    Noted,
    Noticed,
    NotRecorded,
    Reverted,
    RoleAssigned,
    StepBegan,
    StepEnded,
    TookOver,
    What,
    find,
)
from lilfox_tui.incident.reducer import (
    alert_has_no_data,
    alert_is_over,
    begun_steps,
    event_text,
    firing_since,
    impact,
    names_about,
    still_bad,
    still_in_force,
)
from lilfox_tui.runbook.control import open_incident_for
from tests.unit.incident.made import AT, all_events
from tests.unit.runbook.made import runbook


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_an_incident_nothing_is_recorded_and_nothing_is_made(incidents: Path) -> None:
    assert book.current() is None
    assert not book.record(Noted(text="x"))
    assert not incidents.exists()


def test_every_event_comes_back_as_it_was_said(incidents: Path) -> None:
    made = book.open_incident("db down", "SEV-2", "HighErrorRate", "ann@bastion")
    said = all_events("an ordinary text, 普通文本")[1:]
    for what in said:
        book.append(made.id, what, by="bob@bastion")
    found = book.entries(made.id)
    assert [entry.what for entry in found[1:]] == said
    assert [entry.number for entry in found] == list(range(1, len(said) + 2))
    assert [entry.by for entry in found] == ["ann@bastion"] + ["bob@bastion"] * len(said)
    assert verify(made.id).problems[0].file == "evidence/kept"  # of the made event, which has no file


def test_it_is_on_the_disk_before_anything_depends_on_it(incidents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = book.open_incident("x")
    timeline, sizes = incidents / made.id / "timeline.jsonl", []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    book.append(made.id, Noted(text="y"))
    assert sizes == [timeline.stat().st_size]


def test_all_of_it_is_for_the_user_alone(incidents: Path) -> None:
    before = os.umask(0)
    try:
        made = book.open_incident("x")
        book.keep_evidence(made.id, "a.log", b"text", "")
    finally:
        os.umask(before)
    assert mode(incidents) == mode(incidents / "INC-1") == mode(incidents / "INC-1/evidence") == 0o700
    files = [path for path in (incidents / "INC-1").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"timeline.jsonl", "head", "a.log"}
    assert {mode(path) for path in files} == {0o600}


def test_a_group_may_read_the_systems_incidents_where_their_folder_lets_it(
    incidents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    place = tmp_path / "incidents"
    place.mkdir()
    place.chmod(0o2750)
    before = os.umask(0o077)
    try:
        made = book.open_incident("x")
        book.keep_evidence(made.id, "a.log", b"text", "")
    finally:
        os.umask(before)
    assert made.folder == str(place / "INC-1")
    assert mode(place / "INC-1") == mode(place / "INC-1/evidence") == 0o2750
    assert {mode(place / "INC-1" / name) for name in ("timeline.jsonl", "head", "evidence/a.log")} == {0o640}


def test_a_place_that_may_not_be_looked_into_has_no_incidents(incidents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "lstat", refuse)
        with pytest.raises(NoSuchIncident):
            find("INC-1")


def test_the_newest_open_one_is_the_current_one_unless_another_is_named(
    incidents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = book.open_incident("first"), book.open_incident("second")
    assert (first.id, second.id) == ("INC-1", "INC-2")
    assert book.record(Noted(text="to the second"))
    book.close(find("INC-2"), "over")
    assert (now := book.current()) is not None
    assert now.id == "INC-1"
    monkeypatch.setenv("LILFOX_INCIDENT", "INC-2")
    assert book.record(Noted(text="afterwards"))
    assert [type(entry.what).__name__ for entry in book.entries("INC-2")] == [
        "IncidentOpened",
        "Noted",
        "Closed",
        "Noted",
    ]
    monkeypatch.setenv("LILFOX_INCIDENT", "INC-9")
    with pytest.raises(NoSuchIncident, match="INC-9: no such incident"):
        book.record(Noted(text="lost?"))
    assert [each.id for each in book.list_incidents()] == ["INC-2", "INC-1"]
    assert [each.id for each in book.list_incidents(closed=False)] == ["INC-1"]


def test_numbers_go_on_over_both_places(incidents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book.open_incident("mine")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert book.open_incident("the system's").id == "INC-2"
    monkeypatch.delenv("STATE_DIRECTORY")
    assert book.open_incident("mine again").id == "INC-2"  # the other place is not seen from here now


def test_where_one_is_open_that_one_is_taken_when_told_so(incidents: Path) -> None:
    made = book.open_incident("x", unless_open=True)
    assert book.open_incident("y", unless_open=True).id == made.id
    book.close(find(made.id), "")
    assert book.open_incident("y", unless_open=True).id == "INC-2"


@pytest.mark.parametrize("name", ["INC-0", "INC-01", "INC-1\n", "inc-1", "../INC-1", "INC-١", "", "INC-1/../INC-1"])
def test_what_is_no_id_is_no_incident(incidents: Path, name: str) -> None:
    book.open_incident("x")
    with pytest.raises(NoSuchIncident):
        book.entries(name)


def test_once_is_once(incidents: Path) -> None:
    made = book.open_incident("x")
    first = book.append(made.id, Noted(text="a"), once='step "1"')
    book.append(made.id, AlertChanged(name="x", labels={"once": "step 2"}, state="firing", since=AT))
    book.append(made.id, Noted(text='"once":"step 2"'))
    assert book.append(made.id, Noted(text="b"), once='step "1"') == first
    assert book.append(made.id, Noted(text="c"), once="step 2").number == 5
    assert book.append(made.id, Noted(text="d"), once="step 2").number == 5, "behind a label that reads like it"
    assert len(book.entries(made.id)) == 5


def test_lines_of_any_length_are_gone_on_from_and_cut_off_ones_are_put_aside_whole(incidents: Path) -> None:
    made = book.open_incident("x")
    timeline = incidents / made.id / "timeline.jsonl"
    book.append(made.id, StepEnded(run="r", state="done", message="日" * 32_000, output="本" * 32_000))
    assert timeline.stat().st_size > 160 << 10
    assert book.append(made.id, Noted(text="behind it")).number == 3
    with timeline.open("ab") as file:
        file.write(b"x" * (160 << 10))
    assert book.append(made.id, Noted(text="goes on")).number == 5
    kept = book.entries(made.id)[3].what
    assert isinstance(kept, EvidenceKept)
    assert kept.size_bytes == 160 << 10
    assert verify(made.id).problems == ()


def test_syslog_hears_the_hash_when_it_opens_closes_and_changes_hands(
    incidents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that who can write the timeline cannot write all that tells of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.setblocking(False)
        monkeypatch.setattr("lilfox_tui.incident.timeline._SYSLOG", str(tmp_path / "log"))
        made = book.open_incident("x")
        folder, told = find(made.id), [verify(made.id)]
        book.append_in(folder, Noted(text="not of it"))
        book.take_over(folder, by="bob@b")
        told.append(verify(made.id))
        book.close(folder, "")
        told.append(verify(made.id))
        book.reopen(folder, "not over")
        told.append(verify(made.id))
        heard = [log.recv(4096).decode() for _each in range(4)]
        with pytest.raises(BlockingIOError):
            log.recv(4096)
    assert heard == [f"<86>lilfox: incident {folder}: entry {each.entries} sha256 {each.sha256}" for each in told]
    assert [each.entries for each in told] == [1, 3, 4, 5]


def test_who_takes_over_acts_and_who_did_before_is_known(incidents: Path) -> None:
    made = book.open_incident("x", by="ann@a")
    assert made.leader == "ann@a"
    entry = book.take_over(find(made.id), by="bob@b")
    assert entry.what == TookOver(before="ann@a")
    assert book.read_incident(find(made.id)).leader == "bob@b"
    last = book.append(made.id, TookOver(before="bob@b", who="carl@c pts/1"), by="monitor")
    after = book.read_incident(find(made.id))
    assert (after.leader, after.changed) == ("carl@c pts/1", last.at)


def test_closing_names_what_is_still_in_force(incidents: Path) -> None:
    made = book.open_incident("x")
    now = datetime.now(UTC)
    for what in (
        Changed(change="ban", text="banned", undo="unban"),
        Changed(change="port", text="switched"),
        Changed(change="short", text="for a second", ends=now - timedelta(seconds=1)),
        Changed(change="long", text="for an hour", ends=now + timedelta(hours=1)),
        Reverted(change="port", text="switched back"),
        Reverted(change="never", text="?"),
    ):
        book.append(made.id, what)
    folder = find(made.id)
    assert [each.text for each in still_in_force(book.read_incident(folder), now)] == ["banned", "for an hour"]
    assert book.close(folder, "done").what == Closed(summary="done", in_force=("banned", "for an hour"))
    with pytest.raises(IncidentError, match="is already closed"):
        book.close(folder, "again")
    assert book.reopen(folder, "not over").number == 9
    with pytest.raises(IncidentError, match="INC-1 is already open"):
        book.reopen(folder, "again")
    assert book.read_incident(folder).closed is None


def test_what_began_and_did_not_end_is_known(incidents: Path) -> None:
    made = book.open_incident("x", "SEV-4")
    step = StepBegan(runbook="r", sha256="0", step=1, title="t", command="c", host="h", run="1")
    for what in (
        JobBegan(job="a", kind="backup", title="a"),
        JobBegan(job="b", kind="backup", title="b"),
        JobEnded(job="a", kind="backup", state="ok", message=""),
        JobEnded(job="never began", kind="backup", state="ok", message=""),
        step,
        StepEnded(run="1", state="unknown", message="the link went"),
        JobBegan(job="c", kind="restart", title="restart nginx"),
        JobEnded(job="c", kind="restart", state="unknown", message="nobody saw it"),
        Graded(severity="SEV-1"),
        RoleAssigned(role="lead", who="ann"),
        RoleAssigned(role="lead", who="bob"),
    ):
        book.append(made.id, what)
    found = book.read_incident(find(made.id))
    assert (list(found.jobs), list(found.steps)) == (["b", "c"], ["1"])
    assert (found.severity, found.roles, found.entries) == ("SEV-1", {"lead": "bob"}, 12)
    for job, title, state, left in (
        ("d", "restart nginx", "failed", ["b", "c"]),
        ("e", "restart redis", "ok", ["b", "c"]),
        ("f", "restart nginx", "ok", ["b"]),
    ):
        book.append(made.id, JobBegan(job=job, kind="restart", title=title))
        book.append(made.id, JobEnded(job=job, kind="restart", state=state, message=""))
        assert list(book.read_incident(find(made.id)).jobs) == left, job


def test_moments_are_what_was_said_else_what_alerts_and_the_course_tell(incidents: Path) -> None:
    made = book.open_incident("x")
    folder = find(made.id)
    alert = AlertChanged(name="a", labels={}, state="firing", since=AT)
    book.append_in(folder, alert)
    seen = book.append_in(folder, AlertChanged(name="a", labels={}, state="acknowledged", since=AT))
    book.append_in(folder, AlertChanged(name="a", labels={}, state="acknowledged", since=AT))
    book.append_in(folder, AlertChanged(name="b", labels={}, state="resolved", since=AT - timedelta(hours=9)))
    book.append_in(folder, Marked(moment="mitigated", when=AT + timedelta(hours=1)))
    closed = book.close(folder, "")
    found = impact(book.read_incident(folder), book.entries(made.id))
    assert {name: (each.when, each.told, each.alert) for name, each in found.items()} == {
        "detected": (AT, False, "a"),
        "acknowledged": (seen.at, False, "a"),
        "mitigated": (AT + timedelta(hours=1), True, ""),
        "resolved": (closed.at, False, ""),
    }


@pytest.mark.parametrize("cause", ["Slow: backend", "Slow"])
def test_moments_follow_from_the_alert_that_the_incident_was_opened_for(incidents: Path, cause: str) -> None:
    made = book.open_incident("x", cause=cause)
    folder = find(made.id)

    def at(minutes: float) -> datetime:
        return made.opened + timedelta(minutes=minutes)

    labels = {"job": "backend"}
    for what in (
        AlertChanged(name="Busy", labels={"host": "vm"}, state="firing", since=at(-60)),
        AlertChanged(name="Slow", labels=labels, state="firing", since=at(-5)),
        AlertChanged(name="Busy", labels={"host": "vm"}, state="acknowledged", since=at(-60)),
        AlertChanged(name="Slow", labels=labels, state="resolved", since=at(3)),
    ):
        book.append_in(folder, what)

    def moments() -> dict[str, tuple[datetime, str]]:
        found = impact(book.read_incident(folder), book.entries(made.id))
        return {name: (each.when, each.alert) for name, each in found.items()}

    assert moments() == {"detected": (at(-5), "Slow"), "mitigated": (at(3), "Slow")}
    closed = book.close(folder, "")
    assert moments() == {"detected": (at(-5), "Slow"), "mitigated": (at(3), "Slow"), "resolved": (at(3), "Slow")}
    book.append_in(folder, Marked(moment="mitigated", when=at(4)))
    assert moments()["resolved"] == (closed.at, ""), "not before it was mitigated, as somebody says"
    book.append_in(folder, AlertChanged(name="Slow", labels=labels, state="firing", since=at(5)))
    book.append_in(folder, Marked(moment="mitigated", when=at(1)))
    assert moments()["resolved"] == (closed.at, ""), "it fires again"


def test_one_alert_without_data_keeps_another_that_resolved_from_ending_it(incidents: Path) -> None:
    made = book.open_incident("x", cause="Slow")
    folder, at = find(made.id), made.opened
    states: list[tuple[str, Literal["firing", "no data", "resolved"], int]] = [
        ("web", "firing", 0), ("api", "firing", 0), ("api", "no data", 2), ("web", "resolved", 3),
    ]  # fmt: skip
    for job, state, minutes in states:
        since = at + timedelta(minutes=minutes)
        book.append_in(folder, AlertChanged(name="Slow", labels={"job": job}, state=state, since=since))
    assert "mitigated" not in impact(book.read_incident(folder), book.entries(made.id))
    book.append_in(folder, noticed("service/api", "good", at + timedelta(minutes=4)))
    assert impact(book.read_incident(folder), book.entries(made.id))["mitigated"].when == at + timedelta(minutes=4)


def test_an_incident_that_a_run_opens_for_no_single_alert_was_detected_with_the_first(incidents: Path) -> None:
    """The runbook's title is no alert, of which nothing is known."""
    name = open_incident_for(runbook())
    folder = find(name)
    opened = book.read_incident(folder).opened
    fired = opened - timedelta(minutes=3)
    book.append_in(folder, AlertChanged(name="Slow", labels={"job": "backend"}, state="firing", since=fired))
    assert impact(book.read_incident(folder), book.entries(name))["detected"].when == fired
    with_cause = open_incident_for(runbook(), cause="Slow: backend")
    assert book.read_incident(find(with_cause)).title == "Slow: backend"


def test_an_alert_without_data_is_no_proof_that_it_is_mitigated(incidents: Path) -> None:
    """Its series vanish as well where what it is about has died."""
    made = book.open_incident("x", cause="Slow: backend")
    folder, at = find(made.id), made.opened
    labels = {"job": "backend"}
    book.append_in(folder, AlertChanged(name="Slow", labels=labels, state="firing", since=at))
    book.append_in(folder, AlertChanged(name="Slow", labels=labels, state="no data", since=at + timedelta(minutes=2)))

    def mitigated() -> datetime | None:
        entries = book.entries(made.id)
        assert firing_since(book.read_incident(folder), entries) is None
        assert (alert_is_over(entries), alert_has_no_data(entries)) == (False, True)
        found = impact(book.read_incident(folder), entries).get("mitigated")
        return None if found is None else found.when

    assert mitigated() is None
    book.append_in(folder, noticed("service/backend", "failing", at + timedelta(minutes=3)))
    assert mitigated() is None
    book.append_in(folder, noticed("service/backend", "good", at + timedelta(minutes=5)))
    assert mitigated() == at + timedelta(minutes=5)


def noticed(
    subject: str, level: Literal["good", "degraded", "failing"], since: datetime, kind: str = "level"
) -> Noticed:
    return Noticed(subject=subject, kind=kind, level=level, text=level, since=since)


@pytest.mark.parametrize(
    ("title", "cause", "about", "detected"),
    [
        ("Slow: backend", "Slow: backend", {"backend"}, (-7, "", "backend")),
        ("backend is down", "", {"backend"}, (-7, "", "backend")),
        ("the shop is down", "", {"backend", "db-1"}, (-9, "", "db-1")),
        ("orders hang", "Slow: cart", set(), (0, "", "")),
    ],
)
def test_it_was_detected_when_the_first_of_what_it_is_about_was_listed(
    incidents: Path, title: str, cause: str, about: set[str], detected: tuple[float, str, str]
) -> None:
    made = book.open_incident(title, cause=cause)
    folder = find(made.id)

    def at(minutes: float) -> datetime:
        return made.opened + timedelta(minutes=minutes)

    def moments() -> dict[str, tuple[datetime, str, str]]:
        found = impact(book.read_incident(folder), book.entries(made.id))
        return {name: (each.when, each.alert, each.subject) for name, each in found.items()}

    for what in (
        noticed("host/db-1", "failing", at(-9), "lost"),
        noticed("service/backend", "degraded", at(-7)),
        noticed("service/backend", "failing", at(-6)),
        noticed("service/gateway", "degraded", at(-5)),  # less than failing, and nobody names it
        AlertChanged(name="Slow", labels={"job": "backend"}, state="firing", since=at(-4)),
        noticed("service/late", "failing", at(2)),
    ):
        book.append_in(folder, what)
    assert names_about(book.entries(made.id)) == about
    assert moments() == {"detected": (at(detected[0]), *detected[1:])}
    book.append_in(folder, AlertChanged(name="Slow", labels={"job": "backend"}, state="resolved", since=at(3)))
    assert "mitigated" not in moments(), "it is still failing"
    book.append_in(folder, noticed("service/backend", "degraded", at(4)))
    assert "mitigated" not in moments(), "and not good yet"
    book.append_in(folder, noticed("service/backend", "good", at(5)))
    book.append_in(folder, noticed("host/db-1", "degraded", at(6), "back"))
    ended = {(): None, ("backend",): (at(5), "", "backend"), ("backend", "db-1"): (at(6), "", "db-1")}
    assert moments().get("mitigated") == ended[tuple(sorted(about))]


def test_what_is_still_bad_is_known_by_its_last_change(incidents: Path) -> None:
    made = book.open_incident("backend is down")
    folder, at = find(made.id), made.opened
    told: list[tuple[What, list[str]]] = [
        (noticed("service/backend", "failing", at), ["backend"]),
        (noticed("service/gateway", "degraded", at), ["backend"]),
        (noticed("service/gateway", "failing", at), ["backend", "gateway"]),
        (noticed("service/gateway", "degraded", at), ["backend"]),
        (AlertChanged(name="Full", labels={"host": "vm"}, state="firing", since=at), ["backend", "vm"]),
        (noticed("service/backend", "degraded", at), ["backend", "vm"]),
        (AlertChanged(name="Full", labels={"host": "vm"}, state="resolved", since=at), ["backend"]),
        (noticed("host/vm", "failing", at, "lost"), ["backend", "vm"]),
        (noticed("host/vm", "degraded", at, "restarted"), ["backend", "vm"]),
        (noticed("host/vm", "degraded", at, "back"), ["backend"]),
        (noticed("service/backend", "good", at), []),
    ]
    for what, bad in told:
        book.append_in(folder, what)
        assert still_bad(book.entries(made.id)) == bad, what


def test_a_moment_is_not_before_its_detection_and_not_to_come(incidents: Path) -> None:
    made = book.open_incident("x")
    folder, opened = find(made.id), made.opened

    def before(hours: float) -> datetime:
        return opened - timedelta(hours=hours)

    with pytest.raises(MomentRefused, match=r"^“mitigated” must not be earlier than “detected” \(") as refused:
        mark(folder, "mitigated", before(1))
    assert "lilfox incident mark detected --at TIME" in str(refused.value.hint)
    mark(folder, "detected", before(2))
    mark(folder, "mitigated", before(1))  # by recovery, before anybody acknowledged it
    mark(folder, "acknowledged", before(0.5))
    with pytest.raises(MomentRefused, match=r"^“resolved” must not be earlier than “mitigated” \("):
        mark(folder, "resolved", before(1.5))
    with pytest.raises(MomentRefused, match=r"^“acknowledged” must not be earlier than “detected” \("):
        mark(folder, "acknowledged", before(2.5))
    with pytest.raises(MomentRefused, match=r"^“detected” must not be later than “mitigated” \("):
        mark(folder, "detected", before(0.75))
    with pytest.raises(MomentRefused, match="is in the future"):
        mark(folder, "resolved", datetime.now(UTC) + timedelta(seconds=30))
    mark(folder, "detected", before(3))  # it may be corrected
    assert book.read_incident(folder).moments == {
        "detected": before(3), "mitigated": before(1), "acknowledged": before(0.5),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("nginx error.log", "nginx-error.log"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("a\x1b[31m\n`b`", "a-31m-b"),
        ("日志.txt", "txt"),
    ],
)
def test_evidence_has_a_harmless_name(incidents: Path, name: str, kept: str) -> None:
    made = book.open_incident("x")
    what = book.keep_evidence(made.id, name, b"1", "").what
    again = book.keep_evidence(made.id, name, b"2", "").what
    assert isinstance(what, EvidenceKept)
    assert isinstance(again, EvidenceKept)
    assert (what.file, again.file) == (kept, f"2-{kept}")
    assert (incidents / "INC-1/evidence" / kept).read_bytes() == b"1"
    assert verify(made.id).problems == ()


def test_too_much_evidence_is_refused(incidents: Path) -> None:
    made = book.open_incident("x")
    with pytest.raises(IncidentError, match="is too large for evidence"):
        book.keep_evidence(made.id, "a", b"x" * (book.MOST_EVIDENCE_BYTES + 1), "")
    assert len(book.entries(made.id)) == 1


@pytest.mark.fault("S26")
def test_where_others_may_write_no_incident_is_opened(incidents: Path) -> None:
    incidents.mkdir(parents=True)
    incidents.chmod(0o777)
    with pytest.raises(NotRecorded, match=r"others can change it.*; no incident was opened"):
        book.open_incident("x")


def test_root_by_sudo_is_named_by_who_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ann")
    assert book.myself().startswith("ann (root)@")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert "ann" not in book.myself()


def test_the_end_of_a_command_names_its_step_and_host(incidents: Path) -> None:
    made = book.open_incident("x")
    began = StepBegan(runbook="r", sha256="0", step=3, title="Heal", command="heal", host="vm", run="1")
    book.append(made.id, began)
    ended = StepEnded(run="1", state="failed", message="no answer")
    steps = begun_steps(book.entries(made.id))
    assert event_text(ended, steps) == "step 3 failed on vm: no answer"
    assert event_text(replace(ended, state="done", message=""), steps) == "step 3 done on vm"
    assert event_text(ended) == "failed: no answer", "of a command whose beginning is not there"


@pytest.mark.parametrize(("text", "told"), [("before step 1, Heal", "before step 1, Heal (m.json)"), ("", "m.json")])
def test_evidence_says_what_it_is_before_the_name_of_its_file(text: str, told: str) -> None:
    assert event_text(EvidenceKept(file="m.json", sha256="0", size_bytes=2402, text=text)) == f"evidence: {told}"
