"""What outlives a run: written, read back, shared by several, and there after kill -9."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.model import Acknowledgement, AlertState, Event, RuleHealth, RuleView, Silence
from lilfox_tui.alerts.silences import acknowledge, expire, parse_matchers, silence, unacknowledge
from lilfox_tui.alerts.storage import (
    EVENTS_KEPT_FOR,
    AlertDatabase,
    AlertStorage,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseNotWritable,
    NotifiedAlert,
    Outbox,
    SavedGroup,
)
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Labels
from tests.unit.alerts.made import T0, alert, at, notice
from tests.waiting import wait_for

LABELS: Labels = (("alertname", "Slow"), ("note", 'ü"\n'))
LIVE = LiveAlert(LABELS, (("summary", "x"),), AlertState.PENDING, math.inf, 1_000)
VIEW = RuleView("f;g;0", "alert", "Slow", "g", "up == 0", 60.0, RuleHealth.FAILED, tr("no {what}", what=object), T0)


def group(at_ms: int = 5_000) -> SavedGroup:
    return SavedGroup("f;g", at_ms, (VIEW,), {"f;g;Slow": "f;g;0"})


@pytest.fixture
def saved(tmp_path: Path) -> AlertStorage:
    return AlertStorage(AlertDatabase(tmp_path / "alerts.db"))


def again(saved: AlertStorage) -> AlertStorage:
    """The same file in another process, as far as SQLite can tell."""
    assert saved.database.path is not None
    return AlertStorage(AlertDatabase(saved.database.path))


def test_a_group_and_its_alerts_are_read_back(saved: AlertStorage) -> None:
    other = LiveAlert((("alertname", "Slow"),), (), AlertState.FIRING, 2.5, 500, 900, None, 950)
    event = Event(T0, "fired", LABELS, "f;g;0", math.nan)
    saved.keep(group(), [("f;g;Slow", LIVE), ("f;g;Slow", other)], [], [event])
    found = again(saved)
    assert found.alerts("f;g") == {"f;g;Slow": (other, LIVE)}
    kept = found.groups()["f;g"]
    assert (kept.evaluated_ms, kept.keys) == (5_000, {"f;g;Slow": "f;g;0"})
    assert str(kept.views[0].error).startswith("no <class")
    (read,) = found.events(10)
    assert (read.kind, read.labels, read.at) == ("fired", LABELS, T0)
    assert math.isnan(read.value or 0)
    saved.keep(group(6_000), [], [("f;g;Slow", LIVE)], [])
    assert found.alerts("f;g") == {"f;g;Slow": (other,)}
    saved.evaluated("f;g", 7_000)
    assert found.groups()["f;g"].evaluated_ms == 7_000
    saved.drop("f;g")
    assert (found.groups(), found.alerts("f;g")) == ({}, {})


def test_the_file_is_for_nobody_else(saved: AlertStorage, tmp_path: Path) -> None:
    saved.add_events([Event(T0, "fired", LABELS)])
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_an_acknowledgement_holds_until_the_alert_ends(saved: AlertStorage) -> None:
    one = alert(note='ü"\n')
    acknowledge(saved, one, "kim", "looking", at(5))
    assert again(saved).acknowledgements() == {LABELS: Acknowledgement("kim", at(5), "looking")}
    saved.keep(group(), [], [], [], ended=[(("alertname", "Other"),)])
    assert len(saved.acknowledgements()) == 1
    saved.keep(group(), [], [], [], ended=[LABELS])
    assert saved.acknowledgements() == {}
    acknowledge(saved, one, "kim", "", at(6))
    unacknowledge(saved, one, "kim", at(7))
    assert saved.acknowledgements() == {}
    assert [each.kind for each in saved.events(10)] == ["unacknowledged", "acknowledged", "acknowledged"]
    with pytest.raises(UsageError, match="has already resolved"):
        acknowledge(saved, alert(state=AlertState.RESOLVED), "kim", "", at(8))


def test_silences_are_kept_and_expire(saved: AlertStorage) -> None:
    made = silence(saved, parse_matchers('alertname="Slow"'), 3600, "kim", "deploy", T0)
    longer = silence(saved, parse_matchers('alertname=~"Sl.*"'), None, "kim", "", T0)
    assert again(saved).silences() == (longer, made)
    assert made.ends_at == at(3600)
    assert longer.until_resolved
    ended = expire(saved, made.id[:8], "pat", at(60))
    assert ended.ends_at == at(60)
    with pytest.raises(UsageError, match="no unexpired silence"):
        expire(saved, made.id, "pat", at(61))
    with pytest.raises(UsageError, match="no unexpired silence"):
        expire(saved, "", "pat", at(61))
    assert next((each.kind, each.by) for each in saved.events(10)) == ("expired", "pat")
    saved.forget_old(at(86_400 * 6))
    assert saved.silences() == (longer,)
    with pytest.raises(UsageError, match="everything"):
        silence(saved, parse_matchers('team!="x"'), 60, "kim", "", T0)
    with pytest.raises(UsageError, match="more than 0 s"):
        silence(saved, parse_matchers('team="x"'), 0, "kim", "", T0)


def test_what_is_too_old_is_forgotten(saved: AlertStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.alerts.storage.EVENTS_KEPT", 3)
    saved.add_events([Event(at(number), "fired", LABELS) for number in range(5)])
    saved.forget_old(at(10))
    assert [each.at for each in saved.events(10)] == [at(4), at(3), at(2)]
    assert [each.at for each in saved.events(1, since=at(3))] == [at(4)]
    saved.forget_old(at(3) + EVENTS_KEPT_FOR + timedelta(milliseconds=1))
    assert [each.at for each in saved.events(10)] == [at(4)]


def test_the_outbox_keeps_the_order_of_each_group(saved: AlertStorage) -> None:
    outbox = Outbox(saved.database)
    told = NotifiedAlert((("alertname", "Slow"),), "thread-1", T0, alert())
    other = notice(group=(("alertname", "Other"),))
    outbox.put("mail", [notice(), notice("resolved"), other], [told], [])
    outbox.put("chat", [notice()], [], [])
    again_open = Outbox(again(saved).database)
    assert again_open.told("mail") == {told.alert.labels: told}
    first, second = again_open.first_of_groups("mail")
    assert (first.notice, second.notice) == (notice(), other)
    outbox.later(first.number, 9_000)
    assert [one.notice for one in again_open.first_of_groups("mail")] == [other, notice()]
    assert again_open.first_of_groups("mail")[1].tries == 1
    outbox.done(first.number)
    assert [one.notice.reason for one in again_open.first_of_groups("mail")] == ["resolved", "firing"]
    assert (outbox.count("mail"), outbox.receivers()) == (2, ("chat", "mail"))
    outbox.put("mail", [], [], [told.alert.labels])
    assert outbox.told("mail") == {}
    outbox.forget("chat")
    assert outbox.receivers() == ("mail",)


def test_another_process_notices_what_was_written(saved: AlertStorage) -> None:
    other = again(saved)
    before = other.database.changed_elsewhere()
    assert other.database.changed_elsewhere() == before
    saved.add_events([Event(T0, "fired", LABELS)])
    assert other.database.changed_elsewhere() != before


def test_a_transaction_that_fails_leaves_nothing(saved: AlertStorage) -> None:
    fine = Event(T0, "fired", LABELS)
    with pytest.raises(AttributeError):
        saved.add_events([fine, None])  # type: ignore[list-item]
    assert saved.events(1) == ()
    saved.add_events([fine])
    assert saved.events(1) == (fine,)


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database\n" * 100)
    with pytest.raises(DatabaseDamaged, match="damaged"):
        AlertDatabase(broken)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LilFoxError, match="another version"):
        AlertDatabase(newer)
    with pytest.raises(LilFoxError, match="cannot be used"):
        AlertDatabase(tmp_path / "missing" / "alerts.db")
    monkeypatch.setattr("lilfox_tui.alerts.storage.BUSY_S", 0.05)
    one, other = AlertDatabase(tmp_path / "a.db"), AlertDatabase(tmp_path / "a.db")
    with one.transaction(), pytest.raises(DatabaseBusy, match="locked") as busy, other.transaction():
        pass
    assert str(busy.value.hint).startswith("Another process is writing to it. Try again")


def test_a_full_disk_is_said_and_what_was_there_goes_on_in_memory(saved: AlertStorage) -> None:
    saved.add_events([Event(T0, "fired", LABELS)])
    (pages,) = saved.database.rows("PRAGMA page_count")[0]
    saved.database.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseNotWritable, match="full"):
        saved.add_events([Event(T0, "fired", LABELS, note="x" * 10_000)])
    path = saved.database.path
    saved.database.leave_disk()
    saved.add_events([Event(at(1), "resolved", LABELS, note="x" * 10_000)])
    assert [each.kind for each in saved.events(10)] == ["resolved", "fired"]
    assert len(AlertStorage(AlertDatabase(path)).events(10)) == 1


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lilfox_tui.alerts.storage import AlertDatabase
from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.silences import silence
from lilfox_tui.alerts.storage import AlertStorage, SavedGroup
from lilfox_tui.alerts.silences import parse_matchers
saved = AlertStorage(AlertDatabase(Path(sys.argv[1])))
number = 0
while True:
    number += 1
    one = LiveAlert((("alertname", "Slow"),), (), AlertState.PENDING, number, 1000)
    saved.keep(SavedGroup("f;g", number, (), {}), [("r", one)], [], [])
    silence(saved, parse_matchers(f'alertname="A{number}"'), 60, "kim", "", datetime.now(UTC))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 30])
def test_kill_9_takes_nothing_back(tmp_path: Path, after: int) -> None:
    path = tmp_path / "alerts.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = 0
        while said < after:
            said = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        said = int((writer.stdout.read().split() or [str(said)])[-1])
    saved = AlertStorage(AlertDatabase(path))
    assert saved.groups()["f;g"].evaluated_ms >= said
    assert saved.alerts("f;g")["r"][0].value == saved.groups()["f;g"].evaluated_ms, "half a transaction"
    assert len(saved.silences()) >= said
    assert saved.database.rows("PRAGMA integrity_check") == [("ok",)]
    assert all(isinstance(each, Silence) for each in saved.silences())


def test_many_threads_may_write(saved: AlertStorage) -> None:
    import threading

    def write(number: int) -> None:
        for turn in range(20):
            saved.add_events([Event(at(number * 100 + turn), "fired", LABELS)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: not any(thread.is_alive() for thread in threads), timeout_s=60)
    assert len(saved.events(1000)) == 80
