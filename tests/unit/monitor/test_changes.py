"""What happened, within a run and between two of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig, ServiceConfig, Thresholds
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Link
from lilfox_tui.hosts.ssh.errors import link_lost
from lilfox_tui.metrics.model import DiskActivity, InterfaceActivity, Level
from lilfox_tui.monitor.changes import KEPT, ChangeLog, KnownState, _level_changes, as_changes_tell
from lilfox_tui.monitor.levels import judge
from lilfox_tui.monitor.model import HostView, Overview, ServiceView, StatusChange
from tests.unit.monitor.summaries import AT, mount, summary

UP: State[Link] = Ready(Link(AT, "SSH"), AT)
DOWN: State[Link] = Unavailable(HostUnreachable("web-1", tr("connection lost")), AT)


def seen(
    level: Level = Level.GOOD,
    *,
    link: State[Link] = UP,
    why: str = "",
    service: Level = Level.GOOD,
    at: datetime = AT,
    **changes: Any,
) -> Overview:
    """One host and one service at that moment."""
    reasons = (tr("{why}", why=why),) if why else ()
    host = HostView("web-1", HostConfig(), level, at, reasons, summary(**changes), link)
    backend = ServiceView("backend", ServiceConfig(url="http://h"), service, at, reasons)
    return Overview(at, {"web-1": host}, {"backend": backend})


def texts(changes: list[StatusChange]) -> list[str]:
    return [f"{change.subject} {change.what}" for change in changes]


def test_the_first_look_is_no_change() -> None:
    log = ChangeLog()
    assert log.observe(seen(Level.FAILING, why="x", service=Level.FAILING)) == []
    assert log.observe(seen(Level.FAILING, why="x", service=Level.FAILING)) == []


def test_levels_that_turn_and_turn_back() -> None:
    log = ChangeLog()
    log.observe(seen())
    went = log.observe(seen(Level.FAILING, why="disk /var 97% > 95%", service=Level.FAILING))
    assert texts(went) == [
        "host/web-1 failing: disk /var 97% > 95%",
        "service/backend failing: disk /var 97% > 95%",
    ]
    back = log.observe(seen(at=AT + timedelta(minutes=6)))
    assert texts(back) == ["host/web-1 good again after 6 min", "service/backend good again after 6 min"]
    assert log.all() == went + back


def test_good_again_tells_the_whole_time_since_it_was_good() -> None:
    log, second = ChangeLog(), timedelta(seconds=1)
    log.observe(seen())
    for after, level in ((10, Level.FAILING), (33, Level.DEGRADED), (38, Level.GOOD)):
        log.observe(seen(level, service=level, why="slow", at=AT + after * second))
    for name in ("host/web-1", "service/backend"):
        told = [each for each in log.all() if each.subject == name]
        assert [str(each.what) for each in told] == [
            "failing: slow", "no longer failing, degraded: slow", "good again after 28 s",
        ]  # fmt: skip
        assert told[-1].at - told[0].at == 28 * second


def test_a_state_between_two_looks_has_no_length() -> None:
    log = ChangeLog()
    log.observe(seen())
    log.observe(seen(Level.FAILING, service=Level.FAILING, why="slow"))
    back = log.observe(seen())  # of the same moment: a look came late
    assert texts(back) == ["host/web-1 good again", "service/backend good again"]


def test_a_change_is_not_before_the_one_before_it() -> None:
    log = ChangeLog()
    log.observe(seen())
    log.observe(seen(service=Level.DEGRADED, why="slow", at=AT + timedelta(seconds=30)))
    good = seen(at=AT + timedelta(seconds=50))
    early = replace(good.services["backend"], since=AT)
    [change] = log.observe(replace(good, services={"backend": early}))
    assert (change.at, str(change.what)) == (good.at, "good again after 20 s")


def raised_seen(at: datetime, level: Level, why: str, *, service: Level = Level.GOOD) -> Overview:
    """The service measured good, or at ``service``, and shown at ``level``."""
    measured = seen(service=service, at=at, why="slow" if service is not Level.GOOD else "")
    view = measured.services["backend"]
    shown = replace(view, level=level, reasons=(tr("{why}", why=why),), since=at - timedelta(seconds=2))
    return replace(measured, services={"backend": shown}, unraised=measured)


def test_levels_that_alerts_and_clients_give_are_changes_as_they_are_shown() -> None:
    log, minute = ChangeLog(), timedelta(minutes=1)
    log.observe(seen())
    log.observe(raised_seen(AT + minute, Level.DEGRADED, "alert Slow is firing"))
    log.observe(raised_seen(AT + 2 * minute, Level.DEGRADED, "alert Slow is firing", service=Level.DEGRADED))
    log.observe(raised_seen(AT + 3 * minute, Level.DEGRADED, "alert Slow is firing"))
    log.observe(seen(at=AT + 4 * minute))
    assert texts(log.all()) == [
        "service/backend degraded: alert Slow is firing",
        "service/backend good again after 3 min",  # not while the alert fires
    ]
    assert log.all()[0].at == AT + minute - timedelta(seconds=2)
    assert texts(log.measured()) == ["service/backend degraded: slow", "service/backend good again after 1 min"]
    then = [as_changes_tell(seen(at=AT + after * minute), log.all()).services["backend"] for after in (0.5, 1.5, 4.5)]
    assert [each.level for each in then] == [Level.GOOD, Level.DEGRADED, Level.GOOD]
    assert [str(each) for each in then[1].reasons] == ["alert Slow is firing"]


def test_what_was_bad_at_the_first_look_was_so_then() -> None:
    """It is no change: nobody saw it begin."""
    log, minute = ChangeLog(), timedelta(minutes=1)
    log.observe(raised_seen(AT, Level.DEGRADED, "its client reports errors"))
    log.observe(seen(at=AT + 2 * minute))
    assert texts(log.all()) == ["service/backend good again after 2 min"]
    for after, level in ((-1, Level.GOOD), (1, Level.DEGRADED), (3, Level.GOOD)):
        then = as_changes_tell(seen(at=AT + after * minute), log.levels()).services["backend"]
        assert then.level is level


def test_a_level_that_an_alert_gave_is_not_over_when_lilfox_begins(tmp_path: Path) -> None:
    """Whether it still fires is not known yet."""
    log = ChangeLog(tmp_path / "seen.json")
    log.observe(seen())
    log.observe(raised_seen(AT + LATER, Level.DEGRADED, "alert Slow is firing"))
    log.save()
    after = ChangeLog(tmp_path / "seen.json")
    assert after.observe(seen(at=AT + 2 * LATER)) == []
    [change] = after.observe(raised_seen(AT + 2 * LATER, Level.DEGRADED, "alert Slow is firing"))
    assert str(change.what) == "degraded: alert Slow is firing"


def test_how_long_it_lasted_is_told_only_where_it_is_known() -> None:
    known = KnownState(level=int(Level.FAILING))
    [change] = _level_changes("host/web-1", seen().hosts["web-1"], known, AT)
    assert str(change.what) == "good again"


def test_not_known_is_no_change_of_level() -> None:
    log = ChangeLog()
    log.observe(seen())
    assert log.observe(seen(Level.UNKNOWN, link=Pending(), service=Level.UNKNOWN)) == []
    assert log.observe(seen()) == []


def test_a_level_that_is_not_settled_is_not_compared() -> None:
    log = ChangeLog()
    log.observe(seen(Level.FAILING, why="full"))
    assert log.observe(seen(), unsettled={"host/web-1"}) == []
    assert log.observe(seen(Level.FAILING, why="full")) == []


def test_lost_and_reached_again_are_told_once() -> None:
    log = ChangeLog()
    log.observe(seen())
    assert texts(log.observe(seen(Level.DEGRADED, link=DOWN, why="lost"))) == ["host/web-1 lost: connection lost"]
    assert log.observe(seen(Level.FAILING, link=DOWN, why="no sample")) == []
    assert texts(log.observe(seen())) == ["host/web-1 reachable again"]
    assert log.observe(seen()) == []


@pytest.mark.parametrize(
    ("error", "told", "level"),
    [
        (OSError("Connection lost"), "lost", "lost for 5 s"),
        (OSError("Connection reset by peer"), "lost: Connection reset by peer",
         "lost for 5 s: Connection reset by peer"),
        (None, "lost: closed by the host", "lost for 5 s: closed by the host"),
    ],
)  # fmt: skip
def test_that_a_host_is_lost_is_said_once(error: Exception | None, told: str, level: str) -> None:
    log, gone = ChangeLog(), link_lost("web-1", error)
    log.observe(seen())
    link = Unavailable(gone, AT)
    assert texts(log.observe(seen(Level.DEGRADED, link=link))) == [f"host/web-1 {told}"]
    found = judge(summary(), link, Thresholds(), {}, now=AT + timedelta(seconds=5), period_s=2)
    assert str(found.reasons[0]) == level
    assert str(gone).lower().count("lost") == 1


def test_a_host_is_reachable_again_once_it_sends_numbers() -> None:
    """Where the first sample over a new connection fails, it was lost all the while."""
    log = ChangeLog()
    log.observe(seen())
    log.observe(seen(Level.FAILING, link=DOWN))
    connected: State[Link] = Ready(Link(AT + timedelta(seconds=9), "SSH"), AT + timedelta(seconds=9))
    assert log.observe(seen(Level.DEGRADED, link=connected)) == []
    assert log.observe(seen(Level.FAILING, link=DOWN)) == []
    later = seen(link=connected, at=AT + timedelta(seconds=20))
    host = replace(later.hosts["web-1"], summary=summary(at=AT + timedelta(seconds=10)))
    found = log.observe(replace(later, hosts={"web-1": host}))
    assert [(str(each.what), each.at) for each in found] == [("reachable again", AT + timedelta(seconds=10))]


@pytest.mark.parametrize(("moved_s", "told"), [(20, []), (600, ["host/web-1 restarted"]), (-600, [])])
def test_a_restart_is_a_boot_time_that_moved_forward(moved_s: int, told: list[str]) -> None:
    log = ChangeLog()
    log.observe(seen(booted_at=AT - timedelta(hours=1)))
    found = log.observe(seen(booted_at=AT - timedelta(hours=1) + timedelta(seconds=moved_s)))
    assert texts(found) == told


@pytest.mark.parametrize(
    ("boots", "moved_s", "told"),
    [
        (("a", "b"), 12, ["host/web-1 restarted"]),
        (("a", "b"), -3, ["host/web-1 restarted"]),
        (("a", "a"), 600, []),
        (("", "b"), 12, []),
        (("", "b"), 600, ["host/web-1 restarted"]),
        (("a", ""), 12, []),
        (("a", ""), 600, ["host/web-1 restarted"]),
    ],
)
def test_a_restart_is_another_boot_where_its_number_is_known(
    boots: tuple[str, str], moved_s: int, told: list[str], tmp_path: Path
) -> None:
    booted = AT - timedelta(minutes=1)
    log = ChangeLog(tmp_path / "seen.json")
    log.observe(seen(booted_at=booted, boot_id=boots[0]))
    log.save()
    after = seen(booted_at=booted + timedelta(seconds=moved_s), boot_id=boots[1])
    assert texts(log.observe(after)) == told
    assert texts(ChangeLog(tmp_path / "seen.json").observe(after)) == told, "also between two visits"
    assert log.observe(after) == [], "told once"


def test_units_mounts_disks_and_interfaces_that_come_and_go() -> None:
    log = ChangeLog()
    disk = DiskActivity("sda", None, None, None, None, None)
    port = InterfaceActivity("eth0", None, None, None, None)
    log.observe(seen(failed_units=("a.service",), filesystems=(mount("/", 1),), disks=(disk,), interfaces=(port,)))
    found = log.observe(
        seen(
            failed_units=("b.service",),
            filesystems=(mount("/data", 1),),
            disks=(DiskActivity("sdb", None, None, None, None, None),),
            interfaces=(port, InterfaceActivity("eth1", None, None, None, None)),
        )
    )
    assert texts(found) == [
        "host/web-1 unit b.service failed",
        "host/web-1 unit a.service is no longer failed",
        "host/web-1 /data mounted",
        "host/web-1 / no longer mounted",
        "host/web-1 disk sdb appeared",
        "host/web-1 disk sda is gone",
        "host/web-1 interface eth1 appeared",
    ]
    assert log.observe(seen(failed_units=None, filesystems=(), disks=(), interfaces=())) == [], "unread is not gone"


def test_what_changed_while_nothing_ran_is_told_at_the_next_visit(tmp_path: Path) -> None:
    file = tmp_path / "seen.json"
    before = ChangeLog(file)
    before.observe(seen(booted_at=AT - timedelta(days=3)))
    before.save()
    after = ChangeLog(file)
    after.observe(seen(Level.FAILING, why="full", booted_at=AT - timedelta(hours=1)))
    assert texts(after.all()) == ["host/web-1 failing: full", "host/web-1 restarted"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["seen.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"host/web-1": {"level": "x"}}', b"\xff\xfe", b"{" * 10000])
def test_a_file_that_cannot_be_read_is_a_first_visit(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "seen.json"
    file.write_bytes(content)
    log = ChangeLog(file)
    assert log.observe(seen()) == []
    log.save()
    assert ChangeLog(file).observe(seen(Level.FAILING, why="x")) != []


def test_a_folder_that_is_gone_leaves_the_changes_of_this_run(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "gone" / "seen.json")
    log.observe(seen())
    log.observe(seen(Level.FAILING, why="x"))
    log.save()
    assert texts(log.all()) == ["host/web-1 failing: x"]


def test_no_more_than_a_thousand_are_kept() -> None:
    log = ChangeLog()
    for number in range(KEPT + 100):
        log.observe(seen(Level.FAILING if number % 2 else Level.GOOD, why="x"))
    assert len(log.all()) == KEPT


LATER = timedelta(minutes=10)


def host_at(at: datetime, level: Level = Level.GOOD) -> HostView:
    return seen(level, at=at).hosts["web-1"]


def host_then(view: HostView, present: HostView | None, changes: list[StatusChange]) -> HostView:
    now = Overview(AT, {} if present is None else {"web-1": present}, {})
    return as_changes_tell(Overview(view.since, {"web-1": view}, {}), changes, now).hosts["web-1"]


def test_a_level_that_still_holds_has_one_since_in_the_past_and_now() -> None:
    past = host_then(host_at(AT + LATER), host_at(AT), [])
    assert past.since == AT
    newer = host_then(host_at(AT), host_at(AT + LATER), [])
    assert newer.since == AT  # good again: since when it was so before is unknown, and no later moment


@pytest.mark.parametrize(
    ("level", "kind", "known"),
    [(Level.FAILING, "level", True), (Level.FAILING, "lost", True), (Level.GOOD, "back", False),
     (Level.DEGRADED, "restarted", False)],
)  # fmt: skip
def test_a_level_that_is_over_began_with_the_newest_change_before(level: Level, kind: str, *, known: bool) -> None:
    then, began = AT + LATER, AT + LATER / 2
    changes = [
        StatusChange(AT, "host/web-1", tr("x"), Level.GOOD, "level"),
        StatusChange(began, "host/web-1", tr("x"), level, kind),
        StatusChange(began + LATER / 4, "service/web-1", tr("x"), Level.FAILING, "level"),
        StatusChange(then + LATER, "host/web-1", tr("x"), Level.FAILING, "level"),
    ]
    past = host_then(host_at(then, Level.FAILING), host_at(then + LATER), changes)
    assert past.since == (began if known else then)


@pytest.mark.parametrize(
    ("reached", "error", "told"),
    [
        (False, HostUnreachable("web-1", tr("10.0.0.7 refuses the connection")),
         "cannot be reached: 10.0.0.7 refuses the connection"),
        (True, HostUnreachable("web-1", tr("10.0.0.7 refuses the connection")),
         "lost: 10.0.0.7 refuses the connection"),
        (False, link_lost("web-1", TimeoutError("timed out")), "lost: timed out"),
        (False, HostUnreachable("web-1", tr("gone, whatever it says"), link_lost=True), "lost"),
    ],
)  # fmt: skip
def test_a_host_is_lost_only_if_it_was_reached(reached: bool, error: HostUnreachable, told: str) -> None:
    numbers = summary() if reached else None
    view = HostView("web-1", HostConfig(), Level.FAILING, AT, (), numbers, Unavailable(error, AT))
    (change,) = ChangeLog().observe(Overview(AT, {"web-1": view}, {}))
    assert str(change.what) == told
    assert change.kind == "lost"


@pytest.mark.parametrize("recorded", [Level.UNKNOWN, Level.GOOD, Level.DEGRADED])
@pytest.mark.parametrize("kind", ["lost", "level"])
def test_what_a_change_says_is_so_at_its_moment(recorded: Level, kind: str) -> None:
    then = AT + LATER
    changes = [
        StatusChange(AT, "host/web-1", tr("good again"), Level.GOOD, "level"),
        StatusChange(then, "host/web-1", tr("lost: {why}", why="refused"), Level.FAILING, kind),
    ]
    past = host_then(host_at(then, recorded), None, changes)
    assert past.level is Level.FAILING
    assert past.since == then
    assert [str(each) for each in past.reasons] == ["refused"]
    earlier = host_then(host_at(then - LATER / 4, recorded), None, changes)
    assert earlier.level is recorded, "what comes later is not told yet"


def test_since_when_nothing_is_known_of_a_host_is_not_told() -> None:
    at = AT + LATER
    past = host_then(host_at(at, Level.UNKNOWN), host_at(AT, Level.UNKNOWN), [])
    assert past.since == at
