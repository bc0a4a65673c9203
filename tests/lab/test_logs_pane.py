"""The Logs pane over every kind of source at once, a whole host's journal and files over SSH among them."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.app_actions import oldest_known
from lilfox_tui.app.panes.logs.pane import LogsPane
from lilfox_tui.app.panes.metrics.state import Subject
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.model import Config, LogConfig, ServiceConfig
from lilfox_tui.config.themes import load_theme
from lilfox_tui.demo.stack import Stack
from lilfox_tui.logs import window
from lilfox_tui.logs.files import follow
from lilfox_tui.logs.record import EPOCH, LogRecord
from lilfox_tui.logs.sources import file, journald
from lilfox_tui.monitor.changes import ChangeLog
from lilfox_tui.monitor.monitor import Monitor
from tests.app.log_files import pane_of
from tests.app.still import screen_text
from tests.bench import logs_made
from tests.lab.machines import Machine, MachineLab
from tests.lab.watching import NOT_BUSY
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.waiting import PATIENCE_S, unhurried, until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
SIZE = (120, 40)
BIG_RECORDS = 200_000
SAY = """i=0; while :; do
i=$((i+1)); echo tick $i; echo $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) INFO line $i >>/var/log/app.log; sleep 0.1
done"""
"""A program on the host: what it prints is in the journal, and it has a log of its own."""
NOT_BY_ITSELF_S = (600.0,)
"""Instead of the waits before a next try: so long no test waits."""
Noted = Callable[[str, object], None]


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("logs1")
    made.up()
    made.ssh(f"systemd-run --quiet --unit=lilfox-says sh -c '{SAY}'")
    yield made
    made.kill()


@pytest.fixture
def remote() -> dict[str, LogConfig]:
    """What the host has."""
    return {
        "journal": journald.Options(host="logs1", unit="lilfox-says.service"),
        "app": file.Options(host="logs1", path="/var/log/app.log"),
    }


@asynccontextmanager
async def running(
    lab: MachineLab, machine: Machine, logs: dict[str, LogConfig], services: dict[str, ServiceConfig]
) -> AsyncIterator[Pilot[None]]:
    """The app on the host, ``services`` and ``logs``, once the host was reached."""
    config = Config(hosts={"logs1": machine.config()}, services=services, logs=logs, thresholds=NOT_BUSY, ssh=lab.ssh())
    monitor = Monitor(config, changes=ChangeLog())
    app = LilFoxApp(monitor, config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: monitor.host("logs1").link.value is not None, what="the host is reached")
        yield pilot


def shown(pane: LogsPane) -> list[LogRecord]:
    merged = pane.state.merged
    return [] if merged is None else [row.item for row in merged.shown if isinstance(row.item, LogRecord)]


def times(pane: LogsPane) -> list[int]:
    found = [record.entry.time_us for record in shown(pane)]
    assert None not in found
    return [time_us for time_us in found if time_us is not None]


def sources(pane: LogsPane) -> set[str]:
    return {record.source for record in shown(pane)}


def is_quiet(pane: LogsPane) -> bool:
    return pane.state.merged is not None and not pane.state.merged.searching


async def opened(pilot: Pilot[None]) -> LogsPane:
    """The pane, once every source has answered."""
    app = pilot.app
    assert isinstance(app, LilFoxApp)
    await pilot.press("2")
    pane = pane_of(app)
    state = pane.state
    await until(lambda: state.sources and all(each.status.value is not None for each in state.sources), what="all read")
    await until(lambda: is_quiet(pane), what="nothing is waited for")
    return pane


async def typed(pilot: Pilot[None], key: str, text: str) -> None:
    """Answers the question that a key asks, at one stroke."""
    await pilot.press(key)
    pilot.app.query_one("#line", Input).value = text
    await pilot.press("enter")


# ---- every kind of source, one list ----------------------------------------------------------------------------------


@asynccontextmanager
async def every_kind(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[dict[str, LogConfig], Stack]]:
    """Logs of the demo, nginx and PostgreSQL, a big one, and one of last week, packed."""
    week = datetime.now(UTC) - timedelta(days=7)
    old = [{"timestamp": (week + timedelta(seconds=at)).isoformat(), "message": f"old {at}"} for at in range(500)]
    (folder / "batch.log.gz").write_bytes(gzip.compress("".join(f"{json.dumps(each)}\n" for each in old).encode()))
    patch.setattr(logs_made, "BEGAN", datetime.now(UTC) - BIG_RECORDS * logs_made.STEP)
    await asyncio.to_thread(logs_made.make, folder / "big.log", BIG_RECORDS)
    async with AsyncExitStack() as up:
        stack = await up.enter_async_context(Stack(port_base=0, rate=40))
        nginx = up.enter_context(await asyncio.to_thread(Nginx, folder / "nginx"))
        postgres = up.enter_context(await asyncio.to_thread(Postgres))
        for path in ("/", "/files/x"):
            await asyncio.to_thread(nginx.get, path)
        await asyncio.to_thread(postgres.query, "select *\nfrom nowhere")
        await until(lambda: stack.logs["gateway"].read_bytes().count(b" 200") > 20, what="requests were answered")
        paths = {**stack.logs, "big": folder / "big.log", "access": nginx.access_log, "error": nginx.error_log}
        paths |= {"postgres": postgres.log, "batch": folder / "batch.log.gz"}
        yield {name: file.Options(path=str(path), zone="UTC") for name, path in paths.items()}, stack


async def test_every_kind_of_source_is_in_one_list_and_a_request_is_followed_over_all(
    lab: MachineLab,
    machine: Machine,
    remote: dict[str, LogConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Noted,
) -> None:
    async with every_kind(tmp_path, monkeypatch) as (logs, stack), running(lab, machine, logs | remote, {}) as pilot:
        began = time.monotonic()
        pane = await opened(pilot)
        record_property("opened_s", time.monotonic() - began)
        assert len(pane.state.sources) == 10
        await pilot.press("g")
        await until(lambda: sources(pane) == {"batch"}, what="the oldest are of last week")
        assert times(pane) == sorted(times(pane))
        middle = stack.logs["gateway"].read_bytes().splitlines()[10]
        await typed(pilot, "J", json.loads(middle)["timestamp"][:19])
        await until(lambda: len(sources(pane)) >= 6 and is_quiet(pane), what="a time that all were in")
        assert {"gateway", "backend", "model", "big", "journal", "app"} <= sources(pane)
        assert times(pane) == sorted(times(pane))
        whole = stack.logs["model"].read_bytes().splitlines()[-1]  # some requests end at the gateway: /missing
        await _follow_a_request(pilot, pane, json.loads(whole)["request_id"])
        await pilot.press("escape")
        await typed(pilot, "slash", "level>=error and not source=big")
        wanted = {"error", "postgres"}
        await until(lambda: sources(pane) == wanted, what=f"what is wrong: {wanted}, not {sources(pane)}")


async def _follow_a_request(pilot: Pilot[None], pane: LogsPane, request_id: str) -> None:
    await typed(pilot, "slash", f"source=gateway and request_id={request_id}")
    await until(lambda: sources(pane) == {"gateway"}, what="the gateway's alone")
    record = pane.state.selected_record
    assert record is not None
    assert record.entry.fields["request_id"] == request_id
    await pilot.press("enter")
    await until(lambda: pane.state.page is not None and pane.state.page.rows, what="the record's page")
    assert pane.state.page is not None
    names = [None if row.field is None else row.field.name for row in pane.state.page.rows]
    first = next(at for at, name in enumerate(names) if name is not None)
    await pilot.press(*["j"] * (names.index("request_id") - first), "=")
    await until(lambda: sources(pane) == {"gateway", "backend", "model"}, what="the request, everywhere")
    await until(lambda: is_quiet(pane), what="nothing more is looked for")
    assert len(shown(pane)) == 3
    assert {each.entry.fields["request_id"] for each in shown(pane)} == {request_id}
    assert times(pane) == sorted(times(pane))
    assert str(request_id) in screen_text(pilot)


# ---- from Metrics to logs --------------------------------------------------------------------------------------------


async def test_l_leads_to_the_logs_of_a_host_and_of_a_service_at_the_time_that_is_shown(
    lab: MachineLab, machine: Machine, remote: dict[str, LogConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "PATIENCE_S", PATIENCE_S)  # on a busy machine too, no source is late
    async with Stack(port_base=0, rate=20) as stack:
        logs = {name: file.Options(path=str(path), zone="UTC") for name, path in stack.logs.items()}
        async with running(lab, machine, logs | remote, stack.services) as pilot:
            app = pilot.app
            assert isinstance(app, LilFoxApp)
            await _goes_to_logs(pilot, ("host", "logs1"), ["journal", "app"])
            await _goes_to_logs(pilot, ("service", "backend"), ["backend"])
            await until(lambda: datetime.now(UTC) - oldest_known(app) > timedelta(seconds=2), what="a past")
            await pilot.press("1", "[")
            assert app.rewound is not None
            app.metrics.open_page(("host", "logs1"))
            await pilot.press("l")
            pane = pane_of(app)
            await until(lambda: sources(pane) == {"journal", "app"} and is_quiet(pane), what="its logs")
            _stands_at(pane, app.rewound)
            await pilot.press("1", "]", "`")
            assert app.rewound is None


async def _goes_to_logs(pilot: Pilot[None], subject: Subject, names: list[str]) -> None:
    app = pilot.app
    assert isinstance(app, LilFoxApp)
    await pilot.press("1")
    await until(lambda: app.shown is not None, what="an overview")
    app.metrics.open_page(subject)
    await pilot.press("l")
    pane = pane_of(app)
    await until(lambda: [each.name for each in pane.state.shown_sources] == names, what="its logs")
    await until(lambda: sources(pane) == set(names) and pane.state.at_end, what="the newest of all")


def _stands_at(pane: LogsPane, at: datetime) -> None:
    """The selected record is the newest, and none is later than ``at``."""
    assert pane.state.merged is not None
    known = times(pane)
    assert known == sorted(known)
    assert known
    assert known[-1] <= (at - EPOCH) // timedelta(microseconds=1)
    assert pane.state.cursor is None or pane.state.merged.index(pane.state.cursor) == len(known) - 1


# ---- outages ---------------------------------------------------------------------------------------------------------


SSHD_MAY_START = "var/tmp/sshd-may-start"


def kill_sshd(machine: Machine) -> None:
    """Ends sshd and every session; it starts again after ``start_sshd``, however long the test looks before."""
    waits = f"until rm /{SSHD_MAY_START}; do sleep 0.1; done"
    machine.ssh(f"systemd-run --quiet sh -c 'systemctl stop ssh; pkill -KILL sshd; {waits}; systemctl start ssh'")


def start_sshd(machine: Machine) -> None:
    (machine.root / SSHD_MAY_START).touch()


OUTAGES: dict[str, tuple[Callable[[Machine], None], Callable[[Machine], None]]] = {
    "cut": (Machine.cut, Machine.heal),
    "frozen": (Machine.freeze, Machine.thaw),
    "sshd": (kill_sshd, start_sshd),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_what_is_followed_through_an_outage_is_told_and_comes_back_with_the_host(
    lab: MachineLab,
    machine: Machine,
    remote: dict[str, LogConfig],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Noted,
    outage: str,
) -> None:
    monkeypatch.setattr(journald, "AGAIN_S", NOT_BY_ITSELF_S)
    monkeypatch.setattr(follow, "RETRIES_S", NOT_BY_ITSELF_S)
    monkeypatch.setattr(window, "RETRIES_S", NOT_BY_ITSELF_S)
    break_it, mend_it = OUTAGES[outage]
    async with Stack(port_base=0, rate=20) as stack:
        logs = {"gateway": file.Options(path=str(stack.logs["gateway"]), zone="UTC")}
        async with running(lab, machine, logs | remote, {}) as pilot:
            pane = await opened(pilot)
            merged = pane.state.merged
            assert merged is not None
            broken_at = datetime.now(UTC)
            await asyncio.to_thread(break_it, machine)
            try:
                await until(lambda: set(merged.troubles) == {"journal", "app"}, what="it is told")
                for trouble in merged.troubles.values():
                    assert broken_at <= trouble.since <= datetime.now(UTC)
                    assert trouble.next_try is not None
                since = f"since {merged.troubles['app'].since:%H:%M:%S}, "
                for words in ("✖ journal: ", "✖ app: ", since):
                    await until(partial(_says, pilot, words), what=f"the screen says {words}")
                await _goes_on_with_what_is_here(pilot, pane)
            finally:
                await asyncio.to_thread(mend_it, machine)
            await until(lambda: machine.answers(), what="the host answers")
            answers_s = time.monotonic()
            await until(lambda: not merged.troubles, timeout_s=unhurried(8), what="it comes back by itself")
            record_property("back_s", time.monotonic() - answers_s)
            back_us = int(time.time() * 1e6)
            await until(lambda: _latest(pane, "journal") > back_us and _latest(pane, "app") > back_us, what="new ones")
            await _counts_on(pane, "journal")
            await _counts_on(pane, "app")


def _says(pilot: Pilot[None], words: str) -> bool:
    return words in screen_text(pilot)


async def _goes_on_with_what_is_here(pilot: Pilot[None], pane: LogsPane) -> None:
    now_us = int(time.time() * 1e6)
    await until(lambda: _latest(pane, "gateway") > now_us, what="what is here is followed")
    before = pane.state.cursor
    await pilot.press("k", "k")
    assert pane.state.cursor != before
    assert not pane.state.at_end
    await pilot.press("G")
    await until(lambda: pane.state.at_end, what="at the end again")


def _latest(pane: LogsPane, source: str) -> int:
    return max((each.entry.time_us or 0 for each in shown(pane) if each.source == source), default=0)


def _numbers(pane: LogsPane, source: str) -> list[int]:
    said = [each.entry.message for each in shown(pane) if each.source == source]
    return [int(text.rpartition(" ")[2]) for text in said if text.startswith(("tick ", "line "))]


async def _counts_on(pane: LogsPane, source: str) -> None:
    """Nothing is lost and nothing comes twice: the program counts."""
    await until(lambda: len(_numbers(pane, source)) > 30, what="it has counted for a while")
    numbers = _numbers(pane, source)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_search_on_a_host_that_is_cut_off_goes_on_with_the_host(
    lab: MachineLab, machine: Machine, remote: dict[str, LogConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "RETRIES_S", NOT_BY_ITSELF_S)
    async with running(lab, machine, remote, {}) as pilot:
        pane = await opened(pilot)
        await pilot.press("f")
        await asyncio.to_thread(machine.cut)
        try:
            await typed(pilot, "slash", "/(tick|line) 7$/")
            merged = pane.state.merged
            assert merged is not None
            await until(lambda: set(merged.searching) == {"journal", "app"}, what="it searches")
            await until(lambda: "searching journal, app" in screen_text(pilot), what="it says so")
            await until(lambda: set(merged.troubles) == {"journal", "app"}, what="the cut is told")
            await until(lambda: "✖ app: " in screen_text(pilot), what="on the screen")
        finally:
            await asyncio.to_thread(machine.heal)
        await until(lambda: sources(pane) == {"journal", "app"}, what="it is found")
        assert {each.entry.message for each in shown(pane)} == {"tick 7", "line 7"}
        assert not merged.troubles
