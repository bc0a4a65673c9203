"""What a look writes down and does where nothing is restarted; the restarts are in tests/lab."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.config.model import Config, HostConfig, RecoveryConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.recovery.history import RecoveryHistory, UnitRecord
from lilfox_tui.recovery.watch import UnitWatch
from tests.unit.jobs.running import jobs
from tests.unit.operations.programs import by_program, unit_shown
from tests.waiting import until

__all__ = ["jobs"]
pytestmark = [pytest.mark.fault("2.22"), pytest.mark.usefixtures("jobs")]
KEY = "app-1/app.service"
CONFIG = Config(
    hosts={"app-1": HostConfig()},
    recovery={"app": RecoveryConfig(host="app-1", unit="app.service", failures=1, every=Seconds(0.01))},
)


def crashed() -> FakeHost:
    """A host on which the unit has failed, and nobody has stopped it."""
    return by_program(systemctl=unit_shown("failed", "failed", "exit-code"), journalctl=b"")


def watch(host: FakeHost, book: RecoveryHistory) -> UnitWatch:
    return UnitWatch("app", CONFIG, host, None, book, None)


def written(book: RecoveryHistory, record: UnitRecord) -> None:
    with book.changing(KEY) as change:
        change.record = record


async def test_a_dry_look_at_one_that_is_due_neither_restarts_nor_notes_a_restart(tmp_path: Path) -> None:
    book = RecoveryHistory(tmp_path)
    record = await watch(crashed(), book).look(restarts=False)
    assert (record.state, record.unhealthy_looks, record.restarts) == ("unhealthy", 1, ())
    assert book.read()[KEY] == record
    assert list_jobs() == []


async def test_on_a_protected_host_nothing_is_restarted_and_nothing_is_given_up(tmp_path: Path) -> None:
    book = RecoveryHistory(tmp_path)
    config = replace(CONFIG, hosts={"app-1": HostConfig(protected=True)})
    watched = UnitWatch("app", config, crashed(), None, book, None)
    for _look in range(3):
        record = await watched.look()
        assert (record.state, record.restarts) == ("unhealthy", ())
    assert "changes on app-1 are not allowed" in record.why
    assert (list_jobs(), list_incidents()) == ([], [])


async def test_one_that_another_lilfox_restarts_or_has_died_over_is_waited_for(tmp_path: Path) -> None:
    book, now = RecoveryHistory(tmp_path), datetime.now(UTC)
    written(book, UnitRecord(state="restarting", since=now, looked=now, restarts=(now,), unhealthy_looks=1))
    record = await watch(crashed(), book).look()
    assert (record.state, record.restarts) == ("waiting", (now,))
    assert list_jobs() == []


async def test_of_one_that_was_given_up_an_incident_is_opened_once(tmp_path: Path) -> None:
    book, now = RecoveryHistory(tmp_path), datetime.now(UTC)
    due = now - timedelta(minutes=30)
    written(book, UnitRecord(state="waiting", since=due, looked=due, restarts=(due,) * 3, unhealthy_looks=9))
    watched = watch(crashed(), book)
    assert (await watched.look(restarts=False)).state == "given up"
    assert list_incidents() == [], "a dry look tells nobody"
    for _look in range(3):
        assert (await watched.look()).state == "given up"
    (incident,) = list_incidents()
    assert len(entries(incident.id)) == 2
    assert book.read()[KEY].told


async def test_a_host_that_is_gone_for_a_while_is_looked_at_again(tmp_path: Path) -> None:
    gone = [HostUnreachable("app-1", tr("no route"))] * 2
    up = unit_shown("active", "running", pid=7)
    book, host = RecoveryHistory(tmp_path), by_program(systemctl=lambda _call: gone.pop() if gone else up)
    looking = asyncio.create_task(watch(host, book).run())
    try:
        await until(lambda: KEY in book.read() or looking.done(), what="it is looked at")
        assert (book.read()[KEY].state, gone) == ("well", [])
    finally:
        looking.cancel()
        await asyncio.wait([looking])


@pytest.mark.parametrize(("stopped", "state"), [(True, "left alone"), (False, "unhealthy")])
async def test_one_that_was_stopped_by_order_is_left_alone(tmp_path: Path, stopped: bool, state: str) -> None:
    host = crashed()
    if stopped:
        host.answers["journalctl"] = b'{"MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f"}\n'
    assert (await watch(host, RecoveryHistory(tmp_path)).look(restarts=False)).state == state


async def test_one_that_is_disabled_is_left_alone(tmp_path: Path) -> None:
    shown = unit_shown("failed", "failed", "exit-code").replace(b"=enabled", b"=disabled")
    record = await watch(by_program(systemctl=shown, journalctl=b""), RecoveryHistory(tmp_path)).look(restarts=False)
    assert (record.state, record.why) == ("left alone", "app.service is disabled")
